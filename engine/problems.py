"""What is wrong with a recipe, gathered: every problem at its place in the text, said in plain words."""

from __future__ import annotations

import os
import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Annotated, Any, Union, cast, final, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from . import meant as words
from . import values
from .document import Document, Path, dotted
from .errors import InputError, Place, Problem, cut
from .kinds import MEASURES, VISUALS
from .schema import Schema
from .schema_prompts import SOURCES

_TYPES = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
}
_PATTERNS = {
    values.NAME: values.NAMED,
    values.PART: "must be a name, or a recipe's name and a name of its: letters, digits, `_` and `-`, no digit first",
    values.DEEP: "must be a name, with the names of the recipes it is from and dots before it",
    values.LABEL: "must be a label: letters, digits, `_` and `-`",
    values.VARIABLE: "must be a variable's name: letters, digits and `_`, no digit first",
    values.ADDRESS: "must name a model: builtin:NAME, org/name@revision, ./folder or /folder",
    r"\S": "is empty",
}
# what pydantic adds to the path of a value: the kind it chose, and that the key is meant
_CHOICES = ("[key]", "<list>", "<sample>", "<sets>", "<together>")
_STEPS = {*_CHOICES, *(f"<{kind}>" for kind in (*VISUALS, *MEASURES, *SOURCES))}
MOST_PROBLEMS = 100  # problems that are listed; the others are counted
LISTED_NAMES = 40  # names that a hint lists
LONGEST_NAME = 64  # characters of a name that are compared with others
_VERY_CLOSE = 0.85  # as `question` is to `questions`
_QUOTE = "text that looks like a number or a word of YAML needs quotes"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for a name that is not known: the closest one, or all there are."""
    names = list(known)
    close = get_close_matches(name[:LONGEST_NAME], names, 1)
    if close:
        return f"did you mean `{cut(close[0])}`?"
    more = f" and {len(names) - LISTED_NAMES} more" if len(names) > LISTED_NAMES else ""
    verb = "is only" if len(names) == 1 else "are"
    return f"there {verb} {', '.join(cut(one) for one in names[:LISTED_NAMES])}{more}" if names else "there are none"


def shown(value: object) -> str:
    """A value as messages write it."""
    if isinstance(value, str):
        return repr(cut(value))
    if isinstance(value, (list, tuple)):
        return "a list" if value else "an empty list"
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else cut(str(value))


def untold(told: Iterable[Problem], problems: Iterable[Problem]) -> list[Problem]:
    """Those of a recipe's problems that are not told of another: a file that both are made of is wrong once."""
    known = {_mistake(problem) for problem in told}
    return [problem for problem in problems if _mistake(problem) not in known]


def _mistake(problem: Problem) -> tuple[Place, str, str]:
    # recipes of two folders call one file differently, and combining puts a recipe's name before a key
    place = replace(problem.place, file=os.path.realpath(problem.place.file.replace("\0", "")))
    return place, problem.key.rpartition(".")[2], problem.message


