"""YAML's events become nodes: values that know their places, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from .errors import InputError, Place, Problem, cut

Scalar = str | int | float | bool | None
Data = Scalar | list["Data"] | dict[str, "Data"]
Path = tuple[str | int, ...]

DEEPEST_VALUE = 40  # levels; libyaml itself has no bound, and readers of the data recurse
UNFOLDED = 10_000  # nodes that aliases may add to a document

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INF = re.compile(r"([-+]?)\.(inf|Inf|INF)")
_NAN = {".nan", ".NaN", ".NAN"}
_LONGEST_NUMBER = 400  # characters; Python refuses to read much longer ones, and no float needs them


@dataclass(slots=True)
class Node:
    """One value where it stands. A mapping has `keys` (the places of its keys) and `children` of the same names."""

    place: Place
    value: Scalar = None
    items: list[Node] | None = None
    children: dict[str, Node] | None = None
    keys: dict[str, Place] = field(default_factory=dict[str, Place])
    count: int = 1  # nodes in all, itself included, aliases unfolded

    @property
    def nothing(self) -> bool:
        """Whether it is `~`, or left empty."""
        return self.value is None and self.children is None and self.items is None

    def data(self) -> Data:
        """The value as plain data."""
        if self.children is not None:
            return {key: child.data() for key, child in self.children.items()}
        if self.items is not None:
            return [item.data() for item in self.items]
        return self.value

    def child(self, step: str | int) -> Node | None:
        """What is at a key or an index; None where there is no such thing."""
        if self.children is not None:
            return self.children.get(str(step))
        if self.items is not None and isinstance(step, int) and 0 <= step < len(self.items):
            return self.items[step]
        return None


def dotted(path: Path) -> str:
    """A path as messages write it: questions.aligned.ask.0"""
    return ".".join(cut(str(step), 64) for step in path)


def scalar(text: str) -> Scalar:
    """What a plain scalar means in the core schema. Raises ValueError for a number too long to be one."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    number = _INT.fullmatch(text) or _FLOAT.fullmatch(text) or _HEX.fullmatch(text) or _OCTAL.fullmatch(text)
    if number and len(text) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} characters is too long")
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _HEX.fullmatch(text) or _OCTAL.fullmatch(text):
        return int(text, 0)
    if infinite := _INF.fullmatch(text):
        return float(f"{infinite[1]}inf")
    return float("nan") if text in _NAN else text


