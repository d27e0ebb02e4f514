"""The files that the lock names: everything that a recipe reads, by the name that it gives it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import hollow
import pytest
import torch
from control_recipes.engine import generators, inputs, models, panel, visuals
from control_recipes.engine.errors import WorkError
from control_recipes.engine.offloading import Turns
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve
from PIL import Image

PART = """\
recipe: 1
name: {name}
generator: {{model: ../generator}}
critics: {{eyes: {{model: ../critic}}}}
visuals: {{card: {{image: card.png, at: bottom, height: 0.2}}}}
prompts: {{train: {{file: {name}.txt}}, test: {{file: held.jsonl}}, validate: {{file: looks.csv}}}}
questions: {{there: {{ask: "Is there a ball?", answer: "Yes", against: "No", see: card}}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two recipes in parts/, each with files of its own, and one that combines them."""
    parts = tmp_path / "parts"
    parts.mkdir()
    hollow.generator(tmp_path / "generator")
    hollow.critic(tmp_path / "critic")
    for name in ("low", "warm"):
        (parts / f"{name}.yaml").write_text(PART.format(name=name), "utf-8")
        (parts / f"{name}.txt").write_text(f"a {name} ball\na {name} tree\n", "utf-8")
    (parts / "held.jsonl").write_text('{"prompt": "a hut"}\n', "utf-8")
    (parts / "looks.csv").write_text("prompt\na well\n", "utf-8")
    Image.new("RGBA", (8, 8), (1, 2, 3, 255)).save(parts / "card.png")
    (tmp_path / "both.yaml").write_text("combine: [parts/low.yaml, parts/warm.yaml]\nname: both\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_file_is_named_with_its_digest(folder: Path):
    recipe = read(Path("parts/low.yaml"))
    found = inputs.gathered(recipe, resolve(recipe))
    assert [name for name, _ in found.files] == ["card.png", "held.jsonl", "looks.csv", "low.txt"]
    assert all(hashlib.sha256((folder / "parts" / name).read_bytes()).hexdigest() == at for name, at in found.files)
    assert found.included == ()
    assert [one.address for one in found.models] == ["../critic", "../generator"]


def test_combined_recipes_bring_theirs_along(folder: Path):
    recipe = read(Path("both.yaml"))
    found = inputs.gathered(recipe, resolve(recipe))
    assert [name for name, _ in found.files] == [
        f"parts/{name}" for name in ("card.png", "held.jsonl", "looks.csv", "low.txt", "warm.txt")
    ]
    assert [name for name, _ in found.included] == ["parts/low.yaml", "parts/warm.yaml"]
    assert all((folder / name).is_file() for name, _ in (*found.files, *found.included))


def test_causes_are_files_and_overrides(folder: Path):
    recipe = read(Path("both.yaml"))
    before = inputs.gathered(recipe, resolve(recipe))
    assert inputs.causes(recipe, resolve(recipe), before) == []
    (folder / "parts/warm.txt").write_text("a warm hat\na warm coat\n", "utf-8")
    again = read(Path("both.yaml"), ["train.steps=1"])
    assert inputs.causes(again, resolve(again), before) == [
        "because parts/warm.txt changed",
        "because it was locked without --set, and is now read with --set train.steps=1",
    ]


def test_prompts_are_named_by_what_was_read_whatever_the_file_holds_by_now(folder: Path):
    recipe = read(folder / "both.yaml")
    plan = resolve(recipe)
    before = inputs.gathered(recipe, plan)
    text = (folder / "parts" / "low.txt").read_bytes()
    (folder / "parts" / "low.txt").write_text("a blue house\n", "utf-8")  # while another recipe trains
    assert inputs.gathered(recipe, plan) == before
    assert dict(before.files)["parts/low.txt"] == hashlib.sha256(text).hexdigest()
    assert inputs.gathered(recipe, resolve(recipe)) != before


def test_a_picture_that_changed_since_it_was_planned_is_refused_where_it_is_drawn(folder: Path):
    plan = resolve(read(folder / "both.yaml"))
    one = plan.drawings[0]
    visuals.draw(one, 8, 8)
    Image.new("RGBA", (8, 8), (3, 2, 1, 255)).save(folder / "parts" / "card.png")
    for drawing in (one, replace(one, kind="reference")):
        with pytest.raises(WorkError, match=r"card\.png: has changed since this run was planned"):
            visuals.draw(drawing, 8, 8)


def test_a_model_that_changed_since_it_was_planned_is_refused_before_it_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    plan = resolve(read(folder / "both.yaml"))
    monkeypatch.setattr(models, "_RESTED_NANOSECONDS", -(10**15))
    digested: list[Path] = []
    whole = models._sha256
    monkeypatch.setattr(models, "_sha256", lambda path: (digested.append(path), whole(path))[1])
    models.refuse_changed(plan.generator.model)
    digested.clear()
    models.refuse_changed(plan.generator.model)
    assert digested == []  # what nobody touched is not read again
    vae = folder / "generator" / "vae" / "config.json"
    vae.write_bytes(vae.read_bytes() + b"\n")
    for load in (generators.load, lambda one: models.refuse_changed(one.model)):
        with pytest.raises(WorkError, match=r"generator: vae/config\.json: has changed since this run was planned"):
            load(plan.generator)
    critic = plan.critics[0]
    (Path(critic.model.folder) / "more.json").write_text("{}", "utf-8")
    with pytest.raises(WorkError, match=r"critic: more\.json: has changed"):
        panel.load(critic, Turns(torch.device("cpu"), taken=False))
