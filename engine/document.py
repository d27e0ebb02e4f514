"""Strict YAML: text becomes plain data that knows the place of every value and every key.

The core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema) over libyaml's events: `Yes`, `on` and
dates are text, `5e-5` is a number. Tags, duplicate keys, a second document and aliases that unfold without bound are
errors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice

from .errors import SETS, InputError, Place, Problem, cut
from .nodes import DEEPEST_VALUE, Builder, Data, Node, Path, Scalar, dotted, events, scalar

__all__ = ["Data", "Document", "Node", "Path", "Scalar", "dotted", "override", "parse", "plain", "scalar"]

_LISTED = 40  # keys whose writers a message names
_EMPTY = re.compile(r"\s*(#.*)?")
_UNPRINTABLE = re.compile("[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file. `problems` are those that did not keep it from being read to its end."""

    file: str
    root: Node
    problems: tuple[Problem, ...] = ()
    unreadable: tuple[Path, ...] = ()  # where a problem left something out: what is missing there was not forgotten
    combined: tuple[str, ...] = ()  # names of the recipes that are combined in it

    @property
    def data(self) -> Data:
        """The whole file as plain data."""
        return self.root.data()

    def place(self, path: Path) -> Place:
        """Where the value at `path` starts; of the nearest value around it where there is none at `path`."""
        node = self.root
        for step in path:
            found = node.child(step)
            if found is None:
                break
            node = found
        return node.place

    def key_place(self, path: Path) -> Place:
        """Where the last key of `path` stands; where its value starts if it is no key of a mapping."""
        node = self._at(path[:-1])
        if node is not None and path and str(path[-1]) in node.keys:
            return node.keys[str(path[-1])]
        return self.place(path)

    def writers(self, path: Path) -> str:
        """Who wrote which key of the mapping at `path`, in words; empty where one file wrote them all."""
        node = self._at(path)
        places = node.keys if node is not None and node.children is not None else {}
        if len({place.file for place in places.values()}) < 2:
            return ""
        said = [f"`{cut(key)}` is from {_writer(place)}" for key, place in islice(places.items(), _LISTED)]
        return ", ".join(said) + (f" and {len(places) - _LISTED} more" if len(places) > _LISTED else "")

    def has(self, path: Path) -> bool:
        """Whether there is a value at `path`."""
        return self._at(path) is not None

    def written(self, path: Path) -> Path:
        """Where the checked value at `path` is written, or else what it would stand in.

        What stands for a list of one has no place 0, and what stands for a mapping has none of its keys.
        """
        kept: Path = ()
        for step in path:
            if self.has((*kept, step)):
                kept = (*kept, step)
            elif step != 0:
                break
        return kept

    def names(self, path: Path) -> list[str]:
        """The keys of the mapping at `path`; none where there is no mapping."""
        node = self._at(path)
        return list((node.children or {}) if node is not None else ())

    def _at(self, path: Path) -> Node | None:
        node: Node | None = self.root
        for step in path:
            node = node.child(step) if node is not None else None
        return node


def _writer(place: Place) -> str:
    return place.file if place.file.startswith(SETS) else f"{place.file}:{place.line}"


def parse(text: str, file: str) -> Document:
    """Read one YAML document. Raises InputError where the text is no YAML at all, is empty, or nests too deeply."""
    text = text.removeprefix("\ufeff")
    _refuse_unprintable(text, file)
    builder = Builder(file, events(text, file))
    try:
        root = builder.document()
    except InputError as error:
        raise InputError([*builder.problems, *(p for p in error.problems if p not in builder.problems)]) from error
    if root is None:
        raise InputError([Problem(Place(file, 1, 1), "", "the file is empty", "a recipe starts with `recipe: 1`")])
    return Document(file, root, tuple(builder.problems), tuple(builder.unreadable))


def _refuse_unprintable(text: str, file: str) -> None:
    if bad := _UNPRINTABLE.search(text):
        line, column = text.count("\n", 0, bad.start()) + 1, bad.start() - text.rfind("\n", 0, bad.start())
        raise InputError([Problem(Place(file, line, column), "", f"the character {bad[0]!r} cannot stand in YAML")])


