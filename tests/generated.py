"""Recipes made by a seed from the language's own JSON Schema, and the same with one structural mistake each."""

from __future__ import annotations

import copy
import random
from typing import Any

from control_recipes.engine.recipe import json_schema

_ALL = json_schema()
# a recipe that builds on no other: what those it names say, a schema cannot see
_OWN = {
    name: node for name, node in _ALL["else"]["properties"].items() if name not in ("include", "combine", "compose")
}
SCHEMA: dict[str, Any] = {**_ALL["else"], "properties": _OWN, "$defs": _ALL["$defs"]}
# texts that match each of the schema's patterns
TEXTS = {
    r"^[A-Za-z_]": ["a", "b_c", "height", "Q9", "x-y"],
    r"^(builtin:": ["builtin:generator", "org/name@main", "org/name", "./folder", "/folder", "../up"],
    r"^(auto|cpu|cuda": ["auto", "cpu", "cuda", "cuda:3"],
    r"^([A-Za-z]+|#": ["red", "Navy", "#c23030", "#C2303080"],
    r"\{\{|\{%": ["{{ height }}", "{% if a %}1{% endif %}"],
    r"\S": ["text", "two words", "Ein Wort", "{{ color }}"],
}
WRONG = (
    None,
    True,
    "nonsense",
    "",
    5,
    -1,
    0,
    1.5,
    10**13,
    [],
    {},
    ["x"],
    [[1]],
    {"a": 1},
    {"a": {"b": 1}},
)


def recipe(seed: int) -> dict[str, Any]:
    """A recipe in which nothing is wrong in its structure; its names need not exist."""
    return _made(SCHEMA, random.Random(seed))


def mistaken(seed: int) -> tuple[dict[str, Any], str]:
    """A generated recipe with one change that may be a mistake, and what the change is."""
    draw = random.Random(seed)
    data = recipe(draw.randrange(1000))
    inner, step = draw.choice(_places(data))
    kind = draw.choice(("value", "value", "value", "unknown", "missing", "renamed"))
    if kind == "value" or not isinstance(inner, dict):
        inner[step] = copy.deepcopy(draw.choice(WRONG))
        return data, f"{step} becomes {inner[step]!r}"
    if kind == "unknown":
        inner["unknown_key"] = draw.choice(WRONG)
        return data, f"unknown key beside {step}"
    value = inner.pop(step)
    if kind == "renamed":
        inner[f"{step}s"] = value
    return data, f"{step} is {kind}"


def _places(data: Any) -> list[tuple[Any, Any]]:
    """Every entry of every mapping and list, as the container and its key or index."""
    entries: list[Any] = (
        list(data) if isinstance(data, dict) else list(range(len(data))) if isinstance(data, list) else []
    )
    return [place for key in entries for place in ((data, key), *_places(data[key]))]


def _made(schema: dict[str, Any], draw: random.Random) -> Any:
    if "$ref" in schema:
        return _made(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], draw)
    if "properties" in schema:
        return _object(schema, draw)
    for choices in ("anyOf", "oneOf"):
        if choices in schema:
            return _made(draw.choice(schema[choices]), draw)
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else draw.choice(schema["enum"])
    return _MAKERS[schema["type"]](schema, draw)


def _object(schema: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    required = set(schema.get("required", ()))
    choices = [set(one["required"]) for one in schema.get("oneOf", schema.get("anyOf", ())) if "required" in one]
    left_out: set[str] = set()
    if choices:
        chosen = draw.choice(choices)
        required |= chosen
        left_out = set().union(*choices) - chosen
    wanted = [
        name for name in schema["properties"]
        if name in required or (name not in left_out and draw.random() < 0.4)
    ]  # fmt: skip
    made = {name: _made(schema["properties"][name], draw) for name in wanted}
    if made.get("watch") is True and "hold" in made:
        del made["hold"]
    for name in required:  # one of several keys is wanted, and null is as good as left out
        while made[name] is None:
            made[name] = _made(schema["properties"][name], draw)
    if not made and schema.get("minProperties"):
        name = draw.choice(list(schema["properties"]))
        made[name] = "a"
    if isinstance(schema.get("additionalProperties"), dict) and draw.random() < 0.5:
        made["other"] = _made(schema["additionalProperties"], draw)
    return made


def _mapping(schema: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    names = schema.get("propertyNames", {})
    pool = names.get("enum") or (["height", "b_c", "Q9"] if "pattern" in names else ["a", "b"])
    inner = schema.get("additionalProperties", {})
    if "patternProperties" in schema:
        pool, inner = ["height", "b_c", "Q9"], next(iter(schema["patternProperties"].values()))
    count = max(schema.get("minProperties", 0), 1 + draw.randrange(3))
    return {name: _made(inner, draw) for name in draw.sample(pool, min(count, len(pool)))}


def _list(schema: dict[str, Any], draw: random.Random) -> list[Any]:
    least, most = schema.get("minItems", 0), schema.get("maxItems", 9)
    return [_made(schema["items"], draw) for _ in range(min(most, max(least, draw.randrange(4))))]


def _text(schema: dict[str, Any], draw: random.Random) -> str:
    pattern = schema.get("pattern")
    if pattern is None:
        return draw.choice(["", "text", "two words"])
    return draw.choice(next(texts for start, texts in TEXTS.items() if pattern.startswith(start)))


def _number(schema: dict[str, Any], draw: random.Random) -> float | int:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    high = schema.get("maximum", schema.get("exclusiveMaximum", low + 100))
    if schema["type"] == "integer":
        return draw.choice([low, high, draw.randint(low, high), float(min(high, low + 3))])
    edges = [edge for edge in (schema.get("minimum"), schema.get("maximum")) if edge is not None]
    return draw.choice([*edges, low + (high - low) * draw.uniform(0.01, 0.99)])


_MAKERS = {
    "object": _mapping,
    "array": _list,
    "string": _text,
    "integer": _number,
    "number": _number,
    "boolean": lambda schema, draw: draw.random() < 0.5,
    "null": lambda schema, draw: None,
}
