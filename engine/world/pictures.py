"""Pictures that critics learn from: painted, degraded, and pools of others with the truth about them."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from . import painter
from .questions import Truth
from .scenes import SCALES, SIZE, WORDS

MARGIN = 0.06  # of a scale's range: this near the end of a word no question is asked about it


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


def truths(scenes: painter.Scenes) -> list[Truth]:
    """What is true of each scene, in words; nothing where a value lies between two words."""
    words = {factor: scenes.words(factor) for factor in (*WORDS, *SCALES)}
    for factor, scale in SCALES.items():
        values: list[float] = getattr(scenes, factor).tolist()
        margin = MARGIN * (scale.high - scale.low)
        for row, value in enumerate(values):
            if any(abs(value - bound) < margin for bound in scale.bounds):
                words[factor][row] = ""
    rows: list[float] = scenes.horizon.tolist()
    return [Truth({name: each[row] for name, each in words.items()}, rows[row]) for row in range(len(scenes))]


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
    """Blur, noise and wrong colours, each on about half of the pictures [B, 3, 64, 64], in random amounts."""
    count = len(pictures)

    def amount(largest: float, share: float = 0.5) -> Tensor:
        some = torch.rand(count, generator=rng) < share
        return torch.rand(count, generator=rng) * largest * some

    pictures = _blur(pictures, amount(1.2))
    tint = 1 + (torch.rand(count, 3, 1, 1, generator=rng) - 0.5) * amount(0.3).view(-1, 1, 1, 1)
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
    values = {field.name: getattr(scenes, field.name) for field in fields(scenes)}
    values["horizon"] = scenes.horizon + offset[0] / SIZE
    values["position"] = scenes.position + offset[1] / SIZE
    return moved, painter.Scenes(**values)


def line_at(horizon: Tensor, rng: torch.Generator) -> Tensor:
    """Rows for lines over pictures with these horizons [B]: half on them, a quarter near, a quarter anywhere."""
    count = len(horizon)
    kind = torch.rand(count, generator=rng)
    sign = torch.where(torch.rand(count, generator=rng) < 0.5, -1.0, 1.0)
    on = horizon + sign * 0.04 * torch.rand(count, generator=rng)
    near = horizon + sign * (0.08 + 0.1 * torch.rand(count, generator=rng))
    anywhere = 0.04 + 0.92 * torch.rand(count, generator=rng)
    return torch.where(kind < 0.5, on, torch.where(kind < 0.75, near, anywhere)).clamp(0.02, 0.98)


def lay_line(pictures: Tensor, row: Tensor, thickness: Tensor, which: Tensor) -> Tensor:
    """A red line over some of the pictures, covering rows by their share: row and thickness as fractions [B]."""
    edges = torch.arange(SIZE, dtype=torch.float32)
    top, bottom = (row - thickness / 2) * SIZE, (row + thickness / 2) * SIZE
    cover = (torch.minimum(bottom.view(-1, 1), edges + 1) - torch.maximum(top.view(-1, 1), edges)).clamp(0, 1)
    cover = (cover * which.view(-1, 1)).view(-1, 1, SIZE, 1)
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    return pictures + (red - pictures) * cover
