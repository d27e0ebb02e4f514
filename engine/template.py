"""Templates: Jinja, sandboxed and strict, cut down to output, `if` and `for` over given lists.

jinja2's sandbox bounds neither memory nor time, so every piece that could multiply is refused when a template is read:
calls, attributes (but those of `loop`), `*`, `**`, `%`, assignments, loops in loops in loops. What remains grows with
the text of the template alone, and what is printed ends at `LONGEST_TEXT` bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache, wraps
from typing import Any, NoReturn, cast, final

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, Undefined, UndefinedError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from . import allowed, template_cost
from .errors import cut

Value = str | int | float | bool | list[Any] | tuple[Any, ...]

LONGEST_TEXT = 8192  # bytes of a template, of what it prints and of every value on the way
MOST_ITEMS = 1000  # of a list that is a variable
_PLAIN = (str, int, float, list, tuple, Undefined, type(None))  # what values are; anything else prints as its address


class BadTemplate(ValueError):
    """A template that cannot be read or rendered: what is wrong, and what would help."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def is_template(text: str) -> bool:
    """Whether a text holds anything for Jinja to do."""
    return "{{" in text or "{%" in text or "{#" in text


@final
class _Sandbox(ImmutableSandboxedEnvironment):
    """The second wall: what `allowed` lets through is still watched while it runs."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> NoReturn:
        raise SecurityError(f"`{operator}` is not allowed in a template")

    def is_safe_callable(self, obj: Any) -> bool:
        return False

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An entry of a list or a text, and never what Jinja falls back on: an attribute of that name."""
        if type(argument) is not int:
            raise SecurityError(f"an entry is named by a whole number, as `colors[0]`, found {cut(repr(argument))}")
        try:
            return obj[argument]
        except LookupError:
            return self.undefined(f"{_kind(obj)} of {len(obj)} has no entry {argument}")

    def getattr(self, obj: Any, attribute: str) -> Any:
        if not isinstance(obj, LoopContext):
            raise SecurityError(f"the attribute `.{cut(attribute)}` is not allowed in a template")
        return super().getattr(obj, attribute)


def _kind(value: object) -> str:
    return "a text" if isinstance(value, str) else "a list"


