"""Parts are rendered once for all rows that agree in what they use."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from control_recipes.engine.kept import Kept
from control_recipes.engine.template import Value


def counted(*texts: str) -> tuple[Kept[int], list[Mapping[str, Value]]]:
    calls: list[Mapping[str, Value]] = []

    def make(variables: Mapping[str, Value]) -> int:
        calls.append(variables)
        return len(calls)

    return Kept(texts, make), calls


def test_rows_alike_in_what_is_used_share():
    kept, calls = counted("a {{ color }}", "plain")
    assert [kept({"color": color, "size": size}) for color, size in [("red", 1), ("red", 2), ("blue", 1)]] == [1, 1, 2]
    assert len(calls) == 2


@pytest.mark.parametrize("values", [(1, True), (1, 1.0), (0.0, -0.0), ("1", 1), ([1], [True]), ("", None)])
def test_values_that_print_differently_do_not_share(values: tuple[Value, Value]):
    kept, calls = counted("{{ it }}")
    for value in values:
        kept({} if value is None else {"it": value})
    assert len(calls) == 2


def test_a_template_that_cannot_be_read_is_made_once():
    kept, calls = counted("{{ it")
    assert kept({"it": 1}) == kept({"it": 2}) == 1
    assert len(calls) == 1
