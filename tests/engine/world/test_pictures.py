"""Pictures for critics: the truth moves with the pictures, rare words are drawn as often as common ones, pools last."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from control_recipes.engine.world import painter, pictures
from control_recipes.engine.world.scales import DEPTH, SCALES
from control_recipes.engine.world.scenes import ABSTRACT, INDOOR, OUTDOOR, PLACES, WORDS
from torch import Tensor


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def at(place: str, count: int, seed: int) -> painter.Scenes:
    """Random scenes at one place."""
    number = torch.full((count,), list(PLACES).index(place))
    return replace(pictures.even(count, rng(seed)), place=number)


def test_pools_come_back_as_they_were(tmp_path: Path):
    scenes = painter.draw(5, rng(0))
    pool = pictures.Pool(pictures.to_bytes(painter.paint(scenes)), scenes)
    pictures.save_pool(pool, tmp_path / "deep" / "pool.safetensors")
    again = pictures.load_pool(tmp_path / "deep" / "pool.safetensors")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["pool.safetensors"]
    shown, truth = again[torch.tensor([3, 1])]
    assert (shown - painter.paint(scenes)[[3, 1]]).abs().max() <= 0.5 / 255 + 1e-6
    for factor in painter.FACTORS:
        assert torch.equal(getattr(truth, factor), getattr(scenes, factor)[[3, 1]]), factor
    assert len(again) == 5


def test_even_draws_have_all_words_as_often():
    scenes = pictures.even(6000, rng(1))
    for factor, words in WORDS.items():
        shares = torch.bincount(getattr(scenes, factor), minlength=len(words)) / len(scenes)
        few = (1 - pictures.PAINTINGS) / len(words) if factor == "place" else 1 / len(words)
        assert shares.min() > few - 0.02, factor
        assert shares.max() < few + 0.02 or factor == "place", factor
    assert (scenes.paintings.float().mean() - pictures.PAINTINGS).abs() < 0.11
    for factor in ("size", "position", "outline", "camera", "grade", "split_x", "split_y"):
        scale, values = SCALES[factor], getattr(scenes[scenes.indoors] if factor == "camera" else scenes, factor)
        assert values.mean().item() == pytest.approx((scale.low + scale.high) / 2, abs=0.03 * (scale.high - scale.low))
    assert scenes.depth.abs().min() >= DEPTH - 1e-4
    assert (scenes.depth > 0).float().mean().item() == pytest.approx(0.5, abs=0.03)
    biased = painter.draw(6000, rng(1))  # the check can fail
    assert (torch.bincount(biased.season) / 6000).max() > 0.6


def test_a_quarter_of_the_lessons_is_biased_and_the_rest_even():
    scenes = pictures.drawn(2000, rng(2))
    summer = Counter(scenes.words("season"))["summer"] / len(scenes)
    assert summer == pytest.approx(0.7 / 4 + 0.25 * 3 / 4, abs=0.04)


def edge(shown: Tensor) -> Tensor:
    """The row and the column of the strongest edges of paintings with thick lines, fractions: [B, 2]."""
    dark = shown.mean(1)
    rows = (dark[:, :, 4:10].mean(2) < 0.2).float()
    columns = (dark[:, 4:10, :].mean(1) < 0.2).float()
    place = (torch.arange(64) + 0.5) / 64
    return torch.stack([(each * place).sum(1) / each.sum(1).clamp(min=1) for each in (rows, columns)], 1)


def test_truth_moves_with_the_picture():
    scenes = replace(
        at("painting", 24, 3), outline=torch.full((24,), 3.0), ink=torch.zeros(24, dtype=torch.long),
        grade=torch.zeros(24), arrangement=torch.zeros(24, dtype=torch.long),
    )  # fmt: skip
    still = painter.paint(scenes)
    shown, truth = pictures.shift(still, scenes, rng(4))
    away = edge(shown) - torch.stack([truth.split_y, truth.split_x], 1)
    assert away.abs().median() < 0.01
    stale = edge(shown) - torch.stack([scenes.split_y, scenes.split_x], 1)
    assert stale.abs().median() > 0.015  # the check can fail
    room = at("kitchen", 8, 5)
    _, moved = pictures.shift(painter.paint(room), room, rng(6))
    assert torch.allclose(moved.position - room.position, moved.other_position - room.other_position)
    assert (moved.horizon - room.horizon).abs().max() > 0.02


def test_degraded_pictures_are_other_pictures_of_the_same_scenes():
    clean = painter.paint(painter.draw(32, rng(7)))
    spoilt = pictures.degrade(clean, rng(8))
    assert spoilt.shape == clean.shape
    assert spoilt.min() >= 0
    assert spoilt.max() <= 1
    assert torch.equal(spoilt, pictures.degrade(clean, rng(8)))
    assert (spoilt - clean).abs().mean((1, 2, 3)).max() > 0.02
    assert (spoilt - clean).abs().mean() < 0.1


def test_a_wrong_colour_is_less_than_a_grade_that_counts():
    scenes = replace(painter.draw(64, rng(9)), grade=torch.zeros(64))
    clean, warm = painter.paint(scenes), painter.paint(replace(scenes, grade=torch.full((64,), 0.5)))

    def bend(shown: Tensor) -> Tensor:
        return (shown[:, 0] - shown[:, 2]).mean((1, 2))

    spoilt = (bend(pictures.degrade(clean, rng(10))) - bend(clean)).abs()
    assert spoilt.quantile(0.9) < 0.5 * (bend(warm) - bend(clean)).median()


def test_no_word_is_taught_near_its_end():
    scale = SCALES["size"]
    sizes = torch.tensor([scale.bounds[0] - 0.001, scale.bounds[0] + 0.001, scale.words["large"]])
    scenes = replace(at("grass", 3, 11), size=sizes)
    assert [truth.words["size"] for truth in pictures.truths(scenes)] == ["", "", "large"]
    assert [truth.words["thing"] for truth in pictures.truths(scenes)] == scenes.words("thing")


def test_no_word_is_taught_of_what_cannot_be_seen():
    seen = {place: pictures.truths(at(place, 40, 12)) for place in ("grass", "office", "painting")}
    for factor in ("thing", "position", "time", "season", "horizon", "count"):
        assert not any(truth.word(factor) for truth in seen["painting"]), factor
        assert any(truth.word(factor) for truth in seen["grass"]), factor
        assert any(truth.word(factor) for truth in seen["office"]), factor
    for factor, places in {"lamp": INDOOR, "camera": INDOOR, "arrangement": ABSTRACT, "split_x": ABSTRACT}.items():
        for place, truths in seen.items():
            assert any(truth.word(factor) for truth in truths) == (place in places), (factor, place)
    assert {truth.word("setting") for truth in seen["grass"]} == {"outdoors"}
    assert {truth.word("painting") for truth in seen["painting"]} == {"yes"}
    assert "row" not in seen["painting"][0].rows
    assert set(PLACES) == {*OUTDOOR, *INDOOR, *ABSTRACT}


def test_a_lone_thing_has_no_depth_and_a_low_camera_no_size():
    scenes = replace(at("office", 2, 13), other=torch.tensor([0, 1]), camera=torch.tensor([0.1, 0.95]))
    alone, both = pictures.truths(replace(scenes, size=torch.full((2,), 0.2)))
    assert (alone.word("depth"), alone.word("other_color"), alone.word("count")) == ("", "", "one")
    assert (both.word("count"), both.word("size"), alone.word("size")) == ("two", "large", "")
    assert both.word("depth")
