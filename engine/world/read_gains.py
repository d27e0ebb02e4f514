"""Where in a picture things may stand: how much of what the backdrop leaves over a thing would explain, everywhere.

At each coarse pixel it is known how much nearer the picture comes if the pixel shows a colour, or a line, in place of
what is behind it. Summed over a silhouette that is what painting the thing there gains: a convolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from . import things
from .grading import graded
from .scenes import COLORS, KINDS, PAINTS, SIZE

CLIP = 0.2  # largest distance that counts, mean over channels
LINE = 2.0  # pixels of outline in silhouettes
HUES = 3  # colours tried in each picture
RATIO = 1.14  # between neighbouring sizes
# silhouettes: pixels a coarse pixel, half widths from and to (pixels)
BANDS = ((2, 5.0, 7.5), (2, 8.4, 13.5), (4, 15.0, 41.0))


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """Silhouettes of all kinds and several sizes, amid windows; their middles are a half width high."""

    own: Tensor  # [kinds * sizes, 1, K, K], share of a coarse pixel in the thing's own colour
    line: Tensor  # in ink or in paint that is not its own
    half: Tensor  # [sizes], pixels
    coarse: int  # pixels a coarse pixel


def _sizes(low: float, high: float) -> Tensor:
    count = round(torch.log(torch.tensor(high / low)).item() / torch.log(torch.tensor(RATIO)).item()) + 1
    return torch.logspace(0, 1, count, high / low) * low


@cache
def shapes() -> tuple[Shapes, ...]:
    """Silhouettes for each of `BANDS`."""
    found: list[Shapes] = []
    for coarse, low, high in BANDS:
        half = _sizes(low, high)
        reach = int(1.2 * high / coarse) + 1
        edge = coarse * (2 * reach + 1) / 2
        points = (torch.arange(-edge, edge) + 0.5) / SIZE
        where = (points.view(-1, 1).expand(-1, len(points)), points.view(1, -1).expand(len(points), -1))
        layers = [
            things.thing(kind, torch.zeros_like(half), half / SIZE, half / SIZE, torch.full_like(half, LINE), where)
            for kind in KINDS
        ]
        own = torch.cat([each.inside * each.own for each in layers]).unsqueeze(1)
        line = torch.cat([each.silhouette for each in layers]).unsqueeze(1) - own
        found.append(Shapes(F.avg_pool2d(own, coarse), F.avg_pool2d(line, coarse), half, coarse))
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class Gains:
    """What colours [B, colours, h, w] and the best of inks and paints [B, h, w] gain at each coarse pixel."""

    colors: Tensor
    lines: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Paints:
    """What a picture's things may be painted in, as its light and grade leave it: [B, colours, 3, SIZE] by row."""

    colors: Tensor
    lines: Tensor  # inks, then paints


def paints(light: Tensor, grade: Tensor) -> Paints:
    """Colours, inks and paints of pictures with these lights and grades [B]."""
    rows = 1.05 - 0.12 * (torch.arange(SIZE) + 0.5) / SIZE
    colors = (things.colors().unsqueeze(2) * rows).expand(len(light), -1, -1, -1) * light.view(-1, 1, 1, 1)
    other = torch.cat([things.inks(), torch.tensor(list(PAINTS.values()))])
    lines = other.unsqueeze(2).expand(len(light), -1, -1, SIZE) * light.view(-1, 1, 1, 1)
    return Paints(_graded(colors, grade), _graded(lines, grade))


def _graded(colors: Tensor, grade: Tensor) -> Tensor:
    return graded(colors.clamp(0, 1).transpose(1, 2), grade).transpose(1, 2)


