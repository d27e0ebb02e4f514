"""Augmentation: what happens to pictures on their way to the critics, so that no critic is pleased by single pixels.

Blur and shift are one linear map from each side, x' = R x Cᵀ with R [H, H] and C [W, W]: exact gradients, and a
backward that is deterministic on every device. Borders repeat the outermost pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .plan import Augment, Plan, Row
from .streams import drawn, normal


@dataclass(frozen=True, slots=True)
class Augmented:
    """Pictures [B, 3, H, W] in [0, 1] as critics get them, and by how many pixels each was moved."""

    pictures: Tensor
    down: tuple[int, ...]
    right: tuple[int, ...]
    mirrored: tuple[bool, ...] = ()  # left and right exchanged, before it was moved; empty: none of them


def augment(
    pictures: Tensor, chosen: Augment, stream: torch.Generator, mirrors: Sequence[bool] | None = None
) -> Augmented:
    """Blur each picture (standard deviation uniform up to `blur`), move it by up to `shift`, add `noise`, and clamp;
    with `flip`, first mirror half of those that may be (`mirrors`; None: none).

    What is laid over a picture must move with it (`moved`), or the line that marks a height would mark another; over a
    mirrored picture it is drawn in the mirrored place.
    """
    count, _, height, width = pictures.shape
    deviations = chosen.blur * drawn(lambda many: torch.rand(many, generator=stream), count, stream)
    low, high = -chosen.shift, chosen.shift + 1
    offsets = drawn(lambda many: torch.randint(low, high, (2, many), generator=stream).T, count, stream).T
    down, right = (tuple(int(offset) for offset in side) for side in offsets)
    # from a stream of its own seed, so that all else is drawn as it is without it
    mirrored = _mirrored(mirrors, stream) if chosen.flip and mirrors is not None else ()
    if any(mirrored):
        turned = torch.tensor(mirrored, device=pictures.device)[:, None, None, None]
        pictures = torch.where(turned, pictures.flip(-1), pictures)
    if chosen.blur or chosen.shift:
        rows = torch.stack([_side(height, float(s), by) for s, by in zip(deviations, down, strict=True)])
        columns = torch.stack([_side(width, float(s), by) for s, by in zip(deviations, right, strict=True)])
        pictures = rows[:, None].to(pictures) @ pictures @ columns[:, None].mT.to(pictures)
    if chosen.noise:
        noisy = pictures + chosen.noise * normal(pictures.shape, stream, torch.float32).to(pictures)
        pictures = noisy.clamp(0, 1).detach() + (noisy - noisy.detach())  # straight through, as the decoder's clamp
    return Augmented(pictures, down, right, mirrored)


def may_mirror(row: Row, plan: Plan) -> bool:
    """Whether the answer to each question about a row is the same for the mirrored picture."""
    flips = {question.name for question in plan.questions if question.flips}
    return all(ask.question in flips for ask in row.asks)


def _mirrored(mirrors: Sequence[bool], stream: torch.Generator) -> tuple[bool, ...]:
    own = torch.Generator("cpu").manual_seed(stream.initial_seed() ^ 1)
    coins = drawn(lambda many: torch.rand(many, generator=own), len(mirrors), stream) < 0.5
    return tuple(may and bool(coin) for may, coin in zip(mirrors, coins, strict=True))


def moved(layer: Tensor, down: int, right: int) -> Tensor:
    """A layer [C, H, W] moved by whole pixels, its border repeated: as `augment` moves the picture below it."""
    return layer[:, _sources(layer.shape[-2], down)][..., _sources(layer.shape[-1], right)]


def _sources(size: int, by: int) -> Tensor:
    """Which pixel each of `size` pixels takes its value from after a move: [size]."""
    return (torch.arange(size) - by).clamp(0, size - 1)


def _side(size: int, deviation: float, by: int) -> Tensor:
    """The matrix [size, size], in float64, that blurs by a Gaussian cut off at the border, then moves."""
    place = torch.arange(size, dtype=torch.float64)
    if deviation == 0:
        blur = torch.eye(size, dtype=torch.float64)
    else:
        blur = torch.exp(-0.5 * ((place[:, None] - place[None, :]) / deviation) ** 2)
        blur = blur / blur.sum(1, keepdim=True)
    return blur[_sources(size, by)]
