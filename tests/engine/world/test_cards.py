"""Cards and what is written about the world: they say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from control_recipes.engine.world import TRAINED, captions, cards, questions, train, train_critic, train_generator
from control_recipes.engine.world.scenes import HORIZON, SCALES, WORDS
from control_recipes.engine.world.training import Course

PAGE = (Path(__file__).parents[3] / "docs" / "world.md").read_text("utf-8")


@pytest.mark.parametrize("name", cards.TAUGHT)
def test_a_card_says_what_was_taught_and_how_well(name: str, tmp_path: Path):
    courses = [Course(steps=70, lr=2e-3, seed=7), Course(steps=50, lr=1e-3, seed=8, stop=40)]
    cards.write(tmp_path, name, courses, 12.4, ["36.5 dB"], {"on paintings": {"thing": (0.981, 300)}})
    text = (tmp_path / cards.FILE).read_text("utf-8")
    for part in (
        f"# The embedded world's {name}",
        f"- Taught: {cards.TAUGHT[name]}",
        "- Steps: 70 (seed 7, highest rate 0.002), then 40 (seed 8, highest rate 0.001)",
        "- Took: 12 minutes",
        f"- Again: `recipe world train {name.lower()} --out DIR`",
        "- 36.5 dB",
        "## On paintings\n\n| what | right | of |\n|---|---|---|\n| thing | 98.1 % | 300 |\n",
    ):
        assert part in text


def test_cards_have_the_codes_numbers():
    assert f"{train_critic.BATCH} pictures a step" in cards.TAUGHT["critic"]
    assert f"{train_generator.BATCH} a step" in cards.TAUGHT["generator"]
    assert {name.lower() for name in cards.TAUGHT} == set(train.NAMES)
    assert tuple(train.NAMES) == TRAINED


def row(factor: str) -> str:
    """What docs/world.md says of a factor."""
    (found,) = re.findall(rf"^\| `{factor}` \| (.*) \|$", PAGE, re.MULTILINE)
    return found


@pytest.mark.parametrize("factor", WORDS)
def test_the_page_lists_the_words(factor: str):
    assert row(factor) == ", ".join(WORDS[factor])


@pytest.mark.parametrize("factor", SCALES)
def test_the_page_gives_the_ranges(factor: str):
    assert row(factor).startswith(", ".join(SCALES[factor].words))
    assert f"from {SCALES[factor].low:g} to {SCALES[factor].high:g}" in row(factor)


def test_the_page_has_the_codes_numbers():
    text = " ".join(PAGE.split())
    assert f"from {HORIZON[0]} to {HORIZON[1]}" in row("horizon")
    assert captions.HELD_OUT == 8
    assert "one in eight is never named together" in text
    assert f"within {questions.ALIGNED} of the horizon is on it, one farther than {questions.APART} is not" in text


def test_a_model_is_shipped_without_its_work_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(train, "SHIPPED", tmp_path / "shipped")
    (tmp_path / "out" / "critic" / "work" / "first").mkdir(parents=True)
    for name in ("work/first/state.safetensors", "model.safetensors", cards.FILE):
        (tmp_path / "out" / "critic" / name).write_bytes(b"0")
    (tmp_path / "out" / "critic" / "model.safetensors").chmod(0o600)
    train.ship(tmp_path / "out", "critic")
    shipped = tmp_path / "shipped" / "critic"
    assert sorted(path.name for path in shipped.iterdir()) == [cards.FILE, "model.safetensors"]
    assert (shipped / "model.safetensors").stat().st_mode & 0o044


def test_an_unfinished_generator_is_not_learnt_from(tmp_path: Path):
    (tmp_path / "generator" / "work").mkdir(parents=True)
    assert train._home(tmp_path) == train.SHIPPED / "generator"
    (tmp_path / "generator" / "model_index.json").write_text("{}", "utf-8")
    assert train._home(tmp_path) == tmp_path / "generator"
