"""Overlays: drawn as recipes have them drawn, half of them matching, and what they say is so."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from control_recipes.critics.pixels import overlay
from control_recipes.engine import kinds, visuals
from control_recipes.engine.world import grading, overlays, painter, pictures
from control_recipes.engine.world.ciede2000 import difference, lab
from control_recipes.engine.world.overlays import GRADES, SPLITS, WEIGHTS, Laid, Spot
from control_recipes.engine.world.scales import SCALES
from control_recipes.engine.world.scenes import ABSTRACT, PLACES
from torch import Tensor

GRAY = torch.full((3, 64, 64), 0.5)
FIRST, SECOND = Spot(0.3, 0.7, 0.15), Spot(0.6, 0.6, 0.1)


def over(laid: Laid) -> Tensor:
    """A gray picture with something over it."""
    assert laid.layer is not None
    return overlay(GRAY[None], laid.layer[None])[0]


def many(make: Callable[[random.Random], Laid], count: int = 400) -> list[Laid]:
    rng = random.Random(1)
    return [make(rng) for _ in range(count)]


def share(laid: list[Laid], kind: str, word: str) -> float:
    return sum(each.words[kind] == word for each in laid) / len(laid)


def test_lines_lie_on_near_and_anywhere():
    laid = many(lambda rng: overlays.line(0.5, rng))
    assert share(laid, "line", "aligned") == pytest.approx(0.45 + 0.25 * 0.08 / 0.92, abs=0.06)
    assert share(laid, "line", "above") == pytest.approx(share(laid, "line", "below"), abs=0.08)
    for each in laid[:20]:
        red = (over(each)[0] - over(each)[1])[:, 7]
        row = (red * (torch.arange(64) + 0.5)).sum() / red.sum() / 64
        assert abs(row - each.rows["line row"]) < 0.004
        assert 1 <= red.sum() <= 2  # pixels, a red of 1 each


def test_lines_are_those_of_recipes():
    """The recipe's default thickness is among those that are taught, and so are the paper's wording's rows."""
    line = kinds.Line.model_validate({"y": 0.8})
    assert 0.016 <= float(line.thickness) <= 0.03
    assert line.color == overlays.RED
    drawn = visuals.draw(overlays.drawing("line", y=0.8, thickness=0.02, color=overlays.RED), 64, 64)
    again = overlays.layer(overlays.drawing("line", y=0.8, thickness=0.02, color=overlays.RED))
    assert np.array_equal(again.permute(1, 2, 0).numpy(), drawn)


@pytest.mark.parametrize("grade", [-1.0, -0.4, 0.0, 0.7, 1.0])
def test_swatches_match_or_clearly_do_not(grade: float):
    laid = many(lambda rng: overlays.swatches(grade, rng))
    assert share(laid, "swatches", "match") == pytest.approx(0.5, abs=0.08)
    for each in laid:
        away = abs(each.numbers["swatches"] - grade)
        assert away <= GRADES[0] + 1e-6 if each.words["swatches"] == "match" else away >= GRADES[1] - 1e-6
        assert -1 <= each.numbers["swatches"] <= 1


def test_swatches_have_the_colours_of_their_grade():
    for each in many(lambda rng: overlays.swatches(0.2, rng), 20):
        shown = over(each)[:, 62, [8, 32, 56]].T
        assert (shown - torch.tensor(grading.swatches(each.numbers["swatches"]))).abs().max() < 0.5 / 255 + 1e-6
        assert torch.equal(over(each)[:, :53], GRAY[:, :53])  # no more than the lowest sixth
    cool, warm = (torch.tensor(grading.swatches(value)) for value in (-0.25, 0.25))
    assert difference(lab(cool), lab(warm)).min() > 3  # what differs by 0.5 can be seen


@pytest.mark.parametrize("outline", [0.8, 1.0, 2.0, 2.7, 3.2])
def test_samples_match_or_clearly_do_not(outline: float):
    laid = many(lambda rng: overlays.weight(outline, rng))
    assert share(laid, "weight", "match") == pytest.approx(0.5, abs=0.08)
    assert {each.words["sample color"] for each in laid} == {"red", "black", "blue", "white"}
    most = SCALES["outline"].high
    for each in laid:
        away = abs(min(each.numbers["weight"], most) - max(outline, 1.0))
        assert away <= WEIGHTS[0] + 1e-6 if each.words["weight"] == "match" else away >= WEIGHTS[1] - 1e-6
        assert 1 <= each.numbers["weight"] <= overlays.THICKEST
    for each in laid[:20]:
        assert each.layer is not None
        alpha = each.layer[3, :, 5]
        assert alpha.sum().item() == pytest.approx(each.numbers["weight"], abs=1e-3)
        assert alpha[:53].sum() == 0


