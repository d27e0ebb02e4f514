"""A run of a recipe that includes others: everything it was made of is kept beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from control_recipes.engine import adapter, frozen, lock, running
from control_recipes.engine.errors import InputError
from control_recipes.engine.gallery import Source
from control_recipes.engine.plan import digest
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve


class Silent:
    """A listener that hears nothing."""

    def say(self, text: str) -> None: ...

    def step(self, step: object) -> None: ...

    def looked(self, progress: object) -> None: ...

    def fetched(self, fetched: object) -> None: ...


def test_a_run_keeps_what_the_recipe_includes(tiny: Path):
    Path("base").mkdir()
    text = tiny.read_text("utf-8").replace("name: tiny\n", "").replace("./", "../")
    Path("base/base.yaml").write_text(text, "utf-8")
    Path("mine.yaml").write_text("include: [base/base.yaml]\nname: mine\ntrain: {steps: 1}\n", "utf-8")
    recipe = read(Path("mine.yaml"))
    plan, folder = resolve(recipe), Path("runs/mine")
    made = running.run(recipe, plan, folder, Path("mine.lock"), Silent())
    assert made.steps == 1
    assert (folder / "recipe.yaml").read_text("utf-8") == recipe.text
    assert (folder / "included/base/base.yaml").read_text("utf-8") == text
    assert lock.read(Path("mine.lock")).inputs.included == (("base/base.yaml", recipe.included[0].sha256),)
    _, metadata = adapter.load(folder / "mine.safetensors")
    assert metadata["control_recipes.recipe"] == recipe.text
    assert json.loads(metadata["control_recipes.included"]) == {"base/base.yaml": text}
    # the recipe as it was run, from the run folder alone, put where its models are
    shutil.rmtree("base")
    shutil.copytree(folder / "included", ".", dirs_exist_ok=True)
    shutil.copy(folder / "recipe.yaml", "mine.yaml")
    assert digest(resolve(read(Path("mine.yaml")))) == digest(plan)
    assert running.report_again(folder) == folder / "report.html"
    found = running.evaluate(lambda given: read(Path("mine.yaml"), given), Source(Path("mine.yaml"), False), None, None,
                             1.0, Silent())  # fmt: skip
    assert found.tensors_sha256 == made.tensors_sha256


def test_an_included_file_that_is_gone_is_an_error(tiny: Path):
    Path("mine.yaml").write_text("include: [tiny.yaml]\nname: mine\n", "utf-8")
    assert read(Path("mine.yaml")).included
    tiny.unlink()
    with pytest.raises(InputError, match=r"there is no file tiny\.yaml"):
        read(Path("mine.yaml"))


def test_an_included_file_above_the_recipe_is_kept_inside_the_run_folder():
    assert str(frozen.below("../shared/base.yaml")) == "up/shared/base.yaml"
    assert str(frozen.below("/etc/base.yaml")) == "etc/base.yaml"
