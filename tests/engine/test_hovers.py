"""Hover texts: every key says what it is for, in which unit, in which range, and what it is where it is left out."""

from __future__ import annotations

import re
from typing import Any

import pytest
from control_recipes.engine import hovers
from control_recipes.engine.recipe import json_schema

# words that say nothing of a key by themselves
_FILLING = {
    "a",
    "an",
    "the",
    "of",
    "to",
    "or",
    "and",
    "in",
    "is",
    "are",
    "be",
    "that",
    "this",
    "it",
    "its",
    "for",
    "by",
}
# what a number counts or measures
_UNITS = (
    "pixel", "fraction", "step", "picture", "batch", "prompt", "standard deviation", "mean p", "p (", "scale", "rate",
    "weight", "count", "combinations", "ratio", "columns", "alpha / rank", "norm", "seed", "decay", "looks",
    "noise level", "strongly", "1 hides", "multiplied", "multiplies", "version",
)  # fmt: skip


def properties(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every property of the language, by the name of its mapping and its own."""
    own = {f"recipe.{key}": node for key, node in schema.get("else", schema).get("properties", {}).items()}
    models = {name: model for name, model in schema.get("$defs", {}).items() if not name.endswith(".part")}
    inner = {f"{name}.{key}": node for name, one in models.items() for key, node in one.get("properties", {}).items()}
    return own | inner


def faults(schema: dict[str, Any]) -> list[str]:
    """Properties whose description is no hover text, and why."""
    found: list[str] = []
    for path, node in properties(schema).items():
        key, said = path.rpartition(".")[2], str(node.get("description", ""))
        words = set(re.findall(r"[\w²⁶³]+", said.lower().partition(" (")[0])) - _FILLING - {key, f"{key}s"}
        if len(words) < 3:
            found.append(f"{path}: says too little: {said}")
        if (numeric := hovers.numeric(node)) is not None:
            bounds = hovers.range_of(numeric)
            found += [f"{path}: says no unit: {said}"] if not any(unit in said for unit in _UNITS) else []
            found += [f"{path}: says no range: {said}"] if bounds and bounds not in said else []
        default = node.get("default")
        if default not in (None, "", [], {}) and "default" not in said:
            found.append(f"{path}: says no default: {said}")
    return found


def test_every_key_says_what_an_editor_should_show() -> None:
    assert faults(json_schema()) == []
    assert len(properties(json_schema())) > 110


@pytest.mark.parametrize(
    ("node", "fault"),
    [
        ({"type": "string"}, "too little"),
        ({"type": "string", "description": "the steps of a steps"}, "too little"),
        ({"type": "integer", "minimum": 1, "description": "steps of training (at least 2)"}, "no range"),
        ({"type": "number", "description": "how much of it there should be"}, "no unit"),
        ({"type": "string", "default": "a", "description": "which of several kinds"}, "no default"),
    ],
)
def test_the_guard_sees_a_key_that_says_too_little(node: dict[str, Any], fault: str) -> None:
    assert any(fault in line for line in faults({"$defs": {"Train": {"properties": {"steps": node}}}}))


def test_a_hover_text_tells_range_and_default_and_a_part_of_a_recipe_shows_it_too() -> None:
    schema = json_schema()
    bare = "how thick: fraction of the height (of the width for an upright line)"
    said = f"{bare} (number above 0 and at most 1; default 0.02)"
    for name in ("Line", "Line.part"):
        assert schema["$defs"][name]["properties"]["thickness"]["description"] == said
    seed = schema["$defs"]["Train"]["properties"]["seed"]["description"]
    assert seed.endswith("(whole number from 0 to 2⁶³ − 1; default 100)")
    assert json_schema(hovers=False)["$defs"]["Line"]["properties"]["thickness"]["description"] == bare
