"""What each square of a picture shows: the thing that covers most of it, its colour, and which of the two it is.

A model that must say what a whole picture shows learns slowly where to look; one that is told square by square what is
there learns it within minutes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import painter
from .scenes import COLORS, KINDS, SIZE

LEAST = 0.12  # of a square: what covers less of it is not said to be there
UNSEEN = -100  # what cross-entropy leaves out
# what is said of a square, and how many answers there are: of `kind` and `which` the first one is nothing
SIZES = {"kind": 1 + len(KINDS), "which": 3, "color": len(COLORS)}


@torch.no_grad()
def told(scenes: painter.Scenes, side: int) -> Mapping[str, Tensor]:
    """The answers of `SIZES` for side × side squares, row by row: [B, side²], `UNSEEN` where none is right."""
    share, which = F.avg_pool2d(painter.covered(scenes), SIZE // side).flatten(2).max(1)
    there = share >= LEAST
    kinds, colors = torch.stack([scenes.thing, scenes.other - 1], 1), torch.stack([scenes.color, scenes.other_color], 1)
    return {
        "kind": torch.where(there, 1 + kinds.gather(1, which), 0),
        "which": torch.where(there, 1 + which, 0),
        "color": torch.where(there, colors.gather(1, which), UNSEEN),
    }


def error(scores: Tensor, wanted: Mapping[str, Tensor], sizes: Mapping[str, int]) -> Tensor:
    """Mean over what is told of its mean cross-entropy (nats); what is `UNSEEN` everywhere does not count.

    `scores` [.., sum of sizes] are of the answers to each in turn, `wanted` has the right ones' indices [..].
    """
    losses: list[Tensor] = []
    for name, of in zip(sizes, scores.split(list(sizes.values()), -1), strict=True):
        if bool((wanted[name] != UNSEEN).any()):
            losses.append(F.cross_entropy(of.flatten(0, -2), wanted[name].flatten(), ignore_index=UNSEEN))
    return torch.stack(losses).mean()


class Heads(nn.Module):
    """Linear heads on the features of each square; they are thrown away after the training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head = nn.Linear(width, sum(SIZES.values()))

    def forward(self, features: Tensor, wanted: Mapping[str, Tensor]) -> Tensor:
        """Mean cross-entropy (nats) of what squares show, given their features [B, side², width]."""
        return error(self.head(features), wanted, SIZES)


def heads(width: int, seed: int) -> Heads:
    """Untrained heads, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
        return Heads(width)
