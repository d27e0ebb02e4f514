"""Joining prompts: what agrees becomes one or is joined, in a known order, and soon however many there are."""

from __future__ import annotations

import random
import time
from itertools import chain

from control_recipes.engine.joining import crossed, united
from control_recipes.engine.prompted import MOST, Prompted
from control_recipes.engine.template import Value

row = Prompted


def test_rows_of_one_prompt_become_one_where_they_agree() -> None:
    assert united([[row("a", {"x": 1}), row("b", {})], [row("a", {"y": 2}), row("a", {"x": 3})]]) == [
        row("a", {"x": 1, "y": 2}),
        row("a", {"x": 3}),
        row("b", {}),
    ]
    assert crossed([[row("a", {"x": 1})], [row("b", {"y": 1}), row("c", {"x": 2})]]) == [row("a, b", {"x": 1, "y": 1})]


def agree(left: Prompted, right: Prompted) -> bool:
    return all(left.variables[name] == value for name, value in right.variables.items() if name in left.variables)


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


def test_too_many_rows_stay_too_many_whatever_a_later_list_would_leave_of_them() -> None:
    many = [row(f"a{at}", {"a": at}) for at in range(400)]
    more = [row(f"b{at}", {"b": at}) for at in range(400)]
    assert len(crossed([many, more, [row("c", {"a": 0})]])) > MOST
    assert len(crossed([many[:10], more[:10], [row("c", {"a": 0})]])) == 10
