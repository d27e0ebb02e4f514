"""Importance: weights and crops go where factors show, and small cues are not drowned."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from control_recipes.engine.world import importance, painter, sampling
from control_recipes.engine.world.scenes import PLACES, WORDS


def scenes(count: int, place: str, **words: str) -> painter.Scenes:
    drawn = sampling.draw(count, torch.Generator().manual_seed(5))
    fixed = {"place": place, **words}
    return replace(drawn, **{factor: torch.full((count,), WORDS[factor].index(word)) for factor, word in fixed.items()})


@pytest.mark.parametrize("factor", painter.FACTORS)
def test_an_altered_factor_is_another_and_alone(factor: str):
    before = sampling.draw(50, torch.Generator().manual_seed(1))
    after = importance.altered(before, factor, torch.Generator().manual_seed(2))
    for name in painter.FACTORS:
        same = getattr(before, name) == getattr(after, name)
        assert same.all() if name != factor else not same.any()
    again = painter.paint(after)
    assert again.isfinite().all()


def test_weights_have_mean_one_and_lie_on_what_stands_there():
    some = scenes(20, "grass", other="none")
    rng = torch.Generator().manual_seed(3)
    weight = torch.stack([importance.weights(some, painter.paint(some), rng) for _ in range(6)]).mean(0)
    assert weight.shape == (20, 64)
    assert torch.allclose(weight.mean(1), torch.ones(20), atol=1e-5)
    stance = some.stance
    row = ((stance.base - stance.half) * 8).long().clamp(0, 7)
    column = (some.position * 8).long()
    assert (weight[torch.arange(20), row * 8 + column] > 1.2).float().mean() > 0.9
    # hardly anything but the sky's colour shows in the top left corner
    assert (weight[:, 0] < 1).float().mean() > 0.8


def test_a_window_counts_more_than_the_wall_beside_it():
    some = scenes(20, "office", other="none")
    pictures = painter.paint(some)
    other = painter.paint(importance.altered(some, "season", torch.Generator().manual_seed(1)))
    where = importance.changed(pictures, other, 8).mean(0).argmax()
    rng = torch.Generator().manual_seed(3)
    weight = torch.stack([importance.weights(some, pictures, rng) for _ in range(6)]).mean((0, 1))
    assert weight[where] > 1
    assert weight[where] > 2 * weight[0]


def test_shares_sum_to_one_or_are_nothing():
    some = scenes(10, "painting")
    pictures = painter.paint(some)
    rng = torch.Generator().manual_seed(1)
    nothing = importance.changed(pictures, painter.paint(importance.altered(some, "season", rng)), 8)
    assert not nothing.any()
    something = importance.changed(pictures, painter.paint(importance.altered(some, "arrangement", rng)), 8)
    assert torch.allclose(something.sum(1), torch.ones(10), atol=1e-4)


def test_spots_lie_in_the_picture_and_mostly_off_the_plain_corner():
    some = sampling.draw(200, torch.Generator().manual_seed(4))
    assert set(PLACES) == set(some.words("place"))
    y, x = importance.spots(some, painter.paint(some), torch.Generator().manual_seed(6))
    for pixels in (y, x):
        assert pixels.min() >= 0
        assert pixels.max() < 64
    assert ((y < 16) & (x < 16)).float().mean() < 0.06  # a sixteenth of the area
