"""Soft things: with hard edges they are the painter's, and their edges move as derivatives say."""

from __future__ import annotations

import pytest
import torch
from control_recipes.engine.world import grading, read_grade, things
from control_recipes.engine.world.read_layers import covers, layers
from control_recipes.engine.world.scenes import KINDS, SIZE

COUNT = 6


def placed() -> tuple[torch.Tensor, torch.Tensor]:
    """Places and outlines, none of which is cut short."""
    rng = torch.Generator().manual_seed(3)
    place = torch.rand(COUNT, 3, generator=rng) * torch.tensor([0.5, 0.4, 0.12]) + torch.tensor([0.25, 0.5, 0.14])
    return place, 0.9 + torch.rand(COUNT, generator=rng) * 2


def everywhere() -> tuple[torch.Tensor, torch.Tensor]:
    rows, columns = things.grid()
    return rows.expand(COUNT, -1, -1), columns.expand(COUNT, -1, -1)


@pytest.mark.parametrize("kind", KINDS)
def test_with_hard_edges_things_are_the_painters(kind: str):
    place, outline = placed()
    painted = things.thing(kind, *place.unbind(1), outline)
    seen = covers(kind, place, outline, *everywhere(), torch.ones(COUNT))
    for name in ("silhouette", "inside", "own", "shadow"):
        assert torch.allclose(getattr(seen, name), getattr(painted, name), atol=2e-5), name
    if seen.paint is None:
        assert painted.paint.max() == 0
    else:
        assert torch.allclose(seen.paint, painted.paint, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_soft_edges_are_wider(kind: str):
    place, outline = placed()
    wide = [
        ((cover > 0.01) & (cover < 0.99)).sum()
        for cover in (covers(kind, place, outline, *everywhere(), torch.full((COUNT,), s)).silhouette for s in (1, 4))
    ]
    assert wide[1] > 2.5 * wide[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", range(3))
def test_edges_move_as_their_derivatives_say(kind: str, value: int):
    place, outline = placed()
    soft, step = torch.full((COUNT,), 5.0), 0.02 / SIZE
    _, edges = layers(kind, place, outline, *everywhere(), soft)
    move = torch.zeros_like(place)
    move[:, value] = step
    for name, slope in (("silhouette", edges.edge), ("inside", edges.inner)):
        ahead, back = (
            getattr(covers(kind, place + sign * move, outline, *everywhere(), soft), name) for sign in (1, -1)
        )
        expected = (ahead - back) / (2 * step)
        seen = slope * edges.moves[:, value]
        # where edges of two parts meet, or a ramp ends, there is no derivative
        assert ((seen - expected).abs() < 0.05 * SIZE / 5).float().mean() > 0.98
        assert (expected.abs() > 0.2 * SIZE / 5).any()


def test_outlines_move_what_is_inside():
    place, outline = placed()
    soft = torch.full((COUNT,), 5.0)
    _, edges = layers("ball", place, outline, *everywhere(), soft)
    ahead, back = (covers("ball", place, outline + step, *everywhere(), soft).inside for step in (0.02, -0.02))
    assert torch.allclose(edges.drawn, (ahead - back) / 0.04, atol=0.11)
    assert edges.drawn.min() < -0.15


@pytest.mark.parametrize("grade", [-1.0, -0.3, 0.0, 0.5, 1.0])
def test_grades_are_undone(grade: float):
    plain = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    grades = torch.full((4,), grade)
    graded = grading.graded(plain, grades)
    assert torch.allclose(read_grade.ungraded(graded, grades), plain, atol=1e-5)
    slope = (grading.graded(plain + 1e-3, grades) - grading.graded(plain - 1e-3, grades)) / 2e-3
    assert torch.allclose(read_grade.slope(plain, grades), slope, atol=2e-3)
    if grade:
        assert not torch.allclose(read_grade.ungraded(graded, -grades), plain, atol=0.05)
