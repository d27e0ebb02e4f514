"""Rounds: recipes of every kind of control, valid in the recipe language, that show what they ask about."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from control_recipes.engine import plan as plans
from control_recipes.engine import recipe, resolve
from control_recipes.engine.errors import InputError
from control_recipes.engine.world import codec, facts, pico_generator, pictures, questions, rounds
from control_recipes.engine.world.wordings import WORDINGS
from PIL import Image

SHIPPED = Path(rounds.__file__).with_name("checkpoints")


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that reads captions as long as the whole world's, untrained."""
    folder = tmp_path_factory.mktemp("generator")
    pico_generator.save(pico_generator.build(codec.load(SHIPPED / "generator" / "vae"), 1), folder)
    return folder


def resolved(kind: str, seed: int, generator: Path, folder: Path, count: int = 20) -> plans.Plan:
    rng = random.Random(seed)
    return resolve.resolve(recipe.read(rounds.write(kind, generator, SHIPPED / "critic", count, rng, folder)))


@pytest.mark.parametrize("kind", rounds.CONTROLS)
def test_every_round_is_a_valid_recipe(kind: str, generator: Path, tmp_path: Path):
    plan = resolved(kind, 3, generator, tmp_path)
    assert plan.train.steps == 20
    assert 30 <= len(plan.train_rows) <= 120
    asked = {ask.question for row in plan.train_rows for ask in row.asks}
    assert "goal" in asked
    assert asked & {"thing", "painting", "kept"}


def test_a_fact_is_asked_for_by_what_critics_are_taught_to_be_asked(generator: Path, tmp_path: Path):
    """Each prompt has the question of its own side, in words that lessons have too."""
    plan = resolved("fact", 3, generator, tmp_path)
    sides = {side.prompt: (pair.factor, side.word) for pair in facts.pairs("train") for side in pair.sides}
    assert {row.prompt for row in plan.train_rows} <= set(sides)
    assert len(plan.train_rows) > 50
    scenes = pictures.even(1500, torch.Generator().manual_seed(1))
    words = random.Random(2)
    taught = {
        item.question
        for truth in pictures.truths(scenes)
        for item in questions.several(truth, 12, words, WORDINGS, aids=False)
    }
    for row in plan.train_rows:
        goal, kept = (next(ask for ask in row.asks if ask.question == name) for name in ("goal", "kept"))
        factor, word = sides[row.prompt]
        said = {"low": "floor", "high": "eye level"}.get(word, word)
        assert said in goal.wordings[0], (factor, goal.wordings)
        assert goal.wordings[0] in taught
        assert kept.wordings[0] in taught


def test_a_round_with_a_mistake_is_refused(generator: Path, tmp_path: Path):
    with pytest.raises(InputError):
        resolved("line", 3, generator, tmp_path, count=0)


@pytest.mark.parametrize(
    ("kind", "drawn"),
    [
        ("line", "line"), ("weight", "line"), ("swatches", "palette"), ("nearer", "points"), ("reference", "reference"),
        ("camera", ""), ("color", ""), ("horizon", ""), ("lamp", ""), ("depth", ""), ("fact", ""),
    ],
)  # fmt: skip
def test_the_goal_is_asked_with_what_it_speaks_of_in_view(kind: str, drawn: str, generator: Path, tmp_path: Path):
    plan = resolved(kind, 4, generator, tmp_path)
    (goal,) = (ask for ask in plan.train_rows[0].asks if ask.question == "goal")
    shown = [drawing.kind for drawing in plan.drawings if drawing.key in goal.see]
    assert shown == ([drawn] if drawn else [])


def test_the_line_sample_is_at_least_a_pixel_thick():
    for seed in range(40):
        aim = rounds.CONTROLS["weight"].draw(random.Random(seed), Path())
        thickness = float(aim.visual.split("thickness: ")[1].split(",")[0])
        assert thickness * 64 + 0.01 >= 1.0


def test_a_reference_is_a_painting_of_the_worlds_size(tmp_path: Path):
    rounds.CONTROLS["reference"].draw(random.Random(1), tmp_path)
    with Image.open(tmp_path / rounds.REFERENCE) as image:
        assert image.size == (64, 64)


def test_rounds_differ_and_a_seed_repeats_them(tmp_path: Path):
    def text(seed: int) -> str:
        path = rounds.write("line", SHIPPED / "generator", SHIPPED / "critic", 20, random.Random(seed), tmp_path)
        return path.read_text("utf-8")

    assert text(1) == text(1)
    assert text(1) != text(2)
