"""Hover texts: what an editor shows of a key, its description with the range of its numbers and its default."""

from __future__ import annotations

import json
from typing import Any, cast

from .values import LARGEST_SEED

_BOUNDS = (
    ("exclusiveMinimum", "above"),
    ("minimum", "at least"),
    ("maximum", "at most"),
    ("exclusiveMaximum", "below"),
)


def with_values(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, its properties' descriptions telling range and default as well."""
    defs = cast(dict[str, Any], schema.get("$defs", {}))
    return {**_told(schema), "$defs": {name: _told(one) for name, one in defs.items()}}


def _told(model: dict[str, Any]) -> dict[str, Any]:
    properties = cast(dict[str, dict[str, Any]], model.get("properties", {}))
    made = {name: {**node, "description": hover(node)} for name, node in properties.items() if "description" in node}
    return {**model, "properties": {**properties, **made}} if properties else model


def hover(node: dict[str, Any]) -> str:
    """What is shown of a property: `how thick: fraction of the height (above 0 and at most 1; default 0.02)`."""
    said = str(node["description"])
    more = "; ".join(part for part in (_numbers(node), _default(node)) if part)
    return f"{said} ({more})" if more else said


def range_of(node: dict[str, Any]) -> str:
    """The bounds of a number in words; empty where it has none."""
    low, high = node.get("minimum"), node.get("maximum")
    if low is not None and high is not None:
        return f"from {number(low)} to {number(high)}"
    return " and ".join(f"{word} {number(node[bound])}" for bound, word in _BOUNDS if node.get(bound) is not None)


def number(value: float) -> str:
    """A number with its thousands apart."""
    return "2⁶³ − 1" if value == LARGEST_SEED else f"{value:,}".replace(",", " ")


def numeric(node: dict[str, Any]) -> dict[str, Any] | None:
    """What a property says of the number that it may be, alone or as one of several choices."""
    choices = [node, *cast(list[dict[str, Any]], node.get("anyOf", []))]
    return next((one for one in choices if one.get("type") in ("integer", "number")), None)


def _numbers(node: dict[str, Any]) -> str:
    found = numeric(node)
    if found is None:
        return ""
    kind = "whole number" if found["type"] == "integer" else "number"
    return f"{kind} {range_of(found)}".strip()


def _default(node: dict[str, Any]) -> str:
    value = node.get("default")
    if value in (None, "", [], {}):
        return ""
    return f"default {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
