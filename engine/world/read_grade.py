"""Undoing a colour grade: what a graded picture was before."""

from __future__ import annotations

import torch
from torch import Tensor

from .grading import BEND, COOL, TINT, WARM


def _parts(pictures: Tensor, grade: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bend [B, 3, 1, 1], tint [B, 1, 1, 1] of grades, and pictures without the tint."""
    amount = grade.view(-1, 1, 1, 1)
    warm, cool = (pictures.new_tensor(each).view(1, 3, 1, 1) for each in (WARM, COOL))
    tint = TINT * amount.abs()
    bend = pictures.new_tensor(BEND).view(1, 3, 1, 1) * amount
    return bend, tint, (pictures - torch.where(amount > 0, warm, cool) * tint) / (1 - tint)


def ungraded(pictures: Tensor, grade: Tensor) -> Tensor:
    """The inverse of `grading.graded`: [B, 3, H, W] at grades [B]; a little outside [0, 1] for what no grade gives."""
    bend, _, bent = _parts(pictures, grade)
    # bent = x + bend x (1 - x), solved for the root that is bent itself where there is no bend
    root = ((1 + bend) ** 2 - 4 * bend * bent).clamp(min=0).sqrt()
    return (2 * bent / (1 + bend + root).clamp(min=1e-3)).clamp(-0.05, 1.05)


def slope(plain: Tensor, grade: Tensor) -> Tensor:
    """How much a grade makes of a small difference at colours before it, [B, 3, H, W]."""
    bend, tint, _ = _parts(plain, grade)
    return (1 - tint) * (1 + bend * (1 - 2 * plain))
