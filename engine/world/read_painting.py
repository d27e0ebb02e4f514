"""Abstract paintings: their arrangement, where their lines run, how wide those are and in which ink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from . import descent, painter
from .descent import Span
from .grading import graded
from .paintings import painting
from .scenes import ARRANGEMENTS, INKS, SCALES, SIZE, WORDS

THIN = 0.9  # pixels of line while lines are looked for
OFFSETS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)  # pixels, of lines from those of the bank
WIDTHS = 0.9, 1.9, 2.9  # pixels of line tried in each ink
ROUNDS = 5
VALUES = ("split_x", "split_y", "outline", "grade")
STEPS = (0.3 / SIZE, 0.3 / SIZE, 0.3, 0.04)  # of those, for differences
REACH = (1.0 / SIZE, 1.0 / SIZE, 0.6, 0.3)  # of one step


def painted(scenes: painter.Scenes) -> Tensor:
    """The paintings, [B, 3, H, W]."""
    plain = painting(scenes.arrangement, scenes.split_x, scenes.split_y, scenes.outline, scenes.ink)
    return graded(plain, scenes.grade)


def cost(pictures: Tensor, scenes: painter.Scenes) -> Tensor:
    """How badly paintings match, summed over pixels, [B]."""
    return descent.prices(pictures - painted(scenes)).sum((1, 2))


def _cheapest(pictures: Tensor, tries: Sequence[painter.Scenes]) -> painter.Scenes:
    """The best of several for each picture."""
    best = torch.stack([cost(pictures, each) for each in tries]).argmin(0)
    return painter.concat(tries)[torch.arange(len(best)) + best * len(best)]


def _moved(scenes: painter.Scenes, factor: str, pixels: float) -> painter.Scenes:
    scale = SCALES[factor]
    return replace(scenes, **{factor: (getattr(scenes, factor) + pixels / SIZE).clamp(scale.low, scale.high)})


def costs(pictures: Tensor, scenes: painter.Scenes, factor: str) -> Tensor:
    """What paintings cost with each word of a factor, [B, words]."""
    words = range(len(WORDS[factor]))
    return torch.stack([cost(pictures, _with(scenes, factor, word)) for word in words], 1)


def _with(scenes: painter.Scenes, factor: str, value: float) -> painter.Scenes:
    return replace(scenes, **{factor: torch.full_like(getattr(scenes, factor), value)})


def read(pictures: Tensor, scenes: painter.Scenes) -> tuple[painter.Scenes, Tensor]:
    """The paintings that pictures show, from what they may be (arrangement, splits and grade nearly right).

    With deviations of `VALUES`, [B, 4].
    """
    found = _with(scenes, "outline", THIN)
    for factor in ("split_x", "split_y") * 2:
        found = _cheapest(pictures, [_moved(found, factor, pixels) for pixels in OFFSETS])
    inks = [_with(_with(found, "ink", ink), "outline", width) for ink in range(len(INKS)) for width in WIDTHS]
    found, _ = settled(pictures, _cheapest(pictures, inks))
    arrangements = [_with(found, "arrangement", number) for number in range(len(ARRANGEMENTS))]
    return settled(pictures, _cheapest(pictures, arrangements))


def settled(pictures: Tensor, scenes: painter.Scenes) -> tuple[painter.Scenes, Tensor]:
    """Splits, width of lines and grade by descent, and deviations of them."""
    scales = [SCALES[name] for name in VALUES]
    span = Span(*(torch.tensor(each) for each in ([s.low for s in scales], [s.high for s in scales], REACH)))

    def put(values: Tensor) -> painter.Scenes:
        return replace(scenes, **dict(zip(VALUES, values.unbind(1), strict=True)))

    start = torch.stack([getattr(scenes, name) for name in VALUES], 1)
    look = descent.compared(pictures, lambda values: painted(put(values)), torch.tensor(STEPS), span)
    found = descent.descend(start, span, ROUNDS, look)
    return put(found.values), found.spread
