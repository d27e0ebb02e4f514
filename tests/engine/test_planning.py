"""What `recipe plan` says: memory that grows as it should, advice that helps, and data that stay as documented."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from pathlib import Path

import pytest
from control_recipes.cli import main
from control_recipes.engine import capacity, estimate, gallery, planning, resolve
from control_recipes.engine.plan import Plan, canonical, digest
from control_recipes.engine.recipe import read

ROOT = Path(__file__).parents[2]
CPU = capacity.Device("cpu", "x86_64", 16 * 2**30, 8 * 2**30, 2)
# of the process above its libraries, measured once in trainings of horizon_low and an evaluation: bytes by batch
TRAINED = {8: 275 * 2**20, 32: 919 * 2**20}
EVALUATED = 498 * 2**20


def horizon(*sets: str) -> Plan:
    return resolve.resolve(read(gallery.find("horizon_low.yaml").path, sets))


def stages(plan: Plan) -> dict[str, estimate.Stage]:
    return {stage.name: stage for stage in estimate.estimate(plan, CPU).stages}


@pytest.mark.parametrize("batch", TRAINED)
def test_memory_of_training_is_what_was_measured(batch: int):
    assert stages(horizon(f"train.batch={batch}"))["train"].total == pytest.approx(TRAINED[batch], rel=0.25)


def test_memory_of_the_evaluation_is_what_was_measured():
    assert stages(horizon())["evaluate"].total == pytest.approx(EVALUATED, rel=0.25)


def test_kept_values_are_what_autograd_was_counted_to_keep():
    found = stages(horizon())["train"]  # MiB, counted by saved-tensor hooks in a step of eight pictures
    kept = {"backbone": 23.1, "decoder": 69.4, "critics": 45.9}
    assert {name: getattr(found, name) / 2**20 for name in kept} == pytest.approx(kept, rel=0.15)


def test_half_precision_halves_what_is_kept():
    whole, half = stages(horizon())["train"], stages(horizon("generator.dtype=bfloat16"))["train"]
    assert half.backbone == pytest.approx(whole.backbone / 2, rel=0.01)
    assert half.adapter == whole.adapter  # float32 whatever the model's dtype


def test_what_does_not_fit_gets_advice_that_helps():
    plan = horizon("train.batch=512")
    needs = estimate.estimate(plan, CPU)
    tight = dataclasses.replace(CPU, memory_bytes=needs.memory_bytes // 4)
    found = dict(planning.advice(plan, tight, needs))
    assert found["train.batch"].startswith("1, with train.accumulate 512")
    assert found["train.batch"].endswith("fits")
    assert "still too much alone" in found["critics.eyes.dtype"]
    assert not list(planning.advice(plan, dataclasses.replace(CPU, memory_bytes=2 * needs.memory_bytes), needs))


def test_what_nothing_makes_fit_needs_another_device():
    plan = horizon()
    needs = estimate.estimate(plan, CPU)
    found = list(planning.advice(plan, dataclasses.replace(CPU, memory_bytes=2**20), needs))
    assert found[-1][0] == "generator.device"


def test_time_is_a_range_that_grows_with_steps():
    short, long = (estimate.estimate(horizon(f"train.steps={steps}"), CPU) for steps in (100, 1000))
    assert short.step_seconds == pytest.approx(long.step_seconds)
    assert short.seconds[0] < short.seconds[1]
    assert long.seconds[1] - short.seconds[1] >= 900 * short.step_seconds[1]


def told(argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", ["recipe", "plan", *argv])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    return capsys.readouterr().out


def test_json_has_the_documented_fields(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    out = told(["horizon_low.yaml", "--json"], monkeypatch, capsys)
    assert out.count("\n") == 1
    data, plan = json.loads(out), horizon()
    documented = re.findall(r"^\| `([a-z_]+)`", (ROOT / "docs" / "plan.md").read_text("utf-8"), re.MULTILINE)
    assert set(data) == {*documented, "estimate", "measured"}
    assert (data["version"], data["digest"], data["fits"], data["measured"]) == (1, digest(plan), True, None)
    assert data["plan"] == json.loads(canonical(plan))
    assert data["rows"] == {"train": 58, "validate": 6, "test": 64}
    assert data["work"]["training"]["critics"]["eyes"]["passes"] == plan.train.steps
    assert [stage["name"] for stage in data["estimate"]["stages"]] == ["encode", "train", "look", "evaluate"]
    assert data["estimate"]["memory_bytes"] == max(stage["total"] for stage in data["estimate"]["stages"])
    assert set(data["device"]) == {"kind", "name", "memory_bytes", "free_bytes", "cores"}


def test_text_shows_three_prompts_and_says_that_time_is_assumed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    out = told(["horizon_low.yaml"], monkeypatch, capsys)
    assert out.count("“") == planning.SHOWN
    assert "assumed rates; --measure finds out" in out
    assert "above the framework's own" in out


def test_a_model_that_does_not_say_enough_is_no_error(tmp_path: Path):
    import hollow

    seen = planning.outlook(resolve.resolve(read(hollow.workplace(tmp_path))))
    assert seen.needs is None
    assert "config.json" in seen.unknown
    assert "not known" in planning.text(resolve.resolve(read(tmp_path / "r.yaml")), seen)
