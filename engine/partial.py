"""The JSON Schema of a recipe that includes or combines others: what it leaves out is elsewhere, `~` removes.

A part is refused where no recipe below it could make it right: what one file says is seen, how two go together is not.
A list is replaced whole, so its entries are checked as anywhere.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, cast

_REUSE = ("include", "combine")
_AS_THEY_ARE = ("default", "enum", "const", "discriminator", "not", "items")  # a part is no laxer in these
_NOTHING = {"type": "null"}
_COMPOSES = {"required": ["compose"], "properties": {"compose": {"not": _NOTHING}}}
_DEEP = {"type": "string", "pattern": r"\..*\."}  # a name that only what composes a composition has: RECIPE.RECIPE.NAME
_AIMS_DEEP = [{"required": [key], "properties": {key: _DEEP}} for key in ("measure", "question")]
_SAYS_DEEP = {
    "expect": {"type": "object", "not": {"propertyNames": {"not": _DEEP}}},
    "goal": {"type": "object", "anyOf": _AIMS_DEEP},
}
_INCLUDES_ONE_THAT_COMPOSES = {
    "required": ["include"],
    "not": {"required": ["combine"]},
    "anyOf": [{"required": [key], "properties": {key: said}} for key, said in _SAYS_DEEP.items()],
}


def with_reuse(schema: dict[str, Any], composing: dict[str, Any]) -> dict[str, Any]:
    """A schema that asks for everything of a recipe of its own, and for nothing of one that builds on others.

    One that composes adapters has keys of its own, those of `composing`; so has one that includes such a file, which
    shows by its names where they are deeper than any that is trained has.
    """
    whole = {key: value for key, value in schema.items() if key not in ("$defs", "title", "description")}
    own = {key: _something(whole["properties"][key]) for key in _REUSE}  # neither inherited nor taken away
    whole["properties"] = {**whole["properties"], **own}
    defs = {**cast(dict[str, Any], composing.get("$defs", {})), **cast(dict[str, Any], schema.get("$defs", {}))}
    parts = {f"{name}.part": _part(one) for name, one in defs.items()}
    builds = {"anyOf": [*({"required": [key]} for key in _REUSE), _COMPOSES]}
    then = _part(whole)
    then["properties"] |= own
    then["anyOf"] = [{"required": [key]} for key in ("include", "name")]  # what is combined lends no name
    return {
        **{key: schema[key] for key in ("title", "description") if key in schema},
        "if": {"type": "object", **builds},
        "then": {
            "if": {"anyOf": [_COMPOSES, _INCLUDES_ONE_THAT_COMPOSES]},
            "then": _composing(composing),
            "else": then,
        },
        "else": whole,
        "$defs": {**defs, **parts},
    }


def _composing(schema: dict[str, Any]) -> dict[str, Any]:
    """A recipe that composes; one that includes a file may leave out what that may bring."""
    whole = {key: value for key, value in schema.items() if key not in ("$defs", "title", "description")}
    part = _part(whole)
    part["properties"]["include"] = _something(whole["properties"]["include"])
    return {"if": {"required": ["include"]}, "then": part, "else": whole}


def _part(node: Any) -> Any:
    """A node of the schema as it holds for a part: nothing is required, and what may be left out may be taken away."""
    if not isinstance(node, dict):
        return node
    made: dict[str, Any] = {}
    required = cast(list[str], cast(dict[str, Any], node).get("required", []))
    for key, value in cast(dict[str, Any], node).items():
        if key in ("anyOf", "oneOf") and _only_required(value):
            made |= _never_two(value) if key == "oneOf" else {}
        elif key == "$ref":
            made[key] = f"{value}.part"
        elif key == "properties":
            properties = cast(dict[str, Any], value)
            # `~` for what must be there is wrong whatever lies below
            made[key] = {name: _part(one) if name in required else _or_nothing(one) for name, one in properties.items()}
        elif key == "patternProperties":
            made[key] = {name: _or_nothing(one) for name, one in cast(dict[str, Any], value).items()}
        elif key == "additionalProperties" and isinstance(value, dict):
            made[key] = _or_nothing(cast(dict[str, Any], value))
        elif key in ("anyOf", "oneOf"):
            made["anyOf"] = [_part(one) for one in cast(list[Any], value)]  # of a part alone, the kind may not show
        elif key not in ("required", "minProperties"):
            made[key] = value if key in _AS_THEY_ARE else _part(value)
    return made


def _only_required(choices: list[dict[str, Any]]) -> bool:
    """Whether these choices only say which keys must be there."""
    return all({"required"} <= set(one) <= {"required", "properties"} for one in choices)


def _never_two(choices: list[dict[str, Any]]) -> dict[str, Any]:
    """Of keys that exclude each other, one may lie below, but no two can stand side by side."""
    return {"not": {"anyOf": [{"allOf": list(pair)} for pair in combinations(choices, 2)]}}


def _or_nothing(node: dict[str, Any]) -> dict[str, Any]:
    inner = _part(node)
    said = {key: inner.pop(key) for key in ("description",) if key in inner}
    return {**said, "anyOf": [inner, _NOTHING]}


def _something(node: dict[str, Any]) -> dict[str, Any]:
    """A key that may be left out, and stands for something where it is there."""
    kept = {key: value for key, value in node.items() if key != "default"}
    return {**kept, "anyOf": [one for one in node["anyOf"] if one != _NOTHING]}
