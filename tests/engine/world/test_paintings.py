"""Paintings: areas where the arrangement has them, lines where the scene has them, nothing else."""

from __future__ import annotations

import pytest
import torch
from control_recipes.engine.world import painter
from control_recipes.engine.world.scenes import AREAS, ARRANGEMENTS, INKS, SIZE
from world_scenes import one


def picture(**factors: str | float) -> torch.Tensor:
    return painter.paint(one(place="painting", **factors))[0]


def near(color: torch.Tensor, name: str) -> bool:
    return torch.allclose(color, torch.tensor(AREAS[name]), atol=1e-4)


@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_areas_have_their_colors(name: str):
    found, arrangement = picture(arrangement=name, split_x=0.6, split_y=0.4), ARRANGEMENTS[name]
    assert near(found[:, 5, 5], arrangement.top_left)
    assert near(found[:, 60, 60], arrangement.bottom_right)
    assert near(found[:, 18, 60], arrangement.accent)
    assert near(found[:, 60, 5], arrangement.accent)
    assert near(found[:, 3, 60], "gray")
    assert near(found[:, 60, 30], "gray")


def test_arrangements_differ_in_corners_and_in_colors():
    looks = list(ARRANGEMENTS.values())
    assert len({(each.top_left, each.bottom_right) for each in looks}) == len(looks) == 8
    assert len({frozenset((each.top_left, each.bottom_right, each.accent)) for each in looks}) == 8


@pytest.mark.parametrize("ink", INKS)
@pytest.mark.parametrize("outline", [0.9, 2.0, 3.0])
def test_lines_have_their_weight_and_ink(ink: str, outline: float):
    found = picture(ink=ink, outline=outline, split_x=0.5, arrangement="blue_yellow_white")
    area, line = torch.tensor(AREAS["blue"]), torch.tensor(INKS[ink])
    row = found[:, 10, :32]  # left of the main line nothing but the area and half of the line
    share = (row - area.view(3, 1)).norm(dim=0) / (line - area).norm()
    assert share.sum().item() == pytest.approx(outline / 2, abs=0.02)


@pytest.mark.parametrize("split", [0.25, 0.5, 0.75])
def test_lines_run_where_the_scene_has_them(split: float):
    across, down = picture(split_x=split, outline=3.0), picture(split_y=split, outline=3.0)
    ink = torch.tensor(INKS["black"])
    assert torch.allclose(across[:, 50, round(split * SIZE)], ink, atol=1e-4)
    assert torch.allclose(down[:, round(split * SIZE), 50], ink, atol=1e-4)
    assert not torch.allclose(across[:, 50, round(split * SIZE) + 4], ink, atol=0.1)
