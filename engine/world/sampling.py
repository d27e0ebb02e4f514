"""Scenes to learn from: the rare is seen as often as the common.

Left to itself a scene has its lamp on and its tree green. For each factor of each scene a coin decides whether its
value comes from there or is drawn evenly over the words; a continuous factor then has exactly the value that its word
stands for, so that a caption which says the word says everything.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import distributions, painter
from .captions import PHRASES
from .scenes import SCALES, WORDS

EVEN = 0.5  # share of the values of a factor that are drawn evenly


def _even(factor: str, count: int, rng: torch.Generator) -> Tensor:
    """Numbers of words drawn evenly, [count]; of a factor without words that are said, of any value."""
    v = torch.rand(count, generator=rng)
    if factor in WORDS:
        index = torch.randint(len(WORDS[factor]), (count,), generator=rng)
        return distributions.number_within(factor, index, 0.02 + 0.96 * v)
    said = [word for word, phrases in PHRASES.get(factor, {}).items() if phrases]
    if not said:
        return v
    values = torch.tensor([SCALES[factor].words[word] for word in said])
    return distributions.number_of(factor, values[torch.randint(len(values), (count,), generator=rng)])


def numbers(count: int, rng: torch.Generator) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Numbers in (0, 1) for `painter.from_uniform`, and which of them were drawn evenly, for each factor [count]."""
    found: dict[str, Tensor] = {}
    even: dict[str, Tensor] = {}
    for factor in painter.FACTORS:
        even[factor] = torch.rand(count, generator=rng) < EVEN
        found[factor] = torch.where(even[factor], _even(factor, count, rng), torch.rand(count, generator=rng))
    return found, even


def draw(count: int, rng: torch.Generator) -> painter.Scenes:
    """Scenes whose factors are rare and common, half and half."""
    return painter.from_uniform(numbers(count, rng)[0])
