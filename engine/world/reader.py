"""The reader: pictures -> factors, without any model, by comparing with what the painter would have painted.

First the background: each row of the picture is held against every sky and every ground, and the (time, place,
horizon) that explains most of it wins. What is left over is a mask; silhouettes of every kind and size are slid over
it, and the best ones are painted in full and compared in colour. Distances are clipped, so that what fits nothing
costs the same everywhere and cannot pull the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from . import painter
from .scenes import KINDS, SIZE

CLIP = 0.25  # largest distance that counts, mean over channels
SIZES = torch.linspace(0.12, 0.215, 7)  # half widths tried
KERNEL = 33  # pixels, of a silhouette; its base stands at the lower edge's middle
WINDOW = 40  # pixels, of the part of a picture in which its thing stands


@dataclass(frozen=True, slots=True)
class Readings:
    """What the reader sees in B pictures; `misfit` is the mean clipped distance from its best picture, [B]."""

    scenes: painter.Scenes
    misfit: Tensor

    @property
    def horizon(self) -> Tensor:
        """Row of the horizon, fraction from the top, [B]."""
        return self.scenes.horizon

    def words(self, factor: str) -> list[str]:
        """The word for a factor in each picture."""
        return self.scenes.words(factor)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean absolute difference over the channels (third axis from the right), clipped."""
    return (a - b).abs().mean(-3).clamp(max=CLIP)


