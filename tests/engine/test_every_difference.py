"""Every difference has words: each key of a recipe that uses them all, and each field of a plan, is changed in turn."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import hollow
import pytest
import yaml
from control_recipes.engine import (
    differences,
    document,
    kinds,
    schema,
    schema_models,
    schema_prompts,
    schema_training,
    sides,
)
from control_recipes.engine import plan as plans
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve

RECIPE = """\
recipe: 1
name: rich
vars: {height: 0.80}
generator:
  model: ./generator
  steps: 2
  size: {width: 64, height: 64}
  guidance: 1.5
  negative: grey
  dtype: float32
  device: cpu
  with: [one.safetensors]
  offload: true
  slicing: true
  tiling: true
  checkpointing: {backbone: true, decoder: true}
critics:
  eyes: {model: ./critic, weight: 2.0, dtype: float32, device: cpu, checkpointing: true, quantize: 8bit}
  more: {model: ./critic}
judges:
  second: {model: ./judge, dtype: float32, device: cpu, quantize: 8bit}
  third: {model: ./judge3}
visuals:
  ruler: {line: {y: "{{ height }}", thickness: 0.02, color: red}}
  dots: {points: {A: [0.3, 0.8]}, radius: 0.03, color: red}
  box: {region: {x: [0.1, 0.4], y: [0.5, 0.9]}, color: red}
  swatch: {palette: ["#d9822b"], at: bottom, height: 0.15}
  card: {image: assets/card.png, at: bottom, height: 0.15, opacity: 1.0}
  tag: {text: A, at: [0.3, 0.8], height: 0.12, color: red}
  mood: {reference: assets/card.png}
prompts:
  train:
    template: "a {{ color }} {{ thing }}"
    for: {color: [red, blue], thing: [ball, house, tree]}
    sample: 5
  validate: [{prompt: a black box, color: black, thing: box}]
  test: {file: assets/test.jsonl}
questions:
  aligned:
    ask: ["Is the line aligned?", "Does it lie on the horizon?"]
    suffix: "Answer with Yes or No."
    see: [ruler, dots, box, swatch, card, tag, mood]
    answer: "Yes"
    against: "No"
    weight: 2.0
    critics: [eyes]
    flips: true
  still_there: {ask: "Is there a {{ color }} {{ thing }}?", answer: "Yes", hold: 0.75}
  what: {ask: "What is it?", answer: "a {{ thing }}", watch: true}
measures:
  horizon: {horizon_row: {near: "{{ height }}", within: 0.06}}
  named: {factors: {keep: [thing, color], is: {place: grass}, together: pair}}
  sharp: {sharpness: {at_least: 0.9, relative_to: base}}
  close: {drift: {at_most: 0.1}}
goal: {measure: horizon, question: aligned}
stay: {weight: 0.05}
adapter: {rank: 8, alpha: 40, targets: attention, start: one.safetensors}
train:
  steps: 90
  batch: 4
  accumulate: 2
  lr: 1e-3
  warmup: 3
  schedule: cosine
  optimizer: adamw
  clip: 0.5
  seed: 7
  estimate: noisy
  backprop: {replay: {buffer: 16, refresh: 4, sigma: [0.3, 0.8]}}
  augment: {blur: 0.5, noise: 0.02, shift: 2, flip: true}
  weights: balanced
  stop: {p: {aligned: 0.9}, judge: {second: {aligned: 0.8}}, patience: 3}
  ema: 0.9
  save_every: 20
  conflict: {every: 5}
  optimize: adapter
evaluate: {seeds: 8, scales: [0, 1], every: 10}
expect:
  horizon: {at_least: 0.9}
  still_there: {judge: third, at_least: 0.9}
  close: {at_most: 0.5}
  sharp: {gain: 0.1}
