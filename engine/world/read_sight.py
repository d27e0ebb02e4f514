"""A picture as a scene or as a painting: what the reader believes, and how it changes its mind.

First the backdrop with nothing before it, then what stands there, then the backdrop once more where nothing hides it.
What is badly explained is doubted: then other things are tried, other rooms and other backdrops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from . import descent, painter, read_certainty, read_fit, read_painting, read_sheets, read_things, read_view
from .read_backdrop import Before, backdrop, elsewhere, settled, worded
from .read_fit import Fit, replaced
from .read_view import ALL, SHARP, view
from .scenes import INDOOR, OUTDOOR, PLACES

DOUBT, DESPAIR = 0.10, 0.25  # mean difference over a tile from which on things are doubted, and backdrops
WORDS = ("time", "season", "lamp")  # of backdrops, whose chances are known


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """A belief about B pictures."""

    scenes: painter.Scenes  # the backdrops or paintings
    fit: Fit  # what stands before them
    soft: Tensor  # width of edges, pixels
    spread: Tensor  # deviations of the fit's values, then of horizon and grade; of a painting's; [B, 9]
    chances: Tensor  # of `WORDS`, [B, 3]
    cost: Tensor  # of what is left over, summed over pixels
    doubt: Tensor  # the largest difference left over a tile, mean over its pixels

    def __len__(self) -> int:
        return len(self.soft)

    def __getitem__(self, index: Tensor) -> Sight:
        return Sight(*(getattr(self, field.name)[index] for field in fields(self)))

    def or_cheaper(self, which: Tensor, other: Sight) -> Sight:
        """The belief, but for pictures `which` another where that is cheaper."""
        better = (other.cost < self.cost[which]).nonzero().flatten()
        return joined([self, other[better]])[replaced(len(self), which[better])]


def joined(parts: Sequence[Sight]) -> Sight:
    """Several batches as one."""
    names = ("soft", "spread", "chances", "cost", "doubt")
    rest = [torch.cat([getattr(each, name) for each in parts]) for name in names]
    return Sight(painter.concat([each.scenes for each in parts]), read_fit.joined([each.fit for each in parts]), *rest)


def sharp(scenes: painter.Scenes) -> Tensor:
    """Edges as they are painted, [B]."""
    return torch.ones_like(scenes.grade)


def _before(sight: read_view.View, fit: Fit) -> Before:
    """Things as they stand before whole pictures."""
    return Before(read_sheets.sheets(sight.whole(), fit), fit.ink, sight.soft[SHARP])


def _left(pictures: Tensor, shown: Tensor) -> tuple[Tensor, Tensor]:
    """What differences cost, summed over pixels, and the largest over a tile, [B] each."""
    return descent.prices(pictures - shown).sum((1, 2)), read_view.tiles(pictures - shown)


def _reworded(pictures: Tensor, scenes: painter.Scenes, before: Before) -> tuple[painter.Scenes, Tensor]:
    """Time, season and lamp once more, and their chances, [B, 3]; outdoors the sky leaves no doubt."""
    scenes, costs = worded(pictures, scenes, "season", before)
    warm = read_certainty.warmth(costs.amin(1))
    season = read_certainty.chance(costs, scenes.season, warm)
    chances = torch.stack([torch.ones_like(season), season, torch.zeros_like(season)], 1)
    which = scenes.indoors.nonzero().flatten()
    if not len(which):
        return scenes, chances
    rooms, some = scenes[which], before[which]
    for column, factor in ((0, "time"), (2, "lamp")):
        rooms, costs = worded(pictures[which], rooms, factor, some)
        chances[which, column] = read_certainty.chance(costs, getattr(rooms, factor), warm[which])
    return painter.concat([scenes, rooms])[replaced(len(scenes), which)], chances


def settle(pictures: Tensor, scenes: painter.Scenes, fit: Fit) -> Sight:
    """What there is to believe when such things stand before such backdrops."""
    soft = read_view.softness(view(pictures, scenes, sharp(scenes), [SHARP]), fit)
    before = _before(view(pictures, scenes, soft, [SHARP]), fit)
    scenes, chances = _reworded(pictures, scenes, before)
    scenes, behind = settled(pictures, scenes, before)
    sight = view(pictures, scenes, soft, [SHARP])
    fit, spread = read_things.again(sight, fit)
    left = _left(pictures, _before(sight, fit).shown(scenes))
    return Sight(scenes, fit, soft, torch.cat([spread, behind], 1), chances, *left)


def _scene(pictures: Tensor, look: painter.Scenes) -> Sight:
    """Pictures as scenes."""
    scenes = backdrop(pictures, look)
    return settle(pictures, scenes, read_things.stood(view(pictures, scenes, sharp(scenes), ALL)))


def _painting(pictures: Tensor, look: painter.Scenes) -> Sight:
    """Pictures as paintings."""
    scenes, spread = read_painting.read(pictures, look)
    none, soft = read_fit.nobody(len(pictures)), sharp(look)
    fit = Fit(none, none, scenes.outline, scenes.ink, scenes.outline)
    padded = torch.cat([spread, spread.new_full((len(spread), 9 - spread.shape[1]), torch.inf)], 1)
    chances = spread.new_zeros(len(spread), len(WORDS))
    return Sight(scenes, fit, soft, padded, chances, *_left(pictures, read_painting.painted(scenes)))


def seen(pictures: Tensor, look: painter.Scenes) -> Sight:
    """What pictures [B, 3, H, W] show that look about like some scenes or paintings without things."""
    scene, painting = (~look.paintings).nonzero().flatten(), look.paintings.nonzero().flatten()
    parts: list[Sight] = []
    if len(scene):
        parts.append(_scene(pictures[scene], look[scene]))
    if len(painting):
        parts.append(_painting(pictures[painting], look[painting]))
    return joined(parts)[torch.cat([scene, painting]).argsort()]


def _mended(pictures: Tensor, sight: Sight) -> Sight:
    """Scenes with other things, or in other places, where that is cheaper."""
    fit = read_things.mended(view(pictures, sight.scenes, sight.soft, ALL), sight.fit)
    sight = sight.or_cheaper(torch.arange(len(sight)), settle(pictures, sight.scenes, fit))
    for names in (OUTDOOR, INDOOR):
        which = ((sight.scenes.indoors == (names == INDOOR)) & (sight.doubt > DOUBT)).nonzero().flatten()
        if len(which):
            some, part = pictures[which], sight[which]
            before = _before(view(some, part.scenes, part.soft, [SHARP]), part.fit)
            scenes = elsewhere(some, part.scenes, before, [list(PLACES).index(name) for name in names])
            sight = sight.or_cheaper(which, settle(some, scenes, part.fit))
    return sight


def reconsidered(pictures: Tensor, sight: Sight, others: Sequence[painter.Scenes], batch: int) -> Sight:
    """The belief with what is doubted looked at again; `others` are the next likely looks of the pictures."""
    for which in _batches((sight.doubt > DOUBT) & ~sight.scenes.paintings, batch):
        sight = sight.or_cheaper(which, _mended(pictures[which], sight[which]))
    for which in _batches(sight.doubt > DESPAIR, max(1, batch // len(others))):
        tries = seen(pictures[which].repeat(len(others), 1, 1, 1), painter.concat([look[which] for look in others]))
        best = tries.cost.view(len(others), -1).argmin(0)
        sight = sight.or_cheaper(which, tries[torch.arange(len(which)) + best * len(which)])
    return sight


def _batches(which: Tensor, batch: int) -> list[Tensor]:
    """Numbers of the pictures that are meant [B], a batch at a time; none where none is."""
    return [some for some in which.nonzero().flatten().split(batch) if len(some)]
