"""What a critic can read: pictures count at the size that the critic itself makes of them."""

from __future__ import annotations

from pathlib import Path

import hollow
import pytest
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve
from PIL import Image


def problems(folder: Path, reference: tuple[int, int], *changes: tuple[str, str]) -> list[str]:
    file = hollow.workplace(folder)
    Image.new("RGB", reference).save(folder / "assets" / "mood.png")
    mood = ("  card:", "  mood: {reference: assets/mood.png}\n  card:")
    return hollow.problems(file, mood, ("see: ruler", "see: [ruler, mood]"), *changes)


def test_a_small_reference_fits(tmp_path: Path) -> None:
    assert not problems(tmp_path, (64, 64))


def test_a_large_reference_counts_at_its_own_size(tmp_path: Path) -> None:
    found = problems(tmp_path, (512, 512))  # 256 tokens, at the most pixels that this critic takes
    assert len(found) == 2, found  # one for each wording
    assert "questions.aligned.ask.0: is too long: " in found[0]
    assert "with its pictures, eyes reads 256" in found[0]


def test_it_counts_at_what_the_critic_makes_of_it_and_not_at_its_pixels(tmp_path: Path) -> None:
    # four times the pixels, the same tokens: the critic shrinks both to the most that it takes
    assert problems(tmp_path / "small", (512, 512)) == problems(tmp_path / "large", (1024, 1024)) != []


@pytest.mark.parametrize(
    ("reference", "change"),
    [
        ((2010, 10), ("goal:", "goal:")),
        ((64, 64), ("model: ./generator", "size: {width: 8192, height: 8}, model: ./generator")),
    ],
)
def test_a_picture_too_long_for_a_critic_is_told(
    tmp_path: Path, reference: tuple[int, int], change: tuple[str, str]
) -> None:
    found = problems(tmp_path, reference, change)
    assert any("questions.aligned: eyes cannot be asked this: a picture of" in one for one in found), found


def test_several_references_stand_in_the_order_in_which_they_are_named(tmp_path: Path) -> None:
    file = hollow.workplace(tmp_path)
    visuals = "  mood: {reference: assets/card.png}\n  air: {reference: assets/card.png}\n  card:"
    file.write_text(
        hollow.RECIPE.replace("  card:", visuals).replace("see: ruler", "see: [mood, card, air, ruler]"),
        encoding="utf-8",
    )
    made = resolve(read(file))
    assert made.test_rows[0].asks[0].see == ("mood", "card", "air", "ruler")
    assert {drawing.kind for drawing in made.drawings} == {"reference", "image", "line"}
