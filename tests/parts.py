"""Recipes made by a seed that build on another, some with a mistake, and recipes below that could make them right."""

from __future__ import annotations

import json
import random
from typing import Any

import generated
from control_recipes.engine import document
from control_recipes.engine.merging import laid_over

_OTHERS = 6  # recipes below that have nothing to do with the part
_NAMED = ("critics", "judges", "visuals", "measures", "questions", "expect", "vars")


def part(seed: int) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """A part of a recipe with one change that may be a mistake, recipes it may be laid over, and what the change is."""
    draw = random.Random(seed)
    whole = generated.recipe(random.Random(seed).randrange(1000))  # the one that is mistaken
    mistaken, change = generated.mistaken(seed)
    over = _some(mistaken, draw, draw.choice((1.0, 0.9, 0.7, 0.5)))
    others = [generated.recipe(draw.randrange(1000)) for _ in range(_OTHERS)]
    furnished = _furnished(whole, over)
    combined = {**furnished, "prompts": {"union": {"a": {"train": ["a ball"]}}, "train": ["a tree"], "test": ["a hut"]}}
    return over, [furnished, combined, {}, whole, *others], change


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """What a recipe and another one laid over it come to."""
    made = laid_over(_node(base), _node(over)).data()
    assert isinstance(made, dict)
    return made


def _some(data: Any, draw: random.Random, kept: float) -> Any:
    """Some keys of every mapping, and some of them taken away."""
    if not isinstance(data, dict):
        return data
    chosen = {key: value for key, value in data.items() if draw.random() < kept}
    return {key: None if draw.random() < 0.02 else _some(value, draw, kept) for key, value in chosen.items()}


def _furnished(whole: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """A recipe that has an entry, and one more, of everything that `over` gives a name to."""
    made = dict(whole)
    for section in _NAMED:
        inner, mine = whole.get(section), over.get(section)
        if isinstance(inner, dict) and isinstance(mine, dict) and inner:
            entry = next(iter(inner.values()))
            made[section] = {**dict.fromkeys((*mine, "one_more"), entry), **inner}
    return made


def _node(data: dict[str, Any]) -> document.Node:
    return document.parse(json.dumps(data).replace("Infinity", ".inf"), "r.yaml").root
