"""Sides: what is compared, and whether it was written alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import hollow
import pytest
from control_recipes.engine import differences, extract, lock, sides
from control_recipes.engine.errors import InputError
from control_recipes.engine.plan import canonical
from control_recipes.engine.recipe import Recipe, read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return hollow.workplace(tmp_path)


def other(file: Path, old: str, new: str) -> Recipe:
    assert old in hollow.RECIPE
    later = file.with_name("later.yaml")
    later.write_text(hollow.RECIPE.replace(old, new, 1), "utf-8")
    return read(later)


def written(recipe: Recipe, folder: Path) -> tuple[Path, Path]:
    """A lock and an adapter of a recipe."""
    import torch
    from control_recipes.engine import adapter

    plan = sides.of_recipe(recipe).plan
    lock.write(lock.Lock(lock.inputs(plan, recipe.sha256, recipe.sets, recipe.digests)), folder / "r.lock")
    kept = {"control_recipes.inputs": canonical(plan), "control_recipes.recipe": recipe.text}
    adapter.save(folder / "a.safetensors", {"x.lora_A.weight": torch.zeros(1, 1)}, kept)
    return folder / "r.lock", folder / "a.safetensors"


def test_recipes_locks_and_adapters_are_alike(file: Path, tmp_path: Path):
    recipe = read(file)
    for path in written(recipe, tmp_path):
        one = sides.of(str(path), lambda: sides.of_recipe(recipe))
        assert differences.between(sides.of_recipe(recipe).plan, one.plan).same
        assert sides.prose(sides.of_recipe(recipe), one) == sides.NOTHING


def test_an_adapter_without_its_text_is_known_by_its_digests(file: Path, tmp_path: Path):
    import torch
    from control_recipes.engine import adapter

    recipe = read(file)
    inputs = lock.inputs(sides.of_recipe(recipe).plan, recipe.sha256, recipe.sets, recipe.digests)
    for kept, words in ((inputs, sides.NOTHING), (replace(inputs, recipe_sha256="0" * 64), sides.PROSE)):
        path = tmp_path / "a.safetensors"
        adapter.save(path, {"x.lora_A.weight": torch.zeros(1, 1)}, {"control_recipes.inputs": lock.text_of(kept)})
        assert sides.prose(sides.of_recipe(recipe), sides.of_adapter(path)) == words


def test_prose_is_told_from_nothing(file: Path, tmp_path: Path):
    recipe = read(file)
    commented = other(file, "name: horizon_low\n", "name:  'horizon_low'  # a comment\n")
    for old in (
        sides.of_recipe(recipe),
        *(sides.of(str(path), lambda: sides.of_recipe(recipe)) for path in written(recipe, tmp_path)),
    ):
        new = sides.of_recipe(commented)
        assert differences.between(old.plan, new.plan).same
        assert sides.prose(old, new) == sides.PROSE


def test_an_adapter_trained_elsewhere_is_the_same_one(file: Path, tmp_path: Path):
    """Where an adapter that a recipe starts from lies is no part of what it means."""
    import torch
    from control_recipes.engine import adapter

    adapter.save(tmp_path / "old.safetensors", {"x.lora_A.weight": torch.zeros(1, 1)}, {})
    text = "adapter: {start: old.safetensors}\ngoal:"
    recipe = other(file, "goal:", text)
    path, _ = written(recipe, tmp_path)
    before, after = sides.of_lock(path).plan, sides.of_recipe(recipe).plan
    assert before.adapter.start[0].source != after.adapter.start[0].source
    changed = sides.of_recipe(other(file, "goal:", text + " {question: aligned}\nstay: {weight: 0.5}\n#")).plan
    found = differences.between(before, changed)
    assert not any("start" in line for line in differences.lines(found))
    assert any("stay" in line for line in differences.lines(found))


def test_what_is_none_of_ours_is_refused(tmp_path: Path):
    import torch
    from control_recipes.engine import adapter

    adapter.save(tmp_path / "b.safetensors", {"x.lora_A.weight": torch.zeros(1, 1)}, {})
    with pytest.raises(InputError, match="carries no recipe"):
        sides.of_adapter(tmp_path / "b.safetensors")
    (tmp_path / "c.safetensors").write_bytes(b"short")
    with pytest.raises(InputError, match="is no safetensors file"):
        sides.of_adapter(tmp_path / "c.safetensors")
    with pytest.raises(InputError, match="there is no such file"):
        sides.of_lock(tmp_path / "none.lock")


def test_texts_that_are_no_unicode_are_one_clear_error(file: Path, tmp_path: Path):
    import torch
    from control_recipes.engine import adapter

    recipe = read(file)
    inputs = lock.text_of(lock.inputs(sides.of_recipe(recipe).plan, recipe.sha256))
    ours = {"control_recipes.inputs": inputs, "control_recipes.recipe": recipe.text}
    path = tmp_path / "a.safetensors"
    for spoilt, told in (
        ({"control_recipes.recipe": "\ud800"}, "is no safetensors file: a text in its header is no Unicode"),
        ({"control_recipes.included": '{"base.yaml": "\\ud800"}'}, "does not say what its recipe includes"),
    ):
        adapter.save(path, {"x.lora_A.weight": torch.zeros(1, 1)}, ours | spoilt)
        for read_it in (sides.of_adapter, extract.extract):
            with pytest.raises(InputError, match=told):
                read_it(path)
