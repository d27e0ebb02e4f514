"""Conflict: how the gradients of several questions lie to each other on the pictures, and weights that balance them.

Every question's gradient is taken to the pixels on its own, which costs one backward pass through the critic for each;
pixels are what all questions share, as the last shared representation is in Sener & Koltun (arXiv 1810.04650).

`weights: balanced` is GradNorm (Chen et al. 2018, arXiv 1711.02257): questions that lag behind, by how much of their
loss is left, are to pull more strongly, and none more strongly than that. Where the paper takes a gradient step towards
such weights each time, these go half of the way there at once, since the weights that give wanted norms are known.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

RESTORING = 1.5  # GradNorm's alpha: how much more a question that lags is to pull
SMOOTHING = 0.5  # how far weights go towards what a look asks for
BOUND = 8.0  # no weight grows, or shrinks, by more than that


@dataclass(frozen=True, slots=True)
class Conflict:
    """One look at the gradients [B, 3, H, W] of all questions that teach, on the pixels."""

    norms: tuple[tuple[str, float], ...]  # question -> length of its gradient, its weight included; sorted
    cosines: tuple[tuple[str, str, float], ...]  # of each pair, in [-1, 1]: below 0 one undoes the other; sorted

    def as_json(self) -> dict[str, object]:
        """Plain data for metrics.jsonl."""
        table: dict[str, dict[str, float]] = {}
        for one, other, cosine in self.cosines:
            table.setdefault(one, {})[other] = cosine
        return {"norms": dict(self.norms), "cosines": table}


@dataclass(frozen=True, slots=True)
class Balance:
    """What balancing remembers of one question."""

    question: str
    first: float  # nats, at the first look
    factor: float  # what its weight is multiplied by


def between(gradients: Mapping[str, Tensor]) -> Conflict:
    """Norms and cosines of gradients of equal shape; a pair with one that is zero has none."""
    flat = {name: gradient.flatten().double() for name, gradient in sorted(gradients.items())}
    norms = {name: float(torch.linalg.vector_norm(value)) for name, value in flat.items()}
    cosines = [
        (one, other, max(-1.0, min(1.0, float(torch.dot(flat[one], flat[other])) / (norms[one] * norms[other]))))
        for one, other in itertools.combinations(flat, 2)
        if norms[one] and norms[other]
    ]
    return Conflict(tuple(norms.items()), tuple(cosines))


def balanced(
    before: Mapping[str, Balance], norms: Mapping[str, float], nats: Mapping[str, float]
) -> dict[str, Balance]:
    """What each question's weight is multiplied by from now on; of those not looked at, as before.

    `norms` are of gradients with the factors of `before` in them, `nats` losses without. The factors of all that are
    looked at have the geometric mean 1 where `BOUND` stops none, so that the loss as a whole weighs what it did.
    """
    seen = [name for name in sorted(norms) if norms[name] > 0 and math.isfinite(norms[name]) and nats.get(name, 0) > 0]
    if len(seen) < 2:
        return dict(before)
    first = {name: before[name].first if name in before else nats[name] for name in seen}
    old = {name: before[name].factor if name in before else 1.0 for name in seen}
    left = {name: nats[name] / first[name] for name in seen}
    mean_left, mean_norm = (sum(of[name] for name in seen) / len(seen) for of in (left, norms))
    wanted = {name: mean_norm * (left[name] / mean_left) ** RESTORING for name in seen}
    logs = {name: math.log(old[name]) + SMOOTHING * math.log(wanted[name] / norms[name]) for name in seen}
    middle, bound = sum(logs.values()) / len(logs), math.log(BOUND)
    factors = {name: math.exp(min(bound, max(-bound, value - middle))) for name, value in logs.items()}
    return dict(before) | {name: Balance(name, first[name], factors[name]) for name in seen}
