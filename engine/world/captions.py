"""What people say of a scene: captions from words, and the words a caption names. No torch.

A caption leaves out what it likes; what it leaves open the noise decides (`coupling`). A new synonym is a new entry
in `scenes`; the grammar here only orders phrases.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from functools import cache

from .scenes import COLORS, KINDS, PLACES, SCALES, TIMES

# factor -> word -> how it is said; every phrase belongs to one word of one factor
PHRASES: dict[str, dict[str, tuple[str, ...]]] = {
    "time": {word: light.phrases for word, light in TIMES.items()},
    "place": {word: place.phrases for word, place in PLACES.items()},
    "thing": {word: kind.nouns for word, kind in KINDS.items()},
    "color": {word: (word,) for word in COLORS},
    **{name: dict(scale.phrases) for name, scale in SCALES.items()},
}

NOTHING = ("something", "a thing", "an object")  # for a thing that is left open
HELD_OUT = 8
LEADS = ("", "", "", "a picture of ", "a drawing of ", "an image of ")


def caption(named: Mapping[str, str], rng: random.Random) -> str:
    """A caption that names exactly these factors, in words and order drawn from `rng`."""

    def say(factor: str) -> str:
        return rng.choice(PHRASES[factor][named[factor]])

    adjectives = [say(factor) for factor in ("size", "color") if factor in named]
    noun = say("thing") if "thing" in named else rng.choice(("thing", "object")) if adjectives else ""
    head = f"a {' '.join([*adjectives, noun])}" if noun else rng.choice(NOTHING)
    tails = [say(factor) for factor in ("place", "position", "time") if factor in named]
    rng.shuffle(tails)
    if "outline" in named:
        tails.append(say("outline"))
    lead = rng.choice(LEADS)
    if "time" in named and not lead and rng.random() < 0.25:
        first = next(tail for tail in tails if tail in PHRASES["time"][named["time"]])
        tails.remove(first)
        return f"{first} {_article(head)} {' '.join(tails)}".strip()
    return f"{lead}{_article(head)} {' '.join(tails)}".strip()


def _article(text: str) -> str:
    return re.sub(r"^a (?=[aeiou])", "an ", text)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str, str], ...]:
    found = [
        (re.compile(rf"\b{re.escape(phrase)}\b"), factor, word)
        for factor, words in PHRASES.items()
        for word, phrases in words.items()
        for phrase in phrases
    ]
    return tuple(sorted(found, key=lambda entry: -len(entry[0].pattern)))


def named(prompt: str) -> dict[str, str]:
    """The factors that a prompt names, and the word for each: {'thing': 'ball', 'place': 'grass'}."""
    return dict(_named(prompt))


@cache
def _named(prompt: str) -> Mapping[str, str]:
    rest = " ".join(prompt.lower().replace(",", " ").split())
    found: dict[str, str] = {}
    for pattern, factor, word in _patterns():
        if factor not in found and pattern.search(rest):
            found[factor] = word
            rest = pattern.sub(" ", rest)
    return found


def held_out(named: Mapping[str, str]) -> bool:
    """Whether this combination of words is kept from the generator's training, about one in `HELD_OUT`.

    Decided by thing, colour and place together, so that a held-out caption is a combination never seen.
    """
    if not all(factor in named for factor in ("thing", "color", "place")):
        return False
    things, colors, places = list(KINDS), list(COLORS), list(PLACES)
    mix = things.index(named["thing"]) + 3 * colors.index(named["color"]) + 5 * places.index(named["place"])
    return mix % HELD_OUT == 0
