"""Prompts: from lists, templates over products, and files, to one row of variables each."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, cast

from . import document, scopes
from .errors import InputError, Place
from .problems import Problems, shown
from .schema import FilePrompts, HeldBack, Prompt, PromptSets, TemplatePrompts, Together
from .template import LONGEST, MOST_ITEMS, BadTemplate, Value, is_template, render
from .texts import load

MOST = 100_000  # prompts of one set
NO_TEMPLATE = "is no place for a template"
HINT = "templates stand in questions, visuals, measures and the prompts' `template`; what they see is plain"

Source = list[Prompt] | TemplatePrompts | FilePrompts
Open = Callable[[document.Path, str], Path | None]  # the file that a path of the recipe means, where it may be read


@dataclass(frozen=True, slots=True)
class Prompted:
    """A prompt and the variables of its row, `prompt` not among them."""

    prompt: str
    variables: Mapping[str, Value]
    of: frozenset[str] = frozenset()  # the combined recipes whose own prompt this is


@dataclass(frozen=True, slots=True)
class Sets:
    train: list[Prompted]
    validation: list[Prompted]
    test: list[Prompted]


def rows(
    prompts: PromptSets | Together, variables: scopes.Variables, seed: int, opened: Open, problems: Problems
) -> Sets:
    """The three sets of prompts. `seed` draws samples and what is held back; problems go to `problems`."""
    reading, own = _Reading(seed, opened, problems), scopes.variables(variables, "")
    if isinstance(prompts, PromptSets):
        return reading.sets(prompts, ("prompts",), own)
    kind, parts = ("cross", prompts.cross) if prompts.cross else ("union", prompts.union or {})
    found = {
        name: reading.sets(parts[name], ("prompts", kind, name), scopes.variables(variables, name))
        for name in sorted(parts)
    }
    joined = _joined(kind, _own_kept(found), problems)
    return reading.instead(prompts, joined, own)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What it takes to list the rows of a source."""

    seed: int
    opened: Open
    problems: Problems

    def sets(self, prompts: PromptSets, base: document.Path, variables: Mapping[str, Value]) -> Sets:
        train = self.listed(prompts.train, (*base, "train"), variables)
        train, validation = self.split(train, prompts.validation, base, variables)
        test = validation if prompts.test is None else self.listed(prompts.test, (*base, "test"), variables)
        return Sets(train, validation, test)

    def instead(self, prompts: Together, joined: Sets, variables: Mapping[str, Value]) -> Sets:
        """What stands beside the recipes' own prompts takes the place of theirs."""
        base: document.Path = ("prompts",)
        train, validation = joined.train, joined.validation
        if prompts.train is not None:
            train = self.listed(prompts.train, (*base, "train"), variables)
        if prompts.train is not None or prompts.validation is not None:
            train, validation = self.split(train, prompts.validation, base, variables)
        test = joined.test if prompts.test is None else self.listed(prompts.test, (*base, "test"), variables)
        return Sets(train, validation, test)

    def split(
        self,
        train: list[Prompted],
        held: Source | HeldBack | None,
        base: document.Path,
        variables: Mapping[str, Value],
    ) -> tuple[list[Prompted], list[Prompted]]:
        """The rows to train on, and those to validate on."""
        if held is None or isinstance(held, HeldBack):
            return _held_back(train, held, base, self.seed, self.problems)
        return train, self.listed(held, (*base, "validate"), variables)

    def listed(self, source: Source, path: document.Path, variables: Mapping[str, Value]) -> list[Prompted]:
        if isinstance(source, TemplatePrompts):
            return _from_template(source, path, variables, self.seed, self.problems)
        if isinstance(source, FilePrompts):
            found = self.opened((*path, "file"), source.file)
            return _from_file(found, source.file, (*path, "file"), self.problems) if found else []
        return _from_list(source, path, self.problems)


def _own_kept(found: Mapping[str, Sets]) -> list[Sets]:
    """Every recipe's rows, marked as its own; what another one holds out is not trained on, unless nothing remained."""
    held = {name: {row.prompt for row in (*sets.validation, *sets.test)} for name, sets in found.items()}
    marked: list[Sets] = []
    for name, sets in found.items():
        elsewhere = {prompt for other, prompts in held.items() if other != name for prompt in prompts}
        train = [row for row in sets.train if row.prompt not in elsewhere] or sets.train
        three = ([replace(row, of=frozenset({name})) for row in rows] for rows in (train, sets.validation, sets.test))
        marked.append(Sets(*three))
    return marked


