"""Agreeing: which rows of a list have the same values as another row, in the variables that both have.

Rows with the same variables are looked up by their values, so that a row is not compared with every other one.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator, Mapping
from typing import final

from .prompted import Prompted
from .template import Value, told_apart

_Names = frozenset[str]
_Values = tuple[Hashable, ...]


@final
class Agreeing:
    """An index of `rows`, which may grow, and in which a row may be replaced by one with more variables.

    Whoever does that says so by `put`.
    """

    def __init__(self, rows: list[Prompted]) -> None:
        self._rows = rows
        self._names: list[_Names] = []  # the variables of each row
        self._places: dict[_Names, list[int]] = {}  # of the rows with these variables; some have more by now
        self._tables: dict[_Names, dict[_Names, dict[_Values, list[int]]]] = {}  # variables, those shared, their values
        for at in range(len(rows)):
            self.put(at)

    def put(self, at: int) -> None:
        """The row at `at` is new, or was replaced."""
        names = frozenset(self._rows[at].variables)
        if at == len(self._names):
            self._names.append(names)
        elif self._names[at] == names:
            return  # equal values stay where they are found
        self._names[at] = names
        heapq.heappush(self._places.setdefault(names, []), at)
        for shared, table in self._tables.get(names, {}).items():
            heapq.heappush(table.setdefault(_values(self._rows[at].variables, shared), []), at)

    def first(self, row: Prompted) -> int | None:
        """The place of the first row that agrees with `row`."""
        found: list[int] = []
        for names, places in self._agreeing(row):
            while places and self._names[places[0]] != names:
                heapq.heappop(places)
            found += places[:1]
        return min(found, default=None)

    def all(self, row: Prompted) -> Iterator[int]:
        """The places of all rows that agree with `row`, in their order; of rows that were not replaced."""
        return heapq.merge(*(places for _, places in self._agreeing(row)))

    def _agreeing(self, row: Prompted) -> Iterator[tuple[_Names, list[int]]]:
        """Rows that agree, by what variables they have; a heap of places each."""
        for names in self._places:
            shared = names.intersection(row.variables)
            yield names, self._table(names, shared).get(_values(row.variables, shared), [])

    def _table(self, names: _Names, shared: _Names) -> dict[_Values, list[int]]:
        tables = self._tables.setdefault(names, {})
        if shared not in tables:
            table: dict[_Values, list[int]] = {}
            for at in sorted(self._places[names]):
                table.setdefault(_values(self._rows[at].variables, shared), []).append(at)
            tables[shared] = table
        return tables[shared]


def _values(variables: Mapping[str, Value], names: _Names) -> _Values:
    return tuple([told_apart(variables[name]) for name in sorted(names)])
