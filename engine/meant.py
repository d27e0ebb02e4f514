"""Meant: what somebody wanted who wrote a value that is none here, as a hint; empty where nothing says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from .nodes import scalar

LONGEST = 64  # characters of a value that are compared with others
# what other tools call a thing -> what it is called here, the first of them that there is
_ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("fp16", "f16", "half"), ("float16", "bfloat16")),
    "bf16": ("bfloat16",),
    **dict.fromkeys(("fp32", "f32", "float", "single"), ("float32",)),
    **dict.fromkeys(("fp64", "f64", "double"), ("float64",)),
    "int8": ("8bit",),
    **dict.fromkeys(("int4", "nf4", "fp4"), ("4bit",)),
    **dict.fromkeys(("sd-scripts", "musubi", "musubi-tuner", "a1111"), ("kohya",)),
}
_TRUTH = {**dict.fromkeys(("yes", "y", "on", "1"), "true"), **dict.fromkeys(("no", "n", "off", "0"), "false")}
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+")
_UNQUOTE = "text in quotes stays text: leave them away"


def word(value: object, known: Iterable[str]) -> str:
    """One of the known words: by another tool's name of it, by how it begins, or the closest."""
    names, text = list(known), str(value)[:LONGEST]
    called = [name for name in _ELSEWHERE.get(text.lower(), ()) if name in names]
    begun = [name for name in names if text and name.startswith(text.lower())]
    found = called[:1] or (begun if len(begun) == 1 else get_close_matches(text, names, 1))
    return f"did you mean `{found[0]}`?" if found else ""


def truth(value: object) -> str:
    """`true` or `false`."""
    if isinstance(value, str) and isinstance(_read(value), bool):
        return _UNQUOTE
    found = _TRUTH.get(str(value).lower())
    why = " `yes`, `no`, `on` and `off` are text here" if isinstance(value, str) else ""
    return f"did you mean `{found}`?{why}" if found else ""


def number(value: object, whole: bool) -> str:
    """A number: one in quotes, with a comma for its point, or with commas between its thousands."""
    if not isinstance(value, str):
        return ""
    if _is_number(value, whole):
        return _UNQUOTE
    if whole and _THOUSANDS.fullmatch(value):
        return f"did you mean `{value.replace(',', '')}`?"
    plain = value.replace(",", ".")
    comma = not whole and plain != value and _is_number(plain, whole)
    return f"did you mean `{plain}`? a point stands before decimals, no comma" if comma else ""


def _is_number(text: str, whole: bool) -> bool:
    found = _read(text)
    return isinstance(found, int if whole else (int, float)) and not isinstance(found, bool)


def _read(text: str) -> object:
    """What a text would be without quotes; None where it is too long to be a number or a word."""
    return scalar(text) if len(text) <= LONGEST else None
