"""Scenes that somebody asks for: FACTOR=VALUE, or a caption, and the rest is drawn from a seed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

import torch
from torch import Tensor

from ..errors import InputError, Place, Problem
from . import captions, distributions, painter
from .scenes import HORIZON, KINDS, PLACES, SCALES, WORDS
from .training import stream
from .truth import SEEN

_EXAMPLE = "a red ball in the grass"
_OF_TWO = ("other_color", "other_position", "depth")  # what needs a second thing


def scenes(wanted: Sequence[str], count: int, seed: int) -> painter.Scenes:
    """`count` scenes that have in common what is wanted: FACTOR=VALUE, and what captions of several words name.

    What is left open is drawn from `seed`, so that what is wanted can be seen: a lamp is in some room. Raises
    `InputError` for what is no factor, no value or no word of captions, and where two say another thing.
    """
    fixed: dict[str, float] = {}
    for text in wanted:
        for factor, value in _said(text) if is_caption(text) else [assigned(text)]:
            if fixed.setdefault(factor, value) != value:
                raise refuse(text, f"says another {factor} than what is before it")
    if "place" not in fixed and not _seen(fixed):
        raise refuse(" ".join(wanted), f"no place shows all of {', '.join(fixed)}")
    return _drawn(fixed, count, seed)


def is_caption(text: str) -> bool:
    """Whether a text is a caption: several words, and no `=`."""
    return "=" not in text and len(text.split()) > 1


def _drawn(fixed: Mapping[str, float], count: int, seed: int) -> painter.Scenes:
    rng = stream(seed, 0)
    numbers = {name: torch.rand(count, generator=rng) for name in painter.FACTORS}
    if "place" not in fixed:
        numbers["place"] = _among("place", _seen(fixed), numbers["place"])
    if "other" not in fixed and any(factor in fixed for factor in _OF_TWO):
        numbers["other"] = _among("other", list(KINDS), numbers["other"])
    for factor, value in fixed.items():
        if factor in WORDS:
            numbers[factor] = _among(factor, [WORDS[factor][int(value)]], numbers[factor])
        elif factor != "other_position":  # its number says how far it is through the places where a thing can be
            numbers[factor] = distributions.number_of(factor, torch.full((count,), value))
    found = painter.from_uniform(numbers)
    exact = {factor: value for factor, value in fixed.items() if factor not in WORDS}
    return replace(found, **{name: torch.full_like(getattr(found, name), value) for name, value in exact.items()})


def _seen(factors: Iterable[str]) -> list[str]:
    """The places where all of these factors can be seen."""
    return [place for place in PLACES if all(place in SEEN.get(factor, PLACES) for factor in factors)]


def _among(factor: str, words: Sequence[str], u: Tensor) -> Tensor:
    """Numbers of some of a factor's words, each as likely, from uniform ones; of all its words, as likely as ever."""
    if len(words) == len(WORDS[factor]):
        return u
    index = torch.tensor([WORDS[factor].index(word) for word in words])
    part = u * len(words)
    which = part.long().clamp(max=len(words) - 1)
    return distributions.number_within(factor, index[which], (part - which).clamp(0.001, 0.999))


def _said(caption: str) -> list[tuple[str, float]]:
    """The factors that a caption names, and their values."""
    if strange := captions.unknown(caption):
        close = get_close_matches(strange[0], captions.known(), 1, 0.75)
        hint = f"did you mean `{close[0]}`?" if close else f"such as `{_EXAMPLE}`; the words are in docs/world.md"
        raise refuse(caption, f"`{strange[0]}` is no word of captions", hint)
    named = captions.named(caption)
    if "place" in named and (unseen := [name for name in named if named["place"] not in SEEN.get(name, PLACES)]):
        shown = ", ".join(SEEN[unseen[0]])
        raise refuse(caption, f"no {unseen[0]} can be seen in {named['place']}", f"it can be in {shown}")
    return [(factor, _meant(factor, word)) for factor, word in named.items()]


def _meant(factor: str, word: str) -> float:
    return WORDS[factor].index(word) if factor in WORDS else SCALES[factor].words[word]


def assigned(text: str) -> tuple[str, float]:
    """The factor and the value of FACTOR=VALUE; raises `InputError` where it is none."""
    factor, equals, said = text.partition("=")
    if not equals:
        close = get_close_matches(text, painter.FACTORS, 1)
        some = f'such as {_example("thing")}, "{_EXAMPLE}", or scenes.jsonl'
        hint = f"did you mean `{_example(close[0])}`?" if close else some
        raise refuse(text, "is neither FACTOR=VALUE nor a file of scenes", hint)
    if factor not in painter.FACTORS:
        close = get_close_matches(factor, painter.FACTORS, 1)
        hint = f"did you mean `{close[0]}`?" if close else f"one of {', '.join(painter.FACTORS)}"
        raise refuse(text, f"there is no factor `{factor}`", hint)
    found = value(factor, float(said) if re.fullmatch(r"-?\d*\.?\d+", said) else said)
    if found is None:
        raise refuse(text, f"`{said}` is no {factor}", allowed(factor))
    return factor, found


def _example(factor: str) -> str:
    words = WORDS.get(factor) or tuple(SCALES[factor].words if factor in SCALES else ("0.8",))
    return f"{factor}={words[0]}"


def value(factor: str, said: object) -> float | None:
    """The number that stands for a value in `painter.Scenes`; None where it is no value of this factor."""
    if factor in WORDS:
        return WORDS[factor].index(said) if isinstance(said, str) and said in WORDS[factor] else None
    if isinstance(said, str):
        return SCALES[factor].words.get(said) if factor in SCALES else None
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    low, high = limits(factor)
    return float(said) if low <= said <= high else None


def limits(factor: str) -> tuple[float, float]:
    """The lowest and the highest value of a continuous factor."""
    return HORIZON if factor == "horizon" else (SCALES[factor].low, SCALES[factor].high)


def allowed(factor: str) -> str:
    """The values of a factor, in words."""
    if factor in WORDS:
        return "one of " + ", ".join(WORDS[factor])
    low, high = limits(factor)
    words = f"{', '.join(SCALES[factor].words)}, or " if factor in SCALES else ""
    return f"{words}a number from {low:g} to {high:g}"


def refuse(where: str, message: str, hint: str = "") -> InputError:
    """What is raised where something is wrong with a text or a file."""
    return InputError([Problem(Place(where), "", message, hint)])
