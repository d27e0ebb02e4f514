"""Adapter files for tests: factors drawn by a seed, in the names of several tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from control_recipes.engine import adapter, composing, models, plan
from control_recipes.engine.composing import Factors
from control_recipes.engine.generators import Generator
from torch import nn


def asset(path: Path, weight: float = 1.0) -> plan.Companion:
    """A file as a plan names it; a weight is a companion's."""
    return plan.Companion(path.name, models.sha256(path), str(path), weight)


def drawn(
    generator: Generator, ends: Sequence[str], rank: int = 2, seed: int = 0, size: float = 0.1
) -> dict[str, Factors]:
    """Factors of every linear layer whose name ends so, by name with its prefix."""
    stream = torch.Generator().manual_seed(seed)
    made: dict[str, Factors] = {}
    for name, part in generator.backbone.named_modules():
        if isinstance(part, nn.Linear) and f".{name}".endswith(tuple(f".{end}" for end in ends)):
            down = torch.randn(rank, part.in_features, generator=stream) / part.in_features**0.5
            up = size * torch.randn(part.out_features, rank, generator=stream)
            made[f"{generator.lora_prefix}.{name}"] = down, up
    assert made
    return made


def written(path: Path, factors: Mapping[str, Factors], metadata: Mapping[str, str] | None = None) -> plan.Companion:
    """The file of an adapter in diffusers' names, as a plan names it."""
    adapter.save(path, composing.tensors(factors), {"format": "pt", **(metadata or {})})
    return asset(path)
