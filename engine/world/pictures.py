"""Pictures that critics learn from: painted, degraded, and pools of others with the truth about them."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from . import distributions, painter
from .scales import DEPTH, HORIZON, SCALES
from .scenes import ABSTRACT, PLACES, SIZE, WORDS
from .truth import Truth, complete

MARGIN = 0.06  # of a scale's range: this near the end of a word no question is asked about it
MARGINS = {"camera": 0.12, "depth": 0.0}
STANDING = 0.7  # a camera at least this high shows sizes as they are seen from eye level
MOVED = {"horizon": 0, "position": 1, "other_position": 1, "split_x": 1, "split_y": 0}  # 0 with rows, 1 with columns
PAINTINGS = 0.13  # share of paintings among the even draws


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """N pictures with their scenes, as they were painted or as the reader sees them."""

    pictures: Tensor  # uint8 [N, 3, 64, 64]
    scenes: painter.Scenes

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: Tensor) -> tuple[Tensor, painter.Scenes]:
        return self.pictures[index].float() / 255, self.scenes[index]


def save_pool(pool: Pool, path: Path) -> None:
    """Write a pool as safetensors, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    factors = {field.name: getattr(pool.scenes, field.name).contiguous() for field in fields(pool.scenes)}
    save_file(
        {"pictures": pool.pictures.contiguous(), **factors}, path.with_suffix(".new"), {"words": json.dumps(WORDS)}
    )
    path.with_suffix(".new").replace(path)


def load_pool(path: Path) -> Pool:
    """Read a pool that `save_pool` wrote; `OSError` where there is none."""
    tensors = load_file(path)
    pictures = tensors.pop("pictures")
    return Pool(pictures, painter.Scenes(**tensors))


def to_bytes(pictures: Tensor) -> Tensor:
    """Pictures as uint8; what lies outside [0, 1] is clamped."""
    return (pictures.detach().clamp(0, 1) * 255).round().to(torch.uint8)


def even(count: int, rng: torch.Generator) -> painter.Scenes:
    """Random scenes in which each word and each value comes up equally often, paintings a little oftener."""

    def some() -> Tensor:
        return torch.rand(count, generator=rng)

    u = {name: distributions.number_within(name, _index(len(words), some()), some()) for name, words in WORDS.items()}
    painted = torch.full((count,), list(PLACES).index(ABSTRACT[0]))
    oftener = distributions.number_within("place", painted, some())
    u["place"] = torch.where(some() < PAINTINGS, oftener, u["place"])
    for name in ("horizon", *SCALES):
        low, high = HORIZON if name == "horizon" else (SCALES[name].low, SCALES[name].high)
        u[name] = some() if name == "other_position" else distributions.number_of(name, low + (high - low) * some())
    away, sign = DEPTH + (1 - DEPTH) * some(), torch.where(some() < 0.5, -1.0, 1.0)
    u["depth"] = distributions.number_of("depth", away * sign)
    return painter.from_uniform(u)


def _index(count: int, u: Tensor) -> Tensor:
    return (u * count).long().clamp(max=count - 1)


def drawn(count: int, rng: torch.Generator) -> painter.Scenes:
    """Scenes for lessons: a quarter of them as a generator draws them, the others `even`."""
    biased = count // 4
    return painter.concat([painter.draw(biased, rng), even(count - biased, rng)])


def truths(scenes: painter.Scenes) -> list[Truth]:
    """What is true of each scene, in words; nothing where a value lies between two words or cannot be seen."""
    words = {factor: scenes.words(factor) for factor in (*WORDS, *SCALES)}
    for factor, scale in SCALES.items():
        values: list[float] = getattr(scenes, factor).tolist()
        margin = MARGINS.get(factor, MARGIN) * (scale.high - scale.low)
        for row, value in enumerate(values):
            if any(abs(value - bound) < margin for bound in scale.bounds):
                words[factor][row] = ""
    for row in (scenes.indoors & (scenes.camera < STANDING)).nonzero().flatten().tolist():
        words["size"][row] = ""
    rows: list[float] = scenes.horizon.tolist()
    return [complete({name: each[row] for name, each in words.items()}, rows[row]) for row in range(len(scenes))]


def _blur(pictures: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur, a deviation in pixels for each picture, [B]."""
    reach = torch.arange(-3, 4, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (reach / sigma.clamp(min=1e-3).view(-1, 1)) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)
    count = len(pictures)
    flat = F.pad(pictures.reshape(1, count * 3, SIZE, SIZE), (3, 3, 3, 3), mode="replicate")
    flat = F.conv2d(flat, kernel.view(-1, 1, 1, 7), groups=count * 3)
    return F.conv2d(flat, kernel.view(-1, 1, 7, 1), groups=count * 3).view_as(pictures)


def degrade(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Blur, noise and wrong colours, each on about half of the pictures [B, 3, 64, 64], in random amounts.

    The colours are less wrong than a grade makes them: a tint must not be taken for one.
    """
    count = len(pictures)

    def amount(largest: float, share: float = 0.5) -> Tensor:
        some = torch.rand(count, generator=rng) < share
        return torch.rand(count, generator=rng) * largest * some

    pictures = _blur(pictures, amount(1.2))
    tint = 1 + (torch.rand(count, 3, 1, 1, generator=rng) - 0.5) * amount(0.1).view(-1, 1, 1, 1)
    pictures = pictures * tint
    fine = torch.randn(pictures.shape, generator=rng) * amount(0.08).view(-1, 1, 1, 1)
    coarse = F.interpolate(torch.randn(count, 3, 16, 16, generator=rng), size=(SIZE, SIZE), mode="bilinear")
    return (pictures + fine + coarse * amount(0.08).view(-1, 1, 1, 1)).clamp(0, 1)


def shift(
    pictures: Tensor, scenes: painter.Scenes, rng: torch.Generator, reach: int = 3
) -> tuple[Tensor, painter.Scenes]:
    """Move each picture by whole pixels, edges repeated, and its truth with it."""
    count = len(pictures)
    offset = torch.randint(-reach, reach + 1, (2, count), generator=rng)
    line = torch.arange(SIZE)
    rows = (line.view(1, -1) - offset[0].view(-1, 1)).clamp(0, SIZE - 1).view(-1, 1, SIZE, 1)
    columns = (line.view(1, -1) - offset[1].view(-1, 1)).clamp(0, SIZE - 1).view(-1, 1, 1, SIZE)
    moved = pictures[torch.arange(count).view(-1, 1, 1, 1), torch.arange(3).view(1, -1, 1, 1), rows, columns]
    places = {name: getattr(scenes, name) + offset[axis] / SIZE for name, axis in MOVED.items()}
    return moved, replace(scenes, **places)
