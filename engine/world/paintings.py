"""Abstract paintings: areas of colour between lines that run where the scene says."""

from __future__ import annotations

import torch
from torch import Tensor

from .scenes import AREAS, ARRANGEMENTS, SIZE
from .things import cover, inks

UPPER, INNER = 0.45, 0.5  # where the lines that divide two of the four fields run, of the way to the main ones


def fields() -> Tensor:
    """The six areas' colours in each arrangement: [arrangements, 6, 3].

    Top left; top right above and below its line; bottom left, left and right of its line; bottom right.
    """
    areas = [
        (each.top_left, "gray", each.accent, each.accent, "gray", each.bottom_right) for each in ARRANGEMENTS.values()
    ]
    return torch.tensor([[AREAS[name] for name in each] for each in areas])


def painting(arrangement: Tensor, split_x: Tensor, split_y: Tensor, outline: Tensor, ink: Tensor) -> Tensor:
    """B paintings, [B, 3, H, W]: lines of `outline` pixels in an ink, both [B]."""
    centres = torch.arange(SIZE) + 0.5
    x = centres.view(1, 1, 1, -1) - split_x.view(-1, 1, 1, 1) * SIZE  # pixels right of the main line
    y = centres.view(1, 1, -1, 1) - split_y.view(-1, 1, 1, 1) * SIZE
    inner = centres.view(1, 1, 1, -1) - split_x.view(-1, 1, 1, 1) * SIZE * INNER
    upper = centres.view(1, 1, -1, 1) - split_y.view(-1, 1, 1, 1) * SIZE * UPPER
    colors = fields()[arrangement].view(-1, 6, 3, 1, 1).unbind(1)
    right, below = cover(-x), cover(-y)
    top = colors[0] + (_mixed(colors[1], colors[2], cover(-upper)) - colors[0]) * right
    bottom = _mixed(_mixed(colors[3], colors[4], cover(-inner)), colors[5], right)
    width = outline.view(-1, 1, 1, 1) / 2
    lines = torch.maximum(_line(x, width), _line(y, width))
    lines = torch.maximum(lines, _line(upper, width) * right * (1 - below))
    lines = torch.maximum(lines, _line(inner, width) * below * (1 - right))
    return _mixed(_mixed(top, bottom, below), inks()[ink].view(-1, 3, 1, 1), lines)


def _mixed(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    return first + (second - first) * share


def _line(away: Tensor, half: Tensor) -> Tensor:
    """How much of a pixel a line covers whose middle is `away` pixels off."""
    return (torch.minimum(away + 0.5, half) - torch.maximum(away - 0.5, -half)).clamp(min=0)
