"""Measures: pictures that the painter made, of scenes that are known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from control_recipes.engine import measures
from control_recipes.engine.kinds import MEASURES, OF_THE_WORLD, WORLD_SIZE
from control_recipes.engine.measures import KINDS, Batch
from control_recipes.engine.world import painter

PROMPTS = ("a red ball in the grass", "a thing", "a blue box on the sand", "something by day")


def scenes(**factors: float) -> painter.Scenes:
    drawn = painter.draw(4, torch.Generator().manual_seed(3))
    return replace(drawn, **{name: torch.full((4,), value).to(getattr(drawn, name)) for name, value in factors.items()})


def batch(pictures: torch.Tensor, bare: torch.Tensor | None = None, prompts: tuple[str, ...] = PROMPTS) -> Batch:
    return Batch(pictures, pictures if bare is None else bare, prompts)


def test_every_kind_of_the_language_is_measured():
    assert set(KINDS) == set(MEASURES)
    assert {kind.holds for kind in KINDS.values()} <= {"any", "world"}
    assert {name for name, kind in KINDS.items() if kind.holds == "world"} == OF_THE_WORLD
    assert painter.paint(scenes()).shape[-2:] == (WORLD_SIZE, WORLD_SIZE)


def test_horizon_row_reads_rows_and_takes_each_rows_own_target():
    look = batch(painter.paint(scenes(horizon=0.8)))
    targets = [{"near": near, "within": 0.06} for near in (0.8, 0.75, 0.7, 0.85)]
    found = measures.horizon_row(look, targets)
    assert found.score.tolist() == pytest.approx([0.8] * 4, abs=0.02)
    assert found.satisfied.tolist() == [True, True, False, True]
    assert KINDS["horizon_row"].wanted(targets[0]) == "horizon within 0.06 of 0.8"


def test_factors_keep_what_the_prompt_names_and_nothing_else():
    known = scenes(thing=0, color=0, place=0, time=0, horizon=0.5, size=0.17, position=0.5)
    words = {factor: known.words(factor)[0] for factor in ("thing", "color", "place", "time")}
    right = f"a {words['color']} {words['thing']}"
    wrong = f"a {known_other('color', words['color'])} {words['thing']}"
    look = batch(painter.paint(known), prompts=(right, wrong, "a picture", "something"))
    found = measures.factors(look, [{"keep": ("thing", "color")}] * 4)
    assert found.satisfied.tolist() == [True, False, True, True]
    assert found.score.tolist()[:2] == [1.0, 0.5]
    assert found.score[2].isnan()  # a prompt that names nothing has nothing to measure
    fixed = measures.factors(look, [{"is": ("thing", words["thing"])}, {"is": ("thing", "nothing")}] * 2)
    assert fixed.satisfied.tolist() == [True, False, True, False]
    assert KINDS["factors"].wanted({"is": ("color", "blue"), "keep": ("thing",)}) == (
        "as the prompt names them: thing; color is blue"
    )


def known_other(factor: str, word: str) -> str:
    from control_recipes.engine.world.scenes import WORDS

    return next(other for other in WORDS[factor] if other != word)


def test_sharpness_falls_with_blur_and_is_one_for_the_same_picture():
    sharp = painter.paint(scenes())
    blurred = torch.nn.functional.avg_pool2d(sharp, 3, 1, 1)
    target = [{"at_least": 0.9, "relative_to": "base"}] * 4
    same, less = measures.sharpness(batch(sharp), target), measures.sharpness(batch(blurred, sharp), target)
    assert same.score.tolist() == pytest.approx([1.0] * 4)
    assert same.satisfied.all()
    assert not less.satisfied.any()


def test_sharpness_is_the_variance_of_the_laplacian():
    pictures = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    luma = 0.299 * pictures[:, 0] + 0.587 * pictures[:, 1] + 0.114 * pictures[:, 2]
    expected = [
        torch.stack([
            one[y - 1, x] + one[y + 1, x] + one[y, x - 1] + one[y, x + 1] - 4 * one[y, x]
            for y in range(1, 4) for x in range(1, 4)
        ]).var(unbiased=False)
        for one in luma
    ]  # fmt: skip
    assert torch.allclose(measures._laplacian_variance(pictures), torch.stack(expected))


def test_drift_is_the_mean_difference():
    bare = torch.zeros(2, 3, 4, 4)
    look = Batch(bare + torch.tensor([0.1, 0.3]).view(2, 1, 1, 1), bare, PROMPTS[:2])
    found = measures.drift(look, [{"at_most": 0.2}] * 2)
    assert found.score.tolist() == pytest.approx([0.1, 0.3])
    assert found.satisfied.tolist() == [True, False]


def test_a_list_is_no_number():
    with pytest.raises(TypeError, match="at_most"):
        measures.drift(batch(torch.zeros(1, 3, 4, 4), prompts=("a",)), [{"at_most": (0.1,)}])
