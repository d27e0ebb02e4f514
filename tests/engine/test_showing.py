"""Showing: where every value came from, and that what is shown is the recipe again."""

from __future__ import annotations

from pathlib import Path

import hollow
import pytest
from control_recipes.engine import plan, showing
from control_recipes.engine.gallery import recipes
from control_recipes.engine.recipe import Recipe, read
from control_recipes.engine.resolve import resolve


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return hollow.workplace(tmp_path)


def again(recipe: Recipe) -> Recipe:
    """The recipe as shown, saved beside the original and read."""
    path = recipe.folder / "shown.yaml"
    path.write_text(showing.text(recipe), "utf-8")
    return read(path, allow_outside=recipe.allow_outside)


@pytest.mark.parametrize("path", recipes(), ids=lambda path: path.stem)
def test_a_gallery_recipe_shown_is_the_same_plan(path: Path, tmp_path: Path):
    recipe = read(path)
    (tmp_path / "assets").symlink_to(path.parent / "assets")
    shown = tmp_path / "shown.yaml"
    shown.write_text(showing.text(recipe, origins=True), "utf-8")
    assert plan.digest(resolve(read(shown, allow_outside=True))) == plan.digest(resolve(recipe))


@pytest.mark.parametrize("odd", ["a\x7f\u2028b", "a: b # c", "'\"\\", "yes", "\t tab", "\U0001f600", "{{ '' }}x"])
def test_odd_texts_survive(file: Path, odd: str):
    file.write_text(hollow.RECIPE.replace("Is the line aligned?", "WORD"), "utf-8")
    recipe = read(file, ["vars.none=[]", "vars.words=[a, 1, 2.5, true]"])
    recipe.schema.questions["aligned"].ask[0] = odd
    found = again(recipe).schema
    assert (found.questions, found.vars) == (recipe.schema.questions, recipe.schema.vars)


def test_what_is_shown_of_a_shown_recipe_is_the_same(file: Path):
    recipe = read(file, ["train.lr=1e-7", "prompts.validate=[a, {prompt: b, color: x, thing: y}]", "vars.on=yes"])
    assert showing.text(again(recipe)) == showing.text(recipe)


@pytest.mark.parametrize(
    ("sets", "alpha", "lr"),
    [
        ([], 80.0, 5e-5),
        (["adapter.rank=8"], 40.0, 5e-5),
        (["adapter.rank=8", "adapter.alpha=3", "train.lr=1e-3"], 3.0, 1e-3),
        (["train.optimize=latents"], 80.0, 0.05),
    ],
)
def test_what_follows_from_other_values_is_shown_as_it_is_in_effect(
    file: Path, sets: list[str], alpha: float, lr: float
):
    recipe = read(file, sets)
    shown, where = showing.data(recipe), showing.origins(recipe)
    assert (shown["adapter"]["alpha"], shown["train"]["lr"]) == (alpha, lr)
    for key in ("adapter.alpha", "train.lr"):
        assert where[key] == (f"--set {key}" if any(one.startswith(key) for one in sets) else "default")


def test_origins_name_the_file_the_option_or_the_default(file: Path):
    (file.parent / "mine.yaml").write_text(
        "include: r.yaml\nname: mine\nquestions:\n  still_there:\n    hold: 0.5\n    ask:\n    - A?\n    - B?\n",
        "utf-8",
    )
    here = file.parent
    recipe = read(here / "mine.yaml", ["train.steps=7", "questions.aligned.ask.1=Now?"])
    found = {key: place.replace(f"{here}/", "") for key, place in showing.origins(recipe).items()}
    assert found["name"] == "mine.yaml:2"
    assert found["questions.still_there.hold"] == "mine.yaml:5"
    assert found["questions.still_there.ask.1"] == "mine.yaml:8"
    assert found["questions.still_there.answer.0"] == "r.yaml:26"
    assert found["questions.aligned.ask.0"] == "r.yaml:19"
    assert found["questions.aligned.ask.1"] == "--set questions.aligned.ask.1"
    assert found["train.steps"] == "--set train.steps"
    assert found["train.batch"] == "default"
    assert found["visuals.ruler.line.thickness"] == "default"
    assert found["prompts.test.0.prompt"] == "r.yaml:16"
    lines = showing.text(recipe, origins=True).replace(f"{here}/", "").splitlines()
    assert '      - "B?"  # mine.yaml:8' in lines
    assert all("  # " in line or line.endswith(":") for line in lines)