def _joined(kind: str, found: list[Sets], problems: Problems) -> Sets:
    made: list[list[Prompted]] = []
    for name, lists in (
        ("train", [sets.train for sets in found]),
        ("validate", [sets.validation for sets in found]),
        ("test", [sets.test for sets in found]),
    ):
        listed = united(lists) if kind == "union" else crossed(lists)
        if len(listed) > MOST:
            problems.add(("prompts", kind), f"makes more than {MOST} {name} prompts", "draw fewer with `sample`")
            listed = []
        elif not listed and all(lists):
            hint = "use `union`, or let the variables that they share take the same values"
            problems.add(("prompts", kind), f"makes no {name} prompt: no two agree in the variables they share", hint)
        made.append(listed)
    return Sets(*made)


def united(lists: Iterable[list[Prompted]]) -> list[Prompted]:
    """All rows. Those of one prompt become one row where their variables agree."""
    found: dict[str, list[Prompted]] = {}
    for row in chain.from_iterable(lists):
        same = found.setdefault(row.prompt, [])
        at = next((at for at, other in enumerate(same) if _agree(other, row)), None)
        if at is None:
            same.append(row)
        else:
            same[at] = _both(same[at], row, row.prompt)
    return list(chain.from_iterable(found.values()))


def crossed(lists: Iterable[list[Prompted]]) -> list[Prompted]:
    """Each row with each of the next list that agrees with it: their texts joined by a comma, a common one said once.

    Ends soon after `MOST` rows.
    """
    made: list[Prompted] | None = None
    for rows in lists:
        pairs = ((left, right) for left in made or [] for right in rows if _agree(left, right))
        made = (
            rows
            if made is None
            else [_both(left, right, _text(left, right)) for left, right in islice(pairs, MOST + 1)]
        )
    return united([made or []])


def _agree(left: Prompted, right: Prompted) -> bool:
    return all(left.variables[name] == value for name, value in right.variables.items() if name in left.variables)


def _both(left: Prompted, right: Prompted, prompt: str) -> Prompted:
    return Prompted(prompt, {**left.variables, **right.variables}, left.of | right.of)


def _text(left: Prompted, right: Prompted) -> str:
    return left.prompt if left.prompt == right.prompt else f"{left.prompt}, {right.prompt}"


def _held_back(
    train: list[Prompted], held: HeldBack | None, base: document.Path, seed: int, problems: Problems
) -> tuple[list[Prompted], list[Prompted]]:
    """Split off the rows to validate on, in the order of the text: 10 % and at least one where nothing is said."""
    count = max(1, len(train) // 10) if held is None else held.sample
    if held is None and len(train) == 1:
        return train, train  # one prompt is all there is to look at
    if held is not None and train and count >= len(train):
        problems.add((*base, "validate", "sample"), f"leaves none of {len(train)} prompts to train on")
        return train, train
    if not train:
        return [], []
    chosen = set(random.Random(seed).sample(range(len(train)), count))
    return [row for at, row in enumerate(train) if at not in chosen], [train[at] for at in sorted(chosen)]


def _from_list(entries: Iterable[Prompt], path: document.Path, problems: Problems) -> list[Prompted]:
    found: list[Prompted] = []
    for at, entry in enumerate(entries):
        row: dict[str, Value] = dict(entry.__pydantic_extra__ or {})
        if is_template(entry.prompt):
            problems.add((*path, at), "a prompt of a list is no template", "use `template` with `for`")
        for name in templated(row):
            problems.add((*path, at, name), NO_TEMPLATE, HINT)
        found.append(Prompted(entry.prompt, row))
    return found


def templated(row: Mapping[str, Value | Mapping[str, Value]]) -> list[str]:
    """The variables whose values look like templates: nothing renders them, the braces would be asked as they are.

    Of a combined recipe's variables the name of that recipe.
    """
    return [name for name, value in row.items() if _templated(value)]


def _templated(value: Value | Mapping[str, Value]) -> bool:
    if isinstance(value, Mapping):
        return any(_templated(inner) for inner in value.values())
    items = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(item, str) and is_template(item) for item in items)


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
    for name in templated(source.over):
        problems.add((*path, "for", name), NO_TEMPLATE, HINT)
        return []
    # the order in which a recipe writes its keys means nothing: the longest list varies most slowly
    names = sorted(source.over, key=lambda name: (len(source.over[name]), name), reverse=True)
    lists = [source.over[name] for name in names]
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
        elif is_template(prompt) or templated(row):
            name_of = "prompt" if is_template(prompt) else templated(row)[0]
            problems.at(Place(written, line), name_of, NO_TEMPLATE, HINT)
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
