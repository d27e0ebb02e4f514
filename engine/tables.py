"""Tables: files of prompts, .txt with one a line, .csv and .jsonl, whose columns are variables of the row."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from . import document
from .errors import InputError, Place
from .problems import Problems, shown
from .prompted import HINT, MOST_PROMPTS, NO_TEMPLATE, Prompted, templated
from .template import LONGEST_TEXT, MOST_ITEMS, Value, is_template
from .texts import load


def rows(file: Path, name: str, path: document.Path, problems: Problems, digests: dict[str, str]) -> list[Prompted]:
    """The prompts of a file that a recipe calls `name` at `path`; problems are told by the file's own lines.

    The sha256 of what was read goes to `digests`.
    """
    read = _READERS.get(file.suffix.lower())
    if read is None:
        problems.add(path, f"is no file of prompts, found {shown(name)}", f"known are {', '.join(_READERS)}")
        return []
    try:
        text, digests[name] = load(file)
        text = text.removeprefix("\ufeff")
    except InputError as error:
        problems.add(path, error.problems[0].message)
        return []
    if read is not _csv and sum(1 for line in text.split("\n") if line.strip()) > MOST_PROMPTS:
        problems.add(path, f"holds more than {MOST_PROMPTS} prompts: {name}")  # told without parsing every line
        return []
    found: list[Prompted] = []
    written = str(Path(problems.document.file).parent / name)  # as the recipe's own place is: a person opens it
    for number, (line, row) in enumerate(read(text)):
        if number == MOST_PROMPTS:
            problems.add(path, f"holds more than {MOST_PROMPTS} prompts: {name}")
            return []
        prompt = row.pop("prompt", None) if isinstance(row, dict) else None
        if isinstance(row, str):
            problems.at(Place(written, line, 1), "", row)
        elif not isinstance(prompt, str) or not prompt.strip():
            said = "is missing" if prompt is None else f"is empty or no text: {shown(prompt)}"
            problems.at(Place(written, line, 1), "prompt", said)
        elif said := _too_large(prompt, row):
            problems.at(Place(written, line, 1), *said)
        elif is_template(prompt) or templated(row):
            name_of = "prompt" if is_template(prompt) else templated(row)[0]
            problems.at(Place(written, line, 1), name_of, NO_TEMPLATE, HINT)
        else:
            found.append(Prompted(prompt.strip(), row, at=Place(written, line, 1)))
    if not any(True for _ in read(text)):
        problems.add(path, f"the file is empty: {name}" if not text.strip() else f"the file holds no prompts: {name}")
    return found


def _too_large(prompt: str, row: Mapping[str, Value]) -> tuple[str, str] | None:
    """The key and what is wrong with it, of the first value that no template may be given."""
    for key, value in (("prompt", prompt), *row.items()):
        if isinstance(value, str) and value.isascii() and len(value) <= LONGEST_TEXT:
            continue  # nearly always: files are long
        if isinstance(value, list) and len(value) > MOST_ITEMS:
            return key, f"must have at most {MOST_ITEMS} entries, found {len(value)}"
        listed: list[object] = value if isinstance(value, list) else [value]
        texts = [item for item in listed if isinstance(item, str)]
        if any(len(text) > LONGEST_TEXT for text in texts):
            return key, f"is longer than {LONGEST_TEXT} characters"
        if not all(text.isprintable() or _whole(text) for text in texts):
            return key, "holds half a character: a surrogate without its other half"
    return None


def _whole(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


Line = tuple[int, dict[str, Value] | str]  # its number, and its variables or what is wrong with it


def _txt(text: str) -> Iterable[Line]:
    return ((at, {"prompt": line}) for at, line in enumerate(text.split("\n"), 1) if line.strip())


def _csv(text: str) -> Iterable[Line]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        names = list(reader.fieldnames or [])
        if "prompt" not in names:
            yield 1, "a column `prompt` is missing"
            return
        if twice := [name for name, times in Counter(names).items() if times > 1]:
            yield 1, f"a duplicate column `{twice[0]}`"
            return
        for row in reader:
            cells: Mapping[Any, Any] = row
            if None in cells or None in cells.values():
                yield reader.line_num, f"has not {len(reader.fieldnames or [])} columns"
            else:
                yield reader.line_num, dict(row)
    except csv.Error as error:
        yield reader.reader.line_num, f"cannot be read as CSV: {error}"


def _jsonl(text: str) -> Iterable[Line]:
    for at, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row: object = json.loads(line, parse_constant=_no_number, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            yield at, f"cannot be read as JSON: {error}"
            continue
        if not isinstance(row, dict):
            yield at, f"must be an object, found {shown(row)}"
        elif wrong := [key for key, value in cast(dict[str, object], row).items() if not _is_value(value)]:
            yield at, f"`{wrong[0]}` must be text, a number, true or false, or a list of these"
        else:
            yield at, cast(dict[str, Value], row)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose keys are all different."""
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"a duplicate key `{key}`")
        found[key] = value
    return found


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _is_value(value: object) -> bool:
    listed = cast(list[object], value) if isinstance(value, list) else [value]
    return all(isinstance(item, (str, int, float)) and item not in (math.inf, -math.inf) for item in listed)


_READERS: dict[str, Callable[[str], Iterable[Line]]] = {".txt": _txt, ".csv": _csv, ".jsonl": _jsonl}