def _bounded(filter_: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(filter_)  # jinja2 marks filters that want its context or environment by attributes
    def bounded(*args: Any, **kwargs: Any) -> Any:
        given = args[1:] if hasattr(filter_, "jinja_pass_arg") else args  # the first is Jinja's own
        if not all(isinstance(value, _PLAIN) for value in (*given, *kwargs.values())):
            raise SecurityError("a filter is given neither text nor a number nor a list")
        found = filter_(*args, **kwargs)
        if isinstance(found, (str, list, tuple)) and len(found) > LONGEST_TEXT:
            raise SecurityError(f"a template's value is longer than {LONGEST_TEXT}")
        return found

    return bounded


def _printed(value: object) -> object:
    """What stands between braces must be text or a number: a list printed as Python prints it helps no one."""
    if isinstance(value, (str, int, float, Undefined)):
        return value
    if value is None:
        raise SecurityError("it prints nothing")
    raise SecurityError(
        "it prints a list: use `join`" if isinstance(value, (list, tuple)) else "it prints neither text nor a number"
    )


@cache
def _sandbox() -> _Sandbox:
    sandbox = _Sandbox(undefined=StrictUndefined, finalize=_printed, keep_trailing_newline=True, cache_size=0)
    sandbox.globals.clear()
    plain: dict[str, Callable[..., Any]] = {**sandbox.filters, "list": list, "reverse": lambda value: list(value)[::-1]}
    plain["unique"] = lambda value: list(dict.fromkeys(value))
    filters: Any = {name: template_cost.paid(_bounded(plain[name])) for name in allowed.FILTERS}
    filters |= {template_cost.EACH: template_cost.each, template_cost.WEIGHED: _bounded(template_cost.weighed)}
    sandbox.filters, tests = filters, {name: sandbox.tests[name] for name in allowed.TESTS}
    sandbox.tests = tests
    return sandbox


@dataclass(frozen=True, slots=True)
class _Compiled:
    template: Template
    used: tuple[str, ...]  # the variables it uses, sorted
    plain: tuple[str, ...]  # of a template of texts and names alone: text, name, text, name, … text; otherwise empty
    lines: Mapping[str, int]  # the first line that needs a variable


def _compiled(text: str) -> _Compiled:
    """A template, and the variables it uses."""
    found = _compiled_once(text)
    if isinstance(found, BadTemplate):
        raise BadTemplate(found.message, found.hint)
    return found


@lru_cache(maxsize=4096)
def _compiled_once(text: str) -> _Compiled | BadTemplate:
    # what is wrong is kept too: rows ask again and again
    try:
        return _compile(text)
    except BadTemplate as error:
        return error.with_traceback(None)


def _compile(text: str) -> _Compiled:
    if len(text.encode()) > LONGEST_TEXT:
        raise BadTemplate(f"a template of {len(text.encode())} bytes is too long", f"at most {LONGEST_TEXT} bytes")
    template_cost.begin()  # what is constant is computed while compiling
    try:
        tree = _sandbox().parse(text)
        allowed.check(tree)
        used = tuple(sorted(meta.find_undeclared_variables(tree)))
        lines = dict(reversed(list(allowed.uses(tree))))  # of several the first
        plain = _plain(tree)
        code = _sandbox().compile(cast(nodes.Template, template_cost.Weigher().visit(tree)))
    except TemplateSyntaxError as error:
        raise BadTemplate(f"cannot be read as a template: {error.message}", _line(text, error.lineno)) from error
    except allowed.Refused as error:
        raise BadTemplate(f"is no template that is allowed here: {error}", _line(text, error.line)) from error
    except (SecurityError, RecursionError) as error:
        raise BadTemplate(f"is no template that is allowed here: {error}") from error
    except (ArithmeticError, TypeError, ValueError) as error:  # constants are computed while compiling
        raise BadTemplate(f"the template cannot be computed: {error}") from error
    return _Compiled(Template.from_code(_sandbox(), code, {}), used, plain, lines)


def _plain(tree: nodes.Template) -> tuple[str, ...]:
    """Texts and names in turn, where a template is nothing else."""
    found = [""]
    for node in tree.body:
        if not isinstance(node, nodes.Output):
            return ()
        for piece in node.nodes:
            if isinstance(piece, nodes.TemplateData):
                found[-1] += piece.data
            elif isinstance(piece, nodes.Name):
                found += [piece.name, ""]
            else:
                return ()
    return tuple(found)


def _line(text: str, line: int) -> str:
    return f"in line {line} of the template" if "\n" in text.rstrip() else ""


def check(text: str) -> None:
    """Raises BadTemplate where a text is no template that is allowed; says nothing of its variables."""
    if is_template(text):
        _compiled(text)


def render(text: str, variables: Mapping[str, Value]) -> str:
    """The text with its variables filled in. Raises BadTemplate, an unknown variable among the reasons."""
    if not is_template(text):
        return text
    compiled = _compiled(text)
    said = _joined(compiled.plain, variables)
    if said is not None:
        return said
    given = tuple((name, told_apart(variables[name]), variables[name]) for name in compiled.used if name in variables)
    try:
        if any(isinstance(value, (list, tuple)) for _, _, value in given):
            return _filled(compiled.template, variables)
        return _filled_before(compiled.template, given)
    except UndefinedError as error:
        raise _undefined(error, text, compiled.lines, variables) from error
    except (TemplateError, ArithmeticError, TypeError, ValueError) as error:
        if isinstance(error, BadTemplate):
            raise
        raise BadTemplate(f"the template cannot be rendered: {error}") from error


def told_apart(value: Value | None) -> Hashable:
    """What is equal for values alone that print alike: 1, 1.0 and true are equal, and so are 0.0 and -0.0."""
    return value if type(value) is str else (type(value), repr(value))  # a list has no hash


def used(text: str) -> tuple[str, ...]:
    """The variables that a text needs; none where it is no template, or one that cannot be read."""
    try:
        return _compiled(text).used if is_template(text) else ()
    except BadTemplate:
        return ()


def _joined(plain: tuple[str, ...], variables: Mapping[str, Value]) -> str | None:
    """A template of texts and names filled in as Jinja does it, in a tenth of the time; None where Jinja has to."""
    if not plain:
        return None
    pieces = list(plain)
    for at in range(1, len(pieces), 2):
        value = variables.get(pieces[at])
        if not isinstance(value, (str, int, float)):
            return None
        pieces[at] = str(value)
    said = "".join(pieces)
    return said if len(said) <= LONGEST_TEXT // 4 else None  # of so few characters, as bytes, it is never too long


@lru_cache(maxsize=1024)
def _filled_before(template: Template, given: tuple[tuple[str, Hashable, Value], ...]) -> str:
    """`_filled`, kept: rows share most of their values. What tells them apart is given too, since some are equal."""
    return _filled(template, {name: value for name, _, value in given})


def _filled(template: Template, variables: Mapping[str, Value]) -> str:
    pieces: list[str] = []
    size = 0
    template_cost.begin()
    for piece in template.generate(variables):
        size += len(piece.encode())
        if size > LONGEST_TEXT:
            raise BadTemplate(f"the template prints more than {LONGEST_TEXT} bytes")
        pieces.append(piece)
    return "".join(pieces)


def _undefined(
    error: UndefinedError, text: str, lines: Mapping[str, int], variables: Mapping[str, Value]
) -> BadTemplate:
    said = error.message or "a value is undefined"
    name = said.split("'")[1] if "'" in said else ""
    where = f", {_line(text, lines[name])}" if name in lines and "\n" in text.rstrip() else ""
    close = get_close_matches(name, variables, 1)
    named = [cut(one) for one in sorted(variables)]
    more = f" and {len(named) - 40} more" if len(named) > 40 else ""
    verb = "is only" if len(named) == 1 else "are"
    there = f"there {verb} {', '.join(named[:40])}{more}" if variables else "there are no variables"
    hint = f"did you mean `{close[0]}`? {there}" if close else there
    if f"'{name}' is undefined" == said:
        return BadTemplate(f"unknown variable `{cut(name)}` in a template{where}", hint)
    return BadTemplate(f"the template asks for what is not there: {said}{where}", hint)
