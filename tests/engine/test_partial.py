"""The JSON Schema of recipes that build on others: parts are enough, mistakes are still mistakes."""

from __future__ import annotations

from functools import cache

import pytest
from control_recipes.engine.document import parse
from control_recipes.engine.recipe import json_schema
from jsonschema import Draft202012Validator


@cache
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(json_schema())
    return Draft202012Validator(json_schema())


def accepted(text: str) -> bool:
    return validator().is_valid(parse(text, "r").data)


@pytest.mark.parametrize(
    "text",
    [
        "include: base.yaml\n",
        "include: [a.yaml, b.yaml]\nname: x\nquestions: {aligned: {weight: 2.0, hold: ~}, other: ~}\ngoal: ~\n",
        "include: base.yaml\nvisuals: {ruler: {line: {y: ~, x: 0.2}}, card: {color: red}}\nmeasures: {sharp: ~}\n",
        "include: base.yaml\nprompts: {train: {sample: 4}, validate: ~}\ntrain: {stop: {patience: 2}}\n",
        "combine: [a.yaml]\nname: x\nvars: {a: {height: 0.5}}\nquestions: {a.aligned: {weight: 2.0}}\n",
        "combine: {recipes: {a.yaml: 1.0}, prompts: cross}\nexpect: {a.horizon: {at_least: ~}}\n",
    ],
)
def test_parts_are_enough_for_what_builds_on_others(text: str):
    assert accepted(text)


@pytest.mark.parametrize(
    "text",
    [
        "name: x\n",
        "include: 5\n",
        "include: []\n",
        "include: a.yaml\nquestoins: {}\n",
        "include: a.yaml\nquestions: {aligned: {weight: 0}}\n",
        "include: a.yaml\nquestions: {aligned: {wieght: 1}}\n",
        "include: a.yaml\nvisuals: {ruler: {lnie: {y: 0.5}}}\n",
        "include: a.yaml\ntrain: {steps: many}\n",
        "combine: {recipes: {a.yaml: 0}}\n",
        "combine: {recipes: {a.yaml: 1}, prompts: both}\n",
        "combine: {}\n",
        "combine: []\n",
    ],
)
def test_mistakes_are_still_refused(text: str):
    assert not accepted(text)
