"""What Yes/No questions claim about a picture, true or false half of the time, and what fills their gaps. No torch."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .captions import caption, relevant
from .phrases import LEADS, PHRASES
from .scales import SCALES
from .scenes import ARRANGEMENTS, COLORS, INDOOR, KINDS, OUTDOOR
from .truth import Body, Truth, bodies, called, may_hold, noun, others, shade
from .wordings import FALSE_SHARES, SAYINGS

UNSAID = 0.12  # how often a false claim is made where no true one can be said
NOT_PAINTINGS = 0.65  # how often a picture that is no painting is asked whether it is one: few are paintings
FACTORS = {"split x": "split_x", "split y": "split_y"}  # of kinds that are called otherwise


@dataclass(frozen=True, slots=True)
class Claim:
    """A word that is claimed, whether rightly, and what fills the gaps of templates."""

    word: str
    right: bool
    gaps: Mapping[str, str] = field(default_factory=dict[str, str])


Claimer = Callable[[Truth, random.Random], Claim | None]


def article(text: str) -> str:
    """The text with `a` or `an` before it."""
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"


def plain(kind: str, word: str) -> str:
    """A word as people write it."""
    if kind == "arrangement":
        *most, last = word.split("_")
        return f"{', '.join(most)} and {last}"
    return {"museum": "art museum"}.get(word, word.replace("_", " "))


def said(kind: str) -> Mapping[str, Sequence[str]]:
    """How the words that a kind of question claims are said."""
    if kind == "place":  # what is a painting is another kind of question
        return {word: PHRASES["place"][word] for word in (*OUTDOOR, *INDOOR)}
    if kind == "arrangement":
        return {word: each.phrases for word, each in ARRANGEMENTS.items()}
    if kind in FACTORS:
        return SCALES[FACTORS[kind]].phrases
    return SAYINGS.get(kind) or PHRASES[kind]


def _drawn(kind: str, true: str, words: Sequence[str], rng: random.Random) -> tuple[str, bool] | None:
    """A word to claim, and whether it is the true one; seldom any where that cannot be said."""
    if true not in words and rng.random() > UNSAID:
        return None
    if true in words and rng.random() < 0.5:
        return true, True
    wrong, shares = others(true, words), FALSE_SHARES.get(kind, {})
    return rng.choices(wrong, [shares.get(word, 1.0) for word in wrong])[0], False


def _of_scene(kind: str) -> Claimer:
    """Claims about a factor of the whole scene."""
    factor = FACTORS.get(kind, kind)

    def claim(truth: Truth, rng: random.Random) -> Claim | None:
        phrases = said(kind)
        drawn = _drawn(kind, truth.word(factor), list(phrases), rng) if truth.word(factor) else None
        if drawn is None:
            return None
        word, right = drawn
        gaps = {"word": rng.choice(phrases[word]), "plain": plain(kind, word), "noun": _any(truth, rng)}
        return Claim(word, right, gaps | ({"room": plain(kind, word)} if word in INDOOR else {}))

    return claim


def _any(truth: Truth, rng: random.Random) -> str:
    """What one of the things is called, whichever; nothing where there is none."""
    found = bodies(truth)
    if not found:
        return ""
    body = rng.choice(found)
    return called(body, truth, rng, colored=False) or noun(body.kind, rng)


def _one(truth: Truth, rng: random.Random, colored: bool) -> tuple[Body, str] | None:
    """A thing and what singles it out."""
    named = [(body, called(body, truth, rng, colored)) for body in bodies(truth)]
    fit = [each for each in named if each[1]]
    return rng.choice(fit) if fit else None


def _only(truth: Truth, rng: random.Random) -> dict[str, str]:
    return {"only": rng.choice(("thing", "object"))} if truth.word("count") == "one" else {}


def _kind(truth: Truth, rng: random.Random) -> Claim | None:
    found = [body.kind for body in bodies(truth)]
    if not found:
        return None
    right = rng.random() < 0.5
    word = rng.choice(found if right else [kind for kind in KINDS if kind not in found])
    return Claim(word, right, {"word": article(noun(word, rng)), **_only(truth, rng)})


def _color(truth: Truth, rng: random.Random) -> Claim | None:
    one = _one(truth, rng, colored=False)
    if one is None:
        return None
    body, name = one
    right = rng.random() < 0.5
    color = body.color if right else _wrong_color(body, truth, rng)
    return Claim(color, right, {"word": shade(color, rng), "plain": color, "noun": name})


def _wrong_color(body: Body, truth: Truth, rng: random.Random) -> str:
    """Another colour than a thing has: often that of the other thing."""
    near = [each.color for each in bodies(truth) if each.color != body.color]
    return near[0] if near and rng.random() < 0.5 else rng.choice(others(body.color, COLORS))


def _kind_and_color(truth: Truth, rng: random.Random) -> Claim | None:
    found = bodies(truth)
    if not found:
        return None
    body, right = rng.choice(found), rng.random() < 0.5
    kind, color = body.kind, body.color
    if not right:
        if rng.random() < 0.5:
            color = _wrong_color(body, truth, rng)
        else:
            kind = rng.choice(others(body.kind, KINDS))
        if any((each.kind, each.color) == (kind, color) for each in found):
            return None
    return Claim(kind, right, {"word": article(f"{shade(color, rng)} {noun(kind, rng)}"), **_only(truth, rng)})


def _position(truth: Truth, rng: random.Random) -> Claim | None:
    one = _one(truth, rng, colored=True)
    drawn = _drawn("position", one[0].side, list(PHRASES["position"]), rng) if one and one[0].side else None
    if one is None or drawn is None:
        return None
    return Claim(drawn[0], drawn[1], {"word": rng.choice(PHRASES["position"][drawn[0]]), "noun": one[1]})


def _size(truth: Truth, rng: random.Random) -> Claim | None:
    name = called(bodies(truth)[0], truth, rng) if truth.word("size") else ""
    drawn = _drawn("size", truth.word("size"), list(PHRASES["size"]), rng) if name else None
    if drawn is None:
        return None
    return Claim(drawn[0], drawn[1], {"word": rng.choice(PHRASES["size"][drawn[0]]), "plain": drawn[0], "noun": name})


def _depth(truth: Truth, rng: random.Random) -> Claim | None:
    if truth.word("count") != "two":
        return None
    first, second = (called(body, truth, rng) for body in bodies(truth))
    if not first or not second:
        return None
    return _between(truth.word("depth"), second, first, rng)


def _dots(truth: Truth, rng: random.Random) -> Claim | None:
    nearer = truth.word("dots")
    return _between("nearer", nearer, "B" if nearer == "A" else "A", rng) if nearer else None


def _between(relation: str, one: str, other: str, rng: random.Random) -> Claim:
    """A claim that one thing is nearer or farther than the other, of which `relation` is true."""
    word, right = rng.choice(("nearer", "nearer", "farther")), rng.random() < 0.5
    if (word == relation) != right:
        one, other = other, one
    return Claim(word, right, {"noun": one, "other": other})


def _painting(truth: Truth, rng: random.Random) -> Claim | None:
    right = truth.word("painting") == "yes"
    return Claim("yes", right) if right or rng.random() < NOT_PAINTINGS else None


def _matching(kind: str) -> Claimer:
    """Claims that what is laid over the picture matches it: what it is like is drawn evenly where it is drawn."""

    def claim(truth: Truth, rng: random.Random) -> Claim | None:
        found = truth.word(kind)
        return Claim("match", found == "match", {"ink": truth.word("sample color")}) if found else None

    return claim


def _caption(truth: Truth, rng: random.Random) -> Claim | None:
    named = {name: word for name, word in truth.words.items() if word in PHRASES.get(name, ()) and rng.random() < 0.4}
    named |= {name: truth.word(name) for name in ("thing", "color") if truth.word(name) and rng.random() < 0.6}
    right, named = rng.random() < 0.5, _relevant(named)
    if named and not right:
        named = spoilt(named, rng)
    if not named or (not right and may_hold(named, truth.words)):
        return None
    return Claim("", right, {"word": caption_of(named, rng)})


def caption_of(named: Mapping[str, str], rng: random.Random) -> str:
    """A caption of what of these words one can name together, without what leads in; empty where that is nothing."""
    fit = _relevant(named)
    text = caption(fit, rng) if fit else ""
    return text.removeprefix(next((lead for lead in LEADS if lead and text.startswith(lead)), ""))


def spoilt(named: Mapping[str, str], rng: random.Random) -> dict[str, str]:
    """One factor is wrong, or the two things have each other's colours; what fits no caption then is left out."""
    both = [named[name] for name in ("color", "other_color") if name in named]
    if len(set(both)) == 2 and rng.random() < 0.4:
        return _relevant({**named, "color": named["other_color"], "other_color": named["color"]})
    wrong = rng.choice(list(named))
    return _relevant({**named, wrong: rng.choice(others(named[wrong], PHRASES[wrong]))})


def _relevant(named: Mapping[str, str]) -> dict[str, str]:
    """What of it a caption may name together."""
    if "other" not in named:
        named = {name: word for name, word in named.items() if name not in ("other_color", "depth")}
    allowed = relevant(named)
    return {name: word for name, word in named.items() if name in allowed}


SCENE = (
    "count", "place", "setting", "time", "season", "lamp", "camera", "horizon", "grade", "ink", "outline",
    "arrangement", "split x", "split y", "line",
)  # fmt: skip
CLAIMS: Mapping[str, Claimer] = {
    **{kind: _of_scene(kind) for kind in SCENE},
    **{kind: _matching(kind) for kind in ("swatches", "weight", "reference")},
    "thing": _kind, "color": _color, "color thing": _kind_and_color, "position": _position, "size": _size,
    "depth": _depth, "dots": _dots, "painting": _painting, "caption": _caption,
}  # fmt: skip
