"""Sampling: the rare is seen as often as the common, and what captions say is exactly so."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from control_recipes.engine.world import painter, sampling
from control_recipes.engine.world.captions import PHRASES
from control_recipes.engine.world.scenes import SCALES, WORDS

COUNT = 4000
SAID = [name for name in SCALES if any(PHRASES.get(name, {}).values())]


def drawn() -> tuple[painter.Scenes, dict[str, torch.Tensor]]:
    numbers, even = sampling.numbers(COUNT, torch.Generator().manual_seed(1))
    assert all(each.min() >= 0 and each.max() <= 1 for each in numbers.values())
    return painter.from_uniform(numbers), even


@pytest.mark.parametrize("factor", WORDS)
def test_words_drawn_evenly_come_up_equally_often(factor: str):
    scenes, even = drawn()
    share = even[factor].float().mean()
    assert share == pytest.approx(sampling.EVEN, abs=0.03)
    index = getattr(scenes, factor)[even[factor]]
    words = len(WORDS[factor])
    counts = torch.bincount(index, minlength=words) / len(index)
    assert counts.min() > 0.7 / words
    assert counts.max() < 1.4 / words


def test_the_others_are_as_biased_as_scenes_are():
    scenes, even = drawn()
    left = Counter(word for word, skip in zip(scenes.words("lamp"), even["lamp"].tolist(), strict=True) if not skip)
    assert left["on"] / left.total() == pytest.approx(0.85, abs=0.04)


@pytest.mark.parametrize("factor", SAID)
def test_scales_drawn_evenly_have_the_values_that_words_stand_for(factor: str):
    scenes, even = drawn()
    scale = SCALES[factor]
    values = torch.tensor([scale.words[word] for word, said in PHRASES[factor].items() if said])
    away = (getattr(scenes, factor).unsqueeze(1) - values).abs().amin(1)
    varies = scenes.indoors if factor == "camera" else torch.ones(COUNT, dtype=torch.bool)
    assert away[even[factor] & varies].max() < 2e-3 * (scale.high - scale.low)
    assert away[~even[factor] & varies].max() > 0.02 * (scale.high - scale.low)  # the others have any value
