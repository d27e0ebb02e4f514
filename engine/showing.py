"""Showing: a recipe with its defaults filled in, as text for people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, cast

from .document import Path, dotted
from .recipe import Recipe
from .schema import Schema
from .schema_composing import ComposingSchema

# JSON leaves these as they are; YAML refuses them, or takes them for the end of a line
_UNPRINTED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def data(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain data, by the language's own words; what has no value is left out."""
    schema = recipe.schema
    if isinstance(schema, Schema):
        schema = _in_effect(schema)
    # pydantic warns of templates that stand for numbers
    dumped = schema.model_dump(mode="json", by_alias=True, exclude_none=True, warnings=False)
    if isinstance(schema, ComposingSchema) and schema.evaluate is not None:  # what is left out there has no default
        dumped["evaluate"] = {key: dumped["evaluate"][key] for key in schema.evaluate.model_fields_set}
    return _without_empty(dumped)


def _in_effect(schema: Schema) -> Schema:
    """With defaults that follow from other values written out."""
    adapter = schema.adapter.model_copy(update={"alpha": schema.adapter.alpha_in_effect})
    train = schema.train.model_copy(update={"lr": schema.train.lr_in_effect})
    return schema.model_copy(update={"adapter": adapter, "train": train})


def _without_empty(data: dict[str, Any], path: Path = ()) -> dict[str, Any]:
    """Without lists and mappings that say nothing; a variable may be an empty list and mean it."""
    inner = {k: _without_empty(v, (*path, k)) if isinstance(v, dict) else v for k, v in data.items()}
    return {key: value for key, value in inner.items() if value not in ({}, []) or path[:1] == ("vars",)}


def text(recipe: Recipe, origins: bool = False) -> str:
    """The recipe as YAML, which read again gives the same plan; with `origins`, each value is followed by its place."""
    return "\n".join(_mapping(recipe, data(recipe), (), origins))


def origins(recipe: Recipe) -> dict[str, str]:
    """Where every text, number and list entry of `data` came from, by its dotted key."""
    return {dotted(path): origin(recipe, path) for path in _leaves(data(recipe), ())}


def origin(recipe: Recipe, path: Path) -> str:
    """Where a value came from: file:line, `--set KEY`, or `default`."""
    node = recipe.document.root
    for step in path:
        if (found := node.child(step)) is None:
            if node.children is not None:
                return "default"
            break  # a text that stands for a list of one, or for a mapping
        node = found
    place = node.place
    return place.file.partition("=")[0] if place.file.startswith("--set ") else f"{place.file}:{place.line}"


def _leaves(value: object, path: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        for key, inner in cast(dict[str, object], value).items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(cast(list[object], value)):
            yield from _leaves(inner, (*path, at))
    else:
        yield path


def _mapping(recipe: Recipe, value: dict[str, Any], path: Path, origins: bool) -> Iterator[str]:
    for key, inner in value.items():
        yield from _entry(recipe, f"{key}:", inner, (*path, key), origins)


def _entry(recipe: Recipe, head: str, value: object, path: Path, origins: bool) -> Iterator[str]:
    """A value behind its key or its dash. Lists of one line stay one, unless each entry is to say where it is from."""
    indent = "  " * (len(path) - 1)
    if isinstance(value, dict) and value and not isinstance(path[-1], int):
        yield f"{indent}{head}"
        yield from _mapping(recipe, cast(dict[str, Any], value), path, origins)
    elif isinstance(value, list) and value and (origins or isinstance(value[0], dict)):
        yield f"{indent}{head}"
        for at, inner in enumerate(cast(list[object], value)):
            yield from _entry(recipe, "-", inner, (*path, at), origins)
    else:
        where = sorted({origin(recipe, leaf) for leaf in _leaves(value, path)}) if origins else []
        yield f"{indent}{head} {_flow(value)}" + (f"  # {', '.join(where)}" if where else "")


def _flow(value: object) -> str:
    """A value as JSON, which is YAML too once what YAML does not print is escaped."""
    return _UNPRINTED.sub(lambda found: f"\\U{ord(found[0]):08X}", json.dumps(value, ensure_ascii=False))
