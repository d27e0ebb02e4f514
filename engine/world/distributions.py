"""How often each value of a factor comes up where nobody asks for one, and the numbers in (0, 1) that stand for it.

A generator without a caption is biased as real ones are: lamps are on, trees are green, lines are black, the camera is
at eye level, one thing stands near the middle. Every factor has a quantile function from uniform numbers u in (0, 1),
which rises, and its inverse.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from .scenes import DEPTH, HORIZON, SCALES, WORD_SHARES, WORDS

GRADE = 0.3  # deviation of the grade
# factors that crowd about a value: the value, the deviation of those that do, and how many do; the others are anywhere
CROWDED = {
    "horizon": (0.5, 0.07, 0.6),
    "position": (0.5, 0.05, 0.75),
    "size": (0.165, 0.01, 0.75),
    "outline": (1.9, 0.3, 0.75),
}
FARTHER = 0.75  # share of scenes whose B is farther than A
LOW = 0.2  # share of scenes whose camera is below LOWERED
LOWERED = 0.75


@cache
def bounds(factor: str) -> Tensor:
    """Where the numbers of each word of a factor end, rising to 1, [words]."""
    words = WORDS[factor]
    shares = WORD_SHARES.get(factor, (1 / len(words),) * len(words))
    return torch.tensor(shares, dtype=torch.float64).cumsum(0).float().clamp(max=1)


def index_of(factor: str, u: Tensor) -> Tensor:
    """The word that numbers u stand for, as an index into `WORDS[factor]`."""
    return torch.searchsorted(bounds(factor), u, right=True).clamp(max=len(WORDS[factor]) - 1)


def number_within(factor: str, index: Tensor, v: Tensor) -> Tensor:
    """The number at v in (0, 1) of the way through the slice of each word: what a caption asks for has any of them."""
    ends = bounds(factor)
    starts = torch.cat([ends.new_zeros(1), ends[:-1]])
    return starts[index] + (ends[index] - starts[index]) * v


@cache
def _table(factor: str) -> tuple[Tensor, Tensor]:
    """Values of a continuous factor, rising, and the share of scenes below each."""
    low, high = HORIZON if factor == "horizon" else (SCALES[factor].low, SCALES[factor].high)
    values = torch.linspace(low, high, 1025)
    if factor == "grade":
        return values, _normal(values, 0.0, GRADE)
    even = (values - low) / (high - low)
    if factor in CROWDED:
        mean, deviation, most = CROWDED[factor]
        return values, most * _normal(values, mean, deviation) + (1 - most) * even
    if factor == "camera":
        below, above = even / LOWERED * LOW, LOW + (even - LOWERED) / (1 - LOWERED) * (1 - LOW)
        return values, torch.where(even < LOWERED, below, above)
    return values, even


def _normal(values: Tensor, mean: float, deviation: float) -> Tensor:
    """The normal distribution function, of what lies between the first and the last value."""
    normal = torch.distributions.Normal(mean, deviation)
    share = normal.cdf(values)
    return (share - share[0]) / (share[-1] - share[0])


def _along(x: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """Linear interpolation in a table whose xs rise."""
    right = torch.searchsorted(xs, x.contiguous()).clamp(1, len(xs) - 1)
    left = right - 1
    return ys[left] + (ys[right] - ys[left]) * ((x - xs[left]) / (xs[right] - xs[left])).clamp(0, 1)


def value_of(factor: str, u: Tensor) -> Tensor:
    """The value of a continuous factor that numbers u stand for.

    Of `other_position` these are the shares of the way through where B can be; `painter.from_uniform` puts it there.
    """
    if factor == "other_position":
        return u
    if factor == "depth":
        farther = -1 + (1 - DEPTH) * u / FARTHER
        return torch.where(u < FARTHER, farther, DEPTH + (1 - DEPTH) * (u - FARTHER) / (1 - FARTHER))
    values, shares = _table(factor)
    return _along(u, shares, values)


def number_of(factor: str, value: Tensor) -> Tensor:
    """The inverse of `value_of`: the numbers that stand for values of a continuous factor."""
    if factor == "other_position":
        return value
    if factor == "depth":
        farther = (value + 1) / (1 - DEPTH) * FARTHER
        return torch.where(value < 0, farther, FARTHER + (value - DEPTH) / (1 - DEPTH) * (1 - FARTHER))
    values, shares = _table(factor)
    return _along(value, values, shares)
