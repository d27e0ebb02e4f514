"""Classifier-free guidance (arXiv 2207.12598): ε = ε⁻ + g (ε⁺ − ε⁻), negatives first, in one pass of the backbone.

The gradient flows through both branches: it is the derivative of the picture that is shown, and costs two branches'
memory. As in the stock pipelines, guidance of 1 and below is none.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import plan
from . import branches


def both(negative: Tensor, positive: Tensor) -> Tensor:
    """What the backbone is given of both branches [2B, …]."""
    return torch.cat([negative, positive])


def combined(output: Tensor, guidance: float) -> Tensor:
    """What both branches said [2B, …], as one [B, …]."""
    negative, positive = output.chunk(2)
    return negative + guidance * (positive - negative)


def problems(chosen: plan.Generator, tokenizer: Any, limit: int) -> list[tuple[str, str]]:
    """What is wrong with a negative prompt: without guidance it changes nothing, and its end must be read."""
    if not chosen.negative:
        return []
    if idle := branches.negative_problem(chosen, takes=True):
        return [("generator.negative", idle[0])]
    count = len(tokenizer(chosen.negative).input_ids)
    return (
        [("generator.negative", f"is too long: {count} tokens, the generator reads {limit}")] if count > limit else []
    )
