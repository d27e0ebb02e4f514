"""Running a recipe that composes: parents first where they are missing or stale, each in its place, nothing twice."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from pathlib import Path

import pytest
from commandline import recipe
from control_recipes.engine import adapter, extract, lock, lock_places, verify
from control_recipes.engine.gallery import Source
from paired import MADE, ONE, TWO

LOW = "recipe: 1\nname: low\ncompose: {one.yaml: 1.0, two.yaml: 0.8}\nexpect: {one.sharp: {at_least: 0.0}}\n"
ADAPTER = Path("runs/low/low.safetensors")


@pytest.fixture
def here(pair: Path) -> Path:
    (pair / "low.yaml").write_text(LOW, "utf-8")
    return pair


def change(path: str, old: str, new: str) -> None:
    text = Path(path).read_text("utf-8")
    assert old in text
    Path(path).write_text(text.replace(old, new, 1), "utf-8")


def times(*paths: Path) -> list[int]:
    return [path.stat().st_mtime_ns for path in paths]


def test_what_is_there_is_composed_and_nothing_trained(here: Path, capsys: pytest.CaptureFixture[str]):
    before = times(ONE, TWO, Path("one.lock"), Path("two.lock"))
    assert recipe("run", "low.yaml", "--json") == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["name"], told["steps"], told["stopped"]) == ("low", 0, "composed")
    assert told["expect"] == {"one.sharp": {"wanted": "at least 0", "got": 1.0, "met": True}}
    assert "one: up to date, runs/one/one.safetensors" in err
    assert times(ONE, TWO, Path("one.lock"), Path("two.lock")) == before
    # the command composes the same tensors
    assert told["tensors_sha256"] == adapter.tensors_sha256(adapter.load(MADE)[0])
    assert lock.read(Path("low.lock")).recipe == "low.yaml"
    page = Path("runs/low/report.html").read_text("utf-8")
    assert "1 × one + 0.8 × two" in page
    assert "Side by side" in page
    carried = extract.extract(ADAPTER)
    assert carried.recipe == LOW
    assert [one.name for one in carried.parents] == ["one", "two"]
    # a second time, nothing is done at all
    before = times(ADAPTER, Path("low.lock"), Path("runs/low/report.html"))
    assert recipe("run", "low.yaml", "--locked", "--json") == 0
    assert "low: up to date in runs/low" in capsys.readouterr().err
    assert times(ADAPTER, Path("low.lock"), Path("runs/low/report.html")) == before
    assert recipe("run", "low.yaml", "--frozen", "--quiet") == 0
    found = verify.verify(Path("low.yaml"), retrain=True)
    assert found.verified, found.text()
    assert "composed again, the same tensors, bit for bit" in found.text()
    assert "one, two: there, with the tensors that were composed" in found.text()
    assert recipe("eval", "low.yaml", "--json", "--quiet") == 0
    assert recipe("report", "runs/low", "--quiet") == 0
    assert recipe("compose", str(ADAPTER), str(ONE), "--name", "more", "--quiet") == 0
    assert recipe("compose", str(ONE), "--name", "low", "--quiet") == 2  # the folder is a recipe's


def test_what_a_lower_rank_costs_is_told(here: Path, capsys: pytest.CaptureFixture[str]):
    change("low.yaml", "{one.yaml: 1.0, two.yaml: 0.8}", "{recipes: {one.yaml: 1, two.yaml: 1}, rank: 1}")
    assert recipe("run", "low.yaml") == 0
    assert re.search(r"^low: \d+ % of the energy lost, .*; rank \d+ would keep 99 %$", capsys.readouterr().err, re.M)


def test_parents_that_are_missing_or_stale_are_trained_first(here: Path, capsys: pytest.CaptureFixture[str]):
    Path("all.yaml").write_text("recipe: 1\nname: all\ncompose: {low.yaml: 1.0, one.yaml: 0.5}\n", "utf-8")
    ONE.unlink()
    change("two.yaml", "seed: 7", "seed: 8")
    assert recipe("run", "all.yaml", "--locked", "--quiet") == 1  # nothing is done, and each lock that is stale told
    assert "two.lock: " in capsys.readouterr().err
    assert not ONE.exists()
    assert recipe("run", "all.yaml") == 0
    err = capsys.readouterr().err
    places = [
        err.index("runs/one/one.safetensors: is gone"),
        err.index("runs/two held a run of another plan: renamed runs/two.1"),
        err.index("low: ready, runs/low/low.safetensors"),
        err.index("runs/all/report.html"),
    ]
    assert places == sorted(places)
    for name in ("one", "two", "low", "all"):
        found = verify.verify(Path(f"{name}.yaml"), retrain=True)
        assert found.verified, found.text()
    assert [one.name for one in extract.extract(Path("runs/all/all.safetensors")).parents] == ["low", "one"]
    assert recipe("run", "all.yaml", "low.yaml") == 0
    err = capsys.readouterr().err
    assert "trained again" not in err
    assert "training" not in err


def test_other_tensors_of_the_same_plan_are_composed_anew(here: Path, capsys: pytest.CaptureFixture[str]):
    change("low.yaml", "{one.yaml: 1.0, two.yaml: 0.8}", "{recipes: {one.yaml: 1, two.yaml: 1}, polish: {steps: 1}}")
    assert recipe("run", "low.yaml", "--quiet") == 0
    first = adapter.tensors_sha256(adapter.load(ADAPTER)[0])
    found = verify.verify(Path("low.yaml"), retrain=True)
    assert found.verified, found.text()
    assert "composed again and polished, 1 step" in found.text()
    # as if it had been trained on another machine: the same plan, other bits
    tensors, metadata = adapter.load(ONE)
    key = min(tensors)
    tensors[key] = tensors[key] * 1.5
    adapter.save(ONE, tensors, metadata | {"control_recipes.tensors_sha256": adapter.tensors_sha256(tensors)})
    held = lock.read(Path("one.lock"))
    assert held.outcome is not None
    sha256 = hashlib.sha256(ONE.read_bytes()).hexdigest()
    outcome = dataclasses.replace(held.outcome, adapter_sha256=sha256, tensors_sha256=adapter.tensors_sha256(tensors))
    lock.write(dataclasses.replace(held, outcome=outcome), Path("one.lock"))
    assert "one: gone, or trained again since" in verify.verify(Path("low.yaml")).text()
    capsys.readouterr()
    assert recipe("run", "low.yaml") == 0
    assert "low: what it is composed of was trained again since, so it is composed anew" in capsys.readouterr().err
    assert adapter.tensors_sha256(adapter.load(ADAPTER)[0]) != first


def test_a_run_that_was_stopped_goes_on(here: Path, monkeypatch: pytest.MonkeyPatch):
    from control_recipes.engine import console

    text = LOW.replace("{one.yaml: 1.0, two.yaml: 0.8}", "{recipes: {one.yaml: 1, two.yaml: 1}, polish: {steps: 3}}")
    Path("low.yaml").write_text(text, "utf-8")
    ONE.unlink()
    with monkeypatch.context() as patched:

        def stopped(self: object, step: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(console.Talk, "step", stopped)
        assert recipe("run", "low.yaml", "--quiet") == 130
        assert not ADAPTER.exists()
        assert lock.there(Path("low.lock")) is None
    assert recipe("run", "low.yaml", "--quiet") == 0
    whole = adapter.tensors_sha256(adapter.load(ADAPTER)[0])
    assert recipe("run", "low.yaml", "--out", "elsewhere", "--quiet") == 0
    assert adapter.tensors_sha256(adapter.load(Path("elsewhere/low.safetensors"))[0]) == whole
    held = lock.read(Path("low.lock")).outcome
    assert held is not None
    assert (held.adapter, held.steps, held.stopped) == ("elsewhere/low.safetensors", 3, "steps")


def test_a_lock_whose_recipe_says_something_else_is_not_run_from(here: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe("lock", "low.yaml", "--quiet") == 0
    change("low.yaml", "two.yaml: 0.8", "two.yaml: 0.7")
    assert recipe("run", "low.yaml", "--frozen", "--quiet") == 2
    assert "takes the recipes that it was written for" in capsys.readouterr().err
    assert not Path("runs/low").exists()


def test_a_parent_with_out_elsewhere_is_taken_from_there(here: Path):
    Path("runs/one").rename("kept")
    assert recipe("run", "one.yaml", "--out", "kept", "--quiet") == 0  # its lock names that one now
    assert recipe("run", "low.yaml", "--quiet") == 0
    assert not Path("runs/one").exists()
    assert lock_places.found(Source(Path("one.yaml"), False)) == Path("one.lock")
