"""The JSON Schema of recipes that build on others: parts are enough, mistakes are still mistakes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import parts
import pytest
from control_recipes.engine import partial, schema
from control_recipes.engine.document import parse
from control_recipes.engine.errors import InputError
from control_recipes.engine.recipe import json_schema, read
from jsonschema import Draft202012Validator
from pydantic import ValidationError

PARTS = 100
SEMANTIC = ("is no colour", "must go from a smaller to a larger number", "twice", "finite number")
BASE = """\
recipe: 1
name: base
generator: {model: builtin:generator}
critics: {eyes: {model: builtin:critic}}
prompts: {train: [a ball]}
questions: {there: {ask: "Is it there?", answer: "Yes"}}
"""


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
        "name: x\ncombine: {recipes: {a.yaml: 1.0}, prompts: cross}\nexpect: {a.horizon: {at_least: ~}}\n",
    ],
)
def test_parts_are_enough_for_what_builds_on_others(text: str):
    assert accepted(text)


@pytest.mark.parametrize(
    "text",
    [
        "name: x\n",
        "include: 5\n",
        "include: a.yaml\nname: ~\n",
        "include: a.yaml\nquestions: ~\n",
        "include: a.yaml\ncritics: {eyes: {model: ~}}\n",
        "include: a.yaml\nquestions: {aligned: {hold: 0.5, watch: true}}\n",
        "include: a.yaml\nexpect: {aligned: {at_least: 0.5, at_most: 0.9}}\n",
        "include: a.yaml\nvisuals: {ruler: {line: {y: 0.5, x: 0.5}}}\n",
        "include: a.yaml\nvisuals: {ruler: {line: {y: 0.5}, image: card.png}}\n",
        "include: a.yaml\nprompts: {train: [{thing: ball}]}\n",
        "include: a.yaml\nprompts: {train: []}\n",
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


@pytest.mark.parametrize(
    ("head", "right"),
    [
        ("include: base.yaml\n", True),
        ("include: [base.yaml]\n", True),
        (f"include: [{', '.join(['base.yaml'] * 200)}]\n", True),
        (f"include: [{', '.join(['base.yaml'] * 201)}]\n", False),
        ("include: []\n", False),
        ("include: ~\n", False),
        ("include: {base.yaml: 1}\n", False),
        ('include: " "\n', False),
        ("include: [base.yaml, ~]\n", False),
        ("combine: [base.yaml]\n", False),  # it has no name
        ("name: x\ncombine: [base.yaml]\n", True),
        ("name: x\ncombine: []\n", False),
        ("name: x\ncombine: ~\n", False),
        ("name: x\ncombine: {recipes: {base.yaml: 0}}\n", False),
        ("name: x\ncombine: {recipes: {base.yaml: 2}, prompts: cross}\n", True),
        ("include: base.yaml\ncombine: ~\n", False),
        ("include: base.yaml\nprompts: {train: {sample: ~}}\n", None),  # only a template could have had one
    ],
)
def test_what_names_other_files_is_read_as_the_schema_says(head: str, right: bool | None, tmp_path: Path):
    (tmp_path / "base.yaml").write_text(BASE, encoding="utf-8")
    (tmp_path / "r.yaml").write_text(head, encoding="utf-8")
    try:
        read(tmp_path / "r.yaml")
        said: list[str] = []
    except InputError as error:
        said = [str(problem) for problem in error.problems]
    assert (not said) is bool(right), said
    assert accepted(head) is (right is not False)


def refusals(data: dict[str, Any]) -> list[str]:
    try:
        schema.Schema.model_validate(data)
    except ValidationError as error:
        return [one["msg"] for one in error.errors()]
    return []


@cache
def corpus() -> list[tuple[dict[str, Any], bool, str]]:
    """Parts, whether a recipe below makes them right, and what was done to them."""
    found: list[tuple[dict[str, Any], bool, str]] = []
    for seed in range(PARTS):
        over, below, change = parts.part(seed)
        said = [refusals(parts.merged(base, over)) for base in below]
        if [] in said or not any(all(any(word in one for word in SEMANTIC) for one in lines) for lines in said):
            data = parts.merged({}, {"include": "base.yaml", **over})
            found.append((data, [] in said, f"{seed}: {change}: {min(said, key=len)}"))
    return found


def disagreements(judge: Draft202012Validator, at_most: int = PARTS) -> list[str]:
    """Parts that the schema refuses though a recipe below makes them right, or takes though none could."""
    return [said for data, right, said in corpus()[:at_most] if judge.is_valid(data) != right]


def test_parts_and_their_mistakes_are_told_apart_as_the_validator_does():
    wrong = disagreements(validator())
    assert not wrong, "\n".join(wrong)
    rights = [right for _, right, _ in corpus()]
    assert min(rights.count(True), rights.count(False)) > PARTS / 4


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"additionalProperties": false', '"additionalProperties": true'),
        ('"anyOf": [{"required": ["include"]}', '"required": ["goal"], "anyOf": [{"required": ["include"]}'),
    ],
)
def test_the_comparison_sees_a_schema_that_is_too_lax_or_too_strict(old: str, new: str):
    text = json.dumps(json_schema())
    assert old in text
    assert disagreements(Draft202012Validator(json.loads(text.replace(old, new))), 40)


def test_what_excludes_each_other_still_does_so_in_a_part():
    two: dict[str, Any] = {
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        "properties": {"a": {}, "b": {}},
        "required": ["c"],
    }
    reuse = {"include": {"anyOf": []}, "combine": {"anyOf": []}}
    composing = {"properties": {"include": reuse["include"]}}
    made = partial.with_reuse({**two, "properties": two["properties"] | reuse}, composing)
    judge = Draft202012Validator({key: value for key, value in made["then"]["else"].items() if key != "anyOf"})
    assert [judge.is_valid(data) for data in ({}, {"a": 1}, {"b": 1}, {"a": 1, "b": 1})] == [True, True, True, False]
