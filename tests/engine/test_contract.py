"""Every key of the language, together in one recipe: the schema, `check` and the plan take all of them."""

from __future__ import annotations

import re
from pathlib import Path

import hollow
import pytest
import whole
from control_recipes.engine import kinds, plan, schema, showing, values
from control_recipes.engine.document import parse
from control_recipes.engine.recipe import json_schema, read
from control_recipes.engine.resolve import resolve
from jsonschema import Draft202012Validator


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return whole.workplace(tmp_path)


def test_the_whole_language_is_taken_and_stands_in_the_plan(file: Path) -> None:
    Draft202012Validator(json_schema()).validate(parse(whole.RECIPE, "r").data)
    made = resolve(read(file))
    assert plan.parse(plan.dump(made)) == made
    other = plan.Asset("other.safetensors", made.adapter.start[0].sha256, str(file.parent / "other.safetensors"))
    assert made.adapter.start == (other,)
    assert made.generator.companions == (plan.Companion(other.name, other.sha256, other.source, 1.0),)
    assert len(other.sha256) == 64
    assert (made.generator.slicing, made.generator.tiling, made.generator.offload) == (True, False, False)
    assert (made.generator.checkpoint_backbone, made.generator.checkpoint_decoder) == (True, True)
    assert (made.critics[0].checkpointing, made.critics[0].quantize) == (True, "8bit")
    assert [question.flips for question in made.questions] == [True, False, False]
    train = made.train
    assert (train.estimate, train.backprop, train.replay) == ("noisy", "replay", plan.Replay(32, 8, (0.2, 0.9)))
    assert (train.augment.flip, train.weights, train.conflict, train.optimize) == (True, "balanced", 25, "adapter")
    assert train.stop == plan.Stop((("", "aligned", 0.9), ("third", "aligned", 0.9)), 3)
    assert (train.ema, train.lr) == (0.0, 5e-5)
    assert {drawing.kind for drawing in made.drawings} == set(kinds.VISUALS)


def test_what_is_shown_is_a_recipe_again(file: Path) -> None:
    shown = showing.data(read(file))
    assert shown["train"]["backprop"] == {"replay": {"buffer": 32, "refresh": 8, "sigma": [0.2, 0.9]}}
    schema.Schema.model_validate(shown)
    file.write_text(hollow.RECIPE, encoding="utf-8")
    assert showing.data(read(file))["train"]["backprop"] == "random_step"


def test_every_key_of_the_schema_stands_in_the_recipe_above() -> None:
    """So that no key is added without its place here; the twin of the test above."""
    written = set(whole.RECIPE.replace("{", " ").replace(",", " ").replace("[", " ").split())
    elsewhere = {
        "schedule", "validation", "source", "x", "radius", "drift", "at_most", "is", "file", "template", "prompt",
        "include", "combine", "compose", "polish", "recipes", "union", "cross", "together", "gain",
    }  # fmt: skip
    known = {
        field.alias or name
        for model in values.Keys.__subclasses__()
        if model.__module__.startswith("control_recipes.engine")
        for name, field in model.model_fields.items()
    }
    assert {key for key in known if f"{key}:" not in written} <= elsewhere


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("checkpointing: true", (True, True)),
        ("checkpointing: false", (False, False)),
        ("checkpointing: {decoder: true}", (False, True)),
    ],
)
def test_checkpointing_is_a_word_or_says_what(file: Path, written: str, meant: tuple[bool, bool]) -> None:
    file.write_text(whole.RECIPE.replace("checkpointing: {backbone: true, decoder: true}", written), encoding="utf-8")
    generator = resolve(read(file)).generator
    assert (generator.checkpoint_backbone, generator.checkpoint_decoder) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("replay", plan.Replay(32, 8, (0.2, 0.9))),
        ("{replay: {}}", plan.Replay(32, 8, (0.2, 0.9))),
        ("{replay: {buffer: 8, sigma: [0.5, 0.5]}}", plan.Replay(8, 8, (0.5, 0.5))),
    ],
)
def test_a_replay_has_defaults_which_the_plan_spells_out(file: Path, written: str, meant: plan.Replay) -> None:
    text = whole.RECIPE.replace("{replay: {buffer: 32, refresh: 8, sigma: [0.2, 0.9]}}", written)
    Draft202012Validator(json_schema()).validate(parse(text, "r").data)
    file.write_text(text, encoding="utf-8")
    assert resolve(read(file)).train.replay == meant


DOCS = Path(schema.__file__).parent.parent / "docs" / "reference.md"


def undocumented(text: str) -> set[str]:
    """Keys of the language that a page does not name."""
    words = set(re.findall(r"[a-z_]+", text))
    models = [model for model in values.Keys.__subclasses__() if model.__module__.startswith("control_recipes.engine")]
    return {field.alias or name for model in models for name, field in model.model_fields.items()} - words


def test_the_reference_names_every_key() -> None:
    text = DOCS.read_text("utf-8")
    assert undocumented(text) == set()
    assert undocumented(text.replace("refresh", "renewal")) == {"refresh"}
