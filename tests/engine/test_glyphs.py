"""Letters: whole pixels where pixels are few, a rim that sets them off, and always inside the picture."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from control_recipes.engine import glyphs, visuals
from control_recipes.engine.plan import Drawing

RED, WHITE = (1.0, 0.0, 0.0, 1.0), (1.0, 1.0, 1.0, 1.0)


def test_small_letters_are_whole_pixels_and_no_two_are_alike():
    drawn = {sign: glyphs.letters(sign, 7.7) for sign in glyphs._TABLE}
    assert all(set(np.unique(mask)) <= {0.0, 1.0} and mask.shape == (7, 5) for mask in drawn.values())
    for one, other in combinations(drawn, 2):
        assert np.abs(drawn[one] - drawn[other]).sum() >= 2, (one, other)


@pytest.mark.parametrize(("size", "tall"), [(64, 7), (512, 63)])
def test_letters_grow_with_the_picture(size: int, tall: int):
    mask = glyphs.letters("A", 0.12 * size)
    assert mask.shape == (tall, tall // 7 * 5)


@pytest.mark.parametrize("ground", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (90, 160, 60)])
@pytest.mark.parametrize("size", [64, 512])
def test_a_label_can_be_read_on_any_ground(ground: tuple[int, int, int], size: int):
    """Read as a machine would: of all letters, the pixels that have the label's colour fit the right one best."""
    at = {"A": (0.3, 0.8), "B": (0.7, 0.4)}
    points = tuple(item for name, (x, y) in at.items() for item in (name, x, y))
    parameters = (("color", "#ff0000ff"), ("points", points), ("radius", 0.03))
    layer = visuals.draw(Drawing("dots", "points", parameters, "", "", ""), size, size)
    bare = np.broadcast_to(np.asarray(ground, np.float32) / 255, (size, size, 3))
    shown = visuals.lay_over(bare, layer)
    dot = max(1, round(0.12 * size / 7))
    for name, (x, y) in at.items():
        top, left = round(y * size) - int(0.2 * size), round(x * size) - int(0.08 * size)
        window = shown[top : top + int(0.19 * size), left : left + int(0.16 * size)]
        white = (np.abs(window - 1).max(-1) < 0.1).astype(np.float32)  # the rim and the holes of the letter
        found = {sign: _best(white, glyphs.letters(sign, 0.12 * size), dot) for sign in "ABCDEFGHKLMNOPR"}
        assert max(found, key=found.__getitem__) == name, found


def _best(white: np.ndarray, mask: np.ndarray, dot: int) -> float:
    """How well a letter's rim (around it, not on it) matches the white pixels, at the best place."""
    padded = np.pad(mask, dot)
    around = glyphs._spread(padded, dot) - padded
    rows, columns = white.shape[0] - padded.shape[0] + 1, white.shape[1] - padded.shape[1] + 1
    step = max(1, dot // 3)
    return max(
        float((around * part).sum() - (padded * part).sum() - 0.5 * (around * (1 - part)).sum())
        for top in range(0, rows, step)
        for left in range(0, columns, step)
        for part in [white[top : top + padded.shape[0], left : left + padded.shape[1]]]
    )


def test_a_rim_is_dark_around_bright_letters_and_bright_around_dark_ones():
    for paint, rim in ((RED, 1.0), (WHITE, 0.0)):
        drawn = glyphs.stamp("A", (32, 32), 7, paint, (64, 64))
        around = (drawn[..., 3] == 1) & (np.abs(drawn[..., :3] - paint[:3]).max(-1) > 0.5)
        assert around.sum() > 10
        assert np.all(drawn[around][:, :3] == rim)


@pytest.mark.parametrize("middle", [(0, 0), (64, 64), (-9, 32), (32, 99)])
def test_a_label_is_moved_into_the_picture(middle: tuple[float, float]):
    inside = glyphs.stamp("A", (32, 32), 7, RED, (64, 64))[..., 3]
    assert glyphs.stamp("A", middle, 7, RED, (64, 64))[..., 3].sum() == inside.sum()


def test_a_text_wider_than_the_picture_is_cut_on_both_sides():
    drawn = glyphs.stamp("A" * 30, (32, 32), 7, RED, (64, 20))
    assert drawn.shape == (20, 64, 4)
    assert drawn[:, 0, 3].max() == drawn[:, -1, 3].max() == 1


def test_signs_that_are_not_in_the_table_are_drawn_too():
    for text in ("Point b", "é", "日"):
        for height in (7.0, 60.0):
            mask = glyphs.letters(text, height)
            assert mask.max() == 1
            assert mask[:, 0].max() > 0  # nothing is left around it, nothing is cut
            assert mask[:, -1].max() > 0
