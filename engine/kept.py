"""What is rendered, kept: rows that agree in the variables which a part uses share what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar, final

from .template import Value, told_apart, used

T = TypeVar("T")


@final
class Kept(Generic[T]):
    """A function of a row's variables that is called once for all rows alike in what `texts` use of them.

    Whatever else it depends on is told by `manner`. Where `texts` use the prompt it is called for every row.
    """

    def __init__(self, texts: Iterable[str], make: Callable[[Mapping[str, Value]], T]) -> None:
        self._names = tuple(sorted({name for text in texts for name in used(text)}))
        self.of_one_row = "prompt" in self._names  # nearly every row has a prompt of its own: nothing to keep
        self._make = make
        self._made: dict[tuple[Hashable, ...], T] = {}

    def __call__(self, variables: Mapping[str, Value], manner: Hashable = None) -> T:
        if self.of_one_row:
            return self._make(variables)
        known = variables.get
        key = (manner, *[value if type(value := known(name)) is str else told_apart(value) for name in self._names])
        if key not in self._made:
            self._made[key] = self._make(variables)
        return self._made[key]