def test_dots_lie_on_or_beside_their_things_and_the_nearer_one_is_named():
    laid = many(lambda rng: overlays.dots(FIRST, SECOND, "nearer", rng))
    assert share(laid, "dots", "A") == pytest.approx(0.5, abs=0.08)
    on = 0
    for each in laid:
        nearer, farther = each.words["dots"], "AB".replace(each.words["dots"], "")
        for name, own, other in ((nearer, SECOND, FIRST), (farther, FIRST, SECOND)):
            x, y = each.numbers[f"dot {name} x"], each.numbers[f"dot {name} y"]
            assert abs(x - own.x) < abs(x - other.x)
            assert own.base - 2 * own.half - 1e-9 <= y <= own.base + 0.3 * own.half + 1e-9
            on += abs(x - own.x) <= own.half / 2
    assert 0.6 < on / (2 * len(laid)) < 0.85
    behind = many(lambda rng: overlays.dots(FIRST, SECOND, "farther", rng), 20)
    for each in behind:
        x = each.numbers[f"dot {each.words['dots']} x"]
        assert abs(x - FIRST.x) < abs(x - SECOND.x)


def test_dots_are_drawn_where_they_are_said_to_be():
    (each,) = many(lambda rng: overlays.dots(Spot(0.2, 0.8, 0.1), Spot(0.8, 0.5, 0.1), "nearer", rng), 1)
    assert each.layer is not None
    for name in "AB":
        x, y = (round(each.numbers[f"dot {name} {axis}"] * 64 - 0.5) for axis in "xy")
        assert each.layer[3, y, x] > 0.9
    radius = kinds.PointsVisual.model_validate({"points": {"A": [0.5, 0.5]}}).radius
    assert float(radius) == 0.03  # as dots are drawn here


def test_references_match_or_clearly_do_not():
    place = torch.full((400,), list(PLACES).index(ABSTRACT[0]))
    scenes = replace(pictures.even(400, torch.Generator().manual_seed(2)), place=place)
    beside, words = overlays.references(scenes, random.Random(3), torch.Generator().manual_seed(4))
    assert bool(beside.paintings.all())
    assert words.count("match") / 400 == pytest.approx(0.5, abs=0.08)
    away = torch.stack([(beside.split_x - scenes.split_x).abs(), (beside.split_y - scenes.split_y).abs()]).amax(0)
    same = beside.arrangement == scenes.arrangement
    match = torch.tensor([word == "match" for word in words])
    assert bool((same & (away <= SPLITS[0] + 1e-6))[match].all())
    assert bool((~same | (away >= SPLITS[1] - 1e-6))[~match].all())
    ways = Counter(zip(same[~match].tolist(), (away > SPLITS[0])[~match].tolist(), strict=True))
    assert min(ways.values()) > 15  # another arrangement, another split, both
    assert len(ways) == 3


def test_a_scene_matches_no_painting():
    place = torch.full((40,), list(PLACES).index("kitchen"))
    scenes = replace(painter.draw(40, torch.Generator().manual_seed(5)), place=place)
    _, words = overlays.references(scenes, random.Random(6), torch.Generator().manual_seed(7))
    assert set(words) == {"differ"}


def test_pictures_get_what_they_can_have():
    scenes = pictures.even(900, torch.Generator().manual_seed(8))
    truths, known, rng = pictures.truths(scenes), overlays.numbers(scenes), random.Random(9)
    found = [(truth, overlays.lay(truth, known, row, rng)) for row, truth in enumerate(truths)]
    assert {laid.kind for _, laid in found} == set(overlays.LAID_SHARES)
    for truth, laid in found:
        assert laid.kind != "line" or "row" in truth.rows
        assert laid.kind != "dots" or truth.word("count") == "two"
        assert laid.added(truth).words.items() >= laid.words.items()
    beside = [truth.word("painting") for truth, laid in found if laid.kind == "reference"]
    assert beside.count("yes") / len(beside) > 0.85
    assert beside.count("yes") > 40
