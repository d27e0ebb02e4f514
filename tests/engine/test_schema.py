"""The JSON Schema accepts what the validator accepts, and refuses every structural mistake that it refuses."""

from __future__ import annotations

from pathlib import Path

import hollow
import pytest
from control_recipes.engine import schema, values
from control_recipes.engine.document import parse
from control_recipes.engine.recipe import json_schema
from jsonschema import Draft202012Validator
from pydantic import ValidationError

RECIPES = sorted((Path(schema.__file__).parent.parent / "recipes").glob("*.yaml"))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(json_schema())
    return Draft202012Validator(json_schema())


@pytest.mark.parametrize("text", [hollow.RECIPE, *(path.read_text(encoding="utf-8") for path in RECIPES)])
def test_recipes_are_accepted(validator: Draft202012Validator, text: str) -> None:
    assert not list(validator.iter_errors(parse(text, "r").data))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: horizon_low", "nmae: horizon_low"),
        ("name: horizon_low", "name: 5"),
        ("name: horizon_low", "name: a b"),
        ("  aligned:", "  a.b.c:"),
        ("vars: {height", "vars: {9: 1, height"),
        ("eyes: {model", "my eyes: {model"),
        ("expect:\n", "expect:\n  a.b.c: {at_least: 0.5}\n"),
        ("hold: 0.75", "hold: 75"),
        ("hold: 0.75", "weight: 0"),
        ("hold: 0.75", "watch: Yes"),
        ("hold: 0.75", "critics: []"),
        ('y: "{{ height }}", color', "y: 1.5, color"),
        ('y: "{{ height }}", color', "color"),
        ('y: "{{ height }}", color', "x: 0.1, y: 0.1, color"),
        ("color: red}}", "color: 5}}"),
        ("{line: {y", "{lnie: {y"),
        ('answer: "Yes"', "answer: []"),
        ('answer: "Yes"', 'answer: ""'),
        ("[thing, color]", "[thing, colour]"),
        ("at_least: 0.95", "at_least: 0.95, at_most: 1"),
        ("recipe: 1", "recipe: 2"),
        ("model: ./critic", "model: critic"),
        ("goal: {measure: horizon, question: aligned}", "goal: {}"),
        ("goal:", "train: {optimizer: adam}\ngoal:"),
        ("goal:", "train: {steps: 1.5}\ngoal:"),
        ("goal:", "train: {steps: 0}\ngoal:"),
        ("goal:", "train: {seed: -1}\ngoal:"),
        ("goal:", "train: {stop: {patience: 2}}\ngoal:"),
        (", within: 0.06", ""),
        ("for: {color", "fro: {color"),
        ("  test: [", "  test: [5, "),
        ("thing: ball}]", "thing: {a: 1}}]"),
    ],
)
def test_structural_mistakes_are_refused_by_both(validator: Draft202012Validator, old: str, new: str) -> None:
    assert old in hollow.RECIPE
    data = parse(hollow.RECIPE.replace(old, new, 1), "r").data
    assert list(validator.iter_errors(data))
    with pytest.raises(ValidationError):
        schema.Schema.model_validate(data)


def test_every_key_says_what_it_is() -> None:
    silent = [
        f"{model.__name__}.{name}"
        for model in values.Keys.__subclasses__()
        for name, field in model.model_fields.items()
        if not field.description
    ]
    assert not silent
