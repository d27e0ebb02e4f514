"""Sides of a comparison: a recipe, a lock or an adapter, each with its plan and with what was written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from . import adapter_files, headers, made_for
from . import lock as locks
from .errors import InputError, Place, Problem
from .extract import included
from .plan import Plan, parse
from .recipe import Recipe

NOTHING = "nothing differs: the same recipe, word for word"
PROSE = "only in prose: comments, layout, order or what nothing uses; both would run the same"


@dataclass(frozen=True, slots=True)
class Side:
    """What is compared."""

    plan: Plan
    texts: frozenset[str]  # sha256 of the texts it was written in: the recipe's and those that it includes


def prose(old: Side, new: Side) -> str:
    """What to say of two sides whose plans are the same."""
    return NOTHING if old.texts == new.texts else PROSE


def of(file: str, recipe: Callable[[], Side]) -> Side:
    """The side that a file on the command line is, by its ending; what is neither lock nor adapter is a `recipe`."""
    if file.endswith(".lock"):
        return of_lock(Path(file))
    is_adapter = file.endswith(".safetensors") or adapter_files.is_folder(Path(file))
    return of_adapter(adapter_files.found(Path(file))) if is_adapter else recipe()


def of_recipe(recipe: Recipe, revisions: Mapping[str, str] = MappingProxyType({})) -> Side:
    """A recipe's own side; a hub model stays at the commit that `revisions` has for its address, as a lock does."""
    from .resolve import resolve

    plan = resolve(recipe, revisions)
    return Side(plan, frozenset({recipe.sha256, *(sha256 for _, sha256 in recipe.digests), *recipe.sets}))


def of_lock(path: Path) -> Side:
    """What a lock holds; `InputError` where there is none."""
    if not path.is_file():
        raise InputError([Problem(Place(str(path)), "", "there is no such file")])
    inputs = locks.read(path).inputs
    texts = {inputs.recipe_sha256, *(sha256 for _, sha256 in inputs.included), *inputs.sets}
    return Side(parse(inputs.plan, str(path)), frozenset(texts))


def of_adapter(path: Path) -> Side:
    """What an adapter carries inside; `InputError` where the file is none of ours."""
    metadata = headers.read(path).metadata
    inputs = made_for.carried(path, metadata)
    if recipe := metadata.get("control_recipes.recipe", ""):
        sha256s = {hashlib.sha256(text.encode()).hexdigest() for text in (recipe, *included(path, metadata).values())}
    else:  # one that was trained from a lock whose recipe was not there any more knows its digests
        sha256s = {inputs.recipe_sha256, *(sha256 for _, sha256 in inputs.included)}
    return Side(parse(inputs.plan, str(path)), frozenset({*sha256s, *inputs.sets}))
