"""Template cost: how much one rendering may do, counted while it does it: every machine refuses the same.

Texts and lists are bounded where they enter, so the time of a template is the number of its steps. A step is an
expression evaluated in a loop, an item or eight characters that a filter, a comparison, `+` or `~` goes through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import wraps
from typing import Any, cast, final

from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.visitor import NodeTransformer

MOST_STEPS = 20_000  # steps of one rendering: some milliseconds
EACH, WEIGHED = "_each", "_weighed"  # filters that no template can name: names that start with _ are refused

_left: ContextVar[int] = ContextVar("left", default=MOST_STEPS)


def begin() -> None:
    """A rendering starts."""
    _left.set(MOST_STEPS)


def charge(steps: int) -> None:
    """Raises SecurityError where the rendering has done enough."""
    left = _left.get() - steps
    if left < 0:
        raise SecurityError(f"the template takes more than {MOST_STEPS} steps")
    _left.set(left)


def _size(value: object) -> int:
    """Steps that going through a value takes, what its lists hold included; not counted on where it is too much."""
    if isinstance(value, str):
        return 1 + len(value) // 8
    steps = 1
    for item in cast(Iterable[object], value) if isinstance(value, (list, tuple)) else ():
        steps += _size(item)
        if steps > MOST_STEPS:
            break
    return steps


def weighed(value: Any) -> Any:
    """The value, paid for."""
    charge(_size(value))
    return value


def each(value: Any, steps: int) -> Any:
    """What a loop goes over, paid for: `steps` for every item."""
    charge(steps * (1 + len(value) if isinstance(value, (str, list, tuple)) else 1))
    return value


def paid(filter_: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that is paid for by the size of what it is given."""

    @wraps(filter_)  # jinja2 marks filters that want its context or environment by attributes
    def made(*args: Any, **kwargs: Any) -> Any:
        charge(sum(map(_size, args)))
        return filter_(*args, **kwargs)

    return made


@final
class Weigher(NodeTransformer):
    """Puts `each` around what loops go over, and `weighed` around what is put together or compared."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802  # as jinja2 names it
        inside = 1 + sum(1 for part in (*node.body, node.test) if part for _ in part.find_all(nodes.Node))
        made = cast(nodes.For, self.generic_visit(node))
        made.iter = nodes.Filter(made.iter, EACH, [nodes.Const(inside)], [], None, None, lineno=node.lineno)
        return made

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802
        return _around(cast(nodes.Expr, self.generic_visit(node)))

    def visit_Add(self, node: nodes.Add) -> nodes.Filter:  # noqa: N802
        return _around(cast(nodes.Expr, self.generic_visit(node)))

    def visit_Operand(self, node: nodes.Operand) -> nodes.Operand:  # noqa: N802
        made = cast(nodes.Operand, self.generic_visit(node))
        made.expr = _around(made.expr)
        return made


def _around(node: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, WEIGHED, [], [], None, None, lineno=node.lineno)
