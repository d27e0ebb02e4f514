"""Orders: what the process that leads a training tells those that help it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from . import processes
from .plan import Plan


@dataclass(frozen=True, slots=True)
class Prepare:
    """A training is to come: its models are loaded."""

    plan: Plan
    begin: Mapping[str, Tensor] | None
    fast: bool
    threads: int  # of the leader


@dataclass(frozen=True, slots=True)
class Begin:
    """It begins, or goes on, with what a replay holds by now."""

    replay: Tensor


@dataclass(frozen=True, slots=True)
class Step:
    """One of its steps."""

    number: int
    factors: Mapping[str, float]  # of balanced weights, by question


@dataclass(frozen=True, slots=True)
class End:
    """It has ended: its models are let go."""


def prepare(plan: Plan, begin: Mapping[str, Tensor] | None, fast: bool) -> None:
    """Let the helpers prepare for a training, as the leader does next."""
    if processes.count() > 1:
        tensors = None if begin is None else {name: value.detach().cpu() for name, value in begin.items()}
        processes.tell(Prepare(plan, tensors, fast, torch.get_num_threads()))
