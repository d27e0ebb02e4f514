"""The files that the lock names: everything that a recipe reads, by the name that it gives it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import hollow
import pytest
from control_recipes.engine import inputs
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