@final
class Problems:
    """Gathers problems of one document; the same one is kept once, and after `MOST_PROBLEMS` they are only counted."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.found: dict[Problem, None] = {}
        self.more = 0
        self._said: set[tuple[Place, str, str]] = set()
        self.known(document.problems)

    def known(self, problems: Iterable[Problem]) -> None:
        """Problems that were found elsewhere."""
        for problem in problems:
            self.at(problem.place, problem.key, problem.message, problem.hint)

    def add(self, path: Path, message: str, hint: str = "", *, at_key: bool = False) -> None:
        """Something is wrong with the value at `path`, or with its key."""
        place = self.document.key_place(path) if at_key else self.document.place(path)
        self.at(place, dotted(path), message, hint)

    def at(self, place: Place, key: str, message: str, hint: str = "") -> None:
        """Something is wrong in another file than the document."""
        said = (place, key, message)
        if said in self._said:
            return
        if len(self.found) < MOST_PROBLEMS:
            self._said.add(said)
            self.found[Problem(*said, hint)] = None
        else:
            self.more += 1

    def unknown(self, path: Path, kind: str, name: str, known: Iterable[str], *, at_key: bool = False) -> None:
        """A name that does not exist."""
        hint = "" if self.full else did_you_mean(name, known)
        self.add(path, f"there is no {kind} `{cut(name)}`", hint, at_key=at_key)

    @property
    def full(self) -> bool:
        """Whether further problems are only counted: what they would say need not be made up."""
        return len(self.found) >= MOST_PROBLEMS

    def invalid(self, error: ValidationError, prefix: Path = ()) -> list[Path]:
        """Every problem of a validation, of the value at `prefix`; returns the paths of the values it spoils."""
        details = error.errors(include_url=False)
        misspelt = {meant for detail in details[:MOST_PROBLEMS] if (meant := _misspelt(detail))}
        return [self._invalid(detail, prefix, detail["loc"] in misspelt) for detail in details]

    def raise_if_any(self) -> None:
        """Raises InputError with everything found."""
        if self.found:
            raise InputError(self.found, self.more)

    def _invalid(self, detail: ErrorDetails, prefix: Path, misspelt: bool) -> Path:
        """Add one problem; `misspelt` where it is a key that is there under another name, which is told by itself."""
        whole = (*prefix, *detail["loc"])
        is_key = whole[-1:] == ("[key]",)
        path = tuple(step for step in whole if step not in _STEPS)
        kind = detail["type"]
        if kind == "missing":
            path = (*self.document.written(path[:-1]), *path[-1:])
            if path[:-1] not in self.document.unreadable and not misspelt:
                place = Place(self.document.file, 1, 1) if len(path) == 1 else self.document.place(path[:-1])
                self.at(place, dotted(path), "is missing", self._slip(path))
            return path[:-1] or path
        path = self.document.written(path)
        if path in self.document.unreadable:
            return path
        if self.full:
            self.more += 1
        elif kind == "extra_forbidden" and path:
            known = _keys(whole[:-1])
            composes = self.document.has(("compose",))
            elsewhere = _elsewhere(str(path[0]), known, composes) if len(path) == 1 else ""
            hint = elsewhere or did_you_mean(str(path[-1]), known)
            self.add(path, f"unknown key `{cut(str(path[-1]))}`", hint, at_key=True)
        elif kind in {"union_tag_not_found", "union_tag_invalid"}:
            self._no_kind(path, detail["input"])
        else:
            message, hint = _said(detail)
            hint = hint or self._mixed(path) or (self._not_inherited(path) if detail["input"] is None else "")
            self.add(path, message, hint, at_key=is_key)
        return path

    def _slip(self, path: Path) -> str:
        """A hint for a key that is missing where every other one is allowed: the one that may have been meant by it."""
        beside = self.document.names(path[:-1]) if path[-1:] == ("prompt",) else []
        close = get_close_matches("prompt", [name[:LONGEST_NAME] for name in beside], 1)
        return f"`{close[0]}` is a variable there: did you mean `prompt`?" if close else ""

    def _mixed(self, path: Path) -> str:
        """A hint for a mapping that an included file and another wrote together; empty where one file wrote it."""
        writers = self.document.writers(path)
        return f"{writers}; `KEY: ~` removes what is inherited" if writers else ""

    def _not_inherited(self, path: Path) -> str:
        """A hint for `~` that has nothing to remove; empty in a recipe that builds on no other file."""
        if not path or not self.document.writers(()):
            return ""
        beside = [name for name in self.document.names(path[:-1]) if name != path[-1]]
        close = get_close_matches(str(path[-1])[:LONGEST_NAME], beside, 1)
        said = "`~` removes what is inherited, and nothing is inherited here"
        return f"{said}; did you mean `{cut(close[0])}`?" if close else said

    def _no_kind(self, path: Path, value: object) -> None:
        """A value that is none of several kinds, or several at once."""
        if value is None and (hint := self._not_inherited(path)):
            self.add(path, "must be a mapping, found nothing", hint)
            return
        kinds = {"visuals": VISUALS, "measures": MEASURES}.get(str(path[0]), SOURCES)
        lists = "a list of prompts, or " if kinds is SOURCES else ""
        if not isinstance(value, dict):
            self.add(path, f"must be {lists}a mapping with one of {', '.join(kinds)}, found {shown(value)}")
            return
        keys = [str(key) for key in cast(dict[object, object], value)]
        several = [f"`{key}`" for key in keys if key in kinds]
        if several:
            hint = self._mixed(path) or "keep one of them"
            self.add(path, f"is several things at once: {' and '.join(several)}", hint)
        elif len(keys) == 1 or (keys and get_close_matches(keys[0], kinds, 1)):
            self.add((*path, keys[0]), f"unknown key `{cut(keys[0])}`", did_you_mean(keys[0], kinds), at_key=True)
        else:
            self.add(path, f"must be {lists}a mapping with one of {', '.join(kinds)}")


def _misspelt(detail: ErrorDetails) -> tuple[str | int, ...]:
    """Where the key would be that an unknown one may have been meant for; nowhere for anything else."""
    loc = detail["loc"]
    if detail["type"] != "extra_forbidden" or not loc:
        return ()
    close = get_close_matches(str(loc[-1])[:LONGEST_NAME], _keys(loc[:-1]), 1)
    return (*loc[:-1], *close) if close else ()


def _said(detail: ErrorDetails) -> tuple[str, str]:
    """Message and hint of one of pydantic's errors."""
    kind, value = detail["type"], detail["input"]
    context: dict[str, Any] = detail.get("ctx", {})
    found = f", found {shown(value)}"
    if kind == "value_error":
        said, _, hint = str(context["error"]).partition("; ")
        return said + ("" if ", found " in said or isinstance(value, dict) or not str(value).strip() else found), hint
    if kind == "string_pattern_mismatch":
        message = _PATTERNS.get(str(context["pattern"]), f"must match {context['pattern']}")
        return (message if message == "is empty" else message + found), ""
    if kind == "literal_error":
        expected = str(context["expected"])
        known = re.findall(r"'([^']*)'", expected)
        return f"must be {expected}{found}", words.word(value, known)
    if kind in {"too_short", "too_long"}:
        fixed = {"too_short": context.get("min_length"), "too_long": context.get("max_length")}[kind]
        if fixed == 1 and kind == "too_short":
            return "is empty", ""
        at_most = "at most " if kind == "too_long" and fixed != 2 else ""
        # pydantic stops counting one past what is allowed
        many = len(cast(list[object], value)) if isinstance(value, (list, dict)) else context.get("actual_length")
        return f"must have {at_most}{fixed} entries, found {many}", ""
    if kind == "string_too_long":
        return f"is longer than {context['max_length']} characters" + found, ""
    if kind in _TYPES:
        return _TYPES[kind] + found, _of_type(kind, value)
    return detail["msg"].replace("Input should be", "must be").replace("String should", "text must") + found, ""


