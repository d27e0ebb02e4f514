"""A run that is killed at any moment, again and again, ends as if nobody had disturbed it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import killing

HARNESS = Path(__file__).parent / "killing.py"
# without what measures take long: they have no state that a kill could lose
CHANGES = (
    ("steps: 3", "steps: 6"),
    ('  horizon: {horizon_row: {near: "{{ height }}", within: 0.06}}\n', ""),
    ("  named: {factors: {keep: [thing, color]}}\n", ""),
    ("goal: {measure: horizon, question: zed}\n", ""),
)


def killed(tiny: Path, seed: int, *ways: str) -> list[dict[str, Any]]:
    text = tiny.read_text("utf-8")
    for old, new in CHANGES:
        assert old in text
        text = text.replace(old, new)
    tiny.write_text(text, "utf-8")
    command = [sys.executable, str(HARNESS), ".", str(seed), *ways]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_killed_run_ends_as_if_nobody_had_disturbed_it(tiny: Path):
    moments, boundaries, forgetful = killed(tiny, 3, "moments:4", "boundaries:9", "forgetful:2")
    for told, kills in ((moments, 4), (boundaries, 9)):
        assert told["kills"] == sum(told["where"].values()) == kills
        assert told["runs"] > 0
        assert told["different"] == []
    assert {"training", "locking"} <= set(boundaries["where"])  # not one part of a run alone
    # the harness sees what a kill loses
    assert {"runs/tiny/tiny.safetensors", "metrics.jsonl"} <= set(forgetful["different"])


def test_the_harness_knows_what_a_run_is_at(tmp_path: Path):
    run = tmp_path / "runs" / "tiny"
    assert killing.at(tmp_path) == "starting"
    run.mkdir(parents=True)
    for number, (name, said) in enumerate(
        [("plan.json", "starting"), ("metrics.jsonl", "training"), ("tiny.safetensors", "evaluating"),
         ("evaluation.json", "locking"), ("report.html", "ending")]
    ):  # fmt: skip
        (run / name).touch()
        os.utime(run / name, (1000 + number, 1000 + number))
        assert killing.at(tmp_path) == said
