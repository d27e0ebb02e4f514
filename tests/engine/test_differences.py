"""Differences: what changed in meaning, by section, in words."""

from __future__ import annotations

from pathlib import Path

import hollow
import pytest
from control_recipes.engine import differences, lock
from control_recipes.engine.errors import InputError
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return hollow.workplace(tmp_path)


def changed(file: Path, old: str, new: str) -> differences.Differences:
    assert old in hollow.RECIPE
    later = file.with_name("later.yaml")
    later.write_text(hollow.RECIPE.replace(old, new, 1), "utf-8")
    return differences.between(resolve(read(file)), resolve(read(later)))


@pytest.mark.parametrize(
    ("old", "new", "section", "said"),
    [
        ("hold: 0.75", "hold: 0.8", "loss", "question still_there: was a hold at 0.75, weight 1, is now a hold at 0.8"),
        ("hold: 0.75", "watch: true", "loss", "is now watched"),
        ("Is the line aligned?", "Is it level?", "loss", "question aligned: wording “Is the line aligned? Answer with"),
        ('"No"', '"Never"', "loss", "question aligned: against “No” is now “Never”"),
        ("    see: ruler\n", "", "loss", "question aligned: sees nothing, saw ruler"),
        ("color: red}}", "color: blue}}", "loss", "visual ruler: color was #ff0000ff, is now #0000ffff"),
        ("goal:", "stay: {weight: 0.5}\ngoal:", "loss", "stay: weight was 0, is now 0.5"),
        ("model: ./critic", "model: ./critic, weight: 2.0", "loss", "critic eyes: weight was 1, is now 2"),
        (
            "{model: ./judge}",
            "{model: ./judge, dtype: float64}",
            "models",
            "judge second: dtype was float32, is now float64",
        ),
        ("box]", "box, barn]", "data", "train: new 2 prompts: “a red barn”, “a blue barn”"),
        ("tent, box", "tent", "data", "prompts: “a red box”"),
        (
            "color: white, thing: ball}",
            "color: white, thing: ball, n: 1}",
            "data",
            "test: other variables for 1 prompt",
        ),
        ("goal:", "train: {lr: 1e-3}\ngoal:", "training", "lr was 5e-05, is now 0.001"),
        ("goal:", "adapter: {rank: 4}\ngoal:", "training", "adapter: rank was 16, is now 4"),
        ("goal:", "train: {stop: {p: {aligned: 0.9}}}\ngoal:", "training", "stop: never early is now aligned ≥ 0.9"),
        ("within: 0.06", "within: 0.1", "evaluation", "measure horizon: within was 0.06, is now 0.1"),
        ("at_least: 0.9}", "at_least: 0.8}", "evaluation", "expect horizon: value was 0.9, is now 0.8"),
        ("model: ./generator}", "model: ./generator, steps: 2}", "models", "generator: steps was 1, is now 2"),
    ],
)
def test_a_change_is_told_in_its_section(file: Path, old: str, new: str, section: str, said: str):
    found = changed(file, old, new)
    assert not found.same
    assert any(said in line for line in getattr(found, section)), found
    assert said in differences.text(found, "")


def test_every_change_of_a_plan_is_told_of(file: Path):
    """Whatever key changes the digest changes the words too."""
    for old, new in (("name: horizon_low", "name: other"), ("height: 0.80", "height: 0.7"), ("red, blue", "red, gold")):
        found = changed(file, old, new)
        assert any(getattr(found, section) for section in differences.SECTIONS), old


def test_comments_and_order_are_prose(file: Path):
    found = changed(file, "name: horizon_low\n", "# a comment\nname:   'horizon_low'\n")
    assert found.same
    assert not any(getattr(found, section) for section in differences.SECTIONS)
    assert differences.text(found, "only prose") == "only prose"


def test_locks_and_adapters_are_compared_as_well(file: Path, tmp_path: Path):
    import torch
    from control_recipes.engine import adapter
    from control_recipes.engine.plan import canonical

    plan = resolve(read(file))
    lock.write(lock.Lock(lock.inputs(plan, "0" * 64)), tmp_path / "r.lock")
    assert differences.between(plan, differences.of_lock(tmp_path / "r.lock")).same
    kept = {"control_recipes.inputs": canonical(plan)}
    adapter.save(tmp_path / "a.safetensors", {"x.lora_A.weight": torch.zeros(1, 1)}, kept)
    assert differences.between(plan, differences.of_adapter(tmp_path / "a.safetensors")).same
    adapter.save(tmp_path / "b.safetensors", {"x.lora_A.weight": torch.zeros(1, 1)}, {})
    with pytest.raises(InputError, match="carries no recipe"):
        differences.of_adapter(tmp_path / "b.safetensors")
    (tmp_path / "c.safetensors").write_bytes(b"short")
    with pytest.raises(InputError, match="there is no such file"):
        differences.of_lock(tmp_path / "none.lock")
    with pytest.raises(InputError, match="is no adapter"):
        differences.of_adapter(tmp_path / "c.safetensors")
