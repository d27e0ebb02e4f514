"""The JSON Schema against the validator, on generated recipes: they agree, but for what a schema cannot say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import generated
import pytest
from control_recipes.engine import document
from control_recipes.engine.recipe import json_schema
from control_recipes.engine.schema import Schema
from jsonschema import Draft202012Validator
from pydantic import ValidationError

VALID, MISTAKEN = 150, 400
DOCS = Path(__file__).parent.parent.parent / "docs" / "schema.md"
# what the validator refuses and no schema says: the list of the docs, word for word
SEMANTIC = {
    "a colour's name that does not exist": "is no colour",
    "a region whose ends are the wrong way round": "must go from a smaller to a larger number",
    "a name twice in one list": "twice",
    "a number that is not finite (`.inf`, `.nan`)": "finite number",
}


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(json_schema())
    return Draft202012Validator(json_schema())


def as_file(data: dict[str, Any]) -> dict[str, Any]:
    """What a recipe's file with these data is read as."""
    text = json.dumps(data).replace("Infinity", ".inf")
    read = document.parse(text, "r.yaml")
    assert not read.problems
    assert isinstance(read.data, dict)
    return read.data


def refusals(data: dict[str, Any]) -> list[str]:
    """What the validator says that a schema could say too."""
    try:
        Schema.model_validate(data)
    except ValidationError as error:
        said = [f"{detail['loc']}: {detail['msg']}" for detail in error.errors()]
        return [one for one in said if not any(semantic in one for semantic in SEMANTIC.values())] or ["semantic"]
    return []


def test_generated_recipes_are_accepted(validator: Draft202012Validator) -> None:
    accepted = 0
    kinds: set[str] = set()
    for seed in range(VALID):
        data = as_file(generated.recipe(seed))
        said = refusals(data)
        if said not in ([], ["semantic"]):
            raise AssertionError(f"{seed}: {said}")
        found = [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(data)]
        assert not found, f"{seed}: {found}"
        accepted += said == []
        kinds |= {key for visual in data.get("visuals", {}).values() for key in visual}
    assert accepted > VALID * 0.8
    assert {"line", "points", "region", "palette", "image", "text", "reference"} <= kinds


def test_a_structural_mistake_that_the_validator_refuses_is_refused(validator: Draft202012Validator) -> None:
    refused = 0
    wrong: list[str] = []
    for seed in range(MISTAKEN):
        made, change = generated.mistaken(seed)
        data = as_file(made)
        said, accepted = refusals(data), validator.is_valid(data)
        if said != ["semantic"] and accepted == bool(said):
            wrong.append(f"{seed}: {change}: the schema {'accepts' if accepted else 'refuses'} it, {said}")
        refused += bool(said)
    assert not wrong, "\n".join(wrong)
    assert refused > MISTAKEN * 0.7


def test_the_comparison_sees_a_schema_that_is_too_lax_or_too_strict() -> None:
    whole = json_schema()
    lax = json.loads(json.dumps(whole).replace('"additionalProperties": false', '"additionalProperties": true'))
    strict = {**whole, "else": {**whole["else"], "required": [*whole["else"]["required"], "goal"]}}
    for spoiled, test in (
        (lax, test_a_structural_mistake_that_the_validator_refuses_is_refused),
        (strict, test_generated_recipes_are_accepted),
    ):
        with pytest.raises(AssertionError):
            test(Draft202012Validator(spoiled))


def test_what_a_schema_cannot_say_is_documented() -> None:
    text = DOCS.read_text("utf-8")
    for semantic in SEMANTIC:
        assert f"- {semantic}" in text
