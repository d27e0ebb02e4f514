"""Classifier-free guidance (arXiv 2207.12598): ε = ε⁻ + g (ε⁺ − ε⁻), negatives first, in one pass of the backbone.

The gradient flows through both branches: it is the derivative of the picture that is shown, and costs two branches'
memory. As in the stock pipelines, guidance of 1 and below is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from .. import plan
from . import branches, pipelines


@dataclass(frozen=True, slots=True)
class Conditioning:
    """Sequences [B, T, D] of B prompts and, of some, pooled vectors [B, P] or which tokens are no padding [B, T].

    With guidance those of negatives too.
    """

    sequence: Tensor
    negative: Tensor | None
    pooled: Tensor | None = None
    negative_pooled: Tensor | None = None
    mask: Tensor | None = None
    negative_mask: Tensor | None = None

    def rows(self, index: Sequence[int]) -> Conditioning:
        picked = torch.tensor(list(index), device=self.sequence.device)
        parts = (getattr(self, field.name) for field in fields(self))
        return Conditioning(*(None if part is None else part[picked] for part in parts))  # type: ignore[arg-type]

    def branches(self, *given: Tensor) -> tuple[tuple[Tensor, ...], Tensor, Tensor | None]:
        """What is `given` [B, …], the sequences and the pooled vectors, each of both branches where there are two."""
        if self.negative is None:
            return given, self.sequence, self.pooled
        pooled = self.pooled
        if pooled is not None and self.negative_pooled is not None:
            pooled = torch.cat([self.negative_pooled, pooled])
        return tuple(torch.cat([one, one]) for one in given), torch.cat([self.negative, self.sequence]), pooled

    def masks(self) -> Tensor | None:
        """Which tokens are no padding, of both branches where there are two."""
        if self.mask is None or self.negative_mask is None:
            return self.mask
        return torch.cat([self.negative_mask, self.mask])

    def combined(self, output: Tensor, guidance: float) -> Tensor:
        """What the backbone said of the branches, as one [B, …]."""
        if self.negative is None:
            return output
        negative, positive = output.chunk(2)
        return negative + guidance * (positive - negative)

    def combined_as_long(self, output: Tensor, guidance: float) -> Tensor:
        """The same, every row [.., D] of it brought to the length that it has in the prompt's branch."""
        guided = self.combined(output, guidance)
        if self.negative is None:
            return guided
        positive = output.chunk(2)[1]
        return guided * (positive.norm(dim=-1, keepdim=True) / guided.norm(dim=-1, keepdim=True))


def masked(
    prompts: Sequence[str], negatives: Sequence[str], encode: Callable[[list[str], list[str]], Iterable[Tensor | None]]
) -> Conditioning:
    """Of what `encode` makes of some of them: sequences and masks, then those of negatives, which it may leave out."""
    sequence, mask, negative, negative_mask = pipelines.encoded(prompts, negatives, encode)
    assert sequence is not None
    return Conditioning(sequence, negative, mask=mask, negative_mask=negative_mask)


def problems(
    chosen: plan.Generator, tokenizer: Any, limit: int, *, above: float = branches.NONE
) -> list[tuple[str, str]]:
    """What is wrong with a negative prompt: without guidance it changes nothing, and its end must be read."""
    if not chosen.negative:
        return []
    if idle := branches.negative_problem(chosen, takes=True, above=above):
        return [("generator.negative", idle[0])]
    count = len(tokenizer(chosen.negative).input_ids)
    return (
        [("generator.negative", f"is too long: {count} tokens, the generator reads {limit}")] if count > limit else []
    )