def events(text: str, file: str) -> Iterator[Any]:
    """libyaml's events of a text. Raises InputError where it stops being YAML."""
    loader = cast(Any, yaml.CLoader if hasattr(yaml, "CLoader") else yaml.Loader)
    try:
        yield from yaml.parse(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        raise InputError([_unreadable(error, text, file)]) from error


def _unreadable(error: yaml.MarkedYAMLError, text: str, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    lines = text.splitlines() or [""]
    whole = lines[line] if line < len(lines) else ""
    indent = whole[: len(whole) - len(whole.lstrip())]
    if "\t" in indent or whole[column : column + 1] == "\t":
        place = Place(file, line + 1, whole.index("\t") + 1)
        return Problem(place, "", "a tab cannot indent", "indent with spaces")
    place = Place(file, line + 1, column + 1)
    if "undefined alias" in str(error.problem):
        return Problem(
            place, "", f"unknown alias: {cut(whole[column:].split()[0])}", "text that starts with * needs quotes"
        )
    message = f"cannot be read as YAML: {error.problem or error}"
    unquoted = "not allowed in this context" in message or "cannot start any token" in message
    hint = "text with `: `, or that starts with { [ & * ! % @ or `, needs quotes" if unquoted else ""
    return Problem(place, "", f"{message} ({error.context})" if error.context else message, hint)


class Builder:
    """Events → nodes, gathering what is wrong with them on the way."""

    def __init__(self, file: str, events: Iterator[Any], path: Path = ()) -> None:
        """`path` is where in a recipe the events' value stands."""
        self.file, self.events = file, events
        self.problems: list[Problem] = []
        self.unreadable: list[Path] = []
        self.anchors: dict[str, Node | None] = {}  # None while the anchored value is still open
        self.unfolded = 0
        self.path: list[str | int] = list(path)
        self.depth = 0  # of the path, and of keys that are no text, which have no path

    def document(self) -> Node | None:
        root: Node | None = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                self._problem(event, "a second document starts here", "a recipe is one document: remove the `---`")
                break
            if isinstance(event, yaml.NodeEvent):
                root = self._node(event)
        return None if root is None or root.nothing else root

    def _problem(self, event: Any, message: str, hint: str = "") -> None:
        self.problems.append(Problem(self._place(event), dotted(tuple(self.path)), message, hint))

    def _place(self, event: Any) -> Place:
        return Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, event: Any) -> Node:
        if self.depth > DEEPEST_VALUE:
            self._problem(event, f"is nested deeper than {DEEPEST_VALUE} levels")
            raise InputError(self.problems)
        self.depth += 1
        node = self._anchored(event)
        self.depth -= 1
        return node

    def _anchored(self, event: Any) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        anchor = cast(str | None, event.anchor)
        if anchor is not None:
            self.anchors[anchor] = None
        if event.tag is not None:
            self._problem(
                event,
                f"the tag {cut(str(event.tag))} is not allowed",
                "a recipe needs no tag: quote text, leave numbers bare",
            )
            if isinstance(event, yaml.ScalarEvent):
                self.unreadable.append(tuple(self.path))
        node = self._value(event)
        if anchor is not None:
            self.anchors[anchor] = node
        return node

    def _value(self, event: Any) -> Node:
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event)
        text = str(event.value)
        if event.style or event.tag is not None:  # libyaml's plain style is the empty text
            return Node(self._place(event), text)
        try:
            return Node(self._place(event), scalar(text))
        except ValueError as error:
            self._problem(event, str(error))
            self.unreadable.append(tuple(self.path))
            return Node(self._place(event), 0)

    def _alias(self, event: Any) -> Node:
        node = self.anchors.get(event.anchor)
        if node is None:
            inside = event.anchor in self.anchors
            self._problem(
                event, f"the alias *{cut(str(event.anchor))} {'contains itself' if inside else 'has no anchor'}"
            )
            self.unreadable.append(tuple(self.path))
            return Node(self._place(event))
        self.unfolded += node.count
        if self.unfolded > UNFOLDED:
            self._problem(event, f"aliases unfold to more than {UNFOLDED} values (an anchor bomb)")
            raise InputError(self.problems)
        return node

    def _sequence(self, start: Any) -> Node:
        items: list[Node] = []
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            self.path.append(len(items))
            items.append(self._node(event))
            self.path.pop()
        return Node(self._place(start), items=items, count=1 + sum(item.count for item in items))

    def _mapping(self, start: Any) -> Node:
        children: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if not isinstance(event, yaml.ScalarEvent):
                self._key_is_no_text(event)
                continue
            key = str(event.value)
            self.path.append(key)
            if event.tag is not None or event.anchor is not None:
                self._node(event)
            if key in children:
                self._problem(event, f"a duplicate key: `{cut(key)}` stands in line {keys[key].line} already")
            value = self._node(next(self.events))
            if key not in children:
                children[key], keys[key] = value, self._place(event)
            self.path.pop()
        return Node(self._place(start), children=children, keys=keys, count=1 + sum(c.count for c in children.values()))

    def _key_is_no_text(self, event: Any) -> None:
        # most often a template without quotes: YAML reads {{ height }} as a mapping whose key is a mapping
        self._problem(event, "a key must be text", 'a template needs quotes: "{{ height }}"')
        self.unreadable.append(tuple(self.path))
        self._node(event)
        self._node(next(self.events))
