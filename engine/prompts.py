"""Prompts: from lists, templates over products, and files, to one row of variables each."""

from __future__ import annotations

import itertools
import math
import random
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import document, joining, scopes, tables
from .counting import counted
from .problems import Problems
from .prompted import HINT, MOST_PROMPTS, NO_TEMPLATE, RENAME, UNSEEN, Prompted, Sets, templated, unseen
from .schema_prompts import FilePrompts, HeldBack, Prompt, PromptSets, TemplatePrompts, Together
from .template import BadTemplate, Value, is_template, render

__all__ = [
    "HINT",
    "MOST_PROMPTS",
    "NO_TEMPLATE",
    "STAND_IN",
    "Prompted",
    "Sets",
    "check_variables",
    "rows",
    "templated",
]

STAND_IN = Sets([Prompted("a picture", {})], [], [])  # for prompts that cannot be listed

Source = list[Prompt] | TemplatePrompts | FilePrompts
Open = Callable[[document.Path, str], Path | None]  # the file that a path of the recipe means, where it may be read


def rows(
    prompts: PromptSets | Together,
    variables: scopes.Variables,
    seed: int,
    opened: Open,
    problems: Problems,
    read: dict[str, str],
) -> Sets:
    """The three sets of prompts. `seed` draws samples and what is held back; problems go to `problems`.

    To `read` goes the sha256 of every file that was read, as it was then, by its name in the recipe.
    """
    reading, own = _Reading(seed, opened, problems, read), scopes.variables(variables, "")
    if isinstance(prompts, PromptSets):
        return reading.sets(prompts, ("prompts",), own)
    kind, parts = ("cross", prompts.cross) if prompts.cross else ("union", prompts.union or {})
    found = {
        name: reading.sets(parts[name], ("prompts", kind, name), scopes.variables(variables, name))
        for name in sorted(parts)
    }
    joined = joining.joined(kind, joining.own_kept(found), problems)
    return reading.instead(prompts, joined, own)


def check_variables(variables: scopes.Variables, problems: Problems) -> None:
    """Adds a problem for every variable of `vars` that no template can see, or whose value looks like a template."""
    if "prompt" in variables:
        problems.add(("vars", "prompt"), "`prompt` is the row's own prompt", RENAME, at_key=True)
    scopes_of = {name: scope for name, scope in variables.items() if isinstance(scope, Mapping)}
    found: list[document.Path] = [("vars", name) for name in unseen(variables)]
    found += [("vars", recipe, name) for recipe, scope in scopes_of.items() for name in unseen(scope)]
    for path in found:
        problems.add(path, f"`{path[-1]}` {UNSEEN}", RENAME, at_key=True)
    for name in templated(variables):
        problems.add(("vars", name), NO_TEMPLATE, HINT)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What it takes to list the rows of a source."""

    seed: int
    opened: Open
    problems: Problems
    read: dict[str, str]

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
            return tables.rows(found, source.file, (*path, "file"), self.problems, self.read) if found else []
        return _from_list(source, path, self.problems)


def _held_back(
    train: list[Prompted], held: HeldBack | None, base: document.Path, seed: int, problems: Problems
) -> tuple[list[Prompted], list[Prompted]]:
    """Split off the rows to validate on, in the order of the text: 10 % and at least one where nothing is said."""
    count = max(1, len(train) // 10) if held is None else held.sample
    if held is None and len(train) == 1:
        return train, train  # one prompt is all there is to look at
    if held is not None and train and count >= len(train):
        problems.add((*base, "validate", "sample"), f"leaves none of {counted(len(train), 'prompt')} to train on")
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
        for name in unseen(row):
            problems.add((*path, at, name), f"`{name}` {UNSEEN}", RENAME, at_key=True)
        for name in templated(row):
            problems.add((*path, at, name), NO_TEMPLATE, HINT)
        found.append(Prompted(entry.prompt, row, at=(*path, at)))
    return found


def _from_template(
    source: TemplatePrompts, path: document.Path, variables: Mapping[str, Value], seed: int, problems: Problems
) -> list[Prompted]:
    total = math.prod(len(values) for values in source.over.values())
    if source.sample is not None and source.sample > total:
        problems.add((*path, "sample"), f"cannot draw {source.sample} of {counted(total, 'prompt')}")
        return []
    if (source.sample or total) > MOST_PROMPTS:
        problems.add(
            (*path, "for"),
            f"makes {source.sample or total} prompts, more than {MOST_PROMPTS}",
            "use `sample`",
        )
        return []
    if "prompt" in source.over:
        problems.add((*path, "for", "prompt"), "`prompt` is the rendered prompt's own name", at_key=True)
        return []
    for name in unseen(source.over):
        problems.add((*path, "for", name), f"`{name}` {UNSEEN}", RENAME, at_key=True)
        return []
    for name in templated(source.over):
        problems.add((*path, "for", name), NO_TEMPLATE, HINT)
        return []
    # the order in which a recipe writes its keys means nothing: the longest list varies most slowly
    names = sorted(source.over, key=lambda name: (len(source.over[name]), name), reverse=True)
    lists = [source.over[name] for name in names]
    combinations: Iterable[Sequence[Value]] = itertools.product(*lists)
    if source.sample is not None:
        combinations = (_combination(lists, at) for at in sorted(_drawn(total, source.sample, random.Random(seed))))
    found: list[Prompted] = []
    written: document.Path = (*path, "template")
    for values in combinations:
        row: dict[str, Value] = dict(zip(names, values, strict=True))
        try:
            prompt = " ".join(render(source.template, {**variables, **row}).split())
        except BadTemplate as error:
            problems.add((*path, "template"), error.message, error.hint)
            return []
        if not prompt:
            problems.add((*path, "template"), f"renders to nothing for {', '.join(f'{k}={v}' for k, v in row.items())}")
            return []
        found.append(Prompted(prompt, row, at=written))
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
