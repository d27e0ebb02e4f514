"""What a template may be made of, checked on its syntax tree before it is compiled."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from jinja2 import nodes
from jinja2.exceptions import SecurityError

from .errors import cut

FILTERS = (
    "abs", "capitalize", "default", "first", "float", "int", "join", "last", "length", "list", "lower", "max", "min",
    "reverse", "round", "sort", "string", "title", "trim", "unique", "upper",
)  # fmt: skip
TESTS = ("defined", "undefined", "number", "string")
LOOP = ("index", "index0", "first", "last", "length", "revindex", "revindex0")
NESTED_LOOPS = 2
OWN = ("self", "loop", "true", "false", "none", "True", "False", "None")  # no variable of these names is ever seen

_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Name, nodes.Const, nodes.List,
    nodes.Tuple, nodes.Filter, nodes.Test, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
    nodes.Add, nodes.Sub, nodes.Div, nodes.FloorDiv, nodes.Neg, nodes.Pos, nodes.Concat, nodes.Getitem, nodes.Getattr,
    nodes.Keyword,
)  # fmt: skip
_WORDS: dict[type[nodes.Node], str] = {
    nodes.Call: "a call", nodes.Mul: "`*`", nodes.Pow: "`**`", nodes.Mod: "`%`", nodes.Slice: "a slice",
    nodes.Dict: "a mapping",
    nodes.Assign: "`set`", nodes.AssignBlock: "`set`", nodes.Macro: "`macro`", nodes.Include: "`include`",
    nodes.Import: "`import`",
    nodes.FromImport: "`import`", nodes.Extends: "`extends`", nodes.Block: "`block`", nodes.With: "`with`",
    nodes.FilterBlock: "`filter`", nodes.CallBlock: "`call`",
}  # fmt: skip
# how many values stand between the braces of filters that take one more: an attribute, which reaches into objects
_BEFORE_ATTRIBUTE = {"join": 1, "max": 1, "min": 1, "sort": 2, "unique": 1}


class Refused(SecurityError):
    """A piece that is not allowed, and the line of the template that it stands in."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def check(node: nodes.Node, loops: tuple[str, ...] = ()) -> None:
    """Raises Refused at the first piece that is not allowed; `loops` holds the variables of the loops around."""
    if not isinstance(node, _ALLOWED):
        raise Refused(f"{_WORDS.get(type(node), type(node).__name__)} is not allowed in a template", node.lineno)
    if isinstance(node, nodes.For):
        _check_loop(node, loops)
        loops = (*loops, "loop")
    if isinstance(node, nodes.Getattr):
        if not _of_loop(node, loops):
            raise Refused(f"the attribute `.{cut(node.attr)}` is not allowed in a template", node.lineno)
        return
    if isinstance(node, nodes.Name) and node.name in OWN:
        hint = "; in a loop there is `loop.index`" if node.name == "loop" else ""
        raise Refused(f"`{node.name}` is a word of templates, no variable{hint}", node.lineno)
    if isinstance(node, nodes.Getitem):
        _check_entry(node)
    if isinstance(node, nodes.Filter):
        _check_filter(node)
    if isinstance(node, nodes.Test) and node.name not in TESTS:
        raise Refused(f"the test `{cut(node.name)}` is not known{_meant(node.name, TESTS)}", node.lineno)
    for child in node.iter_child_nodes():
        check(child, loops)


def _check_loop(node: nodes.For, loops: tuple[str, ...]) -> None:
    if node.recursive or not isinstance(node.iter, (nodes.Name, nodes.List)) or not isinstance(node.target, nodes.Name):
        raise Refused("`for` goes over a given list alone", node.lineno)
    if len(loops) >= NESTED_LOOPS:
        raise Refused(f"loops nest at most {NESTED_LOOPS} deep in a template", node.lineno)


def _check_entry(node: nodes.Getitem) -> None:
    """Jinja takes `text['upper']` for an attribute: a method, which prints as an address in memory."""
    if isinstance(node.arg, nodes.Const) and type(node.arg.value) is not int:
        found = cut(repr(node.arg.value))
        raise Refused(f"`[{found}]` is no entry: one is named by a whole number, as `colors[0]`", node.lineno)


def _check_filter(node: nodes.Filter) -> None:
    if node.name not in FILTERS:
        raise Refused(f"the filter `{cut(node.name)}` is not known{_meant(node.name, FILTERS)}", node.lineno)
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        raise Refused(f"`*` is not allowed in the filter `{node.name}`", node.lineno)
    too_many = len(node.args) > _BEFORE_ATTRIBUTE.get(node.name, len(node.args))
    if too_many or any(keyword.key == "attribute" for keyword in node.kwargs):
        instead = "`join(', ')`" if node.name == "join" else f"`{node.name}`"
        raise Refused(f"`{node.name}` takes no attribute here: write {instead} of a list of texts", node.lineno)


def _of_loop(node: nodes.Getattr, loops: tuple[str, ...]) -> bool:
    return bool(loops) and isinstance(node.node, nodes.Name) and node.node.name == "loop" and node.attr in LOOP


def _meant(name: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(name, known, 1)
    return f"; did you mean `{close[0]}`?" if close else f"; known are {', '.join(known)}"


def uses(node: nodes.Node, bound: frozenset[str] = frozenset()) -> Iterator[tuple[str, int]]:
    """The variables that cannot be done without, each time with the line; `bound` are those of the loops around."""
    if isinstance(node, nodes.Name) and node.name not in bound:
        yield node.name, node.lineno
    if isinstance(node, nodes.For) and isinstance(node.target, nodes.Name):
        yield from uses(node.iter, bound)
        inside = bound | {node.target.name}
        for child in (*node.body, *([node.test] if node.test else [])):
            yield from uses(child, inside)
        for child in node.else_:
            yield from uses(child, bound)
        return
    asks = isinstance(node, nodes.Test) or (isinstance(node, nodes.Filter) and node.name == "default")
    for child in node.iter_child_nodes():
        if not (asks and isinstance(child, nodes.Name)):
            yield from uses(child, bound)