def gains(pictures: Tensor, behind: Tensor, known: Paints, coarse: int, seen: Tensor | None = None) -> Gains:
    """What there is to gain over what is `behind`, graded; nothing where `seen` [B, H, W] is 0."""
    shown, back = F.avg_pool2d(pictures, coarse), F.avg_pool2d(behind, coarse)
    left = (shown - back).abs().mean(1).clamp(max=CLIP).unsqueeze(1)
    found: list[Tensor] = []
    for paint in (known.colors, known.lines):
        rows = F.avg_pool1d(paint.flatten(0, 1), coarse).view(*paint.shape[:3], -1, 1)
        found.append(left - (shown.unsqueeze(1) - rows).abs().mean(2).clamp(max=CLIP))
    colors, lines = found[0], found[1].amax(1)
    if seen is not None:
        share = F.avg_pool2d(seen.unsqueeze(1), coarse)
        colors, lines = colors * share, lines * share.squeeze(1)
    return Gains(colors, lines)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The best silhouette of each kind: gain, colour [B, kinds] and place (x, base, half width) [B, kinds, 3]."""

    gain: Tensor
    color: Tensor
    place: Tensor

    def __getitem__(self, index: Tensor) -> Candidates:
        return Candidates(self.gain[index], self.color[index], self.place[index])


def _hues(colors: Tensor) -> Tensor:
    """The colours that explain most, [B, HUES]: each coarse pixel speaks for the one that gains most there."""
    gain, hue = colors.max(1)
    votes = torch.zeros(len(colors), len(COLORS))
    votes.scatter_add_(1, hue.flatten(1), gain.clamp(min=0).flatten(1))
    return votes.topk(HUES, dim=1).indices


def _low(tried: Shapes, height: int) -> Tensor:
    """Where a silhouette's base would be below the picture, [sizes, height, 1]."""
    middle = (torch.arange(height) + 0.5).view(1, -1, 1) * tried.coarse
    return middle + tried.half.view(-1, 1, 1) > SIZE + tried.coarse


def _slide(found: Gains, tried: Shapes) -> Candidates:
    """The best of one band of silhouettes."""
    hues = _hues(found.colors)
    count, pad = len(hues), tried.own.shape[-1] // 2
    chosen = found.colors.gather(1, hues.view(count, HUES, 1, 1).expand(-1, -1, *found.colors.shape[2:]))
    own = F.conv2d(chosen.flatten(0, 1).unsqueeze(1), tried.own, padding=pad)
    line = F.conv2d(found.lines.unsqueeze(1), tried.line, padding=pad)
    best, hue = own.view(count, HUES, *own.shape[1:]).max(1)  # [B, kinds * sizes, h, w]
    total = ((best + line) * tried.coarse**2).view(count, len(KINDS), len(tried.half), *found.lines.shape[1:])
    total = total.masked_fill(_low(tried, found.lines.shape[1]), -torch.inf).flatten(2)
    gain, at = total.max(2)
    color = hues.gather(1, hue.view(count, len(KINDS), -1).gather(2, at.unsqueeze(2)).squeeze(2))
    height, width = found.lines.shape[1:]
    half = tried.half[at // (height * width)]
    row, column = at % (height * width) // width, at % width
    middle = (torch.stack([column, row], 2) + 0.5) * tried.coarse
    place = torch.stack([middle[..., 0], middle[..., 1] + half, half], 2) / SIZE
    return Candidates(gain, color, place)


def candidates(
    pictures: Tensor, behind: Tensor, known: Paints, large: Tensor, seen: Tensor | None = None
) -> Candidates:
    """The best silhouette of each kind in each picture; the largest are tried only where `large` [B]."""
    half, quarter = (gains(pictures, behind, known, coarse, seen) for coarse in (2, 4))
    small, middling, huge = shapes()
    found = _better(_slide(half, small), _slide(half, middling))
    chosen = large.nonzero().flatten()
    if len(chosen):
        some = _slide(Gains(quarter.colors[chosen], quarter.lines[chosen]), huge)
        both = _better(found[chosen], some)
        for old, new in ((found.gain, both.gain), (found.color, both.color), (found.place, both.place)):
            old[chosen] = new
    return found


def _better(first: Candidates, second: Candidates) -> Candidates:
    which = second.gain > first.gain
    return Candidates(
        torch.where(which, second.gain, first.gain),
        torch.where(which, second.color, first.color),
        torch.where(which.unsqueeze(2), second.place, first.place),
    )
