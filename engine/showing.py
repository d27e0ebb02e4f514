"""Showing: a recipe with its defaults filled in, as text for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast

from .document import Path
from .recipe import Recipe


def data(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain data, by the language's own words; what has no value is left out."""
    # pydantic warns of templates that stand for numbers
    dumped = recipe.schema.model_dump(mode="json", by_alias=True, exclude_none=True, warnings=False)
    return _without_empty(dumped)


def _without_empty(data: dict[str, Any]) -> dict[str, Any]:
    inner = {key: _without_empty(value) if isinstance(value, dict) else value for key, value in data.items()}
    return {key: value for key, value in inner.items() if value not in ({}, [])}


def text(recipe: Recipe, origins: bool = False) -> str:
    """The recipe as YAML; with `origins`, each value is followed by where it came from."""
    return "\n".join(_lines(recipe, data(recipe), (), origins))


def _lines(recipe: Recipe, value: dict[str, Any], path: Path, origins: bool) -> Iterator[str]:
    indent = "  " * len(path)
    for key, inner in value.items():
        here = (*path, key)
        if isinstance(inner, dict) and inner:
            yield f"{indent}{key}:"
            yield from _lines(recipe, cast(dict[str, Any], inner), here, origins)
        else:
            line = f"{indent}{key}: {json.dumps(inner, ensure_ascii=False)}"
            yield f"{line}  # {_origin(recipe, here)}" if origins else line


def _origin(recipe: Recipe, path: Path) -> str:
    key = ".".join(str(step) for step in path)
    for assignment in reversed(recipe.sets):
        name = assignment.partition("=")[0].strip()
        if key == name or key.startswith(f"{name}."):
            return f"--set {name}"
    inner: object = recipe.document.data
    for step in path:
        if not isinstance(inner, dict) or step not in inner:
            return "default"
        inner = cast(dict[object, object], inner)[step]
    place = recipe.document.place(path)
    return f"{place.file}:{place.line}"
