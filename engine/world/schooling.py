"""What the generator's text encoders read besides captions: facts in words, with no picture beside them.

A large text encoder has read that January is in winter before any picture was shown with it. Here linear heads ask the
sequence encoder for the word that a prompt implies, or says, while the pictures that come with such prompts stay as
biased as others are: so that the encoder knows what the generator does not heed.
"""

from __future__ import annotations

import random

import torch
from torch import Tensor, nn

from . import captions
from .knowledge import FACTS, Fact, Side
from .phrases import PHRASES
from .scenes import SCALES, WORDS

FACTORS = tuple(sorted({fact.factor for fact in FACTS}))
PLAIN = 0.35  # share of what is read that says its word, as captions do


def words(factor: str) -> tuple[str, ...]:
    """The words of a factor, in the order of its head's answers."""
    return WORDS[factor] if factor in WORDS else tuple(SCALES[factor].words)


def cue(fact: Fact, side: Side, rng: random.Random) -> str:
    """A prompt that implies the word of a side of a fact."""
    return fact.scene.format(rng.choice((side.taught, side.reworded)))


def mention(text: str, rng: random.Random) -> str:
    """A caption with a fact mentioned after it, which says nothing of the picture; as it was where there is no room."""
    side = rng.choice(rng.choice(FACTS).sides)
    more = f"{text} {rng.choice((side.taught, side.reworded))}"
    return more if len(more.split()) <= captions.LONGEST else text


def readings(count: int, rng: random.Random) -> list[tuple[str, str, str]]:
    """`count` prompts, each with a factor and the word that it implies or says."""
    return [_plain(rng) if rng.random() < PLAIN else _implied(rng) for _ in range(count)]


def _implied(rng: random.Random) -> tuple[str, str, str]:
    fact = rng.choice(FACTS)
    side = rng.choice(fact.sides)
    return cue(fact, side, rng), fact.factor, side.word


def _plain(rng: random.Random) -> tuple[str, str, str]:
    factor = rng.choice(FACTORS)
    word = rng.choice([each for each in words(factor) if PHRASES[factor].get(each)])
    named = {"place": rng.choice(("kitchen", "bedroom", "office", "garage", "living_room", "museum")), factor: word}
    return captions.caption(named, rng), factor, word


class Heads(nn.Module):
    """A linear head a factor on the mean of a prompt's sequence; they are thrown away after the training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.of = nn.ModuleDict({factor: nn.Linear(width, len(words(factor))) for factor in FACTORS})

    def forward(self, sequence: Tensor, read: list[tuple[str, str, str]]) -> Tensor:
        """Mean cross-entropy (nats) of what is implied, given the encoder's output [B, T, width]."""
        means = sequence.mean(1)
        losses: list[Tensor] = []
        for factor in FACTORS:
            rows = [row for row, (_, asked, _) in enumerate(read) if asked == factor]
            if rows:
                right = torch.tensor([words(factor).index(read[row][2]) for row in rows])
                losses.append(nn.functional.cross_entropy(self.of[factor](means[rows]), right, reduction="sum"))
        return torch.stack(losses).sum() / len(read)


def heads(width: int, seed: int) -> Heads:
    """Untrained heads, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
        return Heads(width)
