"""Which of two things is the subject, how large it is, how low the camera is and how deep the other one stands.

The geometry turned round: each thing's base and half width follow from few factors, which are searched for on a grid
that closes in on the best.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from . import geometry, painter
from .geometry import Stance
from .read_fit import NOTHING, Bodies, Fit
from .scenes import DEPTH, SCALES, SIZE

POINTS, ZOOMS = 9, 4  # of the grid each way, and how often it closes in, to a third
# how lowered cameras above 0.75, above 0.5 and below are, and what it costs to believe in each
CAMERAS, PRICES = ((0.0, 0.0625), (0.0625, 0.25), (0.25, 1.0)), (0.0, 1.0, 1.5)
BASE, HALF = 0.5 / SIZE, 0.35 / SIZE  # deviations that bases and half widths are read with


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """A subject's size and how lowered the camera is, the other's depth, and how badly it all fits: [B] each."""

    size: Tensor
    lowered: Tensor
    depth: Tensor
    misfit: Tensor


def _misfit(found: Stance, base: Tensor, half: Tensor) -> Tensor:
    return ((found.base - base) / BASE) ** 2 + ((found.half - half) / HALF) ** 2


def _subject(horizon: Tensor, place: Tensor, indoors: Tensor) -> tuple[Tensor, Tensor]:
    """Size and lowering that put a subject there, for places (x, base, half) [B, 3].

    Two pairs may do so alike: some small thing before a low camera stands where a large one does before a higher one.
    Then the higher camera is likelier.
    """
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for (low, high), price in zip(CAMERAS, PRICES, strict=True):
        size, lowered = _within(horizon, place, low * indoors, high * indoors)
        misfit = _misfit(geometry.subject(horizon, size, lowered), place[:, 1], place[:, 2])
        found.append((misfit + price, size, lowered))
    costs, sizes, lows = (torch.stack(each) for each in zip(*found, strict=True))
    best = costs.argmin(0, keepdim=True)
    return sizes.gather(0, best)[0], lows.gather(0, best)[0]


def _within(horizon: Tensor, place: Tensor, least: Tensor, most: Tensor) -> tuple[Tensor, Tensor]:
    """The same for cameras lowered by so much at least and at most, [B] each."""
    scale = SCALES["size"]
    size, lowered = horizon.new_full(horizon.shape, (scale.low + scale.high) / 2), (least + most) / 2
    wide, high = (scale.high - scale.low) / 2, (most - least) / 2
    line = torch.linspace(-1, 1, POINTS)
    base, half = place[:, 1].view(-1, 1, 1), place[:, 2].view(-1, 1, 1)
    for _ in range(ZOOMS):
        sizes = (size.unsqueeze(1) + wide * line).clamp(scale.low, scale.high).unsqueeze(2)
        lows = (lowered.unsqueeze(1) + high.unsqueeze(1) * line).unsqueeze(1)
        lows = lows.maximum(least.view(-1, 1, 1)).minimum(most.view(-1, 1, 1))
        best = _misfit(geometry.subject(horizon.view(-1, 1, 1), sizes, lows), base, half).flatten(1).argmin(1)
        size = sizes[:, :, 0].gather(1, (best // POINTS).unsqueeze(1))[:, 0]
        lowered = lows[:, 0].gather(1, (best % POINTS).unsqueeze(1))[:, 0]
        wide, high = wide / 3, high / 3
    return size, lowered


def _depth(horizon: Tensor, first: Stance, place: Tensor, sign: int) -> Tensor:
    """The depth at which the other thing would stand there."""
    away, reach = torch.full_like(horizon, (1 + DEPTH) / 2), (1 - DEPTH) / 2
    line = torch.linspace(-1, 1, POINTS)
    at = Stance(*(each.unsqueeze(1) for each in (first.base, first.half)))
    for _ in range(ZOOMS):
        tried = (away.unsqueeze(1) + reach * line).clamp(DEPTH, 1)
        found = geometry.other(horizon.unsqueeze(1), at, sign * tried)
        best = _misfit(found, place[:, 1:2], place[:, 2:]).argmin(1, keepdim=True)
        away, reach = tried.gather(1, best)[:, 0], reach / 3
    return sign * away


def _standing(horizon: Tensor, indoors: Tensor, first: Bodies, second: Bodies, sign: int) -> Standing:
    """How it stands if the first thing is the subject; `sign` of the other's depth."""
    size, lowered = _subject(horizon, first.place, indoors)
    stance = geometry.subject(horizon, size, lowered)
    depth = _depth(horizon, stance, second.place, sign)
    other = geometry.other(horizon, stance, depth)
    there = second.kind != NOTHING
    misfit = _misfit(stance, *first.place[:, 1:].unbind(1))
    return Standing(size, lowered, depth, misfit + there * _misfit(other, *second.place[:, 1:].unbind(1)))


def scenes(backdrop: painter.Scenes, fit: Fit) -> tuple[painter.Scenes, Tensor]:
    """The backdrops with the things of fits in them, and by how much the other order fits worse, [B]."""
    indoors = backdrop.indoors.to(backdrop.horizon.dtype)
    near = _standing(backdrop.horizon, indoors, fit.near, fit.far, -1)
    far = _standing(backdrop.horizon, indoors, fit.far, fit.near, 1)
    alone = fit.far.kind == NOTHING
    swap = (far.misfit < near.misfit) & ~alone
    first, second = fit.near.or_else(swap, fit.far), fit.far.or_else(swap, fit.near)
    size, lowered, depth = (
        torch.where(swap, getattr(far, name), getattr(near, name)) for name in ("size", "lowered", "depth")
    )
    found = replace(
        backdrop, thing=first.kind, color=first.color, position=first.place[:, 0], size=size, outline=fit.outline,
        ink=fit.ink, other=second.kind + 1, other_color=second.color, other_position=second.place[:, 0],
        depth=depth, camera=1 - lowered.clamp(min=0).sqrt(),
    )  # fmt: skip
    return found, (far.misfit - near.misfit).abs().masked_fill(alone, torch.inf)
