"""Joining prompts: what agrees becomes one or is joined, in a known order, and soon however many there are."""

from __future__ import annotations

import random
import time
from itertools import chain, permutations

import pytest
from control_recipes.engine import document, joining
from control_recipes.engine.joining import crossed, joined, united
from control_recipes.engine.problems import Problems
from control_recipes.engine.prompted import Prompted, Sets
from control_recipes.engine.template import Value

row = Prompted


def test_rows_of_one_prompt_become_one_where_they_agree() -> None:
    assert united([[row("a", {"x": 1}), row("b", {})], [row("a", {"y": 2}), row("a", {"x": 3})]]) == [
        row("a", {"x": 1, "y": 2}),
        row("a", {"x": 3}),
        row("b", {}),
    ]
    assert crossed([[row("a", {"x": 1})], [row("b", {"y": 1}), row("c", {"x": 2})]]) == [row("a, b", {"x": 1, "y": 1})]


def test_values_that_print_otherwise_do_not_agree() -> None:
    values: list[Value] = [1, 1.0, True, 0.0, -0.0, "1", [1], [True]]
    rows = [row("a", {"x": value}) for value in values]
    assert united([rows, rows]) == rows
    assert [repr(one.variables["x"]) for one in crossed([rows, rows])] == [repr(value) for value in values]


def test_no_row_is_lost_whichever_list_comes_first() -> None:
    lists = [
        [row(f"a{at}", {"i": at}) for at in range(400)],
        [row(f"b{at}", {"j": at}) for at in range(400)],
        [row(f"c{at}", {"i": at}) for at in (0, 399)],
    ]
    for order in permutations(lists):
        found = crossed(order)
        assert len(found) == 800
        assert {one.variables["i"] for one in found} == {0, 399}


def told(kind: str, *lists: list[Prompted]) -> list[str]:
    problems = Problems(document.parse("recipe: 1", "r.yaml"))
    assert joined(kind, [Sets(rows, rows, rows) for rows in lists], problems).train == []
    return [problem.message for problem in problems.found]


def test_what_is_too_large_is_told_and_never_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "MOST_PROMPTS", 20)
    monkeypatch.setattr(joining, "STEPS", 30)
    lefts, rights = ([row(f"{name}{at}", {name: at}) for at in range(6)] for name in "ab")
    assert told("cross", lefts, rights)[0] == "makes more than 20 train prompts"
    assert told("union", *([row(f"{name}{at}", {}) for at in range(9)] for name in "abc"))[0].startswith("makes more")
    few = [row("c", {"a": 5})]
    assert told("cross", lefts, rights, few)[0].startswith("makes more than 30 train prompts on the way")
    assert len(crossed([lefts[:4], rights[:5], [row("c", {"a": 3})]])) == 5


def agree(left: Prompted, right: Prompted) -> bool:
    both = left.variables.keys() & right.variables.keys()
    return all(repr(left.variables[name]) == repr(right.variables[name]) for name in both)


def both(left: Prompted, right: Prompted, prompt: str) -> Prompted:
    return Prompted(prompt, {**left.variables, **right.variables}, left.of | right.of)


def plainly_united(rows: list[Prompted]) -> list[Prompted]:
    """What `united` means, each row looked at beside each."""
    found: dict[str, list[Prompted]] = {}
    for one in rows:
        same = found.setdefault(one.prompt, [])
        at = next((at for at, other in enumerate(same) if agree(other, one)), None)
        if at is None:
            same.append(one)
        else:
            same[at] = both(same[at], one, one.prompt)
    return list(chain.from_iterable(found.values()))


def plainly_crossed(left: list[Prompted], right: list[Prompted]) -> list[Prompted]:
    texts = {True: "{0}", False: "{0}, {1}"}
    return plainly_united(
        [
            both(one, other, texts[one.prompt == other.prompt].format(one.prompt, other.prompt))
            for one in left
            for other in right
            if agree(one, other)
        ]
    )


def drawn(draw: random.Random, count: int) -> list[Prompted]:
    """Rows of few prompts and few values, some of them equal and not the same, with any of four variables."""
    values: list[Value] = [1, 1.0, True, 0.0, -0.0, "1", "a", [1, "a"], [True, "a"], []]
    return [
        row(
            draw.choice("ab"), {name: draw.choice(values) for name in "wxyz" if draw.random() < 0.6}, frozenset(str(at))
        )
        for at in range(count)
    ]


def test_the_rows_and_their_order_are_those_of_comparing_each_with_each() -> None:
    draw = random.Random(5)
    for count in (0, 1, 2, 5, 12, 25):
        for _ in range(15):
            left, right = drawn(draw, count), drawn(draw, count)
            # as texts: 1, 1.0 and true are equal, and a row keeps which of them it has
            assert repr(united([left, right])) == repr(plainly_united(left + right))
            assert repr(crossed([left, right])) == repr(plainly_crossed(left, right))


def test_thousands_of_rows_are_joined_soon() -> None:
    lefts = [row(f"l{at}", {"place": at, "color": "red"}) for at in range(20_000)]
    rights = [row(f"r{at}", {"place": at, "thing": "ball"}) for at in range(20_000)]
    same = [row("the same", {"place": at}) for at in range(20_000)]
    started = time.process_time()
    assert len(crossed([lefts, rights])) == 20_000
    assert len(united([same, same[::-1]])) == 20_000
    assert time.process_time() - started < 6  # of a processor; each beside each takes minutes
