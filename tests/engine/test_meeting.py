"""Adapters side by side: the matrix counts what is there, and names who fights, and what would help."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pico
import pytest
import torch
from control_recipes.engine import (
    carrying,
    composing,
    figures,
    generators,
    interference,
    lock,
    measures,
    meeting,
    tuning,
)
from control_recipes.engine import plan as plans
from PIL import Image

HEAD = "transformer.transformer_blocks.0.attn"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    pico.flux_folder(folder / "flux")
    return folder


def factors(seed: int, strength: float, layer: str = "to_out.0") -> dict[str, composing.Factors]:
    stream = torch.Generator().manual_seed(seed)
    up = strength * torch.randn(32, 2, generator=stream)
    return {f"{HEAD}.{layer}": (torch.randn(2, 32, generator=stream), up)}


def united(models: Path, still: float, any_at_most: float = 1.0) -> plans.Plan:
    """Two controls: `a.still` asks that pictures hardly change, `b.any` is always so, or never from below 0 on."""
    made = pico.plan_of(pico.generator(models / "flux"), models / "critic")

    def row(prompt: str, measure: str, at_most: float) -> plans.Row:
        return plans.Row(prompt, (), (), (plans.Target(measure, (("at_most", at_most),)),))

    rows = tuple(row(f"a {color} ball", "a.still", still) for color in ("red", "blue", "green"))
    rows += tuple(row(f"a {color} tree", "b.any", any_at_most) for color in ("red", "blue"))
    kinds = (plans.Measure("a.still", "drift"), plans.Measure("b.any", "drift"))
    held = tuple(replace(one, prompt=f"{one.prompt} by night") for one in rows)
    return replace(
        made,
        train=replace(made.train, steps=0),
        measures=kinds,
        questions=(),
        test_rows=rows,
        validate_rows=held,
        evaluate=plans.Evaluate((0, 1, 2), (1.0,), 1),
    )


def members_of(quiet: composing.Adapter, noisy: composing.Adapter) -> list[meeting.Member]:
    return [meeting.Member("a", 1.0, quiet, ("a.still",)), meeting.Member("b", 1.0, noisy, ("b.any",))]


def met(plan: plans.Plan, folder: Path) -> interference.Interference:
    quiet, noisy = factors(1, 0.001), factors(2, 3.0)
    whole = composing.exact([quiet, noisy], [1.0, 1.0])
    with pico.one_thread():
        return meeting.meet(meeting.Meeting(plan, members_of(quiet, noisy), whole), folder)


def between(models: Path) -> float:
    """A drift that the loud adapter exceeds in every picture, and a quarter of it in none."""
    members = [meeting.Member("b", 1.0, factors(2, 3.0), ("a.still",))]
    here = meeting.Meeting(united(models, 1.0), members, members[0].factors)
    drifts: list[list[float]] = [[], []]
    with pico.one_thread():
        columns = [None, here.weighted({"b": 0.25}), here.weighted({"b": 1.0})]
        for _, (bare, *made) in here.painted(here.pairs(False), columns, "drifting"):
            for found, pictures in zip(drifts, made, strict=True):
                batch = measures.Batch(pictures, bare, ("",) * len(bare))
                found += measures.drift(batch, [{"at_most": 1.0}] * len(bare)).score.tolist()
    assert max(drifts[0]) < min(drifts[1]), drifts
    return (max(drifts[0]) + min(drifts[1])) / 2


def test_who_fights_is_named_with_the_weight_that_would_help(models: Path, tmp_path: Path):
    found = met(united(models, between(models)), tmp_path)
    assert [column.label for column in found.columns] == ["bare", "a", "b", "all"]
    shares = {
        row.measure: [cell.share for cell in cells] for row, cells in zip(found.controls, found.cells, strict=True)
    }
    assert shares["b.any"] == [1, 1, 1, 1]
    assert shares["a.still"][:2] == [1, 1]
    assert max(shares["a.still"][2:]) < 0.5
    (fight,) = found.fights
    assert (fight.adapter, fight.by, fight.alone, fight.together) == ("a", "b", 1, shares["a.still"][3])
    assert fight.remedy is not None
    assert fight.remedy.weights[1] < 1
    assert fight.remedy.kept == 1
    assert fight.text().startswith("a and b fight: a.still falls from 100 % to ")
    assert ". Weights 1 for a and 0." in fight.text()
    interference.write(found, tmp_path)
    assert interference.read(tmp_path) == found


def test_a_control_that_holds_nowhere_has_no_say_in_what_would_help(models: Path, tmp_path: Path):
    found = met(united(models, between(models), -1.0), tmp_path)
    (fight,) = found.fights
    assert fight.remedy is not None
    assert (fight.remedy.before, fight.remedy.kept) == (0, 1)


def test_what_the_whole_alone_loses_is_told_with_what_was_done_to_it(models: Path, tmp_path: Path):
    plan, quiet = united(models, between(models)), factors(1, 0.001)
    low = replace(plan, composed=plans.Composed((), 2))
    polished = replace(low, train=replace(plan.train, steps=3))
    with pico.one_thread():
        for made, why in (
            (low, "It may be rank 2."),
            (polished, "It may be rank 2 or polishing."),
            (replace(polished, composed=plans.Composed(())), "It may be polishing."),
        ):
            here = meeting.Meeting(made, members_of(quiet, quiet), factors(2, 3.0))
            found = meeting.meet(here, tmp_path)
            assert [column.label for column in found.columns] == ["bare", "a", "b", "a + b", "all"]
            (fight,) = found.fights
            assert (fight.by, fight.alone, fight.together, fight.remedy) == ("", 1, found.cells[0][-1].share, None)
            assert fight.text().startswith("a loses in the whole: a.still falls from 100 % to ")
            assert fight.text().endswith(why)
    assert interference.Fight("a", "", "a.still", 1, 0, None).text().endswith("Only all the others together do it.")


def test_weights_are_found_that_leave_the_worst_control_better(models: Path):
    quiet, noisy = factors(1, 0.001), factors(2, 3.0)
    members = members_of(quiet, noisy)
    with pico.one_thread():
        here = meeting.Meeting(united(models, between(models)), members, quiet)
        weights, (before, after) = tuning.tuned(here, ["a.still", "b.any"])
        assert (before, weights["a"]) == (0, 1)
        assert weights["b"] <= 0.5
        assert after > 0.5
        easy, _ = tuning.tuned(here, ["b.any"])
        assert easy == {"a": 1, "b": 1}  # nothing is better than all
        here.pairs = lambda held_out: []  # pyright: ignore[reportAttributeAccessIssue]
        with pytest.raises(ValueError, match=r"b\.any is measured in no validation prompt"):
            tuning.tuned(here, ["b.any"])


def test_weights_are_judged_by_what_a_lower_rank_leaves(models: Path):
    quiet, noisy = factors(1, 0.001), factors(2, 3.0)
    members = members_of(quiet, noisy)
    plan = united(models, 1.0)
    reduced = replace(plan, composed=plans.Composed((), 2))
    with pico.one_thread():
        whole, low = meeting.Meeting(plan, members, quiet), meeting.Meeting(reduced, members, quiet)
        weights = {"a": 1.0, "b": 0.5}
        (made,) = low.together(weights).values()
        (wanted,) = composing.reduced(composing.exact([quiet, noisy], [1.0, 0.5]), 2).adapter.values()
        torch.testing.assert_close(made[1] @ made[0], wanted[1] @ wanted[0])
        (exact,) = whole.together(weights).values()
        assert not torch.equal(made[1] @ made[0], exact[1] @ exact[0])
        asked: list[object] = []
        hits = low.hits

        def heard(pairs: list[object], columns: list[composing.Adapter]) -> object:
            asked.extend(columns)
            return hits(pairs, columns)

        low.hits = heard
        tuning.tuned(low, ["a.still"])
    assert {int((up.abs().sum(0) > 0).sum()) for one in asked for _, up in one.values()} == {2}


def test_who_gets_along_is_not(models: Path, tmp_path: Path):
    found = met(united(models, 1.0), tmp_path)
    assert found.fights == ()
    assert {len(cell.hits) for cells in found.cells for cell in cells} == {9, 6}  # prompts × seeds of their own
    assert [strip.control for strip in found.strips].count("a.still") == 3
    for strip in found.strips:
        assert len(strip.files) == 4
        for name in strip.files:
            with Image.open(tmp_path / name) as picture:
                assert picture.size == (32, 32)


def test_pairs_are_columns_where_there_are_more_than_two(models: Path):
    def labels(*names: str) -> list[str]:
        members = [meeting.Member(name, 1.0, factors(at, 0.1), ()) for at, name in enumerate(names)]
        here = meeting.Meeting(united(models, 1.0), members, members[0].factors)
        return [column.label for column, _ in here.columns()]

    assert labels("a", "b", "c") == ["bare", "a", "b", "c", "a + b", "a + c", "b + c", "all"]
    assert labels("all", "bare") == ["bare_2", "all", "bare", "all_2"]  # recipes may be called so
    assert labels("a") == ["bare", "a", "all"]


def test_what_else_recipes_measure_is_counted_too_but_is_nothing_to_fight_for(models: Path, tmp_path: Path):
    plan = united(models, between(models))
    quiet, noisy = factors(1, 0.001), factors(2, 3.0)
    members = [meeting.Member("a", 1.0, quiet, (), ("a.still",)), meeting.Member("b", 1.0, noisy, ("b.any",))]
    with pico.one_thread():
        whole = composing.exact([quiet, noisy], [1.0, 1.0])
        found = meeting.meet(meeting.Meeting(plan, members, whole), tmp_path)
    assert [(one.measure, one.aim) for one in found.controls] == [("b.any", True), ("a.still", False)]
    ((_, row),) = found.rows(False)
    assert interference.fallen(row["a"], row["all"])
    assert found.fights == ()
    assert {strip.control for strip in found.strips} == {"b.any"}
    told = found.data()
    assert [*told["matrix"], *told["others"]] == ["b.any", "a.still"]  # pyright: ignore[reportGeneralTypeIssues]


def test_a_column_is_what_its_adapters_are(models: Path):
    """Weights of 0 take an adapter out, and a lower rank is painted as it is, in the room of all."""
    one, other = factors(1, 1.0), factors(2, 1.0, "to_q")
    whole = composing.exact([one, other], [1.0, 0.5])
    low = composing.reduced(whole, 1).adapter
    members = [meeting.Member("a", 1.0, one, ("a.still",)), meeting.Member("b", 0.5, other, ("b.any",))]
    here = meeting.Meeting(united(models, 1.0), members, low)
    columns = {column.label: adapter for column, adapter in here.columns()}
    for label, wanted in (("a", one), ("b", composing.exact([other], [0.5])), ("all", low)):
        assert columns[label] is not None
        for name, (down, up) in columns[label].items():
            there = wanted[name][1] @ wanted[name][0] if name in wanted else torch.zeros(32, 32)
            torch.testing.assert_close(up @ down, there)


def cell(hits: int, of: int) -> interference.Cell:
    return interference.Cell((True,) * hits + (False,) * (of - hits))


@pytest.mark.parametrize(
    ("alone", "together", "of", "fell"), [(90, 50, 100, True), (90, 88, 100, False), (3, 2, 3, False)]
)
def test_what_may_be_chance_is_no_fight(alone: int, together: int, of: int, fell: bool):
    assert interference.fallen(cell(alone, of), cell(together, of)) is fell
    assert cell(alone, of).interval == figures.wilson(alone, of)


def test_controls_are_the_goal_or_the_first_measures(models: Path):
    plan = replace(united(models, 1.0), order=("b.any", "a.still"))
    assert list(interference.controls("x", plan)) == ["x.b.any"]
    assert list(interference.controls("x", replace(plan, goal_measure="a.still"))) == ["x.a.still"]
    composed = replace(plan, composed=plans.Composed((plans.Parent("y", 1.0, "", ""),)))
    inputs = json.loads(lock.text_of(lock.inputs(replace(plan, goal_measure="a.still"))))
    parents = [carrying.Ancestor(name="y", weight=1.0, tensors_sha256="", inputs=inputs)]
    assert list(interference.controls("x", composed, parents)) == ["x.y.a.still"]
    assert list(interference.controls("x", composed)) == []
    assert list(interference.controls("x", replace(plan, measures=()))) == []


def test_what_fits_nowhere_is_refused(models: Path):
    from control_recipes.engine.errors import InputError

    strange = {"transformer.nowhere": factors(1, 1.0)[f"{HEAD}.to_out.0"]}
    with pytest.raises(InputError, match="fits no linear layer"):
        meeting.Meeting(united(models, 1.0), [meeting.Member("a", 1.0, strange, ())], strange)
    assert generators.names_of("flux").PREFIX == "transformer"
