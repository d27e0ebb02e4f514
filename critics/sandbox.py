"""The sandbox that chat templates of model folders run in: transformers' own settings, bounded in time and memory.

A template is somebody else's program. jinja2's immutable sandbox, which transformers uses, keeps it from reaching into
objects, but lets it loop, recurse and grow values as it likes. Here every turn of a loop, every call and every value
that is made is paid for out of `MOST` steps a rendering, and what could grow faster than that is not there: filters and
methods are listed by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, ItemsView, Iterable, KeysView, ValuesView
from contextvars import ContextVar
from functools import wraps
from typing import Any, cast, final

from jinja2 import Environment, Template, TemplateError, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.filters import do_indent
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Cycler, Namespace
from jinja2.visitor import NodeTransformer

MOST = 20_000  # steps of one rendering: some milliseconds; a question of 8192 characters takes some two thousand
LONGEST = 2**16  # characters of a template, and of any text in it
LARGEST_NUMBER = 2**63
MOST_COUNTED = 1000  # of a range; of a width or a number of spaces
MOST_PARTS = 10_000  # nodes of a template's tree: compiling these takes about a second
LONGEST_BETWEEN = 64  # characters of a text that is written over and over: an indentation, what separates JSON

# how a template that cannot be read or rendered ends: Python itself refuses what is nested too deep, and what a
# template computes may divide by zero or ask too much of a text
FAILS = (
    *(TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError),
    *(SyntaxError, MemoryError),
)

FILTERS = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "groupby", "indent"),
    *("int", "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr"),
    *("replace", "reverse", "round", "safe", "select", "selectattr", "sort", "string", "title", "trim", "truncate"),
    *("unique", "upper", "wordcount"),
)
_TEXT = (
    *("capitalize", "count", "endswith", "find", "index", "isalnum", "isalpha", "isascii", "isdigit", "islower"),
    *("isnumeric", "isspace", "istitle", "isupper", "join", "lower", "lstrip", "partition", "removeprefix"),
    *("removesuffix", "replace", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split", "splitlines"),
    *("startswith", "strip", "swapcase", "title", "upper"),
)
_LIST = ("count", "index")
METHODS: dict[type, tuple[str, ...]] = {
    str: _TEXT,
    list: _LIST,
    tuple: _LIST,
    dict: ("copy", "get", "items", "keys", "values"),
    range: _LIST,
    int: (),
    float: (),
    bool: (),
    bytes: (),
}

_left: ContextVar[int] = ContextVar("left", default=MOST)


def begin() -> None:
    """A rendering starts."""
    _left.set(MOST)


def _charge(steps: int) -> None:
    left = _left.get() - steps
    if left < 0:
        raise SecurityError(f"it takes more than {MOST} steps")
    _left.set(left)


def _size(value: object) -> int:
    """Steps that going through a value takes, what it holds included; not counted on where it is too much."""
    if isinstance(value, (str, bytes)):
        return 1 + len(value) // 8
    if isinstance(value, range):
        return 1 + len(value)
    if isinstance(value, (int, float, bool, type(None))):
        return 1
    inner = _held(value)
    # a generator is paid for as it is gone through; any other object of jinja2's is its name alone when it is printed
    steps = MOST_COUNTED // 10 if inner is None else 1
    for part in inner or ():
        steps += _size(part)
        if steps > MOST:
            break
    return steps


def _held(value: Any) -> Iterable[object] | None:
    """What a value holds, all of which is printed where it is; None of one that holds nothing that is."""
    if isinstance(value, Namespace):
        value = cast(Any, value)._Namespace__attrs  # which may be set at any time, so that it grows unpaid
    if isinstance(value, dict):
        return (part for pair in cast(dict[object, object], value).items() for part in pair)
    if isinstance(value, Cycler):
        return value.items
    return value if isinstance(value, (list, tuple, KeysView, ValuesView, ItemsView)) else None


def _worth(value: Any) -> Any:
    """A value that was made, paid for."""
    if isinstance(value, (str, bytes)) and len(value) > LONGEST:
        raise SecurityError(f"it makes a text of more than {LONGEST} characters")
    if isinstance(value, int) and abs(value) >= LARGEST_NUMBER:
        raise SecurityError("it makes a number that is too large")
    _charge(_size(value))
    return value


@pass_context  # which neither has need of: but nothing that wants it is computed once and for all while compiling,
def _step(context: Context, value: Any, steps: int) -> Any:  # where every level of a nest goes through all within it
    _charge(steps)
    return value


@pass_context
def _paid(context: Context, value: Any) -> Any:
    return _worth(value)


def _replaced(s: object, old: object, new: object, count: int = -1) -> str:
    text, old, new = str(s), str(old), str(new)
    found = text.count(old) if count < 0 else min(count, text.count(old))
    if len(text) + found * len(new) > LONGEST:
        raise SecurityError(f"it makes a text of more than {LONGEST} characters")
    return text.replace(old, new, count)


def _joined(separator: str, parts: Iterable[object]) -> str:
    found: list[str] = []
    length = 0
    for part in parts:
        _charge(_size(part))  # before it is text: what a loop lies over may have grown since it was paid for
        found.append(str(part))
        length += len(found[-1]) + len(separator)
        if length > LONGEST + len(separator):
            raise SecurityError(f"it makes a text of more than {LONGEST} characters")
    return separator.join(found)


def _as_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    for text in (indent, *(separators or ())):
        if isinstance(text, str) and len(text) > LONGEST_BETWEEN:
            raise SecurityError(f"it puts a text of more than {LONGEST_BETWEEN} characters between others")
    encoder = json.JSONEncoder(ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    return _joined("", encoder.iterencode(value))  # part by part: levels multiply what indents them


def _indented(s: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    space = len(width) if isinstance(width, str) else width
    if len(s) + space * (1 + len(s.splitlines())) > LONGEST:
        raise SecurityError(f"it makes a text of more than {LONGEST} characters")
    return do_indent(s, width, first, blank)


def _range(*bounds: int) -> range:
    found = range(*bounds)
    if len(found) > MOST_COUNTED:
        raise SecurityError(f"a range of more than {MOST_COUNTED} numbers")
    return found


def _raise(message: str) -> None:
    raise TemplateError(message)  # how a template refuses what it is given


def _bounded(filter_: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or a test whose arguments and result are paid for."""

    @wraps(filter_)  # jinja2 marks those that want its context or environment by attributes
    def made(*args: Any, **kwargs: Any) -> Any:
        given = args[1:] if hasattr(filter_, "jinja_pass_arg") else args
        _check(given[1:], kwargs)
        for value in given:
            _charge(_size(value))
        return _worth(filter_(*args, **kwargs))

    return made


