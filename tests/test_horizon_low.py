"""The gallery's first recipe, in full and once: the horizon moves in pictures of prompts that were never trained on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import browser
import pytest


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `recipe run horizon_low.yaml --json` says, run from an empty folder, as a person would."""
    code = "import control_recipes.cli as c; c.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "horizon_low.yaml", "--json"],
        cwd=tmp_path_factory.mktemp("whole"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def test_the_horizon_moves(told: dict[str, Any]):
    horizon = told["measures"]["horizon"]
    assert horizon["pictures"] >= 1000
    assert horizon["before"] <= 0.25
    assert horizon["after"] >= 0.90
    assert all(expected["met"] for expected in told["expect"].values())


def test_the_critic_is_not_merely_pleased(told: dict[str, Any]):
    believed = max(asked["after"]["right"] for asked in told["questions"]["aligned"]["critics"].values())
    assert believed - told["measures"]["horizon"]["after"] <= 0.05


def test_what_the_prompt_names_stays(told: dict[str, Any]):
    named = told["measures"]["named"]
    # six factors at once; 0.02 where this was written, and another number of threads trains another adapter
    assert named["before"] - named["after"] <= 0.05


def test_its_report_can_be_looked_at(told: dict[str, Any], tmp_path: Path):
    seen = browser.look(Path(told["report"]), tmp_path)
    assert seen.pictures >= 12 * 3
    assert seen.decoded == seen.pictures
    assert seen.complaints == []
