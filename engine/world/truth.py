"""What is true of one picture, in words, and what can be said of the things in it. No torch."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .phrases import OPPOSITE, PHRASES
from .scenes import ABSTRACT, INDOOR, NONE, OUTDOOR

ALIGNED, APART = 0.04, 0.08  # of the height: a line this near the horizon is on it, one farther than that is not
SWAPPED = {"thing": "other", "color": "other_color", "position": "other_position"}  # factors of A and of B
TOLD_APART = ("thing", "color", "other", "other_color")  # factors by which two things are told apart
STANDING = (*SWAPPED, *SWAPPED.values(), "size", "depth", "count")  # factors of what stands in a scene

# what can be seen where; factors that are not here can be seen everywhere
SEEN: Mapping[str, Sequence[str]] = {
    **dict.fromkeys((*STANDING, "time", "season", "horizon"), (*OUTDOOR, *INDOOR)),
    **dict.fromkeys(("lamp", "camera"), INDOOR),
    **dict.fromkeys(("arrangement", "split_x", "split_y"), ABSTRACT),
}


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of one picture.

    `words` holds a word for each factor of its scene, for what follows from them (`setting`, `painting`, `count`,
    `horizon`) and for what is laid over it or set beside it (`wordings.OVERLAID`); empty where it lies between two
    words or cannot be seen.
    """

    words: Mapping[str, str]
    rows: Mapping[str, float]  # of the horizon (`row`) and of the line over it (`line row`), from the top; where seen

    def word(self, name: str) -> str:
        """The word, or nothing."""
        return self.words.get(name, "")


def complete(words: Mapping[str, str], horizon: float) -> Truth:
    """The truth about a scene with these words for its factors, and the horizon at that row."""
    place = words["place"]
    known = {**words, "count": "one" if words["other"] == NONE else "two", "horizon": horizon_word(horizon)}
    unseen = [name for name in known if place not in SEEN.get(name, (place,))]
    if words["other"] == NONE:
        unseen += ["other_color", "other_position", "depth"]
    setting = {OUTDOOR: "outdoors", INDOOR: "indoors", ABSTRACT: ""}
    known["setting"] = next(word for places, word in setting.items() if place in places)
    known["painting"] = "yes" if place in ABSTRACT else "no"
    rows = {} if "horizon" in unseen else {"row": horizon}
    return Truth(known | dict.fromkeys(unseen, ""), rows)


def horizon_word(row: float) -> str:
    """Where a horizon is; empty between two words."""
    if abs(row - 0.5) < 0.08:
        return "middle"
    return "low" if row > 0.62 else "high" if row < 0.38 else ""


def line_word(away: float) -> str:
    """How a line lies that is `away` below the horizon, of the height; empty where it is neither on it nor clear."""
    if abs(away) <= ALIGNED:
        return "aligned"
    return "" if abs(away) <= APART else "above" if away < 0 else "below"


@dataclass(frozen=True, slots=True)
class Body:
    """A thing in a scene."""

    kind: str
    color: str
    side: str  # its position in words; empty between two
    first: bool  # whether it is A


def bodies(truth: Truth) -> list[Body]:
    """The things of a scene, A first; none in a painting."""
    found = [Body(truth.word("thing"), truth.word("color"), truth.word("position"), True)]
    if truth.word("count") == "two":
        found.append(Body(truth.word("other"), truth.word("other_color"), truth.word("other_position"), False))
    return found if truth.word("thing") else []


def noun(kind: str, rng: random.Random) -> str:
    """A word for a kind of thing, its plainest half of the time."""
    said = PHRASES["thing"][kind]
    return said[0] if rng.random() < 0.5 else rng.choice(said)


def shade(color: str, rng: random.Random) -> str:
    """A word for a colour, the plain one most of the time."""
    return color if rng.random() < 0.8 else rng.choice(PHRASES["color"][color])


def called(body: Body, truth: Truth, rng: random.Random, colored: bool = True) -> str:
    """What singles a thing out: its noun or, where `colored` allows it, colour and noun; empty where nothing does."""
    rest = [each for each in bodies(truth) if each != body]
    if not rest and rng.random() < 0.4:
        return rng.choice(("thing", "object"))
    if all(each.kind != body.kind for each in rest):
        name = noun(body.kind, rng)
        return f"{shade(body.color, rng)} {name}" if colored and rng.random() < 0.25 else name
    if colored and all(each.color != body.color for each in rest):
        return f"{shade(body.color, rng)} {noun(body.kind, rng)}"
    return ""


def swapped(words: Mapping[str, str]) -> dict[str, str]:
    """The same scene with B as its subject; what is not known of B then (its size) is left out."""
    back = {other: own for own, other in SWAPPED.items()}
    both = SWAPPED | back
    turned = {both.get(name, name): word for name, word in words.items() if name != "size"}
    return turned | {"depth": OPPOSITE.get(words.get("depth", ""), "")}


def as_named(words: Mapping[str, str], named: Mapping[str, str]) -> Mapping[str, str]:
    """A scene's words, its two things in the order in which a prompt names them, as far as that can be told."""
    if words.get("other", "") in ("", NONE):
        return words
    things = {factor: named[factor] for factor in TOLD_APART if factor in named}
    ways = (words, swapped(words))
    return max(ways, key=lambda found: sum(found[factor] == word for factor, word in things.items()))


def may_hold(named: Mapping[str, str], words: Mapping[str, str]) -> bool:
    """Whether all that is named may be true of a scene, whichever of its things is the one that is named first.

    What a scene has no word for may be anything.
    """
    scenes: list[Mapping[str, str]] = [words]
    if words.get("count") == "two":
        scenes.append(swapped(words))
    return any(all(scene.get(name, "") in (word, "") for name, word in named.items()) for scene in scenes)


def others(word: str, of: Iterable[str]) -> list[str]:
    """All words but one."""
    return [each for each in of if each != word]
