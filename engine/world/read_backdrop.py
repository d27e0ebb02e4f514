"""What is behind the things of a picture: its place, light, lamp and season, the row of its horizon and its grade."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from . import descent, painter
from .descent import Span
from .grading import graded
from .read_sheets import Sheet
from .read_view import softened
from .scenes import HORIZON, SCALES, SIZE, WORDS

OFFSETS = (-2.0, -1.0, 0.0, 1.0, 2.0), (-0.5, 0.0, 0.5)  # pixels, of the horizon from the bank's, then from the best
STEPS = (0.25 / SIZE, 0.03)  # of horizon and grade, for differences
REACH = (1.0 / SIZE, 0.3)  # of one step


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """What stands before backdrops, ungraded, in an ink [B], and how wide edges are, pixels [B]; no sheet: nothing."""

    sheet: Sheet | None
    ink: Tensor
    soft: Tensor

    def __getitem__(self, index: Tensor) -> Before:
        return Before(self.sheet and self.sheet[index], self.ink[index], self.soft[index])

    def shown(self, scenes: painter.Scenes) -> Tensor:
        """The backdrops with it, graded."""
        plain = softened(painter.background(scenes), self.soft)
        return graded(plain if self.sheet is None else self.sheet.over(plain, self.ink), scenes.grade)


def nothing(scenes: painter.Scenes) -> Before:
    """Nothing before backdrops with edges as they are painted."""
    return Before(None, scenes.ink, torch.ones_like(scenes.grade))


def cost(pictures: Tensor, scenes: painter.Scenes, before: Before) -> Tensor:
    """How badly scenes match, summed over pixels, [B]."""
    return descent.prices(pictures - before.shown(scenes)).sum((1, 2))


def _pick(tries: Sequence[painter.Scenes], best: Tensor) -> painter.Scenes:
    return painter.concat(tries)[torch.arange(len(best)) + best * len(best)]


def _shifted(pictures: Tensor, scenes: painter.Scenes, offsets: Iterable[float]) -> painter.Scenes:
    """The scenes with their horizons moved by the best of some numbers of pixels."""
    tries = [replace(scenes, horizon=(scenes.horizon + each / SIZE).clamp(*HORIZON)) for each in offsets]
    return _pick(tries, torch.stack([cost(pictures, each, nothing(each)) for each in tries]).argmin(0))


def worded(pictures: Tensor, scenes: painter.Scenes, factor: str, before: Before) -> tuple[painter.Scenes, Tensor]:
    """The scenes with the best word for a factor, and what each word costs, [B, words]."""
    tries = [replace(scenes, **{factor: torch.full_like(scenes.place, word)}) for word in range(len(WORDS[factor]))]
    costs = torch.stack([cost(pictures, each, before) for each in tries])
    return _pick(tries, costs.argmin(0)), costs.T


def settled(pictures: Tensor, scenes: painter.Scenes, before: Before, rounds: int = 2) -> tuple[painter.Scenes, Tensor]:
    """Horizon and grade by descent, and their deviations, [B, 2]."""
    grade = SCALES["grade"]
    span = Span(torch.tensor([HORIZON[0], grade.low]), torch.tensor([HORIZON[1], grade.high]), torch.tensor(REACH))

    def guess(values: Tensor) -> Tensor:
        return before.shown(replace(scenes, horizon=values[:, 0], grade=values[:, 1]))

    look = descent.compared(pictures, guess, torch.tensor(STEPS), span)
    found = descent.descend(torch.stack([scenes.horizon, scenes.grade], 1), span, rounds, look)
    return replace(scenes, horizon=found.values[:, 0], grade=found.values[:, 1]), found.spread


def elsewhere(pictures: Tensor, scenes: painter.Scenes, before: Before, places: Sequence[int]) -> painter.Scenes:
    """The scenes in the best of some places, each with the grade that suits it."""
    tries = [
        settled(pictures, replace(scenes, place=torch.full_like(scenes.place, each)), before)[0] for each in places
    ]
    return _pick(tries, torch.stack([cost(pictures, each, before) for each in tries]).argmin(0))


def backdrop(pictures: Tensor, look: painter.Scenes) -> painter.Scenes:
    """The backdrop of each picture with nothing before it, from about what it is."""
    for offsets in OFFSETS:
        look = _shifted(pictures, look, offsets)
    found, _ = worded(pictures, look, "season", nothing(look))
    return settled(pictures, found, nothing(found))[0]
