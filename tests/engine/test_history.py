"""Curves from metrics.jsonl, also from one that a kill cut short."""

from __future__ import annotations

from pathlib import Path

import made
from control_recipes.engine import history


def test_steps_and_looks_become_curves(tmp_path: Path):
    past = history.read(made.run_folder(tmp_path) / "metrics.jsonl")
    assert past.steps == 120
    assert len(past.loss) == 120
    assert len(past.p["aligned", "eyes"]) == 120
    assert [step for step, _ in past.looks["aligned", "second"]] == [25, 50, 75, 100]


def test_a_line_cut_short_is_left_out(tmp_path: Path):
    path = made.run_folder(tmp_path) / "metrics.jsonl"
    whole = path.read_text("utf-8")
    path.write_text(whole[:-20], "utf-8")
    assert history.read(path).steps == 119


def test_no_file_is_no_history(tmp_path: Path):
    assert history.read(tmp_path / "none").loss == ()
