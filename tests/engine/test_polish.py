"""Polishing: joint training on from what was composed, resumable, locked and verified."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pico
import pytest
import ran
from commandline import recipe
from control_recipes.engine import adapter, assembling, compose, extract, lock, united, verify
from control_recipes.engine.errors import InputError
from control_recipes.engine.plan import Composed, Plan
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve
from paired import MADE, ONE, TWO

WORDS = ("compose", str(ONE), str(TWO), "--weights", "1,0.8", "--polish", "one.yaml", "--polish", "two.yaml")
POLISHED = Path("runs/bright/bright.safetensors")


def plans() -> list[Plan]:
    return [resolve(read(Path(f"{name}.yaml"))) for name in ("one", "two")]


class Impatient(ran.Heard):
    """Presses Ctrl-C after the first step."""

    def step(self, step: object) -> None:
        raise KeyboardInterrupt


def test_it_begins_from_what_is_composed_and_verifies(pair: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe(*WORDS, "--steps", "2", "--name", "bright", "--json", "--quiet") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["steps"] == 2
    before, after = adapter.load(MADE)[0], adapter.load(POLISHED)[0]
    assert {name: value.shape for name, value in before.items()} == {n: value.shape for n, value in after.items()}
    moved = max(float((after[name] - before[name]).abs().max()) for name in before)
    assert 0 < moved < 0.02  # two steps of AdamW at 1e-3, of factors two times apart
    found = verify.verify(POLISHED.with_suffix(".lock"), retrain=True)
    assert found.verified, found.text()
    assert "composed again and polished, 2 steps, the same tensors, bit for bit" in found.text()
    outcome = lock.read(POLISHED.with_suffix(".lock")).outcome
    assert outcome is not None
    assert (outcome.steps, outcome.stopped) == (2, "steps")
    assert [one.name for one in extract.extract(POLISHED).parents] == ["one", "two"]
    matrix = told["matrix"]["one.horizon"]
    assert set(matrix) == {"bare", "one", "two", "one + two", "all"}
    # it is an adapter like any other
    assert recipe("compose", str(POLISHED), str(ONE), "--name", "again", "--quiet") == 0


def test_it_goes_on_where_it_was_left_with_the_same_bits(pair: Path):
    chosen = {"weights": [1, 0.8], "polish": plans(), "steps": 3}
    whole = compose.compose([ONE, TWO], "whole", listener=ran.Heard(), **chosen)
    with pytest.raises(KeyboardInterrupt):
        compose.compose([ONE, TWO], "whole", Path("left"), listener=Impatient(), **chosen)
    assert not Path("left/whole.safetensors").exists()
    heard = ran.Heard()
    made = compose.compose([ONE, TWO], "whole", Path("left"), listener=heard, **chosen)
    assert "whole: goes on after step 1 of 3" in heard
    assert made.tensors_sha256 == whole.tensors_sha256
    again = compose.compose([ONE, TWO], "whole", Path("left"), listener=(heard := ran.Heard()), **chosen)
    assert "whole: training is done already, 3 steps" in heard
    assert again.tensors_sha256 == whole.tensors_sha256
    # of another plan, nothing is gone on from
    other = compose.compose([ONE, TWO], "whole", Path("left"), listener=(heard := ran.Heard()), polish=plans(), steps=1)
    assert not any("goes on" in line for line in heard)
    assert other.steps == 1


def test_the_factors_are_as_far_apart_as_they_were_trained(pair: Path):
    made = united.united(
        "both",
        [(one.name, one) for one in plans()],
        Composed((), 0),
        5,
        united.Polish(("one", "two"), 2),
    )
    assert (made.adapter.rank, made.adapter.alpha) == (5, 10.0)  # one has rank 2 and alpha 4
    assert united.united("both", [(one.name, one) for one in plans()], Composed((), 0), 5).adapter.alpha == 5.0


def test_each_adapter_is_trained_on_as_often_and_never_on_what_another_holds_out():
    one, two = plans_by_hand(), plans_by_hand()
    few = replace(two, train_rows=two.train_rows[:1])
    polish = united.Polish(("a", "b"), 50)
    rows = united.united("c", [("a", one), ("b", few)], Composed((), 0), 2, polish).train_rows
    owners = [row.asks[0].question.partition(".")[0] for row in rows]
    assert owners == ["a"] * 3 + ["b"] * 3
    short = united.united("c", [("a", one), ("b", few)], Composed((), 0), 2, united.Polish(("a", "b"), 1)).train_rows
    assert len(short) == 4  # one step of two pictures: no more can be drawn
    other = tuple(replace(row, prompt=f"{row.prompt} by night") for row in two.train_rows)
    held = replace(two, train_rows=other, test_rows=one.train_rows[:2])
    rows = united.united("c", [("a", one), ("b", held)], Composed((), 0), 2, polish).train_rows
    assert {row.prompt for row in rows if row.asks[0].question.startswith("a.")} == {one.train_rows[2].prompt}
    held = replace(two, test_rows=one.train_rows)  # which it trains on as well
    rows = united.united("c", [("a", one), ("b", held)], Composed((), 0), 2, polish).train_rows
    assert len({row.prompt for row in rows if row.asks[0].question.startswith("a.")}) == 3
    held = replace(held, train_rows=other)
    with pytest.raises(united.HeldOut, match="a has nothing left to train on"):
        united.united("c", [("a", one), ("b", held)], Composed((), 0), 2, polish)
    alone = united.united("c", [("a", one), ("b", two)], Composed((), 0), 2, united.Polish(("b",), 50)).train_rows
    assert {row.asks[0].question.partition(".")[0] for row in alone} == {"b"}


def test_critics_of_one_name_get_names_that_are_free():
    plan = plans_by_hand()
    eyes = plan.critics[0]

    def seen(*critics: tuple[str, float]) -> Plan:
        made = tuple(replace(eyes, name=name, weight=weight) for name, weight in critics)
        return replace(
            plan, critics=made, questions=tuple(replace(q, critics=(critics[-1][0],)) for q in plan.questions)
        )

    parts = [("b", seen(("eyes", 2.0), ("a.eyes", 3.0))), ("a", seen(("eyes", 4.0)))]
    made = united.united("c", parts, Composed((), 0), 2, united.Polish(("a", "b"), 1))
    assert {one.name: one.weight for one in made.critics} == {"eyes": 2.0, "a.eyes": 3.0, "a.eyes_2": 4.0}
    assert {one.critics for one in made.questions if one.name.startswith("a.")} == {("a.eyes_2",)}
    assert {one.critics for one in made.questions if one.name.startswith("b.")} == {("a.eyes",)}
    assert united.united("c", parts, Composed((), 0), 2).critics == made.critics  # what is polished later is by these


def test_what_composes_a_composition_is_polished_as_its_first_was_trained():
    plan = plans_by_hand()
    train = replace(plan.train, estimate="noisy", backprop="replay", replay=replace(plan.train.replay, sigma=0.4))
    first = replace(plan, train=train)
    inner = united.united("inner", [("a", first), ("b", plan)], Composed((), 0), 2)
    assert inner.train.steps == 0
    outer = united.united("outer", [("i", inner), ("b", plan)], Composed((), 0), 2, united.Polish(("i", "b"), 3)).train
    assert (outer.steps, outer.estimate, outer.backprop, outer.replay) == (3, "noisy", "replay", train.replay)


def plans_by_hand() -> Plan:
    return pico.plan_of(pico.generator(Path("flux")), Path("critic"))


@pytest.mark.parametrize(
    "words",
    [
        (*WORDS[:2], "--polish", "two.yaml", "--name", "a"),  # two.yaml is of no adapter that is given
        (*WORDS[:3], "--steps", "3", "--name", "a"),
    ],
)
def test_what_cannot_be_polished_is_refused(pair: Path, words: tuple[str, ...]):
    assert recipe(*words) == 2
    assert not Path("runs/a").exists()


def test_what_a_recipe_holds_out_whole_is_not_polished_on(pair: Path):
    one, two = plans()
    own = tuple(replace(row, prompt=f"{row.prompt} by night") for row in two.train_rows)
    held = replace(two, train_rows=own, test_rows=one.train_rows)
    with pytest.raises(InputError, match="--polish: one has nothing left to train on: every prompt"):
        compose.compose([ONE, TWO], "held", polish=[one, held], steps=1, listener=ran.Heard())
    assert not Path("runs/held").exists()


def test_a_folder_of_somebody_is_left_alone(pair: Path, capsys: pytest.CaptureFixture[str]):
    Path("mine").mkdir()
    Path("mine/report.html").write_text("mine", "utf-8")
    assert recipe("compose", str(ONE), "--name", "a", "--out", "mine") == 2
    assert "mine/report.html: would be replaced, and lies in a folder that is no run's" in capsys.readouterr().err
    assert Path("mine/report.html").read_text("utf-8") == "mine"
    Path("mine/report.html").unlink()
    Path("mine/a.lock").write_text("mine", "utf-8")
    assert recipe("compose", str(ONE), "--name", "a", "--out", "mine") == 2
    Path("mine/a.lock").rename("mine/b.lock")
    assert recipe("compose", str(ONE), "--name", "a", "--out", "mine", "--quiet") == 0
    assert Path("mine/b.lock").read_text("utf-8") == "mine"


def test_the_generator_is_loaded_once(pair: Path, monkeypatch: pytest.MonkeyPatch):
    from control_recipes.engine import generators

    count, load = itertools.count(1), generators.load
    monkeypatch.setattr(generators, "load", lambda chosen: (next(count), load(chosen))[1])
    compose.compose([ONE, TWO], "once", listener=ran.Heard(), tune=plans(), polish=plans(), steps=1)
    assert next(count) == 2
    assert assembling.STOPPED == "composed"
