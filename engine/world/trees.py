"""The tree that shows the season: on the horizon outdoors, behind the window indoors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from .scenes import SEASONS, SIZE, TIMES, Color, Season
from .strips import Canvas, Strips, canvas, strips

TRUNK: Color = (0.36, 0.24, 0.15)
# in units of the tree's height: crown's circles and what is flecked on them, x and up from its foot, radius
CROWN = ((0.0, 0.66, 0.27), (-0.2, 0.52, 0.2), (0.2, 0.53, 0.2), (0.02, 0.82, 0.18))
FLECKS = ((-0.2, 0.56), (-0.02, 0.86), (0.15, 0.7), (0.24, 0.48), (0.0, 0.56), (-0.12, 0.74))
FLECK = 0.065
# branches of a bare one, from and to
BRANCHES = (
    ((0.0, 0.36), (-0.3, 0.7)), ((0.0, 0.42), (0.3, 0.74)), ((0.0, 0.5), (0.0, 0.98)), ((-0.17, 0.55), (-0.14, 0.86)),
    ((0.17, 0.59), (0.15, 0.88)), ((-0.2, 0.59), (-0.4, 0.62)), ((0.2, 0.63), (0.4, 0.62)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a tree stands, pixels: x of its trunk, how far its foot is above the horizon, its height."""

    x: float
    foot: float
    height: float


SPOTS = (Spot(7.0, -0.6, 17.0), Spot(57.5, -0.4, 13.0))  # the second is there when something hides the first
REACH = 0.46  # half width of a tree, of its height


def plant(on: Canvas, spot: Spot, season: Season, light: float) -> None:
    """A tree on a canvas, in a light of 0..1."""

    def at(x: float, up: float) -> tuple[float, float]:
        return spot.x + x * spot.height, spot.foot + up * spot.height

    def lit(color: Color) -> Color:
        return color[0] * light, color[1] * light, color[2] * light

    wide = 0.11 * spot.height
    on.fill(on.stroke([at(0, 0.03), at(0, 0.55)], wide), lit(TRUNK))
    if season.crown is None:
        for start, end in BRANCHES:
            on.fill(on.stroke([at(*start), at(*end)], 0.075 * spot.height), lit(TRUNK))
        for start, end in BRANCHES:  # snow lies on their upper halves
            middle = ((start[0] + 2 * end[0]) / 3, (start[1] + 2 * end[1]) / 3 + 0.05)
            on.fill(on.stroke([at(*middle), at(end[0], end[1] + 0.05)], 0.08 * spot.height), lit(season.fleck))
        on.fill(on.disk(at(0, 0.02), 0.3 * spot.height, 0.07 * spot.height), lit(season.fleck))
        return
    for x, up, radius in CROWN:
        on.fill(on.disk(at(x, up), radius * spot.height), lit(season.crown))
    for x, up in FLECKS:
        on.fill(on.disk(at(x, up), FLECK * spot.height), lit(season.fleck))


@cache
def trees() -> Strips:
    """Colour and cover of what stands on the horizon outdoors, time by time and season by season."""
    planted: list[Tensor] = []
    for season in SEASONS.values():
        on = canvas()
        for spot in SPOTS:
            plant(on, spot, season, 1.0)
        planted.append(on.colors)
    lights = [torch.tensor([light.far] * 3 + [1.0]).view(4, 1, 1) for light in TIMES.values()]
    return strips([colors * light for light in lights for colors in planted])


def boxes(horizon: Tensor) -> Tensor:
    """Where the trees outdoors may be, bool [B, H, W]."""
    rows = (torch.arange(SIZE) + 0.5).view(1, -1, 1) - horizon.view(-1, 1, 1) * SIZE
    columns = (torch.arange(SIZE) + 0.5).view(1, 1, -1)
    found = torch.zeros(len(horizon), SIZE, SIZE, dtype=torch.bool)
    for spot in SPOTS:
        beside = (columns - spot.x).abs() < REACH * spot.height + 1
        found |= beside & (rows > -spot.foot - 1.1 * spot.height - 1) & (rows < 3 - spot.foot)
    return found