def _of_type(kind: str, value: object) -> str:
    """A hint where quotes are all that is wrong, or a value of the right type is written otherwise."""
    if kind == "string_type":
        return _QUOTE if isinstance(value, (int, float)) else ""
    if kind == "bool_type":
        return words.truth(value)
    return words.number(value, kind == "int_type") if kind in ("int_type", "float_type") else ""


def _keys(loc: tuple[str | int, ...]) -> list[str]:
    """The keys that the mapping at a pydantic location may have."""
    at: Any = Schema
    for step in loc:
        at = _inner(at, step)
    model = _bare(at)
    fields = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
    return [field.alias or name for name, field in fields.items()]


def _elsewhere(name: str, known: Iterable[str], composes: bool) -> str:
    """A hint for an unknown key of the whole recipe that is one of a part; empty where none has it, or one looks so."""
    parts = [f"`{part}.{name}`" for part in _keys(()) if (part == "compose") == composes and name in _keys((part,))]
    return f"did you mean {' or '.join(parts)}?" if parts and not get_close_matches(name, known, 1, _VERY_CLOSE) else ""


def _inner(annotation: Any, step: str | int) -> Any:
    annotation = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
        return fields.get(str(step))
    if get_origin(annotation) in (Union, types.UnionType):
        return next((choice for choice in get_args(annotation) if _tag(choice) == step), None)
    return get_args(annotation)[-1] if get_args(annotation) else None


def _bare(annotation: Any) -> Any:
    """Without `Annotated` and without `| None`."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        choices = [choice for choice in get_args(annotation) if choice is not types.NoneType]
        return _bare(choices[0]) if len(choices) == 1 else annotation
    return annotation


def _tag(annotation: Any) -> str | None:
    found = [extra.tag for extra in get_args(annotation)[1:] if isinstance(extra, Tag)]
    return found[0] if found else None
