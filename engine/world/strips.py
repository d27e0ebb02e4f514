"""Tall pictures that hang on the horizon: drawn once, then cut into pictures at any row, any part of a pixel.

A strip is drawn in pixels, x to the right and `up` from the horizon, several points a pixel. Its rows are summed, so
that a picture's row is a difference of two sums: exact shares of rows, at the price of a look-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from .scenes import SIZE, Color

FINE = 4  # points a pixel, both ways
ABOVE, BELOW = 58, 54  # pixels of a strip over and under the horizon: what the lowest and highest horizon show
DESIGN = 33.0  # pixels of wall that a room is furnished for; where there are fewer, everything is pressed together

Point = tuple[float, float]  # x and up, pixels


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """A strip in the making: colour and how much of it there is, [4, rows, columns] (premultiplied), and its points."""

    colors: Tensor
    x: Tensor  # [1, columns]
    up: Tensor  # [rows, 1]

    def fill(self, mask: Tensor, color: Color | Tensor) -> None:
        """Paint over where a mask [rows, columns] is true, in one colour or in colours [3, rows, columns]."""
        self.colors[:3] = torch.where(mask, torch.as_tensor(color).view(3, *_shape(color)), self.colors[:3])
        self.colors[3].masked_fill_(mask, 1.0)

    def box(self, left: float, right: float, bottom: float, top: float) -> Tensor:
        """Where a box is."""
        return (self.x > left) & (self.x < right) & (self.up > bottom) & (self.up < top)

    def disk(self, middle: Point, radius: float, height: float | None = None) -> Tensor:
        """Where a disk is, or an ellipse."""
        return ((self.x - middle[0]) / radius) ** 2 + ((self.up - middle[1]) / (height or radius)) ** 2 < 1

    def stroke(self, points: Sequence[Point], width: float) -> Tensor:
        """Where a line through points is."""
        found = torch.zeros_like(self.x * self.up, dtype=torch.bool)
        for (x0, y0), (x1, y1) in pairwise(points):
            dx, dy = x1 - x0, y1 - y0
            along = (((self.x - x0) * dx + (self.up - y0) * dy) / (dx * dx + dy * dy)).clamp(0, 1)
            away = (self.x - x0 - along * dx) ** 2 + (self.up - y0 - along * dy) ** 2
            found |= away < (width / 2) ** 2
        return found


def _shape(color: Color | Tensor) -> tuple[int, int]:
    return (1, 1) if isinstance(color, tuple) else (color.shape[1], color.shape[2])


def canvas() -> Canvas:
    """An empty strip."""
    x = (torch.arange(SIZE * FINE) + 0.5) / FINE
    up = ABOVE - (torch.arange((ABOVE + BELOW) * FINE) + 0.5) / FINE
    return Canvas(torch.zeros(4, len(up), len(x)), x.view(1, -1), up.view(-1, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Strips:
    """K strips ready to be cut: sums over rows from the horizon, [K, rows + 1, channels * columns]."""

    sums: Tensor
    channels: int
    columns: slice  # of the picture

    def cut(self, which: Tensor, horizon: Tensor, scale: Tensor) -> Tensor:
        """For each of B pictures one strip with its zero at a row, pressed together above it by `scale`: all [B].

        [B, channels, SIZE, columns].
        """
        rows = torch.arange(SIZE + 1) - horizon.view(-1, 1) * SIZE  # edges of the picture's rows, below the horizon
        scale = torch.where(rows < 0, scale.view(-1, 1), torch.ones_like(rows))
        at = ((rows / scale + ABOVE) * FINE).clamp(0, self.sums.shape[1] - 1.001)
        first = at.floor().long()
        flat, start = self.sums.flatten(0, 1), which.view(-1, 1) * self.sums.shape[1] + first
        low, high = flat[start], flat[start + 1]
        edges = (low + (high - low) * (at - first).unsqueeze(2)) * scale.unsqueeze(2)
        return edges.diff(dim=1).view(len(which), SIZE, self.channels, -1).transpose(1, 2)


def strips(canvases: Sequence[Tensor], columns: slice = slice(0, SIZE)) -> Strips:
    """Drawn strips [channels, rows, columns] made ready; only some of the picture's columns are kept."""
    drawn = torch.stack(list(canvases))
    count, channels, rows, width = drawn.shape
    pixels = drawn.view(count, channels, rows, width // FINE, FINE).mean(4)[..., columns]
    flat = pixels.transpose(1, 2).reshape(count, rows, -1).double() / FINE
    sums = torch.cat([flat.new_zeros(count, 1, flat.shape[2]), flat.cumsum(1)], 1)
    return Strips((sums - sums[:, ABOVE * FINE].unsqueeze(1)).float(), channels, columns)


def pressed(horizon: Tensor) -> Tensor:
    """How much a wall of too few pixels is pressed together, [B]."""
    return (horizon * SIZE / DESIGN).clamp(max=1.0)