"""
Path_ = tuple[str | int, ...]
# what a leaf becomes; a number becomes another one nearby, a text gets a word more
OTHERWISE: dict[str, Any] = {
    "generator.model": "./generator2", "generator.dtype": "float64", "generator.device": "cuda",
    "generator.with.0": "two.safetensors", "adapter.start": "two.safetensors",
    "critics.eyes.model": "./critic2", "critics.more.model": "./critic2", "judges.second.model": "./judge2",
    "judges.third.model": "./judge2",
    "critics.eyes.dtype": "float64", "judges.second.dtype": "float64", "critics.eyes.device": "cuda",
    "judges.second.device": "cuda", "critics.eyes.quantize": "4bit", "judges.second.quantize": "4bit",
    "visuals.card.image": "assets/other.png", "visuals.mood.reference": "assets/other.png",
    "visuals.swatch.palette.0": "#c23030", "visuals.swatch.at": "top", "visuals.card.at": "top",
    "visuals.card.opacity": 0.5, "vars.height": 0.7, "prompts.train.sample": 4,
    "prompts.test.file": "assets/test2.jsonl",
    "questions.aligned.critics.0": "more", "questions.still_there.hold": 0.5,
    "measures.named.factors.keep.0": "size", "measures.named.factors.keep.1": "size",
    "measures.named.factors.is.place": "snow", "measures.horizon.horizon_row.near": 0.6, "goal.measure": "named",
    "goal.question": "what", "adapter.targets": "all", "train.schedule": "linear", "train.estimate": "clean",
    "train.weights": "fixed", "train.optimize": "latents", "evaluate.scales.0": 0.5, "evaluate.scales.1": 2,

    "visuals.ruler.line.y": 0.6, "name": "another",
}  # fmt: skip
# keys that leave no word of their own: what they fill is told of, or there is one value alone
SAID_AS = {
    "vars": "horizon: near", "prompts": "prompt", "ask": "wording", "suffix": "wording", "see": "sees",
    "hold": "hold at", "watch": "is now weight 1", "image": "card: file", "reference": "mood: file", "keep": "keep",
    "is": "is was", "horizon.at_least": "at least", "questions.aligned.critics.0": "put to",
    "measures.sharp.sharpness.at_least": "at_least",
    "measures.close.drift.at_most": "at_most", "at_least": "at least", "at_most": "at most",
    "replay": "replay", "conflict": "conflict.every", "judge": "stop: ", "p": "stop: ",
}  # fmt: skip
# there is one value, or another one asks for changes elsewhere too: of these, the fields of the plan are tried below
ALONE = {
    "recipe", "train.optimizer", "measures.sharp.sharpness.relative_to", "expect.still_there.judge",
    "generator.size.width", "generator.size.height",
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which everything is that the recipe names, before and after; returns the recipe's path."""
    folder = tmp_path_factory.mktemp("rich")
    hollow.workplace(folder)
    for name in ("generator", "generator2"):  # of a family that reads negative prompts
        hollow.generator(folder / name, "StableDiffusion3Pipeline")
    (folder / "generator2" / "tokenizer_2" / "tokenizer_config.json").write_text('{"model_max_length": 48}', "utf-8")
    for name, seed in (("critic", 0), ("judge", 1), ("critic2", 2), ("judge2", 3), ("judge3", 4)):
        hollow.critic(folder / name, positions=2048, seed=seed)
    (folder / "assets" / "other.png").write_bytes(hollow.PNG + b"\0")
    rows = '{"prompt": "a white ball", "color": "white", "thing": "ball"}\n'
    (folder / "assets" / "test.jsonl").write_text(rows, "utf-8")
    (folder / "assets" / "test2.jsonl").write_text(rows.replace("white", "black"), "utf-8")
    for name, text in (("one", b"{}      "), ("two", b"{}       ")):
        (folder / f"{name}.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    path = folder / "rich.yaml"
    path.write_text(RECIPE, "utf-8")
    return path


@pytest.fixture(scope="module")
def whole(place: Path) -> plans.Plan:
    return resolve(read(place))


def leaves(data: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    if isinstance(data, (dict, list)):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from leaves(value, (*path, key))
    else:
        yield path, data


LEAVES = list(leaves(document.parse(RECIPE, "").data))


def otherwise(path: Path_, value: Any) -> Any:
    name = ".".join(map(str, path))
    if name in OTHERWISE:
        return OTHERWISE[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return round(value * 0.9, 6)
    return "blue" if path[-1] == "color" and path[0] == "visuals" else f"{value} again"


def word(path: Path_) -> str:
    """What a sentence about this key must hold."""
    names = [str(step) for step in path if isinstance(step, str)]
    if (whole := ".".join(map(str, path))) in SAID_AS:
        return SAID_AS[whole]
    for name in (names[0], *reversed(names)):
        if name in SAID_AS and (name != "judge" or names[0] == "train"):
            return SAID_AS[name]
    return next(name for name in reversed(names))


@pytest.mark.parametrize(("path", "value"), LEAVES, ids=[".".join(map(str, path)) for path, _ in LEAVES])
def test_every_key_is_told_of_by_its_name(place: Path, whole: plans.Plan, path: Path_, value: Any):
    if ".".join(map(str, path)) in ALONE:
        return
    data = copy.deepcopy(document.parse(RECIPE, "").data)
    inner: Any = data
    for step in path[:-1]:
        inner = inner[step]
    if "see" in path:
        del inner[path[-1]]
    else:
        inner[path[-1]] = otherwise(path, value)
    if path == ("train", "estimate"):
        del data["train"]["backprop"]  # replay without noisy latents is another recipe again
    if path == ("train", "optimize"):  # what goes with an adapter alone
        del data["train"]["backprop"], data["train"]["estimate"], data["train"]["ema"], data["adapter"]["start"]
    file = place.with_name("changed.yaml")
    file.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), "utf-8")
    said = differences.lines(differences.between(whole, resolve(read(file))))
    assert differences.NO_WORDS not in said
    assert any(word(path) in line for line in said), (word(path), said)


def test_the_recipe_above_uses_every_key():
    def keys(kind: Any) -> Iterator[str]:
        for name, one in kind.model_fields.items():
            yield one.alias or name

    used = {step for path, _ in LEAVES for step in path}
    models = [
        schema_models.Generator, schema_models.PictureSize, schema_models.Critic, schema_models.Judge,
        schema_prompts.TemplatePrompts, schema_prompts.PromptSets, schema.Question, schema.Goal, schema.Stay,
        schema_training.Adapter, schema_training.Train, schema_training.Augment, schema_training.Stop,
        schema_training.Replay, schema_training.Conflict, schema_training.Evaluate, schema_training.Expected,
        schema.Schema,
    ]  # fmt: skip
    for model in models:
        assert set(keys(model)) - used <= {"include", "combine", "compose"}, model
    assert set(kinds.VISUALS) <= used
    assert set(kinds.MEASURES) <= used


# --- the plan ---

ORDERED = {"train_rows", "validate_rows", "test_rows", "companions", "wordings", "answers", "against", "see"}


def mutants(one: Any) -> Iterator[tuple[str, Any]]:
    """A frozen dataclass with one thing changed, wherever that is, and the name of it."""
    for field in dataclasses.fields(one):
        if field.name in plans._FORM.left_out.get(type(one), set()):
            continue
        for name, value in changes(getattr(one, field.name), get_type_hints(type(one))[field.name]):
            if name == " reversed" and field.name not in ORDERED:
                continue  # no plan has these in another order
            yield f"{field.name}{name}", dataclasses.replace(one, **{field.name: value})


def changes(value: Any, hint: Any) -> Iterator[tuple[str, Any]]:
    if dataclasses.is_dataclass(value):
        yield from ((f".{name}", other) for name, other in mutants(value))
    elif isinstance(value, tuple):
        hint = hint if get_origin(hint) is tuple else get_args(hint)[-1]  # a scalar, or a tuple of scalars
        kinds = get_args(hint)
        for at, inner in enumerate(value[:1] if kinds[-1] is Ellipsis else value):
            for name, other in changes(inner, kinds[at]):
                yield f"[{at}]{name}", (*value[:at], other, *value[at + 1 :])
        if value and kinds[-1] is Ellipsis:
            yield " less one", value[1:]
            if len(set(map(repr, value))) > 1:
                yield " reversed", value[::-1]
    elif isinstance(value, bool):
        yield "", not value
    elif isinstance(value, (int, float)):
        yield "", value + 1
        yield " a little", value + (1 if isinstance(value, int) else 1e-9)
    else:
        yield "", f"{value}x"


def test_every_field_of_a_plan_is_told_of(whole: plans.Plan):
    silent: list[str] = []
    for name, other in mutants(whole):
        found = differences.between(whole, other)
        assert not found.same, name
        if differences.NO_WORDS in differences.lines(found):
            silent.append(name)
    assert silent == []


def test_every_field_of_a_composed_plan_is_told_of(whole: plans.Plan):
    parents = tuple(plans.Parent(name, 1.0, f"{name}1", f"{name}2") for name in ("one", "two"))
    made = dataclasses.replace(whole, composed=plans.Composed(parents, 4))
    for name, composed in mutants(made.composed):
        found = differences.between(made, dataclasses.replace(made, composed=composed))
        assert any("composed" in line for line in differences.lines(found)), name
    assert "composed of was nothing, is now one, two" in differences.between(whole, made).training


def test_the_guard_sees_a_field_without_words(whole: plans.Plan, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(differences, "_training", lambda old, new: iter(()))
    other = dataclasses.replace(whole, train=dataclasses.replace(whole.train, lr=1.0))
    assert differences.lines(differences.between(whole, other)) == [differences.NO_WORDS]


@pytest.mark.parametrize(
    ("old", "new"), [("name: rich\n", "name:  rich  # so it is\n"), ("vars: {", "vars: {unused: 3, ")]
)
def test_prose_is_called_prose(place: Path, old: str, new: str):
    path = place.with_name("changed.yaml")
    path.write_text(RECIPE.replace(old, new), "utf-8")
    one, other = sides.of_recipe(read(place)), sides.of_recipe(read(path))
    found = differences.between(one.plan, other.plan)
    assert differences.lines(found) == []
    assert differences.text(found, sides.prose(one, other)) == sides.PROSE
    assert differences.text(found, sides.prose(one, one)) == sides.NOTHING
