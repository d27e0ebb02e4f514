"""Whether a palette card suits a picture: how far its swatches look from what the picture's light makes of grays.

A card of a grade shows what that grade makes of three grays (`grading.swatches`). A picture has no grays to hold it
against: its dominant colours are those of its walls and skies, and a neutral beach is warmer than a cool living room.
So the reader finds the picture's grade first. Each swatch is then compared with the colour that this grade makes of the
gray which comes out as light as the swatch, by CIEDE2000, and the mean over the swatches is the distance: 0 for a card
of the picture's own grade, about 3 to 6 where the grades are 0.25 apart and 8 to 10 where they are 0.5. Of swatches
that no grade makes of grays, such as
a saturated orange, the distance stays large, but is less for pictures graded their way.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from . import ciede2000, reader
from .grading import graded
from .scenes import Color

GRAYS = 129  # from black to white, between which lightness is interpolated


def palette_distance(pictures: Tensor, swatches: Sequence[Color]) -> Tensor:
    """Mean CIEDE2000 between swatches (sRGB in [0, 1]) and pictures [B, 3, 64, 64] in [0, 1], as above: [B].

    Raises `ValueError` for a card without swatches, and for pictures of another shape.
    """
    return card_distance(reader.read(pictures).scenes.grade, swatches)


def card_distance(grade: Tensor, swatches: Sequence[Color]) -> Tensor:
    """The same for pictures of known grades [B], -1 cool .. 1 warm."""
    if not swatches:
        raise ValueError("a palette card without swatches suits no picture")
    card = ciede2000.lab(torch.tensor(swatches, dtype=torch.float32))
    return ciede2000.difference(_alike(grade, card[:, 0]), card).mean(1)


def _alike(grade: Tensor, lightness: Tensor) -> Tensor:
    """Grays after grades [B] that are of some lightnesses [K], or as near as grays come: CIELAB [B, K, 3]."""
    grays = torch.linspace(0, 1, GRAYS).view(1, 1, 1, -1).expand(len(grade), 3, 1, -1)
    lab = ciede2000.lab(graded(grays, grade)[:, :, 0].transpose(1, 2))  # [B, GRAYS, 3], lightness rises
    wanted = lightness.expand(len(grade), -1).contiguous()
    right = torch.searchsorted(lab[..., 0].contiguous(), wanted).clamp(1, GRAYS - 1).unsqueeze(2).expand(-1, -1, 3)
    low, high = lab.gather(1, right - 1), lab.gather(1, right)
    way = ((wanted.unsqueeze(2) - low[..., :1]) / (high[..., :1] - low[..., :1])).clamp(0, 1)
    return low + (high - low) * way