def _check(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Numbers that say how much of something there is to be are small."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, int) and abs(value) > MOST_COUNTED:
            raise SecurityError(f"{value} is more than {MOST_COUNTED}")


@final
class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """The same as Python's, for numbers; texts and lists can be added alone."""
        numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
        if operator == "**" or not (numbers or operator == "+"):
            raise SecurityError(f"`{operator}` of {type(left).__name__} and {type(right).__name__} is not allowed")
        if operator == "+":
            _charge(_size(left) + _size(right))
            return _worth(left + right)
        return _worth(left * right if operator == "*" else left % right)

    def wrap_str_format(self, value: Any) -> None:
        """No method that formats: it is refused as any that is not listed."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """What jinja2 calls safe, and of plain values the methods that are listed."""
        listed = next((names for kind, names in METHODS.items() if isinstance(obj, kind)), None)
        return super().is_safe_attribute(obj, attr, value) and (listed is None or attr in listed)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A method, a macro or a function, its arguments and its result paid for."""
        _check(args, kwargs)
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        for value in (owner, *args, *kwargs.values()):
            _charge(_size(value))
        if isinstance(owner, str) and name in ("replace", "join"):
            return _worth((_replaced if name == "replace" else _joined)(owner, *args, **kwargs))
        return _worth(super().call(context, obj, *args, **kwargs))

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        if sum(1 for _ in tree.find_all(nodes.Node)) > MOST_PARTS:
            raise SecurityError(f"it has more than {MOST_PARTS} parts")
        return cast(nodes.Template, _Meter().visit(tree).set_environment(self))


@final
class _Meter(NodeTransformer):
    """Puts `_step` at the head of everything that may be gone through again, `_paid` around what makes a value."""

    def _metered(self, node: Any) -> Any:
        cost = 1 + sum(1 + len(getattr(part, "data", "")) // 8 for part in node.find_all(nodes.Node))
        self.generic_visit(node)
        empty = nodes.TemplateData("", lineno=node.lineno)
        step = nodes.Filter(empty, "_step", [nodes.Const(cost)], [], None, None, lineno=node.lineno)
        node.body.insert(0, nodes.Output([step], lineno=node.lineno))
        return node

    def visit_For(self, node: nodes.For) -> Any:  # noqa: N802  # as jinja2 names it
        made = self._metered(node)
        if made.test is not None:  # what it leaves out never gets to the body
            made.test = nodes.Filter(made.test, "_step", [nodes.Const(1)], [], None, None, lineno=made.lineno)
        return made

    visit_Macro = visit_CallBlock = visit_Block = _metered  # noqa: N815

    def _weighed(self, node: Any) -> Any:
        self.generic_visit(node)
        if getattr(node, "ctx", "load") != "load":  # the names that a value is given to
            return node
        return nodes.Filter(node, "_paid", [], [], None, None, lineno=node.lineno)

    visit_List = visit_Tuple = visit_Dict = _weighed  # noqa: N815

    def visit_Concat(self, node: nodes.Concat) -> Any:  # noqa: N802
        made = self._weighed(node)
        # each before they are joined, which takes all of them at once
        node.nodes = [nodes.Filter(one, "_paid", [], [], None, None, lineno=node.lineno) for one in node.nodes]
        return made

    def visit_Getitem(self, node: nodes.Getitem) -> Any:  # noqa: N802
        if isinstance(node.arg, nodes.Slice):  # a copy
            return self._weighed(node)
        self.generic_visit(node)
        return node

    def visit_Operand(self, node: nodes.Operand) -> nodes.Operand:  # noqa: N802
        self.generic_visit(node)
        node.expr = nodes.Filter(node.expr, "_paid", [], [], None, None, lineno=node.lineno)
        return node


@final
class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}` marks what an assistant wrote; it prints its body and nothing else."""

    tags: set[str] = {"generation"}  # noqa: RUF012  # as jinja2 declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def environment() -> Environment:
    """The settings that transformers renders chat templates with, and the bounds."""
    made = _Sandbox(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"], finalize=_worth
    )
    own: dict[str, Callable[..., Any]] = {**made.filters, "tojson": _as_json, "replace": _replaced}
    own["indent"] = _indented
    own["join"] = lambda value, d="": _joined(d, value)
    filters: Any = {name: _bounded(own[name]) for name in (*FILTERS, "tojson")}
    tests: Any = {name: _bounded(test) for name, test in made.tests.items()}
    made.filters, made.tests = filters | {"_step": _step, "_paid": _paid}, tests
    known: dict[str, Any] = {name: made.globals[name] for name in ("dict", "namespace", "cycler", "joiner")}
    made.globals.clear()
    cast(dict[str, Any], made.globals).update(known | {"range": _range, "raise_exception": _raise})
    return made


def compiled(text: str) -> Template:
    """A template, ready to be rendered by `rendered`. Raises one of `FAILS`."""
    if len(text) > LONGEST:
        raise SecurityError(f"it is longer than {LONGEST} characters")
    begin()  # what is constant is computed while compiling
    return environment().from_string(text)


def rendered(template: Template, **values: object) -> str:
    """The text of a template. Raises one of `FAILS`."""
    begin()
    return template.render(**values)
