"""Scopes: which variables the templates of a combined recipe's parts see.

What came from the recipe `low` is called `low.NAME` and sees the variables under `vars.low` alone, beside the row's.
"""

from __future__ import annotations

from collections.abc import Mapping

from .template import Value

Variables = Mapping[str, Value | Mapping[str, Value]]


def owner(name: str) -> str:
    """The combined recipe that a question, visual or measure came from; empty for the recipe's own."""
    return name.rpartition(".")[0]


def key(recipe: str) -> str:
    """The key of `vars` that holds a combined recipe's variables: a variable's name cannot have a `-` in it."""
    return recipe.replace("-", "_")


def hidden(everything: Variables, recipe: str) -> bool:
    """Whether a variable stands where those of a combined recipe do."""
    return key(recipe) in everything and not isinstance(everything[key(recipe)], Mapping)


def variables(everything: Variables, recipe: str) -> dict[str, Value]:
    """The variables of a combined recipe, or with an empty name the recipe's own."""
    found = everything.get(key(recipe)) if recipe else everything
    if not isinstance(found, Mapping):
        return {}
    return {name: value for name, value in found.items() if not isinstance(value, Mapping)}
