"""Palette cards: a picture is nearest to the card of its own grade, whatever it shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from control_recipes.engine.world import grading, painter, palette

GRADES = (-0.8, 0.0, 0.8)


def test_a_card_is_at_no_distance_from_its_own_grade_and_farther_from_others():
    for number, shown in enumerate(GRADES):
        away = palette.card_distance(torch.tensor(GRADES), grading.swatches(shown))
        assert away.argmin() == number
        assert away[number] < 1
        assert away.sort().values[1] > 8


@pytest.mark.parametrize("shown", [-0.6, 0.0, 0.6])
def test_distance_grows_with_the_difference_of_grades(shown: float):
    away = palette.card_distance(shown + torch.linspace(0, 0.4, 5), grading.swatches(shown))
    assert (away.diff() > 0.5).all()


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    """The same twelve scenes at each of `GRADES`, grade by grade."""
    scenes = painter.draw(12, torch.Generator().manual_seed(4))
    return torch.cat([painter.paint(replace(scenes, grade=torch.full((12,), grade))) for grade in GRADES])


def test_pictures_are_nearest_to_the_card_of_their_grade(pictures: torch.Tensor):
    away = torch.stack([palette.palette_distance(pictures, grading.swatches(grade)) for grade in GRADES], 1)
    right = torch.arange(len(GRADES)).repeat_interleave(12)
    assert (away.argmin(1) == right).float().mean() > 0.95
    assert away.gather(1, right.unsqueeze(1)).median() < 1


def test_saturated_cards_draw_the_same_way(pictures: torch.Tensor):
    warm, cool = ((0.85, 0.51, 0.17), (0.96, 0.91, 0.78)), ((0.17, 0.42, 0.85), (0.78, 0.85, 0.96))
    nearer = palette.palette_distance(pictures, warm) < palette.palette_distance(pictures, cool)
    assert nearer[24:].float().mean() > 0.9
    assert nearer[:12].float().mean() < 0.1


def test_a_card_without_swatches_is_refused():
    with pytest.raises(ValueError, match="without swatches"):
        palette.card_distance(torch.zeros(1), ())
