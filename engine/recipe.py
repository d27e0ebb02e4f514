"""A recipe: what a person wrote, read and checked, kept word for word."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from .clashes import check_clashes
from .document import Document, override, parse
from .document import Path as KeyPath
from .errors import InputError
from .merging import spelled_out
from .names import check_names
from .problems import Problems
from .schema import Schema, json_schema
from .schema_composing import ComposingSchema
from .texts import LARGEST_RECIPE, load

if TYPE_CHECKING:
    from .reuse import Included

__all__ = ["Recipe", "json_schema", "read"]

_ROUNDS = 12  # leaving one part out may show that what is around it cannot do without

# what stands in for a missing part while the rest of a wrong recipe is looked through for further mistakes
_STAND_IN: dict[str, Any] = {
    "recipe": 1,
    "name": "recipe",
    "generator": {"model": "builtin:generator"},
    "critics": {"critic": {"model": "builtin:critic"}},
    "prompts": {"train": ["a picture"]},
    "questions": {"question": {"ask": "?", "answer": "answer"}},
}
_QUESTION = {"ask": "?", "answer": "\N{WHITE SQUARE}"}  # an answer that no opposite begins with


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe that is right in itself; whether its files, models and templates are, `resolve` says."""

    text: str  # verbatim
    file: str  # as it was given
    folder: Path  # of the file; relative paths start here
    sha256: str  # of the file's bytes
    sets: tuple[str, ...]  # overrides, as given: train.steps=200
    allow_outside: bool  # whether files may lie outside the folder
    document: Document  # the places of everything, overrides applied
    schema: Schema | ComposingSchema
    included: tuple[Included, ...] = ()  # the files it is made of besides its own, sorted by name
    lost: tuple[KeyPath, ...] = ()  # paths left out because they are wrong; only while errors are gathered

    @property
    def digests(self) -> tuple[tuple[str, str], ...]:
        """Name and sha256 of every included file."""
        return tuple((one.name, one.sha256) for one in self.included)


def read(path: Path, sets: Sequence[str] = (), allow_outside: bool = False) -> Recipe:
    """Read and check a recipe. Raises InputError with every mistake that can be seen, those `resolve` sees included."""
    text, sha256 = load(path, LARGEST_RECIPE)
    document = parse(text, str(path))
    document, included = _whole(document, path, allow_outside)
    problems = Problems(document)
    for assignment in sets:
        try:
            document = override(document, assignment)
        except InputError as error:
            problems.known(error.problems)
    problems.known(document.problems)
    problems.document = document
    for key in ("include", "combine"):
        if document.has((key,)):  # what the file says of them is done with by now
            problems.add((key,), "cannot be set: it is read before any --set applies", "write it into a file")
    if document.root.children is None:
        problems.add((), "a recipe is a mapping", "it starts with `recipe: 1`")
        problems.raise_if_any()
    composes = _composes(document)
    if composes:
        schema, lost = _composing(document, problems)
    else:
        schema, lost = _validated(document, problems)
        check_names(problems)
        check_clashes(problems)
    recipe = Recipe(
        text=text,
        file=str(path),
        folder=path.absolute().parent,
        sha256=sha256,
        sets=tuple(sets),
        allow_outside=allow_outside,
        document=document,
        schema=schema,
        included=included,
        lost=tuple(lost),
    )
    if problems.found:
        # one look must show everything: what is still sound of a wrong recipe is resolved for its further mistakes
        from .resolve import look_on

        look_on(recipe, problems)
    problems.raise_if_any()
    return recipe


def _whole(document: Document, path: Path, allow_outside: bool) -> tuple[Document, tuple[Included, ...]]:
    """The document with what it includes and combines, and the files of that."""
    if not any(document.has((key,)) for key in ("include", "combine")):
        return replace(document, root=spelled_out(document.root)), ()
    from .reuse import merged  # most recipes need none of it

    return merged(document, path.absolute().parent, allow_outside)


def _validated(document: Document, problems: Problems) -> tuple[Schema, list[KeyPath]]:
    """The recipe's model; of a wrong one what remains without its wrong parts, and the paths of those."""
    data = cast(dict[str, Any], document.data)
    lost: list[KeyPath] = []
    brought_up = Problems(document)  # by leaving parts out: nobody's mistakes
    for _ in range(_ROUNDS):
        try:
            return Schema.model_validate(data), lost
        except ValidationError as error:
            wrong = (brought_up if lost else problems).invalid(error)
        for path in wrong:
            _leave_out(data, path)
        lost += wrong
    return Schema.model_validate(_STAND_IN), [()]


def _composes(document: Document) -> bool:
    node = document.root.child("compose")
    return node is not None and not node.nothing


def _composing(document: Document, problems: Problems) -> tuple[ComposingSchema, list[KeyPath]]:
    """The model of a recipe that composes without its wrong parts, and their paths; raises where too little is left."""
    data = cast(dict[str, Any], document.data)
    for key in [key for key in data if key in Schema.model_fields and key not in ComposingSchema.model_fields]:
        hint = "it belongs into the recipes that are composed, or use `combine`, which trains"
        problems.add((key,), "stands beside `compose`, where nothing of its own is asked or trained", hint, at_key=True)
        del data[key]
    lost: list[KeyPath] = []
    for _ in range(_ROUNDS):
        try:
            return ComposingSchema.model_validate(data), lost
        except ValidationError as error:
            wrong = (Problems(document) if lost else problems).invalid(error)
        for path in wrong:
            _leave_out(data, path)
        lost += wrong
        if not data.get("compose"):
            break
    problems.raise_if_any()
    raise ValueError("a recipe that composes nothing")


def _leave_out(data: dict[str, Any], path: KeyPath) -> None:
    """Remove what is at `path`, a list as a whole; what a recipe cannot do without is stood in for."""
    keys = [str(step) for step in path[: next((at for at, step in enumerate(path) if isinstance(step, int)), None)]]
    if len(keys) == 2 and keys[0] == "questions" and _completed(data, keys[1]):
        return
    if not keys:
        data.update({key: deepcopy(value) for key, value in _STAND_IN.items() if key not in data})
    elif len(keys) == 1 and keys[0] in _STAND_IN:
        data[keys[0]] = deepcopy(_STAND_IN[keys[0]])
    else:
        inner: Any = data
        for key in keys[:-1]:
            inner = cast(dict[str, Any], inner).get(key, {}) if isinstance(inner, dict) else {}
        if isinstance(inner, dict):
            cast(dict[str, Any], inner).pop(keys[-1], None)


def _completed(data: dict[str, Any], name: str) -> bool:
    """Stand in for what a question lacks, so that what it has is looked through; False where it lacks nothing."""
    questions: Any = data.get("questions")
    question: Any = cast(dict[str, Any], questions).get(name) if isinstance(questions, dict) else None
    if not isinstance(question, dict):
        return False
    lacking = {key: text for key, text in _QUESTION.items() if key not in question}
    cast(dict[str, Any], question).update(lacking)
    return bool(lacking)
