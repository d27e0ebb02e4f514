"""What critics are taught to answer about a picture: Yes/No questions with their opposites, and open ones. No torch."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from . import knowing
from .claims import CLAIMS, Claim, Claimer, article, plain
from .scales import HORIZON, SCALES
from .scenes import WORDS
from .truth import Body, Truth, bodies, called, complete
from .wordings import AIDS, KIND_SHARES, OPEN, OPEN_SHARES, OVERLAID, SUFFIX, WORDINGS, Wordings

CLAIMERS: Mapping[str, Claimer] = {**CLAIMS, "fact": knowing.told, "fit": knowing.fits}
CLOSED = 0.15  # how often the end of the turn is taught after Yes or No


@dataclass(frozen=True, slots=True)
class Item:
    """A question with its right answer."""

    question: str
    answer: str
    closed: bool  # whether the end of the turn is taught too
    about: str  # what it tests: a key of `WORDINGS`, or `open` and a key of `OPEN`


def filled(templates: Sequence[str], gaps: Mapping[str, str]) -> list[str]:
    """Templates whose gaps can all be filled, filled."""
    needed = [(text, re.findall(r"{(\w+)}", text)) for text in templates]
    return [text.format(**gaps) for text, names in needed if all(gaps.get(name) for name in names)]


def ask(kind: str, truth: Truth, rng: random.Random, wordings: Wordings = WORDINGS) -> Item | None:
    """One question of a kind about a picture; None where it has no clear answer."""
    if kind == "open":
        return _open(truth, rng, aids=False)
    claim = CLAIMERS[kind](truth, rng)
    if claim is None:
        return None
    texts = filled([*wordings[kind].get("", ()), *wordings[kind].get(claim.word, ())], claim.gaps)
    return _closed(kind, rng.choice(texts), claim, rng) if texts else None


def _closed(kind: str, text: str, claim: Claim, rng: random.Random) -> Item:
    return Item(f"{text} {SUFFIX}", "Yes" if claim.right else "No", rng.random() < CLOSED, kind)


def _open(truth: Truth, rng: random.Random, aids: bool) -> Item | None:
    kinds = [kind for kind in OPEN if aids or kind not in AIDS]
    kind = rng.choices(kinds, [OPEN_SHARES.get(kind, 1.0) for kind in kinds])[0]
    found = _answer(kind, truth, rng)
    if found is None:
        return None
    answer, gaps = found
    texts = filled(OPEN[kind], gaps)
    return Item(rng.choice(texts), answer, True, f"open {kind}") if texts else None


Found = tuple[str, Mapping[str, str]]  # an answer, and what fills the gaps of its questions
Answerer = Callable[[Truth, Sequence[Body], random.Random], Found | None]


def _answer(kind: str, truth: Truth, rng: random.Random) -> Found | None:
    """What is to be said to an open question; None where there is no clear answer."""
    things = bodies(truth)
    if kind in ANSWERS:
        return ANSWERS[kind](truth, things, rng)
    if kind in AIDS:
        return (f"{min(99, max(0, round(truth.rows[kind] * 100))):02d}", {}) if kind in truth.rows else None
    word = truth.word(kind)
    if not word or (kind == "place" and not things):
        return None
    return plain(kind, word), {"noun": called(things[0], truth, rng, colored=False) if things else ""}


def _alone(truth: Truth, things: Sequence[Body], rng: random.Random) -> Found | None:
    return (article(f"{things[0].color} {things[0].kind}"), {}) if len(things) == 1 else None


def _kind(truth: Truth, things: Sequence[Body], rng: random.Random) -> Found | None:
    return (things[0].kind, {}) if len(things) == 1 else None


def _of_one(value: Callable[[Body], str], colored: bool) -> Answerer:
    """What is true of one of the things, which the question singles out."""

    def answer(truth: Truth, things: Sequence[Body], rng: random.Random) -> Found | None:
        body = rng.choice(things) if things else None
        name = called(body, truth, rng, colored) if body else ""
        return (value(body), {"noun": name}) if body and name and value(body) else None

    return answer


def _ordered(truth: Truth, things: Sequence[Body]) -> list[Body]:
    """Two things, the nearer one first."""
    return list(things) if truth.word("depth") == "farther" else list(reversed(things))


def _both(truth: Truth, things: Sequence[Body], rng: random.Random) -> Found | None:
    said = [article(f"{body.color} {body.kind}") for body in _ordered(truth, things)]
    return (" and ".join(said), {}) if len(said) == 2 else None


def _nearest(truth: Truth, things: Sequence[Body], rng: random.Random) -> Found | None:
    if len(things) != 2 or things[0].kind == things[1].kind:
        return None
    return f"the {_ordered(truth, things)[0].kind}", {}


def _fact(truth: Truth, things: Sequence[Body], rng: random.Random) -> Found | None:
    return knowing.asked(truth, rng)


def _size(truth: Truth, things: Sequence[Body], rng: random.Random) -> Found | None:
    name = called(things[0], truth, rng) if truth.word("size") else ""
    return (truth.word("size"), {"noun": name}) if name else None


ANSWERS: Mapping[str, Answerer] = {
    "color thing": _alone, "thing": _kind, "both": _both, "depth": _nearest, "size": _size, "fact": _fact,
    "color": _of_one(lambda body: body.color, colored=False),
    "position": _of_one(lambda body: body.side, colored=True),
}  # fmt: skip


def _attempts(truth: Truth, count: int, rng: random.Random, aids: bool) -> Iterator[str]:
    """Kinds of questions to try: the first of them about what is laid over the picture, if there is anything."""
    kinds = list(KIND_SHARES)
    for kind, share in OVERLAID.items():
        if truth.word(kind):
            yield from [kind] * int(share * count)
    while True:
        kind = rng.choices(kinds, list(KIND_SHARES.values()))[0]
        yield "aid" if aids and kind == "open" else kind


def several(truth: Truth, count: int, rng: random.Random, wordings: Wordings, aids: bool = True) -> list[Item]:
    """`count` different questions about one picture, `AIDS` among them or not."""
    found: dict[str, Item] = {}
    attempts = _attempts(truth, count, rng, aids)
    while len(found) < count:
        kind = next(attempts)
        item = _open(truth, rng, aids=True) if kind == "aid" else ask(kind, truth, rng, wordings)
        if item is not None:
            found.setdefault(item.question, item)
    return list(found.values())


def merged(*sets: Wordings) -> Wordings:
    """Several sets of wordings as one."""
    return {
        kind: {
            word: tuple(text for each in sets for text in each.get(kind, {}).get(word, ()))
            for word in dict.fromkeys(word for each in sets for word in each.get(kind, {}))
        }
        for kind in WORDINGS
    }


def corpus(seed: int, count: int, wordings: Wordings) -> list[str]:
    """Questions and answers about `count` random truths as a tokenizer meets them, for its training."""
    rng = random.Random(seed)
    texts: list[str] = []
    for _ in range(count):
        words = {factor: rng.choice(said) for factor, said in WORDS.items()}
        words |= {factor: rng.choice(list(scale.words)) for factor, scale in SCALES.items()}
        truth = complete(words, rng.uniform(*HORIZON))
        laid = rng.choice(
            (
                {},
                {"line": rng.choice(("aligned", "above", "below"))},
                {"dots": rng.choice("AB")},
                {"weight": "match", "sample color": rng.choice(("red", "black", "blue", "white"))},
                {"swatches": "match", "reference": "match"},
            )
        )
        known = Truth({**truth.words, **laid}, {**truth.rows, "line row": rng.random()})
        texts += [text for item in several(known, 6, rng, wordings) for text in (item.question, item.answer)]
    return texts
