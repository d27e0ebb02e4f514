"""What nobody asks for: how often it comes up, and that numbers and values lead back to each other."""

from __future__ import annotations

import pytest
import torch
from control_recipes.engine.world import distributions, painter
from control_recipes.engine.world.scenes import DEPTH, HORIZON, SCALES, WORD_SHARES, WORDS

EVEN = (torch.arange(9000) + 0.5) / 9000


@pytest.mark.parametrize("factor", WORDS)
def test_slices_of_numbers_are_words(factor: str):
    words = WORDS[factor]
    found = distributions.index_of(factor, EVEN)
    assert (found.diff() >= 0).all()
    share = torch.bincount(found, minlength=len(words)) / len(EVEN)
    expected = torch.tensor(WORD_SHARES.get(factor, (1 / len(words),) * len(words)))
    assert torch.allclose(share, expected, atol=0.001)


def test_shares_are_of_all_words():
    for factor, shares in WORD_SHARES.items():
        assert len(shares) == len(WORDS[factor])
        assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize("factor", WORDS)
def test_a_word_has_numbers(factor: str):
    index = torch.arange(len(WORDS[factor])).repeat_interleave(3)
    within = torch.tensor([0.01, 0.5, 0.99]).repeat(len(WORDS[factor]))
    assert torch.equal(distributions.index_of(factor, distributions.number_within(factor, index, within)), index)


@pytest.mark.parametrize("factor", ["horizon", *SCALES])
def test_numbers_and_values_lead_back_to_each_other(factor: str):
    values = distributions.value_of(factor, EVEN)
    assert (values.diff() >= 0).all()
    assert torch.allclose(distributions.number_of(factor, values), EVEN, atol=1e-5)
    if factor in SCALES and factor != "other_position":
        scale = SCALES[factor]
        assert values.min() >= scale.low
        assert values.max() <= scale.high
        words = torch.tensor(list(scale.words.values()))
        assert torch.allclose(distributions.value_of(factor, distributions.number_of(factor, words)), words, atol=1e-5)


def test_words_of_scales_are_in_order_and_within_their_bounds():
    for scale in SCALES.values():
        assert [scale.word(value) for value in scale.words.values()] == list(scale.words)
        assert list(scale.words.values()) == sorted(scale.words.values())
        assert scale.low <= min(scale.words.values())
        assert max(scale.words.values()) <= scale.high


def test_horizons_crowd_about_the_middle():
    rows = distributions.value_of("horizon", EVEN)
    middle, low, high = (rows.sub(0.5).abs() < 0.1), rows > 0.74, rows < 0.26
    assert middle.float().mean() > 0.4
    assert 0.02 < low.float().mean() < 0.1
    assert 0.02 < high.float().mean() < 0.15
    assert HORIZON[0] <= rows.min() <= rows.max() <= HORIZON[1]


def test_nobody_asks_for_the_unusual():
    camera, depth, grade = (distributions.value_of(each, EVEN) for each in ("camera", "depth", "grade"))
    assert (camera > 0.75).float().mean() == pytest.approx(0.8, abs=0.01)
    assert (depth < 0).float().mean() == pytest.approx(0.75, abs=0.01)
    assert depth.abs().min() >= DEPTH
    assert grade.mean() == pytest.approx(0, abs=0.01)
    assert grade.std() == pytest.approx(0.3, abs=0.02)


def test_scenes_are_of_their_numbers():
    scenes = painter.from_uniform({name: torch.full((2,), 0.01) for name in painter.FACTORS})
    assert scenes.words("place") == ["grass"] * 2
    assert scenes.words("other") == ["none"] * 2
    assert scenes.words("depth") == ["farther"] * 2
    late = painter.from_uniform({name: torch.full((2,), 0.99) for name in painter.FACTORS})
    assert late.words("place") == ["painting"] * 2
    assert late.words("lamp") == ["off"] * 2
