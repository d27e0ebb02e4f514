"""Excerpts: the line of a file that a problem stands in, with a caret under the character that it starts at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import final

from .errors import SETS, InputError, Place, visible
from .headers import PICKLES
from .texts import LARGEST_FILE, beginning

WIDEST = 100  # cells of a line where there is no terminal to say how many it shows
_MARGIN = 12  # cells of a line that are shown behind a caret at its end
_TAB = "    "
_NO_TEXT = (".safetensors", ".lock", *sorted(PICKLES))  # files whose lines tell a person nothing
# libyaml breaks lines at all of these; what else reads lines breaks them at the first alone
_YAML_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A line as it is shown: on one row, without characters that steer a terminal."""

    line: int
    text: str
    caret: int  # cells to the left of it


@final
class Excerpts:
    """Cuts excerpts, and reads every file once."""

    def __init__(self, widest: int = WIDEST) -> None:
        self.widest = widest
        self._lines: dict[str, list[str]] = {}

    def of(self, place: Place) -> Excerpt | None:
        """The excerpt of a place; None where there is no such line, or nothing in it."""
        if place.file not in self._lines:
            self._lines[place.file] = _lines(place.file)
        lines = self._lines[place.file]
        if not 0 < place.line <= len(lines) or not lines[place.line - 1].strip():
            return None
        return _cut(lines[place.line - 1], place, self.widest)


def _lines(file: str) -> list[str]:
    if file.endswith(_NO_TEXT):
        return []
    if file.startswith(SETS):
        return _YAML_BREAK.split(file.removeprefix(SETS))
    try:
        text = beginning(file, LARGEST_FILE).decode(errors="replace")
    except InputError:
        return []
    text = text.removeprefix("\ufeff")
    return _YAML_BREAK.split(text) if file.endswith((".yaml", ".yml")) else text.split("\n")


def _cut(line: str, place: Place, widest: int) -> Excerpt:
    from rich.cells import cell_len

    at = min(place.column - 1, len(line))
    # what is far from the caret is never looked at: a line may be as long as the file
    before, after = line[max(0, at - widest) : at], line[at : at + widest]
    left = [_shown(character) for character in before]
    right = [_shown(character) for character in after.rstrip()]
    room = widest - min(_MARGIN, sum(map(cell_len, right)))
    start, stop = len(left), 0
    while start and cell_len("".join(left[start - 1 :])) < room:
        start -= 1
    shown = "".join(left[start:])
    cut_off = start > 0 or at > len(before)
    head = f"…{shown}" if cut_off else shown
    fits = len(after) == len(line) - at and cell_len(head + "".join(right)) <= widest
    while not fits and stop < len(right) and cell_len(head + "".join(right[: stop + 1])) < widest:
        stop += 1
    tail = "" if fits else "…"
    return Excerpt(place.line, head + "".join(right if fits else right[:stop]) + tail, cell_len(head))


def _shown(character: str) -> str:
    return _TAB if character == "\t" else visible(character)
