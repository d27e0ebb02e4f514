"""Where things stand and how large they are: horizon, distance and the camera's height. Fractions of the picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .scenes import DEPTH, standing

FLOOR = 0.93  # of the way from horizon to lower edge: where A stands before a robot vacuum's camera
LOOM = (0.12, 0.6, 0.31)  # half width that A has there: at least, and of its own size and of how far down it stands
FARTHER = (0.88, 0.70)  # size of B, of A's, at the least and the greatest distance behind it
NEARER = (1.12, 1.28)
ASIDE = 0.75  # of B's half width: as near as its middle comes to the picture's edge
REACH = 0.8  # of the farther thing's half width: as far as its middle may lie outside the nearer one


@dataclass(frozen=True, slots=True)
class Stance:
    """Where B things stand and how large they are painted, [B] each."""

    base: Tensor  # row
    half: Tensor  # half width


def lowered(camera: Tensor) -> Tensor:
    """How much of a robot vacuum's view a camera's height has, 0..1: little of it down to half of eye level."""
    return (1 - camera) ** 2


def subject(horizon: Tensor, size: Tensor, lowered: Tensor) -> Stance:
    """A, of a half width at eye level. The lower the camera, the nearer it comes, until it looms over the horizon."""
    ground = standing(size)
    base = horizon + (1 - horizon) * (ground + (FLOOR - ground) * lowered)
    least, own, down = LOOM
    near = least + own * size + down * (1 - horizon) * FLOOR
    return Stance(base, size + (near - size) * lowered)


def _between(ends: tuple[float, float], share: Tensor) -> Tensor:
    return ends[0] + (ends[1] - ends[0]) * share


def other(horizon: Tensor, first: Stance, depth: Tensor) -> Stance:
    """B beside an A: nearer ones are lower and larger, farther ones higher and smaller."""
    away = (depth.abs() - DEPTH) / (1 - DEPTH)
    ahead = depth > 0
    ratio = torch.where(ahead, _between(NEARER, away), _between(FARTHER, away))
    ground = (first.base - horizon) / (1 - horizon)
    front = ground + (0.98 - ground) * _between((0.35, 0.85), away)
    back = ground * _between((0.75, 0.35), away)
    base = horizon + (1 - horizon) * torch.where(ahead, front, back)
    return Stance(base, first.half * ratio)


def beside(position: Tensor, first: Stance, second: Stance, u: Tensor) -> Tensor:
    """x of B's middle for numbers u in (0, 1), rising: first the places left of A, then those right of it.

    Everywhere the two overlap, at least half of the farther one is seen, and B's middle is in the picture; where
    things loom so large that this cannot be, B keeps as far aside as it can.
    """
    nearer, farther = torch.maximum(first.half, second.half), torch.minimum(first.half, second.half)
    gap = nearer.clamp(max=0.36)
    edge = torch.minimum(ASIDE * second.half, 0.48 - gap)
    near_left, near_right = position - gap, position + gap
    left = (near_left - torch.maximum(edge, near_left - REACH * farther)).clamp(min=0)
    right = (torch.minimum(1 - edge, near_right + REACH * farther) - near_right).clamp(min=0)
    way = u * (left + right)
    return torch.where(way < left, near_left - left + way, near_right + way - left)