def _backdrop(pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Time, place and horizon of each picture, [B] each."""
    skies, grounds = painter.skies(), painter.grounds()
    sky = torch.stack([_distance(pictures, each).mean(-1) for each in skies], 1)  # [B, times, H]
    ground = torch.stack(
        [torch.stack([_distance(pictures, each).mean(-1) for each in place], 1) for place in grounds], 1
    )  # [B, places, times, H]
    zero = sky.new_zeros(*sky.shape[:-1], 1)
    above = torch.cat([zero, sky.cumsum(-1)], -1)  # cost of sky in the first k rows
    total = ground.sum(-1, keepdim=True)
    below = total - torch.cat([ground.new_zeros(*ground.shape[:-1], 1), ground.cumsum(-1)], -1)
    cost = above.unsqueeze(1) + below  # [B, places, times, H + 1]
    best = cost.flatten(1).argmin(1)
    rows = cost.shape[-1]
    row, time, place = best % rows, best // rows % len(skies), best // rows // len(skies)
    # the row that holds the edge is a mixture: try its fractions
    fractions = torch.linspace(-1, 1, 17)
    tries = ((row.unsqueeze(1) + fractions) / SIZE).clamp(0, 1)
    costs = torch.stack(
        [
            _distance(pictures, painter.background(time, place, tries[:, number])).mean((1, 2))
            for number in range(len(fractions))
        ],
        1,
    )
    horizon = tries.gather(1, costs.argmin(1, keepdim=True)).squeeze(1)
    return time, place, horizon


@cache
def _silhouettes() -> tuple[Tensor, Tensor]:
    """Silhouettes and the shadows beside them, [kinds * sizes, KERNEL, KERNEL]; they stand amid the lower edge."""
    middle = torch.full((len(SIZES),), 0.5 + 0.5 / SIZE)
    base = torch.full((len(SIZES),), (SIZE // 2 + KERNEL // 2 + 1) / SIZE)
    window = slice(SIZE // 2 - KERNEL // 2, SIZE // 2 + KERNEL // 2 + 1)
    layers = [painter.thing(kind, middle, base, SIZES, torch.zeros(len(SIZES))) for kind in KINDS]
    shapes = torch.cat([each.silhouette for each in layers])
    shadows = torch.cat([each.shadow for each in layers]) * (1 - shapes)
    return shapes[:, window, window], shadows[:, window, window]


def _candidates(residue: Tensor) -> tuple[Tensor, Tensor]:
    """For each kind (position, base, size) [B, kinds, 3] of its best silhouette over the residue [B, H, W], and how
    well it covers it (intersection over union; what lies in the shadow counts neither way), [B, kinds].
    """
    shapes, shadows = (each.unsqueeze(1) for each in _silhouettes())
    pad = KERNEL // 2
    mask = residue.unsqueeze(1)
    overlap = F.conv2d(mask, shapes, padding=pad)  # [B, K, H, W]
    shaded = F.conv2d(mask, shadows, padding=pad)
    union = shapes.sum((1, 2, 3)).view(1, -1, 1, 1) + mask.sum((2, 3), keepdim=True) - overlap - shaded
    score, best = (overlap / union).view(len(residue), len(KINDS), -1).max(-1)
    size = SIZES[best // SIZE**2]
    row, column = best % SIZE**2 // SIZE, best % SIZE
    return torch.stack([(column + 0.5) / SIZE, (row + pad + 1) / SIZE, size], -1), score


@dataclass(frozen=True, slots=True)
class _Window:
    """A square of each picture around its thing, [B, 3, W, W], what is behind it, and where its pixels lie."""

    pictures: Tensor
    behind: Tensor
    grid: painter.Grid

    def __getitem__(self, index: Tensor) -> _Window:
        rows, columns = self.grid
        return _Window(self.pictures[index], self.behind[index], (rows[index], columns[index]))


def _window(pictures: Tensor, behind: Tensor, place: Tensor) -> _Window:
    """The window in which a thing at `place` (position, base) [B, 2+] stands."""
    room = SIZE - WINDOW
    top = (place[:, 1] * SIZE - WINDOW + 4).round().long().clamp(0, room)
    left = (place[:, 0] * SIZE - WINDOW / 2).round().long().clamp(0, room)
    rows = (top.view(-1, 1) + torch.arange(WINDOW)).unsqueeze(2).expand(-1, -1, WINDOW)
    columns = (left.view(-1, 1) + torch.arange(WINDOW)).unsqueeze(1).expand(-1, WINDOW, -1)
    which = torch.arange(len(pictures)).view(-1, 1, 1)
    cut = [each.permute(0, 2, 3, 1)[which, rows, columns].permute(0, 3, 1, 2) for each in (pictures, behind)]
    return _Window(cut[0], cut[1], ((rows + 0.5) / SIZE, (columns + 0.5) / SIZE))


def _fit(window: _Window, kinds: Tensor, tried: Tensor) -> tuple[Tensor, Tensor]:
    """How far things (position, base, size, outline) [B, 4] in their best colours are from the pictures, and those
    colours: [B], [B].
    """
    cost, color = torch.zeros(len(kinds)), torch.zeros(len(kinds), dtype=torch.long)
    palette = painter.colors()
    for number, kind in enumerate(KINDS):
        chosen = (kinds == number).nonzero().flatten()
        if not len(chosen):
            continue
        some = window[chosen]
        position, base, size, outline = tried[chosen].unbind(1)
        layers = painter.thing(kind, position, base, size, outline, some.grid)
        inside = (layers.inside * layers.own).unsqueeze(1)
        seen = (some.pictures * inside).sum((2, 3)) / inside.sum((2, 3)).clamp(min=1e-3)
        color[chosen] = (seen.unsqueeze(1) - palette).abs().sum(-1).argmin(1)
        painted = painter.lay(some.behind, layers, palette[color[chosen]], some.grid)
        cost[chosen] = _distance(some.pictures, painted).mean((1, 2))
    return cost, color


# directions of the descent: (position, base, size, outline); a thing may move, grow upwards or downwards, and its
# outline may grow inwards or outwards
MOVES = torch.tensor(
    [
        [1 / SIZE, 0, 0, 0],
        [0, 1 / SIZE, 0, 0],
        [0, 0, 0.5 / SIZE, 0],
        [0, 1 / SIZE, 0.5 / SIZE, 0],
        [0, 0, 0, 0.6],
        [0, 0.6 / SIZE, 0.6 / SIZE, 0.6],
    ]
)
# rounds of the tournament between kinds: how many stay in, and the length of their moves; a small thing by night is
# hardly outlined, so that its silhouette alone rules no kind out
ROUNDS = ((len(KINDS), 2.0), (len(KINDS), 1.0), (2, 0.5), (1, 0.5))


@dataclass(frozen=True, slots=True)
class _Fits:
    """A thing tried in each of N windows: kind, cost, colour [N] and (position, base, size, outline) [N, 4]."""

    kinds: Tensor
    cost: Tensor
    color: Tensor
    place: Tensor

    def __getitem__(self, index: Tensor) -> _Fits:
        return _Fits(self.kinds[index], self.cost[index], self.color[index], self.place[index])

    def or_better(self, other: _Fits) -> _Fits:
        """The cheaper of two in each window."""
        better = other.cost < self.cost
        return _Fits(
            self.kinds,
            torch.where(better, other.cost, self.cost),
            torch.where(better, other.color, self.color),
            torch.where(better.unsqueeze(1), other.place, self.place),
        )


def _tried(window: _Window, kinds: Tensor, place: Tensor) -> _Fits:
    return _Fits(kinds, *_fit(window, kinds, place), place)


def _descend(window: _Window, fits: _Fits, length: float) -> _Fits:
    """One round of coordinate descent by moves of a length."""
    for move in MOVES:
        for step in (-length, length):
            place = fits.place + step * move
            place[:, 3].clamp_(0.6, 3.6)
            fits = fits.or_better(_tried(window, fits.kinds, place))
    return fits


def _thing(pictures: Tensor, behind: Tensor) -> _Fits:
    """The best thing in each of B pictures."""
    residue = (((pictures - behind).abs().mean(1) - 0.04) / 0.08).clamp(0, 1)
    places, score = _candidates(residue)  # [B, kinds, 3]
    count, kinds = score.shape
    window = _window(pictures, behind, places[torch.arange(count), score.argmax(1)])
    start = torch.cat([places, places.new_full((count, kinds, 1), 1.9)], 2)
    rivals = torch.arange(count).repeat_interleave(kinds)  # the picture of each rival
    fits = _tried(window[rivals], torch.arange(kinds).repeat(count), start.flatten(0, 1))
    for stay, length in ROUNDS:
        best = fits.cost.view(count, -1).topk(stay, dim=1, largest=False).indices
        chosen = (best + torch.arange(count).unsqueeze(1) * (len(fits.cost) // count)).flatten()
        fits = _descend(window[torch.arange(count).repeat_interleave(stay)], fits[chosen], length)
    return fits


@torch.no_grad()
def read(pictures: Tensor, batch: int = 64) -> Readings:
    """Read pictures [B, 3, 64, 64] in [0, 1], any float type; everything is computed in float32 on the CPU.

    Raises `ValueError` for pictures of another shape.
    """
    if pictures.shape[1:] != (3, SIZE, SIZE):
        raise ValueError(f"the reader knows pictures of 3 x {SIZE} x {SIZE}, not {tuple(pictures.shape[1:])}")
    scenes: list[painter.Scenes] = []
    misfits: list[Tensor] = []
    for some in pictures.detach().float().cpu().split(batch):
        time, place, horizon = _backdrop(some)
        fits = _thing(some, painter.background(time, place, horizon))
        position, _, size, outline = fits.place.unbind(1)
        scenes.append(painter.Scenes(time, place, fits.kinds, fits.color, horizon, position, size, outline))
        misfits.append(fits.cost)
    return Readings(painter.concat(scenes), torch.cat(misfits))
