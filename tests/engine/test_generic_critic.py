"""A critic without a family of its own teaches an adapter, from the recipe to the file."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import picos
import pytest
from control_recipes.cli import main
from control_recipes.engine import resolve, workload
from control_recipes.engine.recipe import read

SETS = ["train.steps=1", "evaluate.seeds=1", "evaluate.scales=[1]", "train.batch=1"]


def test_it_is_planned_one_by_one_and_trains(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    shutil.rmtree("critic")
    picos.CASES["mistral3"].build(Path("critic"), 1)
    plan = resolve.resolve(read(tiny, SETS))
    assert [one.model.family for one in plan.critics] == ["generic"]
    asked = workload.workload(plan).training.critics["eyes"]
    assert asked.passes == asked.questions > asked.views
    monkeypatch.setattr(sys, "argv", ["recipe", "run", str(tiny), "--json", *(f"--set={one}" for one in SETS)])
    with pytest.raises(SystemExit) as left:
        main()
    out = capsys.readouterr()
    assert left.value.code in (0, 1), out.err  # what it expects of a picture, nothing has taught it in a step
    told = json.loads(out.out)
    assert Path(told["adapter"]).is_file()
    assert 0 < told["questions"]["zed"]["critics"]["eyes"]["after"]["p"] < 1
