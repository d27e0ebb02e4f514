"""Commonsense in pairs: what two prompts imply without naming it, who is taught what of it, and which pairs are right.

A pair is right when both of its pictures are, as in CommonsenseT2I. A fact that is not held out has a pair of taught
prompts and one of held-out wordings; of a held-out fact both pairs are. No torch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from . import knowledge
from .knowledge import FACTS, Fact

Split = Literal["train", "held_out_wording", "held_out_fact"]

# the words that are implied, as captions say them where a fact says its own
EXPLICIT: dict[str, dict[str, str]] = {
    "season": {word: f"in {word}" for word in ("spring", "summer", "autumn", "winter")},
    "time": {"day": "during the day", "dusk": "at dusk", "night": "at night"},
    "lamp": {"on": "that is on", "off": "that is off"},
    "camera": {"low": "seen from the floor", "high": "seen from eye level"},
    "grade": {"cool": "in cool colors", "warm": "in warm colors"},
}

# how a fact is told: {cue} implies {word}
TOLD: dict[str, tuple[str, ...]] = {
    "season": ("{cue} it is {word}", "it is {word} {cue}", "the season is {word} {cue}"),
    "time": ("{cue} it is {word}", "it is {word} {cue}", "the time is {word} {cue}"),
    "lamp": ("a lamp {cue} is {word}", "the lamp is {word} if it is a lamp {cue}"),
    "camera": ("a room {cue} is seen from {word}", "the view of a room {cue} is from {word}"),
    "grade": ("a scene {cue} has {word} colors", "the colors of a scene {cue} are {word}"),
}
SAID = {"camera": {"low": "the floor", "high": "eye level"}}  # words that statements have to paraphrase


@dataclass(frozen=True, slots=True)
class Side:
    """A prompt, the word that it implies, and the prompt that says this word."""

    prompt: str
    word: str
    explicit: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two prompts that imply different words of a factor."""

    name: str  # of the fact
    factor: str
    sides: tuple[Side, Side]
    split: Split


@dataclass(frozen=True, slots=True)
class Statement:
    """What somebody says about a fact, and whether it is so."""

    text: str
    true: bool


def _pair(fact: Fact, reworded: bool) -> Pair:
    def side(each: knowledge.Side) -> Side:
        explicit = EXPLICIT[fact.factor][each.word]
        prompt = fact.scene.format(each.reworded if reworded else each.taught)
        return Side(prompt, each.word, fact.scene.format(explicit))

    split: Split = "held_out_fact" if fact.held_out else "held_out_wording" if reworded else "train"
    return Pair(fact.name, fact.factor, (side(fact.sides[0]), side(fact.sides[1])), split)


PAIRS = tuple(_pair(fact, reworded) for fact in FACTS for reworded in (False, True))


def pairs(*splits: Split) -> tuple[Pair, ...]:
    """The pairs of some splits, all facts of one factor after another."""
    return tuple(pair for pair in PAIRS if pair.split in splits)


def statements(fact: Fact) -> tuple[Statement, ...]:
    """A fact in words, in more of them than its prompts have: half are true, half have the word of the other side."""
    words = [side.word for side in fact.sides]
    return tuple(
        Statement(_sentence(fact.factor, told, cue, word), word == side.word)
        for side in fact.sides
        for cue in (side.taught, side.reworded, side.told)
        for told in TOLD[fact.factor]
        for word in words
    )


def _sentence(factor: str, told: str, cue: str, word: str) -> str:
    text = told.format(cue=cue, word=SAID.get(factor, {}).get(word, word))
    return f"{text[0].upper()}{text[1:]}."


@cache
def _cues() -> tuple[tuple[re.Pattern[str], str, str], ...]:
    """All that implies something, the longest first, with factor and word."""
    found = [
        (cue, fact.factor, side.word)
        for fact in FACTS
        for side in fact.sides
        for cue in (side.taught, side.reworded, side.told)
    ]
    found.sort(key=lambda entry: -len(entry[0]))
    return tuple((re.compile(rf"\b{re.escape(cue.lower())}\b"), factor, word) for cue, factor, word in found)


def implied(prompt: str) -> dict[str, str]:
    """What a prompt implies without naming it, by every fact that it mentions: {'season': 'winter'}."""
    rest = " ".join(re.sub(r"[^\w\s]", " ", prompt.lower()).split())
    found: dict[str, str] = {}
    for pattern, factor, word in _cues():
        if factor not in found and pattern.search(rest):
            found[factor] = word
            rest = pattern.sub(" ", rest)
    return found


def right(asked: Sequence[Pair], read: Sequence[tuple[str, str]]) -> list[bool]:
    """Which pairs are right, given the words of their factors that were read from both of their pictures, in order."""
    return [tuple(side.word for side in pair.sides) == tuple(words) for pair, words in zip(asked, read, strict=True)]


def vocabulary() -> list[str]:
    """Every word of the prompts as it is written there, names with capitals, sorted."""
    return sorted({word for pair in PAIRS for side in pair.sides for word in side.prompt.split()})
