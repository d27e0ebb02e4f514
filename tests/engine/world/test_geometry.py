"""Where things stand: perspective, the camera's height, and two things that can both be seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from control_recipes.engine.world import painter, things
from control_recipes.engine.world.scenes import HORIZON, INDOOR, KINDS, SIZE, WORDS
from world_scenes import drawn, one


def top(scenes: painter.Scenes) -> int:
    """The highest row that a lone thing covers."""
    covered = (painter.paint(scenes) - painter.background(scenes))[0].abs().amax(0) > 0.05
    return int(covered.any(1).nonzero().min())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["garage", "museum"])
def test_things_loom_over_the_horizon_before_a_low_camera(kind: str, place: str):
    for horizon in (HORIZON[0], 0.35, 0.5, 0.65, HORIZON[1]):
        scene = {"place": place, "thing": kind, "size": 0.125, "horizon": horizon}
        low, high = one(**scene, camera=0.06), one(**scene, camera=1.0)
        assert top(low) < horizon * SIZE - 0.5
        assert low.stance.half > 1.5 * high.stance.half
        assert low.stance.base > high.stance.base
        assert top(low) < top(high) - 1.5  # from eye level it reaches less far up, if it reaches over at all


def test_only_rooms_have_a_low_camera():
    for place in WORDS["place"]:
        low, high = one(place=place, camera=0.0), one(place=place, camera=1.0)
        assert bool(low.base > high.base) == (place in INDOOR)
    scenes = drawn(2000)
    assert (scenes.camera[~scenes.indoors] == 1).all()
    assert (scenes.camera[scenes.indoors] < 0.5).any()


def test_things_stand_before_the_horizon_and_in_the_picture():
    scenes = drawn(4000)
    for stance in (scenes.stance, scenes.other_stance):
        assert (stance.base > scenes.horizon).all()
        assert (stance.base < 1).all()
    level = ~(scenes.camera < 1)
    assert (scenes.position - 1.15 * scenes.stance.half > -0.03)[level].all()
    assert (scenes.position + 1.15 * scenes.stance.half < 1.03)[level].all()


def test_nearer_is_lower_and_larger():
    scenes = drawn(4000)
    first, second = scenes.stance, scenes.other_stance
    ahead = scenes.depth > 0
    assert torch.equal(second.base > first.base, ahead)
    assert torch.equal(second.half > first.half, ahead)
    ratio = second.half / first.half
    assert (ratio[ahead] > 1.1).all()
    assert (ratio[~ahead] < 0.9).all()


def test_the_farther_away_the_smaller_and_higher():
    depth = torch.cat([torch.linspace(-1, -0.25, 20), torch.linspace(0.25, 1, 20)])
    scenes = replace(one()[torch.zeros(40, dtype=torch.long)], depth=depth)
    assert (scenes.other_stance.half.diff() > 0).all()
    assert (scenes.other_stance.base.diff() > 0).all()


def test_two_things_overlap_and_both_are_seen():
    scenes = drawn(6000)
    first, second = scenes.stance, scenes.other_stance
    apart = (scenes.other_position - scenes.position).abs()
    nearer, farther = torch.maximum(first.half, second.half), torch.minimum(first.half, second.half)
    assert (apart < nearer + farther).all()
    usual = nearer < 0.35
    assert usual.float().mean() > 0.85
    assert (apart >= nearer - 1e-4)[usual].all()  # at most half of the farther one is hidden
    assert (scenes.other_position > 0.04).all()
    assert (scenes.other_position < 0.96).all()
    left = (scenes.other_position < scenes.position).float().mean()
    assert 0.4 < left < 0.6


def test_a_number_moves_the_other_from_left_to_right():
    u = torch.linspace(0.001, 0.999, 50)
    scenes = painter.beside(one(position=0.45)[torch.zeros(50, dtype=torch.long)], u)
    assert (scenes.other_position.diff() > 0).all()
    assert scenes.other_position[0] < 0.45 < scenes.other_position[-1]


def test_some_color_is_left_of_the_smallest_thing():
    for kind in KINDS:
        scene = one(thing="ball", size=0.125, position=0.3, other=kind, other_position=0.7, depth=-1.0, outline=3.2)
        stance = scene.other_stance
        layers = things.thing(kind, scene.other_position, stance.base, stance.half, scene.outline)
        assert (layers.inside * layers.own).sum() > 4
