"""What critics are taught to answer about a scene: templates as data, truth from the scene's factors. No torch.

`{word}` is the word asked about (one of its synonyms or phrases), `{noun}` what the thing is called. Claims about
things are true half of the time. The critic is taught `WORDINGS`, the judge `OTHER_WORDINGS` besides.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .captions import PHRASES, caption
from .scenes import HORIZON

SUFFIX = "Answer with Yes or No."
ALIGNED, APART = 0.04, 0.08  # of the height: a line this near the horizon is on it, one farther than that is not


@dataclass(frozen=True, slots=True)
class Item:
    """A question with its right answer."""

    question: str
    answer: str
    closed: bool  # whether the end of the turn is taught too
    about: str  # what it tests: a key of `WORDINGS`, or `open` and a key of `OPEN`


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of one picture."""

    words: Mapping[str, str]  # factor -> word; empty where the picture lies between two
    horizon: float  # row, fraction from the top
    line: float | None = None  # row of the line laid over it; None: there is none


WORDINGS: dict[str, tuple[str, ...]] = {
    "thing": (
        "Is there a {word} in the image?", "Is the thing in the image a {word}?", "Does the image show a {word}?",
        "Is there a {word} in the picture?",
    ),
    "color": (
        "Is the {noun} {word}?", "Is the {noun} in the image {word}?", "Is the color of the {noun} {word}?",
        "Is the thing in the image {word}?",
    ),
    "color thing": (
        "Is there a {word} in the image?", "Is the thing in the image a {word}?", "Does the image show a {word}?",
    ),
    "place": ("Is the {noun} {word}?", "Is the scene {word}?", "Does the image show a scene {word}?"),
    "time": ("Is the scene {word}?", "Does the image show a scene {word}?", "Is the picture set {word}?"),
    "position": ("Is the {noun} {word}?", "Is the {noun} {word} of the image?"),
    "size": ("Is the {noun} {word}?", "Is the {noun} in the image {word}?"),
    "outline": ("Is the {noun} {word}?", "Is the image {word}?"),
    "caption": ("Does the image show {word}?", "Is this {word}?"),
    "low": ("Is the horizon low in the image?", "Is the horizon in the lower part of the image?"),
    "high": ("Is the horizon high in the image?", "Is the horizon in the upper part of the image?"),
    "middle": ("Is the horizon in the middle of the image?",),
    "aligned": (
        "Is the overlaid red line aligned with the horizon of the scene?", "Does the red line lie on the horizon?",
        "Is the red line on the horizon?", "Is the red line aligned with the horizon?",
    ),
    "above": ("Is the red line above the horizon?", "Is the overlaid red line above the horizon of the scene?"),
    "below": ("Is the red line below the horizon?", "Is the overlaid red line below the horizon of the scene?"),
}  # fmt: skip

OTHER_WORDINGS: dict[str, tuple[str, ...]] = {
    "thing": ("Do you see a {word} here?", "Is a {word} shown?"),
    "color": ("Does the {noun} have the color {word}?", "Is the {noun} painted {word}?"),
    "color thing": ("Do you see a {word} here?",),
    "place": ("Does the {noun} stand {word}?",),
    "time": ("Is what you see {word}?",),
    "aligned": ("Do the red line and the horizon coincide?", "Does the horizon run along the red line?"),
    "above": ("Does the red line run higher than the horizon?",),
    "below": ("Does the red line run lower than the horizon?",),
}

OPEN: dict[str, tuple[str, ...]] = {
    "color thing": ("What is in the image?", "What does the image show?"),
    "thing": ("What kind of thing is in the image?", "What is the thing in the image?"),
    "color": ("What color is the {noun}?", "What is the color of the {noun}?"),
    "place": ("Where is the {noun}?", "What place does the image show?"),
    "time": ("What time of day is it?", "When is the scene?"),
    "position": ("On which side is the {noun}?",),
    "size": ("How large is the {noun}?",),
    "outline": ("How thick are the outlines?",),
    "horizon": ("Where is the horizon?",),
    "row": ("How far down is the horizon?",),  # in hundredths of the height
    "line row": ("How far down is the red line?",),
}

# numbers that only sharpen the eye in a first course: nobody is held to them
AIDS = ("row", "line row")

# how often each kind of question is asked of a picture without and with a line
SHARES = {
    "thing": 3.0, "color": 3.0, "color thing": 3.0, "place": 2.0, "time": 1.0, "position": 1.5, "size": 1.5,
    "outline": 1.5, "caption": 1.0, "low": 1.0, "high": 1.0, "middle": 0.7, "open": 12.0,
}  # fmt: skip
LINE_SHARES = {"aligned": 6.0, "above": 1.2, "below": 1.2}


def _other(factor: str, word: str, rng: random.Random) -> str:
    return rng.choice([each for each in PHRASES[factor] if each != word])


def _say(factor: str, word: str, rng: random.Random) -> str:
    return rng.choice(PHRASES[factor][word])


def _noun(truth: Truth, rng: random.Random) -> str:
    return rng.choice(("thing", "object", *[_say("thing", truth.words["thing"], rng)] * 3))


