"""Prompted: a prompt with the variables of its row, and the three sets of them that a recipe has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .allowed import OWN
from .document import Path
from .errors import Place
from .template import Value, is_template

MOST_PROMPTS = 100_000  # prompts of one set
NO_TEMPLATE = "is no place for a template"
HINT = "templates stand in questions, visuals, measures and the prompts' `template`; what they see is plain"
UNSEEN = "is a word of templates: none of them would see such a variable"
RENAME = "take another name"


@dataclass(frozen=True, slots=True)
class Prompted:
    """A prompt and the variables of its row, `prompt` not among them."""

    prompt: str
    variables: Mapping[str, Value]
    of: frozenset[str] = frozenset()  # the combined recipes whose own prompt this is
    at: Path | Place = field(default=(), compare=False, repr=False)  # where it is written; nowhere: it stands in


@dataclass(frozen=True, slots=True)
class Sets:
    train: list[Prompted]
    validation: list[Prompted]
    test: list[Prompted]


def templated(row: Mapping[str, Value | Mapping[str, Value]]) -> list[str]:
    """The variables whose values look like templates: nothing renders them, the braces would be asked as they are.

    Of a combined recipe's variables the name of that recipe.
    """
    return [name for name, value in row.items() if _templated(value)]


def unseen(variables: Mapping[str, object]) -> list[str]:
    """The variables whose names mean something else in a template, as `loop` does."""
    return [name for name in variables if name in OWN]


def _templated(value: Value | Mapping[str, Value]) -> bool:
    if isinstance(value, Mapping):
        return any(_templated(inner) for inner in value.values())
    items = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(item, str) and is_template(item) for item in items)
