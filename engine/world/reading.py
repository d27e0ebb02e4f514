"""Which words of which factors a prompt names: phrases by look-up, then things by a small grammar. No torch.

A prompt names A first and B second ("a ball behind a box": the ball is A), except after an opening "behind" or "in
front of" ("behind a box stands a ball"). Adjectives go with the noun that follows them, or else with the one before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from .phrases import BLANKS, CORES, DEPTHS, OPPOSITE, PENS, PHRASES, SETTINGS, WIDTHS, Said
from .scenes import INKS, NONE

LOOKED_UP = ("time", "season", "place", "lamp", "position", "camera", "grade")

# marks in the text: NEAR and FAR tell of the thing before them, FRONT and BEHIND too, seen from the one after them
NEAR, FAR, FRONT, BEHIND = "+near", "+far", "+front", "+behind"
ARTICLES = ("a", "an", "the", "another")


@dataclass(frozen=True, slots=True)
class Noun:
    """A thing that a prompt speaks of; what it leaves open is empty."""

    kind: str = ""
    color: str = ""
    size: str = ""


Item = Noun | str  # a thing or a mark


def plain(prompt: str) -> str:
    """A prompt in small letters, without signs, with one space between words."""
    return " ".join(re.sub(r"[^\w\s]", " ", prompt.lower()).split()).replace("colour", "color")


def read(prompt: str) -> dict[str, str]:
    """The factors that a prompt names, and the word for each."""
    rest = plain(prompt)
    rest = re.sub(r"\b(painting|composition) (of|in|with) (\w+ ){1,6}(areas|rectangles)\b", r"\1", rest)
    found, rest = _lines(rest)
    for pattern, factor, word in _patterns():
        if found.get(factor, word) == word and pattern.search(rest):
            found[factor] = word
            rest = pattern.sub(" ", rest)
    for pattern, mark in _marks():
        rest = pattern.sub(f" {mark} ", rest)
    return found | _things(_items(rest.split()))


def _inverse(said: Said) -> dict[str, str]:
    return {phrase: word for word, phrases in said.items() for phrase in phrases}


def _lines(text: str) -> tuple[dict[str, str], str]:
    """What a prompt says of its lines, and the rest of it."""
    adjectives = "|".join([*_inverse(WIDTHS), *INKS])
    nouns = "|".join(pen.split()[-1] for pen in PENS)
    pattern = re.compile(
        rf"\b((?:(?:{adjectives}) ){{1,2}})(?:{nouns})\b|\boutlined in ((?:(?:{adjectives})\b ?){{1,2}})"
    )
    found: dict[str, str] = {}
    for match in pattern.finditer(text):
        for word in (match[1] or match[2]).split():
            found.setdefault(*("ink", word) if word in INKS else ("outline", _inverse(WIDTHS)[word]))
    return found, pattern.sub(" ", text)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str, str], ...]:
    """What is looked up, the longest first, with its factor and word."""
    tables = (
        {name: PHRASES[name] for name in LOOKED_UP},
        CORES,
        {"place": SETTINGS, "other": {NONE: PHRASES["other"][NONE]}},
    )
    said = {
        (phrase, factor, word)
        for table in tables
        for factor, words in table.items()
        for word, phrases in words.items()
        for phrase in phrases
    }
    said |= {(each, factor, word) for phrase, factor, word in said if factor == "place" for each in _bare(phrase)}
    ordered = sorted(said, key=lambda entry: (-len(entry[0]), entry))
    return tuple((re.compile(rf"\b{re.escape(phrase)}\b"), factor, word) for phrase, factor, word in ordered)


def _bare(phrase: str) -> list[str]:
    """A place without what comes before it; what stands there keeps an article, as people in bed are in no bedroom."""
    beside, _, furniture = phrase.partition("beside the ")
    if not beside and furniture:
        return [f"{article} {furniture}" for article in ARTICLES]
    return [re.sub(r"^((in|on|at|inside) )?((the|an|a) )?", "", phrase)]


@cache
def _marks() -> tuple[tuple[re.Pattern[str], str], ...]:
    """What says how two things stand to each other, the longest first."""
    said = {phrase: NEAR if word == "nearer" else FAR for phrase, word in _inverse(DEPTHS).items()}
    said |= {phrase: FRONT if word == "nearer" else BEHIND for phrase, word in _inverse(PHRASES["depth"]).items()}
    ordered = sorted(said.items(), key=lambda entry: -len(entry[0]))
    return tuple((re.compile(rf"\b{re.escape(phrase)}\b"), mark) for phrase, mark in ordered)


def _items(tokens: Sequence[str]) -> list[Item]:
    """Things and marks in their order."""
    kinds = _inverse(PHRASES["thing"]) | dict.fromkeys((*BLANKS, "something"), "")
    colors, sizes = _inverse(PHRASES["color"]), _inverse(PHRASES["size"])
    items: list[Item] = []
    held, fresh = Noun(), False  # adjectives that wait for their noun; whether an article came before them
    for token in [*tokens, ""]:
        if token in colors:
            held = replace(held, color=held.color or colors[token])
        elif token in sizes:
            held = replace(held, size=held.size or sizes[token])
        elif token in kinds:
            items.append(replace(held, kind=kinds[token]))
            held, fresh = Noun(), False
        else:
            if held != Noun():
                _settle(items, held, fresh)
            held, fresh = Noun(), token in ARTICLES
            if token in (NEAR, FAR, FRONT, BEHIND):
                items.append(token)
    return items


def _settle(items: list[Item], held: Noun, fresh: bool) -> None:
    """Give adjectives without a noun to the thing before ("a ball that is red"), or to one of no known kind."""
    last = items[-1] if items else ""
    if fresh or not isinstance(last, Noun):
        items.append(held)
    else:
        items[-1] = Noun(last.kind, last.color or held.color, last.size or held.size)


def _things(items: Sequence[Item]) -> dict[str, str]:
    nouns = [item for item in items if isinstance(item, Noun)]
    subject, other = (*nouns, Noun(), Noun())[:2]
    if items and items[0] in (FRONT, BEHIND) and len(nouns) > 1:
        subject, other = other, subject
    said = {"thing": subject.kind, "color": subject.color, "size": subject.size}
    if other.kind:
        said |= {"other": other.kind, "other_color": other.color, "depth": _depth(items)}
    return {factor: word for factor, word in said.items() if word}


def _depth(items: Sequence[Item]) -> str:
    """Whether the second thing is nearer or farther, by the first mark; empty if there is none."""
    before = 0  # things before the mark
    for item in items:
        if isinstance(item, Noun):
            before += 1
            continue
        word = "nearer" if item in (NEAR, FRONT) else "farther"
        return word if before > 1 else OPPOSITE[word]
    return ""
