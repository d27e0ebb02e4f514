"""Reuse: what a recipe includes and combines is read and merged into one document that knows who wrote which value.

The including file wins key by key over what it combines, that over what it includes, a later include over an earlier
one. Relative paths are relative to the file that writes them; in the merged document they are relative to the recipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal, final

from pydantic import TypeAdapter, ValidationError

from . import gallery, scopes
from .combining import Part, called, combined
from .document import Document, Node, parse
from .document import Path as KeyPath
from .errors import InputError, Place, Problem
from .merging import laid_over, moved, spelled_out
from .paths import Refused, inside, rebased
from .problems import Problems
from .schema_prompts import Combine
from .texts import LARGEST_RECIPE, load
from .values import MOST_BYTES, MOST_FILES, MOST_MERGED

KEYS = ("include", "combine")
DEEPEST_FILE = 64  # files that include each other in a row: reading them recurses
_TOO_LARGE = "makes the recipe too large"
_VERSION: TypeAdapter[int] = TypeAdapter(Literal[1])  # as `Schema.recipe`


@dataclass(frozen=True, slots=True)
class Included:
    """A file that a recipe is made of besides its own."""

    name: str  # its path from the recipe's folder, with forward slashes
    text: str  # verbatim
    sha256: str  # of its bytes


def merged(document: Document, folder: Path, allow_outside: bool) -> tuple[Document, tuple[Included, ...]]:
    """The document with everything that it includes, and the files that this took, sorted by name.

    Raises InputError where one of them cannot be had: of what is missing then, nothing sensible can be said.
    """
    reader, name = _Reader(folder, allow_outside), Path(document.file).name
    root = reader.whole(document.root, _File(name, document.file, ((folder / name).resolve(),), (document.file,)))
    problems = (*document.problems, *reader.problems)
    if reader.missing:
        raise InputError(dict.fromkeys((*problems, *reader.missing)))
    unreadable, parts = (*document.unreadable, *reader.unreadable), tuple(sorted(reader.combined))
    made = replace(document, root=root, problems=problems, unreadable=unreadable, combined=parts)
    return made, tuple(sorted(reader.included.values(), key=lambda one: one.name))


@dataclass(frozen=True, slots=True)
class _File:
    """A file that is being read."""

    name: str  # its path from the recipe's folder
    shown: str  # as messages write it
    chain: tuple[Path, ...]  # the files that are open, outermost first, this one last; links followed
    names: tuple[str, ...]  # the same as messages write them

    @property
    def folder(self) -> str:
        return str(PurePosixPath(self.name).parent)


@final
class _Reader:
    """Reads the files of one recipe, each once."""

    def __init__(self, folder: Path, allow_outside: bool) -> None:
        self.folder, self.allow_outside = folder, allow_outside
        self.included: dict[Path, Included] = {}
        self.problems: list[Problem] = []
        self.missing: list[Problem] = []
        self.unreadable: list[KeyPath] = []
        self.combined: set[str] = set()  # names of recipes
        self._read: dict[Path, Node | None] = {}
        self._values: dict[Path, int] = {}  # that a file comes to
        self._merged = self._bytes = 0  # values and bytes so far

    def whole(self, node: Node, file: _File) -> Node:
        """What a file comes to, everything that it includes below its own."""
        node = spelled_out(node)
        own = {key: value for key, value in (node.children or {}).items() if key not in KEYS}
        if node.children is None or len(own) == len(node.children):
            return moved(node, file.folder)
        keys = {key: place for key, place in node.keys.items() if key not in KEYS}
        mine = moved(Node(node.place, children=own, keys=keys), file.folder)
        include = node.children.get("include")
        below = [self._other(entry, file) for entry in ([] if include is None else self._names(include, "include"))]
        combine, compose = node.children.get("combine"), node.keys.get("compose")
        if combine is not None and compose is not None:
            hint = "keep one: one adapter is trained on the questions of all, or composed of their adapters"
            self.problems.append(Problem(compose, "compose", "stands beside `combine`", hint))
        elif combine is not None:
            below.append(self._combined(combine, file, mine))
        made: Node | None = None
        for one in (*below, mine):
            made = one if made is None or one is None else laid_over(made, one)
        return made or node

    def _combined(self, node: Node, by: _File, mine: Node) -> Node | None:
        """What the recipes come to together that `combine` names; None where there are none to combine."""
        if node.items is not None:
            names = list(self._names(node, "combine"))
            if not names or len(names) < len(node.items):
                return None  # what is wrong with the list is told
        try:
            chosen = TypeAdapter(Combine).validate_python(node.data())
        except ValidationError as error:
            self.missing += _wrong("combine", node, by, error)
            return None
        parts: dict[str, Part] = {}
        for name, weight in chosen.recipes.items():
            place = _named(node, name)
            part = self._part(Node(place, name), by, weight)
            if part is not None and scopes.key(part.name) in parts:
                self._refuse(
                    Node(place, name), f"is called `{part.name}` like another one", "names must differ", "combine"
                )
            elif part is not None:
                parts[scopes.key(part.name)] = part
                self.combined.add(part.name)
        return combined(list(parts.values()), chosen.prompts, mine, self.problems) if parts else None

    def _part(self, entry: Node, by: _File, weight: float) -> Part | None:
        root = self._other(entry, by, "combine")
        if root is None:
            return None
        name, prompts = called(root), (root.children or {}).get("prompts")
        if name is None:
            return self._refuse(entry, "has no `name`, which its questions would carry", "", "combine")
        if root.child("compose") is not None:
            return self._refuse(entry, "composes adapters, and asks nothing itself", "name its recipes here", "combine")
        if prompts is not None and {"union", "cross"} & set(prompts.children or {}):
            return self._refuse(entry, "combines recipes itself", "name those recipes here instead", "combine")
        return Part(str(name.value), weight, root, entry.place)

    def _names(self, node: Node, key: str) -> Iterator[Node]:
        """The texts of a list, or the one that stands for a list of one."""
        if node.items is not None and not 0 < len(node.items) <= MOST_FILES:
            message = f"must have at most {MOST_FILES} entries" if node.items else "is empty"
            self.missing.append(Problem(node.place, key, message))
            return
        for entry in [node] if node.items is None else node.items:
            if isinstance(entry.value, str) and entry.value.strip():
                yield entry
            else:
                self.missing.append(Problem(entry.place, key, "must be the path of a file, or a list of paths"))

    def _other(self, entry: Node, by: _File, key: str = "include") -> Node | None:
        """What the file comes to that `entry` of the file `by` names; None where it cannot be had."""
        name = rebased(str(entry.value), by.folder)
        try:
            path = inside(self.folder, name, self.allow_outside)
        except Refused as error:
            return self._refuse(entry, error.message, gallery.copied(str(entry.value), by.folder) or error.hint, key)
        shown = str(Path(by.shown).parent / str(entry.value))
        if path in by.chain:
            circle = (*by.names[by.chain.index(path) :], shown)
            return self._refuse(entry, f"includes itself: {' → '.join(circle)}", "one of them must not", key)
        if path not in self._read:
            if len(by.chain) > DEEPEST_FILE:
                return self._refuse(entry, f"includes files more than {DEEPEST_FILE} deep", "", key)
            if len(self._read) == MOST_FILES:
                return self._refuse(entry, f"is one file too many: a recipe is made of at most {MOST_FILES}", "", key)
            if self._full:
                return None
            self._read[path] = None
            self._read[path] = self._opened(path, _File(name, shown, (*by.chain, path), (*by.names, shown)))
        # it is laid over others now, which takes time and room for each value of it
        self._merged += self._values.get(path, 0)
        return self._refuse_more(entry, key) if self._full else self._read[path]

    @property
    def _full(self) -> bool:
        return self._merged > MOST_MERGED or self._bytes > MOST_BYTES

    def _refuse_more(self, entry: Node, key: str) -> None:
        if not any(problem.message.startswith(_TOO_LARGE) for problem in self.missing):
            most = f"at most {MOST_MERGED} values and {MOST_BYTES} bytes may come from other files"
            self._refuse(entry, f"{_TOO_LARGE}: {most}", "lists of prompts go into files of their own", key)

    def _opened(self, path: Path, file: _File) -> Node | None:
        try:
            text, sha256 = load(path, LARGEST_RECIPE)
            document = parse(text, file.shown)
        except InputError as error:
            here = (replace(one.place, file=file.shown) for one in error.problems)
            self.missing += [replace(one, place=place) for one, place in zip(error.problems, here, strict=True)]
            return None
        self.included[path] = Included(file.name, text, sha256)
        self._bytes += len(text.encode())
        self.problems += document.problems
        self.unreadable += document.unreadable
        if document.root.children is None:
            self.missing.append(Problem(document.root.place, "", "is no mapping, so nothing of a recipe"))
            return None
        self._check_version(document.root, file)
        made = self.whole(document.root, file)
        self._values[path] = _values(made)
        return made

    def _check_version(self, root: Node, file: _File) -> None:
        """Another file may say for all of them which language this is: what one of them says must be right as well."""
        if (version := root.child("recipe")) is not None and version.data() is not None:
            try:
                _VERSION.validate_python(version.data())
            except ValidationError as error:
                self.problems += _wrong("recipe", version, file, error)

    def _refuse(self, entry: Node, message: str, hint: str, key: str) -> None:
        self.missing.append(Problem(entry.place, key, message, hint))


def _values(node: Node) -> int:
    return 1 + sum(map(_values, (node.children or {}).values())) + sum(map(_values, node.items or []))


def _wrong(key: str, node: Node, file: _File, error: ValidationError) -> Iterable[Problem]:
    """What a validation says of the value at a key of a file, at its place."""
    wrong = Problems(Document(file.shown, Node(node.place, children={key: node})))
    wrong.invalid(error, (key,))
    return wrong.found


def _named(combine: Node, name: str) -> Place:
    """Where `combine` names a recipe: in its list, or as a key of its mapping."""
    recipes = combine.child("recipes") or combine
    listed = [item.place for item in recipes.items or [] if item.value == name]
    return listed[0] if listed else recipes.keys.get(name, combine.place)
