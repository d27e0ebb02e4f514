"""Quantised critics beside critics of plain layers with the weights that they multiply by."""

from __future__ import annotations

from typing import Any

import torch
from control_recipes.critics.quantizing import Quantized
from torch import nn


def full(model: Any) -> None:
    """Put plain linears, with the weights that are multiplied by, in the place of the quantised ones."""
    for name, part in [(name, part) for name, part in model.named_modules() if isinstance(part, Quantized)]:
        plain = nn.Linear(part.in_features, part.out_features, bias=part.bias is not None, dtype=torch.float64)
        plain.requires_grad_(False).weight.copy_(part.weight_in(torch.float64))
        if part.bias is not None:
            plain.bias.copy_(part.bias)
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, plain)
