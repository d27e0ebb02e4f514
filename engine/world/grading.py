"""The colour grade of a finished picture: a bend of its red and blue towards each other's place, and a slight tint.

A bend moves middle values most and leaves black and white alone; the tint, which moves white, is what is left then.
Hues keep their names: a warm white is cream, a warm blue is still blue.
"""

from __future__ import annotations

import torch
from torch import Tensor

BEND = (0.46, 0.06, -0.60)  # of red, green and blue where the grade is 1; below 1 in size, so that it rises everywhere
WARM, COOL = (1.0, 0.70, 0.36), (0.36, 0.66, 1.0)  # what the tint draws towards
TINT = 0.13  # how far
REFERENCES = (0.85, 0.55, 0.28)  # grays that show a grade on their own


def graded(pictures: Tensor, grade: Tensor) -> Tensor:
    """Pictures [B, 3, H, W] in [0, 1] at grades [B] from -1 (cool) over 0 (unchanged) to 1 (warm); in [0, 1] again."""
    amount = grade.view(-1, 1, 1, 1)
    bend = pictures.new_tensor(BEND).view(1, 3, 1, 1) * amount
    bent = pictures + bend * pictures * (1 - pictures)
    warm, cool = (pictures.new_tensor(each).view(1, 3, 1, 1) for each in (WARM, COOL))
    return bent + (torch.where(amount > 0, warm, cool) - bent) * TINT * amount.abs()


def swatches(grade: float) -> tuple[tuple[float, float, float], ...]:
    """A palette card: what a grade makes of three grays, light to dark; sRGB in [0, 1]."""
    grays = torch.tensor(REFERENCES).view(1, 1, -1, 1).expand(1, 3, -1, 1)
    red, green, blue = graded(grays, torch.tensor([grade]))[0, :, :, 0].tolist()
    return tuple(zip(red, green, blue, strict=True))
