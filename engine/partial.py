"""The JSON Schema of a recipe that includes or combines others: what it leaves out is elsewhere, `~` removes."""

from __future__ import annotations

from typing import Any, cast


def with_reuse(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that asks for everything of a recipe of its own, and for nothing of one that builds on others."""
    whole = {key: value for key, value in schema.items() if key not in ("$defs", "title", "description")}
    defs = cast(dict[str, Any], schema.get("$defs", {}))
    loose = {f"{name}.part": _loosened(one) for name, one in defs.items()}
    builds = {"anyOf": [{"required": [key]} for key in ("include", "combine")]}
    then = _loosened(whole)
    then["properties"] |= {key: whole["properties"][key] for key in ("include", "combine")}  # these are not inherited
    return {
        **{key: schema[key] for key in ("title", "description") if key in schema},
        "if": {"type": "object", **builds},
        "then": then,
        "else": whole,
        "$defs": {**defs, **loose},
    }


def _loosened(node: Any) -> Any:
    """Nothing is required, every value of a mapping may be null, and references lead to what is loosened as well."""
    if isinstance(node, list):
        return [_loosened(one) for one in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    made: dict[str, Any] = {}
    for key, value in cast(dict[str, Any], node).items():
        if key in ("required", "minProperties", "not") or _only_required(key, value):
            continue
        if key == "$ref":
            made[key] = f"{value}.part"
        elif key in ("properties", "patternProperties"):
            made[key] = {name: _or_nothing(one) for name, one in cast(dict[str, Any], value).items()}
        elif key == "additionalProperties" and isinstance(value, dict):
            made[key] = _or_nothing(cast(Any, value))
        elif key == "oneOf":
            made["anyOf"] = _loosened(value)  # of a part alone, the kind may not show
        elif key not in ("default", "enum", "const", "discriminator"):
            made[key] = _loosened(value)
        else:
            made[key] = value
    return made


def _only_required(key: str, value: object) -> bool:
    return (
        key in ("anyOf", "oneOf")
        and isinstance(value, list)
        and all(
            isinstance(one, dict) and {"required"} <= set(cast(dict[str, Any], one)) <= {"required", "properties"}
            for one in cast(list[object], value)
        )
    )


def _or_nothing(node: Any) -> dict[str, Any]:
    inner = _loosened(node)
    said = {key: inner.pop(key) for key in ("description",) if isinstance(inner, dict) and key in inner}
    return {**said, "anyOf": [inner, {"type": "null"}]}
