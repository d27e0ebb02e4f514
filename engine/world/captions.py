"""What people say of a scene: captions from words, and the words a caption names. No torch.

A caption leaves out what it likes; what it leaves open the noise decides (`coupling`). A new synonym is a new entry in
`scenes`, `scales` or `phrases`; the grammar here only orders phrases, and `reading` takes them apart again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from functools import cache

from . import phrases, reading
from .phrases import JOINTS, LEADS, NOTHING, PENS, PHRASES, SETTINGS, STANDS
from .scenes import ABSTRACT, COLORS, INDOOR, KINDS, NONE, PLACES

LONGEST = 38  # words
HELD_OUT = 8

THINGS = ("thing", "color", "size", "position", "other", "other_color", "depth")
TAILS = ("place", "time", "season", "lamp", "camera", "grade", "position")
Say = Callable[[str], str]


def relevant(words: Mapping[str, str]) -> frozenset[str]:
    """The factors that a caption may name when these words are true of its scene, or are what else it names.

    Lamps and cameras are only spoken of in a named room; in a painting nothing stands, and it is no time of the year or
    of the day there; what concerns another thing needs one.
    """
    place, other = words.get("place"), words.get("other", NONE)
    if place in ABSTRACT:
        return frozenset(("place", "outline", "ink", "grade"))
    unseen = {"lamp", "camera"} if place not in INDOOR else set[str]()
    lonely = {"other_color", "depth"} if other == NONE else set[str]()
    return frozenset(PHRASES) - unseen - lonely


def caption(named: Mapping[str, str], rng: random.Random) -> str:
    """A caption of at most `LONGEST` words that names exactly these factors, in words and order drawn from `rng`.

    ValueError if there are factors among them that are not `relevant`.
    """
    if strange := set(named) - relevant(named):
        raise ValueError(f"no caption names {', '.join(sorted(strange))} together with {dict(named)}")
    while True:  # even of all factors at once, more than half of the tries fit
        text = _article(_compose(named, rng))
        if len(text.split()) <= LONGEST:
            return text


def _article(text: str) -> str:
    return re.sub(r"\ba (?=[aeiou])", "an ", text)


def _compose(named: Mapping[str, str], rng: random.Random) -> str:
    """One try, whose articles are all `a`."""

    def say(factor: str) -> str:
        return rng.choice(PHRASES[factor][named[factor]])

    left = dict(named)
    head, turned = _head(left, say, rng)
    seen = "camera" in left and not turned and rng.random() < 0.3
    view = rng.choice(phrases.VIEWS[left.pop("camera")]) if seen else ""
    tails = _tails(left, say, rng)
    first = "" if view or rng.random() < 0.7 else _opening(tails, rng)
    lead = view or ("" if first or turned else rng.choice(LEADS))
    pen = [_pen(left, rng)] if {"outline", "ink"} & left.keys() else []
    return " ".join(" ".join([first, lead, head, *tails, *pen]).split())


def _opening(tails: list[str], rng: random.Random) -> str:
    """Take one phrase away from the tails, to stand first."""
    return tails.pop(rng.randrange(len(tails))) if tails else ""


def _pen(named: Mapping[str, str], rng: random.Random) -> str:
    width = rng.choice(phrases.WIDTHS[named["outline"]]) if "outline" in named else ""
    return rng.choice(PENS).format(f"{width} {named.get('ink', '')}".strip())


def _tails(named: Mapping[str, str], say: Say, rng: random.Random) -> list[str]:
    """When and where, in any order."""
    factors = [factor for factor in TAILS if factor in named]
    tails: list[str] = []
    if {"season", "time"} <= named.keys() and rng.random() < 0.3:
        factors = [factor for factor in factors if factor not in ("season", "time")]
        tails.append(phrases.MOMENT.format(named["season"], phrases.MOMENTS[named["time"]]))
    tails += map(say, factors)
    rng.shuffle(tails)
    return tails


def _head(left: dict[str, str], say: Say, rng: random.Random) -> tuple[str, bool]:
    """What is shown, and whether it opens with `behind` or `in front of`; takes what it says away from what is left."""
    if not any(factor in left for factor in THINGS):
        return _bare(left, rng), False
    subject = _noun(left, ("size", "color", "thing"), say, rng)
    if "position" in left and ("other" in left or rng.random() < 0.5):
        subject += f" {say('position')}"
        del left["position"]
    if "other" not in left:
        return subject, False
    if left["other"] == NONE:
        return f"{subject} {say('other')}", False
    other = _noun(left, ("other_color", "other"), say, rng)
    if "depth" not in left:
        return f"{subject} {rng.choice(JOINTS)} {other}", False
    return _beside(subject, other, left["depth"], rng)


def _bare(left: dict[str, str], rng: random.Random) -> str:
    """A scene of which no thing is named."""
    abstract = left.get("place") in ABSTRACT
    if "lamp" in left and rng.random() < 0.5:
        return rng.choice(phrases.BULBS[left.pop("lamp")])
    if "place" in left and (abstract or rng.random() < 0.6):
        return rng.choice(SETTINGS[left.pop("place")])
    return rng.choice(NOTHING)


def _noun(left: Mapping[str, str], factors: tuple[str, ...], say: Say, rng: random.Random) -> str:
    """A thing with its adjectives; the last of the factors is its kind."""
    *adjectives, kind = factors
    said = [say(factor) for factor in adjectives if factor in left]
    if kind in left:
        noun = say(kind)
        if len(said) == 1 and adjectives[-1] in left and rng.random() < 0.12:
            return f"a {noun} {rng.choice(phrases.PREDICATES)} {said[0]}"
        return f"a {' '.join([*said, noun])}"
    return f"a {' '.join([*said, rng.choice(phrases.BLANKS)])}" if said else rng.choice(NOTHING)


def _beside(subject: str, other: str, depth: str, rng: random.Random) -> tuple[str, bool]:
    """Two things of which the other is nearer or farther, and whether this opens with where it is."""
    way = rng.random()
    if way < 0.35:
        return f"{subject} {rng.choice(JOINTS)} {other} {rng.choice(phrases.DEPTHS[depth])}", False
    relations = PHRASES["depth"][phrases.OPPOSITE[depth]]  # they tell of the other thing, here of the subject
    if way < 0.85:
        return f"{subject} {rng.choice(relations)} {other}", False
    return f"{relations[0]} {other} {rng.choice(STANDS)} {subject}", True


def named(prompt: str) -> dict[str, str]:
    """The factors that a prompt names, and the word for each: {'thing': 'ball', 'place': 'grass'}."""
    return dict(_named(prompt))


@cache
def _named(prompt: str) -> Mapping[str, str]:
    return reading.read(prompt)


@cache
def known() -> tuple[str, ...]:
    """Every word that captions have or that is understood in them, sorted."""
    cores = {
        word for words in phrases.CORES.values() for said in words.values() for each in said for word in each.split()
    }
    return tuple(sorted({*phrases.vocabulary(), *cores, *reading.ARTICLES, "outlined"}))


def unknown(prompt: str) -> list[str]:
    """Words of a prompt that are not `known`, in their order."""
    return [word for word in reading.plain(prompt).split() if word not in known()]


def held_out(named: Mapping[str, str]) -> bool:
    """Whether this combination of words is kept from the generator's training, about one in `HELD_OUT`.

    Decided by thing, colour and place together, so that a held-out caption is a combination never seen.
    """
    if not all(factor in named for factor in ("thing", "color", "place")):
        return False
    things, colors, places = list(KINDS), list(COLORS), list(PLACES)
    mix = things.index(named["thing"]) + 3 * colors.index(named["color"]) + 5 * places.index(named["place"])
    return mix % HELD_OUT == 0
