"""Recipes for full-size models: right, planned from configurations alone, and told of on their page as they are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import cached
import pytest
from control_recipes.engine import estimate, planning, resolve, visuals
from control_recipes.engine.capacity import Device
from control_recipes.engine.counting import size
from control_recipes.engine.errors import InputError
from control_recipes.engine.plan import Plan
from control_recipes.engine.recipe import read

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "recipes" / "full"
PAGE = ROOT / "docs" / "full.md"
RECIPES = sorted(FOLDER.glob("*.yaml"))  # all of them: what they share lies in a folder of its own
CARD = Device("cuda", "a card", 80 * 2**30, 80 * 2**30, 1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    cached.cache(folder)
    return folder


@pytest.fixture(autouse=True)
def offline(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@cache
def planned(path: Path, *sets: str) -> Plan:
    return resolve.resolve(read(path, sets))


def test_check_and_plan_read_configurations_alone(home: Path, tmp_path: Path):
    code = (
        "import sys; from control_recipes.cli import main\n"
        "try: main()\n"
        "finally: assert not {'torch', 'transformers', 'diffusers'} & set(sys.modules)"
    )
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    env = kept | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    for command in (["check", *map(str, RECIPES)], ["plan", str(FOLDER / "horizon_low.yaml")]):
        done = subprocess.run(
            [sys.executable, "-c", code, *command], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert "black-forest-labs/FLUX.1-schnell@main, 512 × 512, 1 sampler step, bfloat16" in done.stdout
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_right_and_says_what_a_reader_needs(path: Path):
    text, made = path.read_text("utf-8"), planned(path)
    run, expect = f"# Run:    recipe run recipes/full/{path.name}", "# Expect: not known: it was never run"
    for head in ("# Intent: ", run, expect, "arXiv 2506.01955"):
        assert head in text
    assert made.name == path.stem
    assert not {row.prompt for row in made.test_rows} & {row.prompt for row in made.train_rows}
    assert made.validate_rows
    assert any(question.hold for question in made.questions)
    assert made.train.stop.by
    assert (made.train.steps, made.train.batch, made.train.lr, made.train.seed) == (100, 1, 5e-5, 100)
    assert made.adapter.alpha == 5 * made.adapter.rank == 80
    assert all(expected.judge for expected in made.expect)
    assert (made.generator.width, made.generator.height) == (512, 512)
    for drawing in made.drawings:
        drawn = visuals.draw(drawing, 512, 512)
        assert 0 < float((drawn[..., 3] > 0).mean()) <= 1, drawing.key


def test_the_guard_sees_a_model_that_is_not_there():
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set"):
        planned(RECIPES[0], "generator.model=black-forest-labs/FLUX.1-dev@main")


@pytest.mark.parametrize("stem", ["commonsense", "horizon_low", "smile"])
def test_weights_are_those_of_the_published_models(stem: str):
    facts, made = cached.facts(), planned(FOLDER / f"{stem}.yaml")
    evaluation = estimate.estimate(made, CARD).stages[-1]
    members = [made.generator.model, *(one.model for one in (*made.critics, *made.judges))]
    published = sum(facts[model.address.partition("@")[0]]["parameters"] for model in members)
    assert evaluation.weights == pytest.approx(2 * published, rel=0.03)


def test_pairs_of_recipes_differ_in_what_they_say_they_do():
    low, high = planned(FOLDER / "horizon_low.yaml"), planned(FOLDER / "horizon_high.yaml")
    assert low.questions == high.questions
    assert [dict(made.drawings[0].parameters)["y"] for made in (low, high)] == [0.88, 0.294]
    near, far = (planned(FOLDER / f"depth_{one}_nearer.yaml") for one in "ba")
    asked = [{ask.question: ask.wordings[0] for ask in made.train_rows[0].asks} for made in (near, far)]
    assert "Is Point B much closer to the camera than Point A?" in asked[0]["nearer"]
    assert "Is Point A much closer to the camera than Point B?" in asked[1]["nearer"]
    assert near.drawings == far.drawings


def rows(page: str) -> dict[str, list[str]]:
    """Cells of the page's table of recipes, by recipe."""
    found = re.findall(r"^\| \[(\w+)\]\(\.\./recipes/full/\1\.yaml\) \| (.*) \|$", page, re.MULTILINE)
    return {stem: cells.split(" | ") for stem, cells in found}


def test_the_page_has_every_recipe_with_the_memory_that_is_planned():
    told = rows(PAGE.read_text("utf-8"))
    assert sorted(told) == [path.stem for path in RECIPES]
    for path in RECIPES:
        stages = {stage.name: size(stage.total) for stage in estimate.estimate(planned(path), CARD).stages}
        assert told[path.stem][-2:] == [stages["train"], stages["evaluate"]], path.stem


def test_a_card_that_is_too_small_is_told_what_would_help(monkeypatch: pytest.MonkeyPatch):
    small = Device("cuda", "a card", 24 * 2**30, 24 * 2**30, 1)
    monkeypatch.setattr("control_recipes.engine.capacity.device", lambda _: small)
    seen = planning.outlook(planned(FOLDER / "smile.yaml"))
    assert seen.needs is not None
    assert seen.needs.memory_bytes > small.memory_bytes
    assert seen.advice
