"""Random streams: one seed of the plan, and a name for every use of it, so that no use disturbs another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, final

import torch
from torch import Tensor

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Share:
    """The pictures of a batch, `start` up to but without `end`, that one of several processes works out."""

    start: int
    end: int
    of: int  # B, in the whole batch

    @property
    def part(self) -> float:
        """Which part of the batch it is."""
        return (self.end - self.start) / self.of

    def own(self, batch: Sequence[_T]) -> list[_T]:
        """Of what the whole batch has, its pictures'."""
        return list(batch[self.start : self.end])


@final
class Stream(torch.Generator):
    """A CPU generator; one of a share is drawn from for the whole batch, so that every process has the same draws."""

    share: Share | None = None


def stream(seed: int, *name: str | int, share: Share | None = None) -> Stream:
    """A fresh CPU generator for the use that `name` says, by steps too: what is drawn at step 7 needs no step 6.

    So a resumed training draws what an uninterrupted one draws, and a checkpoint keeps no random state.
    """
    made = Stream("cpu")
    made.manual_seed(derived(seed, *name))
    made.share = share
    return made


def derived(seed: int, *name: str | int) -> int:
    """A seed in [0, 2⁶³) for the use that `name` says."""
    text = "/".join(str(part) for part in (seed, *name))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def drawn(draw: Callable[[int], Tensor], pictures: int, rng: torch.Generator | None) -> Tensor:
    """What `draw` gives for so many pictures, B first; from the stream of a share, of what it gives for the batch."""
    share = rng.share if isinstance(rng, Stream) else None
    if share is None:
        return draw(pictures)
    if pictures != share.end - share.start:
        raise ValueError(f"a share of {share.end - share.start} pictures is not drawn for {pictures}")
    return draw(share.of)[share.start : share.end]


def normal(shape: Sequence[int], rng: torch.Generator | None, dtype: torch.dtype) -> Tensor:
    """Standard normal draws on the CPU, B first."""
    return drawn(lambda count: torch.randn(count, *shape[1:], generator=rng, dtype=dtype), shape[0], rng)
