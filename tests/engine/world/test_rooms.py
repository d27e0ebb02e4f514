"""Rooms hang on their horizon: cut at any row, pressed together where there is little wall."""

from __future__ import annotations

import pytest
import torch
from control_recipes.engine.world import furniture, painter, rooms, strips
from control_recipes.engine.world.scenes import INDOOR, SIZE
from world_scenes import one


@pytest.mark.parametrize("place", INDOOR)
def test_the_edge_between_wall_and_floor_is_the_horizon(place: str):
    for row in (20, 32, 45):
        picture = painter.background(one(place=place, horizon=row / SIZE))[0]
        step = (picture[:, row] - picture[:, row - 1]).abs().mean()
        assert step > 0.15
        assert step > 1.5 * (picture[:, row + 2] - picture[:, row + 1]).abs().mean()


@pytest.mark.parametrize("place", INDOOR)
def test_a_room_moves_with_its_horizon(place: str):
    first = painter.background(one(place=place, horizon=36.25 / SIZE))[0]
    second = painter.background(one(place=place, horizon=41.25 / SIZE))[0]
    assert torch.allclose(first[:, :-5], second[:, 5:], atol=1e-4)
    assert not torch.allclose(first[:, :-5], second[:, 4:-1], atol=1e-1)


def test_a_part_of_a_pixel_is_a_part_of_a_row():
    whole, next_one, between = (
        painter.background(one(place="office", horizon=row / SIZE))[0] for row in (40.0, 41.0, 40.25)
    )
    assert torch.allclose(between[:, 40], 0.75 * whole[:, 40] + 0.25 * next_one[:, 40], atol=0.06)


@pytest.mark.parametrize("horizon", [0.2, 0.3, 0.5, 0.8])
def test_lamp_and_window_are_in_every_room(horizon: float):
    press = min(1.0, horizon * SIZE / strips.DESIGN)
    x, up, _ = furniture.BULB
    row = int(horizon * SIZE - up * press)
    assert row >= 0
    for place in INDOOR:
        lit, dark = (
            painter.background(one(place=place, lamp=lamp, horizon=horizon))[0, :, row, int(x)]
            for lamp in ("on", "off")
        )
        assert lit.min() > 0.7
        assert dark.max() < 0.45
    left, right, bottom, top = furniture.WINDOW
    middle = int(horizon * SIZE - (bottom + top) / 2 * press)
    day, night = (
        painter.background(one(place="kitchen", time=time, horizon=horizon))[0, :, middle, int(right) - 1]
        for time in ("day", "night")
    )
    assert day[2] > 0.7
    assert night[2] < 0.5
    assert left > x


def test_strips_reach_past_every_horizon():
    empty = strips.canvas()
    empty.fill(empty.box(-1, 65, -99, 99), (0.25, 0.5, 0.75))
    strip = strips.strips([empty.colors])
    horizon = torch.tensor([0.2, 0.51, 0.88])
    cut = strip.cut(torch.zeros(3, dtype=torch.long), horizon, strips.pressed(horizon))
    expected = torch.tensor([0.25, 0.5, 0.75, 1.0]).view(1, 4, 1, 1).expand(3, 4, SIZE, SIZE)
    assert torch.allclose(cut, expected, atol=1e-4)
    beyond = strip.cut(torch.zeros(1, dtype=torch.long), torch.tensor([1.0]), torch.ones(1))
    assert not torch.allclose(beyond, expected[:1], atol=1e-4)  # a horizon that no scene has is not reached


def test_furniture_keeps_clear_of_the_window_and_the_lamp():
    left, right, bottom, top = furniture.WINDOW
    x, up, radius = furniture.BULB
    for name, pieces in furniture.FURNITURE.items():
        for piece in pieces:
            for box in [piece.box] if piece.box else []:
                assert not (box[0] < right and box[1] > left and box[3] > bottom and box[2] < top), name
                assert not (box[0] < x + radius and box[1] > x - radius and box[3] > up - radius), name
    assert set(furniture.FURNITURE) == set(INDOOR)


def test_textures_are_known():
    canvas = strips.canvas()
    for look in rooms.ROOMS.values():
        assert rooms.wall(look.wall_texture, canvas).mean() == pytest.approx(1, abs=0.1)
        assert rooms.floor(look.floor_texture, canvas).mean() == pytest.approx(1, abs=0.15)
    for draw in (rooms.wall, rooms.floor):
        with pytest.raises(ValueError, match="no texture is called 'moss'"):
            draw("moss", canvas)