def override(document: Document, assignment: str) -> Document:
    """The document with `a.b=V` applied: V is YAML, a step of digits picks from a list, missing mappings are made.

    `~` takes a key away that is there, as it does where a file includes another.

    Raises InputError, placed in the assignment itself.
    """
    name, equals, text = assignment.partition("=")
    file = f"{SETS}{cut(assignment, 200)}"
    steps = name.split(".")
    _refuse_unprintable(assignment, file)
    if len(steps) > DEEPEST_VALUE:
        raise InputError([Problem(Place(file, 1, 1), "", f"is nested deeper than {DEEPEST_VALUE} levels")])
    if not equals or not all(steps):
        raise InputError([Problem(Place(file, 1, 1), "", "is no assignment", "write --set train.steps=200")])
    behind = Place(file, 1, len(name) + 2)
    if _EMPTY.fullmatch(text):  # as a variable of the shell that is not set leaves it
        raise InputError([Problem(behind, name, "nothing after `=`", "write `~` to take the key away")])
    # keeps columns true: V starts behind the name and the equals sign
    padded = " " * (len(name) + 1) + text
    builder = Builder(file, events(padded, file), _keys(document.root, steps))
    try:
        value = builder.document() or Node(behind)
    except InputError as error:
        raise InputError([_within(problem, padded, name) for problem in error.problems]) from error
    root = _assigned(document.root, steps, value, Place(file, 1, 1), name)
    unreadable = (*document.unreadable, *builder.unreadable)
    problems = (*document.problems, *builder.problems)
    return replace(document, root=root, problems=problems, unreadable=unreadable)


def _within(problem: Problem, text: str, name: str) -> Problem:
    """What libyaml says of an override's end, which for it is a line of its own, at the end of the line there is."""
    lines, place = text.splitlines(), problem.place
    if place.line > len(lines):
        place = replace(place, line=len(lines), column=len(lines[-1]) + 1)
    return replace(problem, place=place, key=problem.key or dotted((name,)))


def _keys(node: Node | None, steps: list[str]) -> Path:
    """The path that the steps of an override mean."""
    found: list[str | int] = []
    while steps:
        taken = _taken(node, steps)
        step, steps = ".".join(steps[:taken]), steps[taken:]
        listed = node is not None and node.items is not None and step.isdecimal()
        found.append(int(step) if listed else step)
        node = node.child(found[-1]) if node is not None else None
    return tuple(found)


def _assigned(node: Node | None, steps: list[str], value: Node, place: Place, name: str) -> Node:
    """A copy of `node` with `value` at `steps`, the first of which is at `place`; what is not on the way is shared."""
    if not steps:
        return value
    taken = _taken(node, steps)
    step, rest = ".".join(steps[:taken]), steps[taken:]
    behind = replace(place, column=place.column + len(step) + 1)
    if node is not None and node.items is not None:
        if not step.isdecimal() or int(step) >= len(node.items):
            raise InputError(
                [Problem(place, name, f"{cut(step)} is no place in a list of {len(node.items)}", "they count from 0")]
            )
        items = list(node.items)
        items[int(step)] = _assigned(items[int(step)], rest, value, behind, name)
        return Node(node.place, items=items)
    if node is not None and node.children is None and node.value is not None:
        raise InputError(
            [Problem(place, name, f"`{cut(step)}` has nowhere to go: {cut(repr(node.value))} is no mapping")]
        )
    children = dict(node.children or {}) if node is not None else {}
    keys = dict(node.keys) if node is not None else {}
    if not rest and value.nothing and children.pop(step, None) is not None:
        keys.pop(step, None)  # what is combined has keys that nobody wrote
        return Node(node.place if node is not None else place, children=children, keys=keys)
    children[step] = _assigned(children.get(step), rest, value, behind, name)
    # a value that is replaced gets its new place, a key that was there keeps its own unless nothing else of it is left
    keys[step] = keys.get(step, place) if rest else place
    return Node(node.place if node is not None else place, children=children, keys=keys)


def _taken(node: Node | None, steps: list[str]) -> int:
    """How many steps the next key takes: names of combined recipes' parts have a dot in them."""
    known = (node.children if node is not None else None) or {}
    return next((count for count in range(len(steps), 1, -1) if ".".join(steps[:count]) in known), 1)


def plain(data: Data) -> Mapping[str, Data]:
    """The data as a mapping, empty where it is none."""
    return data if isinstance(data, dict) else {}