def _claim(kind: str, truth: Truth, right: bool, rng: random.Random) -> str | None:
    """What a Yes/No question claims, true or false; None where the picture has no word for it."""
    words = dict(truth.words)
    if kind == "color thing":
        if not right:
            wrong = rng.choice(("color", "thing"))
            words[wrong] = _other(wrong, words[wrong], rng)
        return f"{words['color']} {_say('thing', words['thing'], rng)}"
    if kind == "caption":
        named = {name: word for name, word in words.items() if word in PHRASES[name] and rng.random() < 0.5}
        named["thing"] = words["thing"]
        if not right:
            wrong = rng.choice(list(named))
            named[wrong] = _other(wrong, named[wrong], rng)
        return caption(named, rng)
    if not words[kind] or (right and words[kind] not in PHRASES[kind]):
        return None
    word = words[kind] if right else _other(kind, words[kind], rng)
    return _say(kind, word, rng)


def _horizon(kind: str, row: float) -> bool | None:
    """Whether a claim about the horizon is right; None where it is neither clearly right nor clearly wrong."""
    if kind == "low":
        return True if row > 0.62 else False if row < 0.56 else None
    if kind == "high":
        return True if row < 0.38 else False if row > 0.44 else None
    away = abs(row - 0.5)
    return True if away < 0.08 else False if away > 0.14 else None


def _line(kind: str, away: float) -> bool | None:
    """The same for a line `away` below the horizon (negative: above it)."""
    if abs(away) <= ALIGNED:
        return kind == "aligned"
    if abs(away) <= APART:
        return None
    return {"aligned": False, "above": away < 0, "below": away > 0}[kind]


def _open(truth: Truth, rng: random.Random, aids: bool) -> Item | None:
    kinds = [kind for kind in OPEN if kind not in AIDS]
    kind = rng.choice([*OPEN, *AIDS, "color thing"] if aids else [*kinds, "color thing"])
    question = rng.choice(OPEN[kind]).format(noun=_noun(truth, rng) if kind != "thing" else "thing")
    answer = _answer(kind, truth)
    return Item(question, answer, True, f"open {kind}") if answer else None


def _answer(kind: str, truth: Truth) -> str:
    """What is to be said to an open question; empty where there is no clear answer."""
    if kind == "horizon":
        return next((word for word in ("low", "high", "middle") if _horizon(word, truth.horizon)), "")
    if kind in AIDS:
        row = truth.horizon if kind == "row" else truth.line
        return "" if row is None else f"{min(99, max(0, round(row * 100))):02d}"
    if kind == "color thing":
        return f"a {truth.words['color']} {truth.words['thing']}"
    return truth.words[kind]


def ask(
    kind: str, truth: Truth, rng: random.Random, wordings: Mapping[str, Sequence[str]], aids: bool = True
) -> Item | None:
    """One question of a kind about a picture; None where it has no clear answer."""
    if kind == "open":
        return _open(truth, rng, aids)
    if kind in LINE_SHARES:
        assert truth.line is not None
        right = _line(kind, truth.line - truth.horizon)
        claim: str | None = ""
    elif kind in ("low", "high", "middle"):
        right, claim = _horizon(kind, truth.horizon), ""
    else:
        right = rng.random() < 0.5
        claim = _claim(kind, truth, right, rng)
    if right is None or claim is None:
        return None
    question = rng.choice(wordings[kind]).format(word=claim, noun=_noun(truth, rng))
    question = question.replace(" a a ", " a ").replace(" a an ", " an ")
    return Item(f"{question} {SUFFIX}", "Yes" if right else "No", rng.random() < 0.15, kind)


def several(
    truth: Truth, count: int, rng: random.Random, wordings: Mapping[str, Sequence[str]], aids: bool = True
) -> list[Item]:
    """`count` different questions about one picture, `AIDS` among them or not."""
    found: dict[str, Item] = {}
    tries = 0
    while len(found) < count:
        # half of the attempts go to the line; an unclear one leaves its place to the other questions
        shares = LINE_SHARES if truth.line is not None and tries < count // 2 else SHARES
        tries += 1
        item = ask(rng.choices(list(shares), list(shares.values()))[0], truth, rng, wordings, aids)
        if item is not None:
            found.setdefault(item.question, item)
    return list(found.values())


def merged(*sets: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Several sets of wordings as one."""
    return {kind: tuple(text for each in sets for text in each.get(kind, ())) for kind in WORDINGS}


def corpus(seed: int, count: int, wordings: Mapping[str, Sequence[str]]) -> list[str]:
    """Questions and answers as a tokenizer meets them, for its training."""
    rng = random.Random(seed)
    texts: list[str] = []
    for _ in range(count):
        words: dict[str, str] = {}
        for factor, said in PHRASES.items():
            unsaid = ["medium"] if factor in ("size", "outline") else []  # a word that no caption has
            words[factor] = rng.choice([*said, *unsaid])
        truth = Truth(words, rng.uniform(*HORIZON), rng.random())
        texts += [text for item in several(truth, 6, rng, wordings) for text in (item.question, item.answer)]
    return texts
