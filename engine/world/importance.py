"""Where a picture shows what it is about: the places that change when one factor of its scene does.

A window shows the time of day in a few pixels, a bulb whether it is on. A loss that counts every pixel the same hardly
hears of them, so models are taught more where more is told.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from . import painter
from .scenes import HORIZON, SCALES, SIZE, WORDS

CUES = (
    "thing", "color", "position", "other", "other_color", "season", "time", "lamp", "ink", "horizon", "arrangement",
)  # fmt: skip
MOVE = 0.1  # of its range: how far a continuous factor is moved
SATE = 0.2  # a difference that counts as much as any larger one
SAY = 0.25  # weight of what one factor changes, beside 1 for the whole picture
HEARD = 6  # of the cues, how many are asked about a batch of pictures: each is painted once more
MOST = 10.0  # largest weight


def altered(scenes: painter.Scenes, factor: str, rng: torch.Generator) -> painter.Scenes:
    """The same scenes with another word of a factor each, or with a continuous one moved, towards its middle."""
    value = getattr(scenes, factor)
    if factor in WORDS:
        count = len(WORDS[factor])
        return replace(scenes, **{factor: (value + torch.randint(1, count, value.shape, generator=rng)) % count})
    low, high = HORIZON if factor == "horizon" else (SCALES[factor].low, SCALES[factor].high)
    step = MOVE * (high - low)
    return replace(scenes, **{factor: torch.where(value < (low + high) / 2, value + step, value - step)})


def changed(pictures: Tensor, others: Tensor, cells: int) -> Tensor:
    """Where pictures [B, 3, 64, 64] differ from others: the share of each of cells × cells squares, [B, cells²].

    Shares sum to 1, or are all 0 where nothing differs.
    """
    difference = (pictures - others).abs().mean(1, keepdim=True)
    found = F.avg_pool2d(difference.clamp(max=SATE), SIZE // cells).flatten(1)
    return found / found.sum(1, keepdim=True).clamp(min=1e-6)


def weights(scenes: painter.Scenes, pictures: Tensor, rng: torch.Generator, cells: int = 8) -> Tensor:
    """The weight of each of cells × cells squares of painted scenes, [B, cells²], mean 1 over a picture.

    Some of the cues count, drawn from `rng` for all B scenes together, and for the others too.
    """
    weight = torch.ones(len(scenes), cells * cells)
    for number in torch.randperm(len(CUES), generator=rng)[:HEARD].tolist():
        share = changed(pictures, painter.paint(altered(scenes, CUES[number], rng)), cells)
        weight += SAY * len(CUES) / HEARD * cells * cells * share
    weight = (weight / weight.mean(1, keepdim=True)).clamp(max=MOST)
    return weight / weight.mean(1, keepdim=True)


def spots(scenes: painter.Scenes, pictures: Tensor, rng: torch.Generator, cells: int = 16) -> tuple[Tensor, Tensor]:
    """One place in each picture where some factor shows, as pixels (row, column), [B] each; anywhere if none does."""
    share = torch.zeros(len(scenes), cells * cells)
    which = torch.randint(len(CUES), (len(scenes),), generator=rng)
    for number, factor in enumerate(CUES):
        some = (which == number).nonzero().flatten()
        if len(some):
            share[some] = changed(pictures[some], painter.paint(altered(scenes[some], factor, rng)), cells)
    share = torch.where(share.sum(1, keepdim=True) > 0, share, torch.ones_like(share))
    cell = torch.multinomial(share, 1, generator=rng).flatten()
    pixels = SIZE // cells
    inside = torch.randint(pixels, (2, len(scenes)), generator=rng)
    return cell // cells * pixels + inside[0], cell % cells * pixels + inside[1]
