"""A bank of coarse backdrops, and the few in it that a picture's own may be.

Every place, light, lamp and grade at every second row of horizon is painted once and averaged over tiles; a picture's
tiles are held against all of them. Distances are clipped: a tile that a thing covers costs the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from . import painter
from .grading import graded
from .scenes import ARRANGEMENTS, HORIZON, INDOOR, INKS, LAMPS, OUTDOOR, PLACES, SCALES, SEASONS, SIZE, TIMES, WORDS

TILE = (4, 8)  # pixels of a tile, rows and columns
CLIP = 0.2  # largest distance of a tile that counts, mean over channels
STEP = 2  # pixels between horizons
GRADES = (-0.8, -0.4, 0.0, 0.4, 0.8)
APART = 5.0  # pixels between the horizons of two that are tried
SPLITS = 7  # tried each way in a painting
COMMON = {"season": list(SEASONS).index("summer"), "ink": list(INKS).index("black")}  # what the bank is painted in
CHUNK = 24  # entries at a time: what fits the processor's cache


def blank(count: int) -> painter.Scenes:
    """Scenes to be filled in, [count]: the first word of each factor, the middle of each scale, nothing but A."""
    words = {name: torch.zeros(count, dtype=torch.long) for name in WORDS}
    scales = {name: torch.full((count,), (scale.low + scale.high) / 2) for name, scale in SCALES.items()}
    scales |= {"camera": torch.ones(count), "depth": torch.full((count,), -0.6), "horizon": torch.full((count,), 0.5)}
    return painter.Scenes(**words, **scales)


def _crossed(**values: list[int] | list[float]) -> painter.Scenes:
    """Scenes with every combination of some values, the last factor's varying fastest."""
    crossed = torch.cartesian_prod(*(torch.arange(len(each)) for each in values.values()))
    flat = {name: torch.tensor(each)[crossed[:, row]] for row, (name, each) in enumerate(values.items())}
    common = {name: torch.full_like(flat["place"], value) for name, value in COMMON.items()}
    return replace(blank(len(flat["place"])), **(common | flat))


def _entries() -> list[painter.Scenes]:
    """What the bank shows, at grade 0: places outdoors, rooms, paintings."""
    rows = torch.arange(HORIZON[0] * SIZE, HORIZON[1] * SIZE + STEP, STEP).clamp(max=HORIZON[1] * SIZE) / SIZE
    names, times = list(PLACES), list(range(len(TIMES)))
    places = [[names.index(name) for name in some] for some in (OUTDOOR, INDOOR)]
    scale = SCALES["split_x"]
    splits = torch.linspace(scale.low, scale.high, SPLITS).tolist()
    return [
        _crossed(place=places[0], time=times, horizon=rows.tolist()),
        _crossed(place=places[1], time=times, lamp=list(range(len(LAMPS))), horizon=rows.tolist()),
        _crossed(
            place=[names.index("painting")], arrangement=list(range(len(ARRANGEMENTS))), split_x=splits, split_y=splits
        ),
    ]


def tiles(pictures: Tensor) -> Tensor:
    """Mean colours of tiles, [B, 3 * tiles]."""
    return F.avg_pool2d(pictures, TILE).flatten(1)


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """N scenes without things, their tiles [N, 3 * tiles], and which of them differ in more than row and grade."""

    scenes: painter.Scenes
    tiles: Tensor
    look: Tensor  # [N]


@cache
def bank() -> Bank:
    """The whole bank, painted on first use."""
    parts: list[painter.Scenes] = []
    shown: list[Tensor] = []
    for scenes in _entries():
        plain = painter.background(scenes)
        for grade in GRADES:
            grades = torch.full((len(scenes),), grade)
            parts.append(replace(scenes, grade=grades))
            shown.append(tiles(graded(plain, grades)))
    scenes = painter.concat(parts)
    look = ((scenes.place * len(TIMES) + scenes.time) * len(LAMPS) + scenes.lamp) * len(ARRANGEMENTS)
    return Bank(scenes, torch.cat(shown), (look + scenes.arrangement).unique(return_inverse=True)[1])


def costs(pictures: Tensor) -> Tensor:
    """Mean clipped distance of each picture from each entry of the bank, [B, N]."""
    seen, found = tiles(pictures).unsqueeze(1), []
    for some in bank().tiles.split(CHUNK):
        away = (seen - some).abs_().unflatten(2, (3, -1)).sum(2)
        found.append(away.clamp_(max=3 * CLIP).mean(2))
    return torch.cat(found, 1) / 3


def best(found: Tensor, factor: str) -> Tensor:
    """The least of the costs [B, N] of each word of a factor, as sums over pixels: [B, words]."""
    words: Tensor = getattr(bank().scenes, factor)
    least = found.new_full((len(found), len(WORDS[factor])), torch.inf)
    return least.scatter_reduce(1, words.expand(len(found), -1), found, "amin") * SIZE**2


def candidates(found: Tensor, count: int) -> list[painter.Scenes]:
    """The `count` likeliest backdrops of pictures with these costs [B, N], the likeliest first.

    No two are alike but for a few rows or a grade.
    """
    known = bank()
    tries: list[painter.Scenes] = []
    for _ in range(count):
        best = found.argmin(1)
        tries.append(known.scenes[best])
        near = (known.scenes.horizon - tries[-1].horizon.unsqueeze(1)).abs() * SIZE < APART
        alike = (known.look == known.look[best].unsqueeze(1)) & near
        found = found.masked_fill(alike, torch.inf)
    return tries
