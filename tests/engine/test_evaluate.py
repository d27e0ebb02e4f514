"""Evaluation: every prompt with every seed, paired with the bare generator, at each scale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from control_recipes.engine import adapter, evaluate, figures, generators, plan, recipe, resolve, workload


@pytest.fixture
def tried(tiny: Path) -> tuple[plan.Plan, Path]:
    """The tiny plan, and an adapter for its generator that changes pictures well."""
    made = resolve.resolve(recipe.read(tiny))
    generator = generators.load(made.generator)
    lora = adapter.inject(generator, made.adapter, 0)
    for name, weight in lora.weights().items():
        if name.endswith(".lora_B"):
            weight.data.normal_(0, 1, generator=torch.Generator().manual_seed(len(name)))
    adapter.save(Path("made.safetensors"), adapter.tensors(lora), {})
    return made, Path("made.safetensors")


def test_everything_is_counted_and_the_same_twice(tried: tuple[plan.Plan, Path], tmp_path: Path):
    made, path = tried
    told: list[evaluate.Progress] = []
    found = evaluate.evaluate(made, path, tmp_path / "a", told.append)
    assert (found.rows, found.seeds) == (2, 2)
    assert {measure.pictures for measure in found.measures} == {4}
    assert {(belief.question, belief.critic, belief.judge) for belief in found.beliefs} == {
        (question, who, who == "second") for question in ("zed", "there", "what") for who in ("eyes", "second")
    }
    assert told[-1].done == told[-1].of == 4
    assert figures.read(tmp_path / "a" / "evaluation.json") == found
    again = evaluate.evaluate(made, path, tmp_path / "b")
    assert replace(again, seconds=0) == replace(found, seconds=0)
    for strip in found.strips:
        for shot in strip.shots:
            assert (tmp_path / "a" / shot.file).read_bytes() == (tmp_path / "b" / shot.file).read_bytes()


def test_scale_0_is_the_bare_generator_and_the_adapter_shows(tried: tuple[plan.Plan, Path], tmp_path: Path):
    made, path = tried
    found = evaluate.evaluate(made, path, tmp_path)
    strip = next(strip for strip in found.strips if not strip.missed)
    assert [shot.scale for shot in strip.shots] == [0.0, 0.5, 1.0]
    files = [(tmp_path / shot.file).read_bytes() for shot in strip.shots]
    assert len(set(files)) == 3
    sharp = next(measure for measure in found.measures if measure.name == "sharp")
    assert sharp.before == 1.0  # against itself
    assert sharp.scales[0].score == pytest.approx(1.0)
    at_0 = evaluate.evaluate(made, path, None, scale=0.0)
    assert all(measure.before == measure.after for measure in at_0.measures)
    assert all(belief.before == belief.after for belief in at_0.beliefs)
    assert any(belief.before != belief.after for belief in found.beliefs)  # the guard can fail


def test_batches_do_not_change_what_is_found(tried: tuple[plan.Plan, Path], monkeypatch: pytest.MonkeyPatch):
    made, path = tried
    whole = evaluate.evaluate(made, path)
    monkeypatch.setattr(workload, "PIXELS_AT_ONCE", 64 * 64)
    single = evaluate.evaluate(made, path)
    for a, b in zip(whole.beliefs, single.beliefs, strict=True):
        assert a.after.p == pytest.approx(b.after.p, rel=1e-4)
    assert [m.after for m in whole.measures] == [m.after for m in single.measures]


def test_expectations_are_decided(tried: tuple[plan.Plan, Path]):
    made, path = tried
    asked = replace(
        made,
        expect=(
            plan.Expectation("sharp", "", "at_least", 0.0),
            plan.Expectation("horizon", "", "at_least", 1.0),
            plan.Expectation("zed", "second", "at_most", 1.0),
        ),
    )
    verdicts = {verdict.name: verdict for verdict in evaluate.evaluate(asked, path).expect}
    assert verdicts["sharp"].met
    assert not verdicts["horizon"].met
    assert verdicts["zed"].wanted == "at most 1"


def test_misses_are_shown_beside_the_fixed_grid(tried: tuple[plan.Plan, Path], tmp_path: Path):
    made, path = tried
    many = replace(made, evaluate=replace(made.evaluate, seeds=tuple(range(12))))
    found = evaluate.evaluate(many, path, tmp_path)
    fixed = [strip for strip in found.strips if not strip.missed]
    missed = [strip for strip in found.strips if strip.missed]
    assert len(fixed) == 12
    assert 0 < len(missed) <= 4
    assert all(not dict(strip.shots[-1].satisfied)["horizon"] for strip in missed)
    assert not {(s.prompt, s.seed) for s in fixed} & {(s.prompt, s.seed) for s in missed}


def test_pictures_that_count_together_are_right_if_all_are(tried: tuple[plan.Plan, Path]):
    made, path = tried
    apart = evaluate.evaluate(made, path).measured("sharp")
    rows = tuple(
        replace(
            row,
            targets=tuple(
                replace(target, parameters=(*target.parameters, ("together", "pair")))
                if target.measure == "sharp"
                else target
                for target in row.targets
            ),
        )
        for row in made.test_rows
    )
    paired = evaluate.evaluate(replace(made, test_rows=rows), path).measured("sharp")
    assert apart is not None
    assert paired is not None
    assert (apart.pictures, paired.pictures) == (4, 2)  # two rows, two seeds
    assert paired.before == 1.0
    assert paired.scales[-1].score == apart.scales[-1].score


@pytest.mark.parametrize(
    ("hits", "counted", "found"),
    [
        ([True, False, True, True], [("a", -1, 0), ("a", -1, 1), ("a", -1, 0), ("a", -1, 1)], [True, False]),
        ([True, False], [("", 0, 0), ("", 1, 0)], [True, False]),
        ([True, True, False], [("a", -1, 0), ("b", -1, 0), ("a", -1, 0)], [False, True]),
    ],
)
def test_what_counts_as_one(hits: list[bool], counted: list[tuple[str, int, int]], found: list[bool]):
    assert evaluate._together(hits, counted) == found


def test_a_gain_is_over_the_bare_generator(tried: tuple[plan.Plan, Path]):
    made, path = tried
    asked = replace(
        made,
        expect=(plan.Expectation("sharp", "", "gain", 0.0), plan.Expectation("zed", "second", "gain", 0.9)),
    )
    found = evaluate.evaluate(asked, path)
    sharp, zed = found.expect
    measured = found.measured("sharp")
    assert measured is not None
    assert sharp.got == measured.after - measured.before
    assert sharp.met == (sharp.got >= 0)
    belief = next(b for b in found.beliefs if (b.question, b.critic) == ("zed", "second"))
    assert zed.got == belief.after.right - belief.before.right
    assert (zed.met, zed.wanted) == (False, "gain 0.9")
