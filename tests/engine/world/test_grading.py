"""The grade: nothing at 0, clearly warm and cool at the ends, and hues keep their names."""

from __future__ import annotations

import pytest
import torch
from control_recipes.engine.world import painter, things
from control_recipes.engine.world.ciede2000 import difference, lab
from control_recipes.engine.world.grading import graded, swatches
from control_recipes.engine.world.scenes import COLORS
from world_scenes import drawn, one


def test_a_neutral_grade_changes_nothing():
    pictures = painter.background(drawn())
    assert torch.equal(graded(pictures, torch.zeros(32)), pictures)


def test_warmer_is_redder_and_less_blue():
    picture = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)).expand(21, -1, -1, -1)
    found = graded(picture, torch.linspace(-1, 1, 21))
    assert found.min() >= 0
    assert found.max() <= 1
    red, _, blue = found.mean((2, 3)).unbind(1)
    assert (red.diff() > 0).all()
    assert (blue.diff() < 0).all()


def test_a_grade_keeps_the_order_of_values():
    ramp = torch.linspace(0, 1, 256).view(1, 1, 1, -1).expand(2, 3, 1, -1)
    assert (graded(ramp, torch.tensor([-1.0, 1.0])).diff(dim=3) > 0).all()


@pytest.mark.parametrize("grade", [-1.0, -0.8, 0.8, 1.0])
def test_hues_keep_their_names(grade: float):
    plain = things.colors()
    seen = lab(graded(plain.view(-1, 3, 1, 1), torch.full((len(plain),), grade))[:, :, 0, 0])
    apart = torch.stack([difference(seen, each.expand_as(seen)) for each in lab(plain)], 1)
    assert apart.argmin(1).tolist() == list(range(len(COLORS)))


@pytest.mark.parametrize("place", ["grass", "kitchen", "painting"])
def test_words_of_the_grade_look_different(place: str):
    pictures = [painter.paint(one(place=place, grade=grade))[0].flatten(1).T for grade in (-0.8, 0.0, 0.8)]
    cool, neutral, warm = (lab(each) for each in pictures)
    assert difference(cool, neutral).mean() > 5
    assert difference(warm, neutral).mean() > 5
    assert difference(cool, warm).mean() > 10


def test_swatches_show_the_grade():
    assert all(red == green == blue for red, green, blue in swatches(0.0))
    assert all(red > green > blue for red, green, blue in swatches(0.8))
    assert all(red < green < blue for red, green, blue in swatches(-0.8))
    light = [sum(color) for color in swatches(0.8)]
    assert light == sorted(light, reverse=True)
    assert len(light) == 3
