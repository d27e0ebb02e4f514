"""Prompts: from lists, templates over products, and files, to one row of variables each."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from . import document
from .errors import InputError, Place
from .problems import Problems, shown
from .schema import FilePrompts, HeldBack, Prompt, PromptSets, TemplatePrompts
from .template import LONGEST, MOST_ITEMS, BadTemplate, Value, is_template, render
from .texts import load

MOST = 100_000  # prompts of one set

Source = list[Prompt] | TemplatePrompts | FilePrompts
Open = Callable[[document.Path, str], Path | None]  # the file that a path of the recipe means, where it may be read


@dataclass(frozen=True, slots=True)
class Prompted:
    """A prompt and the variables of its row, `prompt` not among them."""

    prompt: str
    variables: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Sets:
    train: list[Prompted]
    validation: list[Prompted]
    test: list[Prompted]


def rows(prompts: PromptSets, variables: Mapping[str, Value], seed: int, opened: Open, problems: Problems) -> Sets:
    """The three sets of prompts. `seed` draws samples and what is held back; problems go to `problems`."""

    def listed(source: Source, name: str) -> list[Prompted]:
        path: document.Path = ("prompts", name)
        if isinstance(source, TemplatePrompts):
            return _from_template(source, path, variables, seed, problems)
        if isinstance(source, FilePrompts):
            found = opened((*path, "file"), source.file)
            return _from_file(found, source.file, (*path, "file"), problems) if found else []
        return _from_list(source, path, problems)

    train = listed(prompts.train, "train")
    held = prompts.validation
    if held is None or isinstance(held, HeldBack):
        train, validation = _held_back(train, held, seed, problems)
    else:
        validation = listed(held, "validate")
    return Sets(train, validation, validation if prompts.test is None else listed(prompts.test, "test"))


def _held_back(
    train: list[Prompted], held: HeldBack | None, seed: int, problems: Problems
) -> tuple[list[Prompted], list[Prompted]]:
    """Split off the rows to validate on, in the order of the text: 10 % and at least one where nothing is said."""
    count = max(1, len(train) // 10) if held is None else held.sample
    if held is None and len(train) == 1:
        return train, train  # one prompt is all there is to look at
    if held is not None and train and count >= len(train):
        problems.add(("prompts", "validate", "sample"), f"leaves none of {len(train)} prompts to train on")
        return train, train
    if not train:
        return [], []
    chosen = set(random.Random(seed).sample(range(len(train)), count))
    return [row for at, row in enumerate(train) if at not in chosen], [train[at] for at in sorted(chosen)]


def _from_list(entries: Iterable[Prompt], path: document.Path, problems: Problems) -> list[Prompted]:
    found: list[Prompted] = []
    for at, entry in enumerate(entries):
        if is_template(entry.prompt):
            problems.add((*path, at), "a prompt of a list is no template", "use `template` with `for`")
        found.append(Prompted(entry.prompt, dict(entry.__pydantic_extra__ or {})))
    return found


def _from_template(
    source: TemplatePrompts, path: document.Path, variables: Mapping[str, Value], seed: int, problems: Problems
) -> list[Prompted]:
    total = math.prod(len(values) for values in source.over.values())
    if source.sample is not None and source.sample > total:
        problems.add((*path, "sample"), f"cannot draw {source.sample} of {total} prompts")
        return []
    if (source.sample or total) > MOST:
        problems.add((*path, "for"), f"makes {source.sample or total} prompts, more than {MOST}", "use `sample`")
        return []
    chosen = range(total) if source.sample is None else sorted(_drawn(total, source.sample, random.Random(seed)))
    if "prompt" in source.over:
        problems.add((*path, "for", "prompt"), "`prompt` is the rendered prompt's own name", at_key=True)
        return []
    names, lists = list(source.over), list(source.over.values())
    found: list[Prompted] = []
    for at in chosen:
        row: dict[str, Value] = dict(zip(names, _combination(lists, at), strict=True))
        try:
            prompt = render(source.template, {**variables, **row}).strip()
        except BadTemplate as error:
            problems.add((*path, "template"), error.message, error.hint)
            return []
        if not prompt:
            problems.add((*path, "template"), f"renders to nothing for {', '.join(f'{k}={v}' for k, v in row.items())}")
            return []
        found.append(Prompted(prompt, row))
    return found


def _drawn(total: int, count: int, draw: random.Random) -> Iterable[int]:
    """`count` different numbers below `total`, however large that is."""
    if total <= sys.maxsize:
        return draw.sample(range(total), count)
    found: dict[int, None] = {}
    while len(found) < count:
        found[draw.randrange(total)] = None
    return found


def _combination(lists: list[list[Any]], at: int) -> list[Any]:
    """The entry `at` of the product of `lists`, the last one turning fastest, without listing the product."""
    found: list[Any] = []
    for values in reversed(lists):
        at, place = divmod(at, len(values))
        found.append(values[place])
    return found[::-1]


def _from_file(file: Path, name: str, path: document.Path, problems: Problems) -> list[Prompted]:
    read = _READERS.get(file.suffix.lower())
    if read is None:
        problems.add(path, f"is no file of prompts, found {shown(name)}", f"known are {', '.join(_READERS)}")
        return []
    try:
        text = load(file)[0].removeprefix("\ufeff")
    except InputError as error:
        problems.add(path, error.problems[0].message)
        return []
    if read is not _csv and sum(1 for line in text.split("\n") if line.strip()) > MOST:
        problems.add(path, f"holds more than {MOST} prompts: {name}")  # told without parsing every line
        return []
    found: list[Prompted] = []
    written = str(Path(problems.document.file).parent / name)  # as the recipe's own place is: a person opens it
    for number, (line, row) in enumerate(read(text)):
        if number == MOST:
            problems.add(path, f"holds more than {MOST} prompts: {name}")
            return []
        prompt = row.pop("prompt", None) if isinstance(row, dict) else None
        if isinstance(row, str):
            problems.at(Place(written, line), "", row)
        elif not isinstance(prompt, str) or not prompt.strip():
            said = "is missing" if prompt is None else f"is empty or no text: {shown(prompt)}"
            problems.at(Place(written, line), "prompt", said)
        elif said := _too_large(prompt, row):
            problems.at(Place(written, line), *said)
        else:
            found.append(Prompted(prompt.strip(), row))
    if not any(True for _ in read(text)):
        problems.add(path, f"the file is empty: {name}" if not text.strip() else f"the file holds no prompts: {name}")
    return found


def _too_large(prompt: str, row: Mapping[str, Value]) -> tuple[str, str] | None:
    """The key and what is wrong with it, of the first value that no template may be given."""
    for key, value in (("prompt", prompt), *row.items()):
        if isinstance(value, str) and value.isascii() and len(value) <= LONGEST:
            continue  # nearly always: files are long
        if isinstance(value, list) and len(value) > MOST_ITEMS:
            return key, f"has more than {MOST_ITEMS} entries"
        listed: list[object] = value if isinstance(value, list) else [value]
        texts = [item for item in listed if isinstance(item, str)]
        if any(len(text) > LONGEST for text in texts):
            return key, f"is longer than {LONGEST} characters"
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
        if "prompt" not in (reader.fieldnames or []):
            yield 1, "a column `prompt` is missing"
            return
        for row in reader:
            cells: Mapping[Any, Any] = row
            if None in cells or None in cells.values():
                yield reader.line_num, f"has not {len(reader.fieldnames or [])} columns"
            else:
                yield reader.line_num, dict(row)
    except csv.Error as error:
        yield reader.line_num, f"cannot be read as CSV: {error}"


def _jsonl(text: str) -> Iterable[Line]:
    for at, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row: object = json.loads(line, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            yield at, f"cannot be read as JSON: {error}"
            continue
        if not isinstance(row, dict):
            yield at, f"must be an object, found {shown(row)}"
        elif wrong := [key for key, value in cast(dict[str, object], row).items() if not _is_value(value)]:
            yield at, f"`{wrong[0]}` must be text, a number, true or false, or a list of these"
        else:
            yield at, cast(dict[str, Value], row)


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _is_value(value: object) -> bool:
    listed = cast(list[object], value) if isinstance(value, list) else [value]
    return all(isinstance(item, (str, int, float)) for item in listed)


_READERS: dict[str, Callable[[str], Iterable[Line]]] = {".txt": _txt, ".csv": _csv, ".jsonl": _jsonl}
