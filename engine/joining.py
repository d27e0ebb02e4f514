"""Joining: the prompts of several recipes, all of them or each with each, as those of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, count

from .agreeing import Agreeing
from .problems import Problems
from .prompted import MOST_PROMPTS, Prompted, Sets

STEPS = 10 * MOST_PROMPTS  # rows that `cross` may make on the way: some seconds


class TooManySteps(ValueError):
    """A product of lists that takes too long to go through, however few rows come of it."""


def own_kept(found: Mapping[str, Sets]) -> list[Sets]:
    """Every recipe's rows, marked as its own; what another one holds out is not trained on, unless nothing remained."""
    held = {name: {row.prompt for row in (*sets.validation, *sets.test)} for name, sets in found.items()}
    marked: list[Sets] = []
    for name, sets in found.items():
        elsewhere = {prompt for other, prompts in held.items() if other != name for prompt in prompts}
        train = [row for row in sets.train if row.prompt not in elsewhere] or sets.train
        three = ([replace(row, of=frozenset({name})) for row in rows] for rows in (train, sets.validation, sets.test))
        marked.append(Sets(*three))
    return marked


def joined(kind: str, found: list[Sets], problems: Problems) -> Sets:
    """The sets of all recipes as one, by `union` or `cross`; one too large is told and empty."""
    made: list[list[Prompted]] = []
    too_many = (
        False  # which is told once: what makes one set too large makes the others so, and takes a second for each
    )
    for name, lists in (
        ("train", [sets.train for sets in found]),
        ("validate", [sets.validation for sets in found]),
        ("test", [sets.test for sets in found]),
    ):
        if too_many:
            made.append([])
            continue
        try:
            listed = united(lists) if kind == "union" else crossed(lists)
        except TooManySteps:
            too_many = True
            said = f"makes more than {STEPS} {name} prompts on the way, of two recipes and then of the next"
            problems.add(("prompts", kind), said, "draw fewer with `sample`")
            made.append([])
            continue
        if len(listed) > MOST_PROMPTS:
            problems.add(
                ("prompts", kind), f"makes more than {MOST_PROMPTS} {name} prompts", "draw fewer with `sample`"
            )
            listed, too_many = [], True
        elif not listed and all(lists):
            hint = "use `union`, or let the variables that they share take the same values"
            problems.add(("prompts", kind), f"makes no {name} prompt: no two agree in the variables they share", hint)
        made.append(listed)
    return Sets(*made)


def united(lists: Iterable[Iterable[Prompted]]) -> list[Prompted]:
    """All rows. Those of one prompt become one row where their variables agree. Ends soon after `MOST_PROMPTS` rows."""
    found: dict[str, list[Prompted]] = {}
    agreeing: dict[str, Agreeing] = {}
    rows = 0
    for row in chain.from_iterable(lists):
        same = found.setdefault(row.prompt, [])
        if same and row.prompt not in agreeing:  # most prompts stand alone
            agreeing[row.prompt] = Agreeing(same)
        at = agreeing[row.prompt].first(row) if same else None
        if at is None:
            same.append(row)
            at = len(same) - 1
            rows += 1
        else:
            same[at] = _both(same[at], row, row.prompt)
        if row.prompt in agreeing:
            agreeing[row.prompt].put(at)
        if rows > MOST_PROMPTS:
            break
    return list(chain.from_iterable(found.values()))


def crossed(lists: Iterable[list[Prompted]]) -> list[Prompted]:
    """Each row with each of the next list that agrees with it: their texts joined by a comma, a common one said once.

    Ends soon after `MOST_PROMPTS` rows. Raises TooManySteps where rows of the first lists find too few of the last one.
    """
    first, *others = lists
    made: Iterable[Prompted] = first
    steps = count(1)
    for rows in others:
        made = _with_each(made, rows, steps)  # lazily: what agrees with nothing later is never kept
    return united([made])


def _with_each(made: Iterable[Prompted], rows: list[Prompted], steps: Iterator[int]) -> Iterator[Prompted]:
    agreeing = Agreeing(rows)
    for left in made:
        for at in agreeing.all(left):
            if next(steps) > STEPS:
                raise TooManySteps
            yield _both(left, rows[at], _text(left, rows[at]))


def _both(left: Prompted, right: Prompted, prompt: str) -> Prompted:
    at = left.at if prompt == left.prompt else ("prompts", "cross")
    return Prompted(prompt, {**left.variables, **right.variables}, left.of | right.of, at)


def _text(left: Prompted, right: Prompted) -> str:
    return left.prompt if left.prompt == right.prompt else f"{left.prompt}, {right.prompt}"
