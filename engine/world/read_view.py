"""Pictures as things are looked for in them: ungraded, with edges of several widths, whole or in parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from . import painter, read_grade
from .read_fit import Bodies, Fit, Patch
from .read_sheets import painted, prices
from .scenes import SIZE

WIDTHS = 1.0, 1.6, 2.2, 2.8  # pixels that edges of pictures may be wide, as painted and blurred
SHARPER = 1.1  # what blurred edges must be better by than those that are as painted
SOFT = 5.0, 2.0, 1.0  # pixels of an edge: at first, then, at last
SHARP, ALL = 2, (0, 1, 2)  # numbers of those
POINTS = 22, 22, 44  # compared along each side of a window
SPANS = 43, 63  # pixels between the first and the last of them: of a window, of the whole picture
TILE = 6  # pixels
ROOM = 4.0  # pixels around a thing
WIDE, TALL = 1.2, 2.2  # of its half width, what a thing may take to each side and above its base


def blurred(pictures: Tensor, soft: float) -> Tensor:
    """Pictures whose edges of one pixel become `soft` pixels wide."""
    if soft <= 1:
        return pictures
    reach = torch.arange(-3.0, 4.0)
    kernel = torch.exp(-0.5 * reach**2 / ((soft**2 - 1) / 12))
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, 7)
    across = F.conv2d(F.pad(pictures, (3, 3, 3, 3), mode="replicate"), kernel, groups=3)
    return F.conv2d(across, kernel.transpose(2, 3), groups=3)


def tiles(away: Tensor) -> Tensor:
    """The largest of the mean differences over tiles, [B, 3, H, W] -> [B]: noise is evened out in it."""
    return F.avg_pool2d(away, TILE, 2).abs().mean(1).flatten(1).amax(1)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """B pictures and what is behind the things in them, ungraded, for some of the numbers of `SOFT`: [B, 3, H, W]."""

    pictures: Mapping[int, Tensor]
    behind: Mapping[int, Tensor]
    soft: Mapping[int, Tensor]  # width of their edges, pixels [B]
    weight: Tensor  # what a grade makes of a difference, [B, 3, H, W]
    light: Tensor  # of things, [B]
    grade: Tensor
    large: Tensor  # whether things may loom, bool [B]

    def __len__(self) -> int:
        return len(self.light)

    def __getitem__(self, index: Tensor) -> View:
        seen, behind, soft = (
            {level: each[index] for level, each in some.items()} for some in (self.pictures, self.behind, self.soft)
        )
        return View(seen, behind, soft, self.weight[index], self.light[index], self.grade[index], self.large[index])

    def whole(self) -> Patch:
        """Every pixel, with edges as they are."""
        first = torch.zeros(len(self), 2)
        return self._cut(SHARP, torch.arange(len(self)), first, first[:, 0] + SIZE - 1, SIZE)

    def about(
        self, level: int, fit: Fit, near: Tensor | None = None, far: Tensor | None = None, points: int | None = None
    ) -> Patch:
        """Windows in which the things of N fits stand, N / B to a picture; both, or the nearer and farther of some."""
        boxes = [_box(each, wanted) for each, wanted in ((fit.near, near), (fit.far, far))]
        low = torch.minimum(boxes[0][0], boxes[1][0])
        high = torch.maximum(boxes[0][1], boxes[1][1])
        wide = (high - low).amax(1) * SIZE > SPANS[0]
        span = torch.where(wide, SPANS[1], SPANS[0]).to(low.dtype)
        first = ((low + high) / 2 * SIZE - span.unsqueeze(1) / 2).round().clamp(min=0)
        first = first.minimum(SIZE - 1 - span.unsqueeze(1))
        return self._cut(level, torch.arange(len(fit)) % len(self), first, span, points or POINTS[level])

    def _cut(self, level: int, which: Tensor, first: Tensor, span: Tensor, points: int) -> Patch:
        """Points of pictures by number, from `first` (x, y) pixels [N, 2] on over `span` pixels."""
        line = (torch.arange(points) * span.unsqueeze(1) / (points - 1) + 0.5).floor()
        columns, rows = ((first[:, axis : axis + 1] + line).long() for axis in (0, 1))
        at = (rows.unsqueeze(2) * SIZE + columns.unsqueeze(1)).unsqueeze(1)
        at = at + ((which * 3).view(-1, 1) + torch.arange(3)).view(-1, 3, 1, 1) * SIZE**2

        def taken(pictures: Tensor) -> Tensor:
            return torch.take(pictures, at)

        y, x = ((each + 0.5) / SIZE for each in (rows, columns))
        return Patch(
            taken(self.pictures[level]), taken(self.behind[level]), taken(self.weight),
            y.unsqueeze(2).expand(-1, -1, points), x.unsqueeze(1).expand(-1, points, -1),
            self.light[which], (span + 1) ** 2, self.soft[level][which],
        )  # fmt: skip


def _box(bodies: Bodies, wanted: Tensor | None) -> tuple[Tensor, Tensor]:
    """The corners (x, y) of what things take, fractions [N, 2]; nothing of things that are not there."""
    x, base, half = bodies.place.unbind(1)
    room = ROOM / SIZE
    low = torch.stack([x - WIDE * half - room, base - TALL * half - room], 1).clamp(0, 1)
    high = torch.stack([x + WIDE * half + room, base + room], 1).clamp(0, 1)
    there = bodies.there
    there = (there if wanted is None else there & wanted).unsqueeze(1)
    return torch.where(there, low, 1.0), torch.where(there, high, 0.0)


def view(pictures: Tensor, scenes: painter.Scenes, soft: Tensor, levels: Sequence[int]) -> View:
    """A view of graded pictures with edges `soft` pixels wide [B], and of the backdrops of scenes."""
    grade = scenes.grade
    plain = read_grade.ungraded(pictures, grade)
    behind = softened(painter.background(scenes), soft)
    seen, back = ({level: blurred(each, SOFT[level]) for level in levels} for each in (plain, behind))
    widths = {level: (soft**2 + SOFT[level] ** 2 - 1).sqrt() for level in levels}
    return View(seen, back, widths, read_grade.slope(plain.clamp(0, 1), grade), scenes.light, grade, scenes.indoors)


def softness(view: View, fit: Fit) -> Tensor:
    """The one of `WIDTHS` that edges of pictures have [B], which things stand in; the view's are as painted."""
    costs: list[Tensor] = []
    for width in WIDTHS:
        soft = torch.full_like(view.light, width)
        some = replace(view, behind={SHARP: softened(view.behind[SHARP], soft)}, soft={SHARP: soft})
        patch = some.about(SHARP, fit, points=POINTS[0])
        costs.append(prices(patch, painted(patch, fit)).mean((1, 2)) * (1 if width == WIDTHS[0] else SHARPER))
    return torch.tensor(WIDTHS)[torch.stack(costs).argmin(0)]


def softened(pictures: Tensor, soft: Tensor) -> Tensor:
    """Pictures with edges of `soft` pixels, one of `WIDTHS` for each [B]."""
    made = pictures.clone()
    for width in WIDTHS[1:]:
        chosen = (soft == width).nonzero().flatten()
        if len(chosen):
            made[chosen] = blurred(pictures[chosen], width)
    return made
