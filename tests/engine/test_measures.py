"""Measures: pictures that the painter made, of scenes that are known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from control_recipes.engine import measures
from control_recipes.engine.kinds import MEASURES, OF_THE_WORLD, WORLD_SIZE
from control_recipes.engine.measures import KINDS, Batch
from control_recipes.engine.values import FACTORS, NAMED_FACTORS
from control_recipes.engine.world import captions, grading, overlays, painter, reader
from control_recipes.engine.world.scenes import SCALES, WORDS
from world_scenes import one

PROMPTS = ("a red ball in the grass", "a thing", "a blue box on the sand", "something by day")


# pictures of red balls by day in the grass, but for this
LOOKS: tuple[dict[str, str | float], ...] = (
    {"grade": 0.8, "outline": 0.9, "ink": "blue", "season": "autumn"},
    {"place": "kitchen", "camera": 0.06, "lamp": "off", "time": "night"},
    {"other": "box", "other_color": "yellow", "depth": 0.6, "position": 0.4, "other_position": 0.65},
    {"place": "painting", "arrangement": "white_red_blue", "split_x": 0.33, "split_y": 0.67},
    {"thing": "vase", "color": "cyan", "place": "snow", "size": 0.2, "position": 0.25},
)
# what there is to be read in them
READ = (
    {"grade": "warm", "outline": "thin", "ink": "blue", "season": "autumn", "other": "none"},
    {"place": "kitchen", "camera": "low", "lamp": "off", "time": "night"},
    {"other": "box", "other_color": "yellow", "depth": "nearer", "other_position": "right", "grade": "neutral"},
    {"place": "painting", "arrangement": "white_red_blue", "split_x": "left", "split_y": "low"},
    {"thing": "vase", "color": "cyan", "size": "large", "position": "left"},
)
# and what there is not
UNREAD = (
    {"lamp": "on", "camera": "high", "depth": "farther", "other_color": "blue"},
    {"arrangement": "red_blue_yellow", "split_x": "middle", "other_position": "right", "lamp": "on"},
    {"lamp": "on", "depth": "farther", "split_y": "middle"},
    {"thing": "ball", "color": "red", "time": "day", "season": "summer", "lamp": "on", "camera": "high"},
    {"depth": "farther", "size": "small", "position": "middle"},
)


def scenes(**factors: float) -> painter.Scenes:
    drawn = painter.draw(4, torch.Generator().manual_seed(3))
    return replace(drawn, **{name: torch.full((4,), value).to(getattr(drawn, name)) for name, value in factors.items()})


def pairs(words: dict[str, str]) -> tuple[str, ...]:
    """Words of factors as a measure's `is` has them."""
    return tuple(text for pair in words.items() for text in pair)


def batch(pictures: torch.Tensor, bare: torch.Tensor | None = None, prompts: tuple[str, ...] = PROMPTS) -> Batch:
    return Batch(pictures, pictures if bare is None else bare, prompts)


def test_every_kind_of_the_language_is_measured():
    assert set(KINDS) == set(MEASURES)
    assert {kind.holds for kind in KINDS.values()} <= {"any", "world"}
    assert {name for name, kind in KINDS.items() if kind.holds == "world"} == OF_THE_WORLD
    assert painter.paint(scenes()).shape[-2:] == (WORLD_SIZE, WORLD_SIZE)


def test_horizon_row_reads_rows_and_takes_each_rows_own_target():
    look = batch(painter.paint(scenes(horizon=0.8)))
    targets = [{"near": near, "within": 0.06} for near in (0.8, 0.75, 0.7, 0.85)]
    found = measures.horizon_row(look, targets)
    assert found.score.tolist() == pytest.approx([0.8] * 4, abs=0.02)
    assert found.satisfied.tolist() == [True, True, False, True]
    assert KINDS["horizon_row"].wanted(targets[0]) == "horizon within 0.06 of 0.8"


def test_factors_keep_what_the_prompt_names_and_nothing_else():
    known = scenes(thing=0, color=0, place=0, time=0, horizon=0.5, size=0.17, position=0.5, other=0, grade=0)
    words = {factor: known.words(factor)[0] for factor in ("thing", "color", "place", "time")}
    right = f"a {words['color']} {words['thing']}"
    wrong = f"a {known_other('color', words['color'])} {words['thing']}"
    look = batch(painter.paint(known), prompts=(right, wrong, "a picture", "something"))
    found = measures.factors(look, [{"keep": ("thing", "color")}] * 4)
    assert found.satisfied.tolist() == [True, False, True, True]
    assert found.score.tolist()[:2] == [1.0, 0.5]
    assert found.score[2].isnan()  # a prompt that names nothing has nothing to measure
    fixed = measures.factors(look, [{"is": ("thing", words["thing"])}, {"is": ("thing", "nothing")}] * 2)
    assert fixed.satisfied.tolist() == [True, False, True, False]
    assert KINDS["factors"].wanted({"is": ("color", "blue"), "keep": ("thing",)}) == (
        "as the prompt names them: thing; color is blue"
    )


def test_the_language_has_the_factors_of_scenes():
    assert set(FACTORS) == set(painter.FACTORS) - {"horizon"} == {*WORDS, *SCALES}
    assert set(NAMED_FACTORS) == set(captions.PHRASES)
    assert {factor for words in READ for factor in words} == set(FACTORS)


def test_every_factor_is_read_and_nothing_that_cannot_be_seen():
    look = batch(painter.paint(painter.concat([one(**factors) for factors in LOOKS])), prompts=("",) * len(LOOKS))
    found = measures.factors(look, [{"is": pairs(words)} for words in READ])
    assert found.score.tolist() == [1.0] * len(LOOKS)
    assert found.satisfied.all()
    wrong = measures.factors(look, [{"is": pairs(words)} for words in UNREAD])
    assert wrong.score.tolist() == [0.0] * len(LOOKS)
    rows = measures.horizon_row(look, [{"near": 0.5, "within": 0.05}] * len(LOOKS))
    assert rows.satisfied.tolist() == [True, True, True, False, True]
    assert rows.score[3].isnan()  # a painting has no horizon


def test_palettes_are_held_against_the_light_of_the_picture():
    """What it is compared with is a card of the picture's own grade: near its own, far from that of another light."""
    cards = {grade: tuple(map(overlays.hexadecimal, grading.swatches(grade))) for grade in (-0.7, 0.7)}
    look = batch(painter.paint(painter.concat([one(grade=grade) for grade in (-0.7, 0.7, 0.7, 0.0)])))
    shown = [cards[grade] for grade in (-0.7, -0.7, 0.7, 0.7)]
    found = measures.palette_distance(look, [{"swatches": card, "within": 4.0} for card in shown])
    assert found.satisfied.tolist() == [True, False, True, False]
    assert found.score[[0, 2]].max() < 2 < 8 < found.score[1]
    wanted = KINDS["palette_distance"].wanted({"swatches": cards[0.7][:1], "within": 4.0})
    assert wanted == f"CIEDE2000 at most 4 from the palette {cards[0.7][0][:7]}"


def test_a_number_has_the_word_in_whose_range_it_lies():
    bounds = SCALES["outline"].bounds
    known = painter.concat([one(outline=bounds[0] + off) for off in (-0.25, 0.25)] + [one(outline=3.2)])
    look = batch(painter.paint(known), prompts=("",) * 3)
    found = measures.factors(look, [{"is": ("outline", word)} for word in ("thin", "medium", "thick")])
    assert found.satisfied.all()


def test_two_things_are_those_that_the_prompt_names_whichever_is_its_subject():
    known = one(other="box", other_color="yellow", depth=0.6, position=0.4, other_position=0.65)
    prompts = (
        "a red ball behind a yellow box",
        "a yellow box in front of a red ball",
        "a yellow box behind a ball",
        "",
    )
    look = batch(painter.paint(known).expand(4, -1, -1, -1), prompts=prompts)
    keep = ("thing", "color", "other", "other_color", "depth")
    found = measures.factors(look, [{"keep": keep}] * 3 + [{"is": ("thing", "ball", "depth", "nearer")}])
    assert found.satisfied.tolist() == [True, True, False, True]
    assert found.score.tolist()[2] == pytest.approx(3 / 4)  # all but the depth


def test_a_picture_is_read_once_and_only_where_it_is_looked_at(monkeypatch: pytest.MonkeyPatch):
    counts: list[int] = []
    read = reader.read
    monkeypatch.setattr(reader, "read", lambda pictures: counts.append(len(pictures)) or read(pictures))
    look = batch(painter.paint(scenes(horizon=0.5, place=0)))
    measures.factors(look, [{"keep": ("color",)}] * 4)
    assert counts == [2]  # of four prompts two name a colour
    measures.horizon_row(look.some([0, 1]), [{"near": 0.5, "within": 0.1}] * 2)
    assert counts == [2, 1]
    measures.horizon_row(look, [{"near": 0.5, "within": 0.1}] * 4)
    assert counts == [2, 1, 1]
    measures.factors(look.some([3]).some([0]), [{"is": ("color", "red")}])
    assert counts == [2, 1, 1]


def known_other(factor: str, word: str) -> str:
    return next(other for other in WORDS[factor] if other != word)


def test_sharpness_falls_with_blur_and_is_one_for_the_same_picture():
    sharp = painter.paint(scenes())
    blurred = torch.nn.functional.avg_pool2d(sharp, 3, 1, 1)
    target = [{"at_least": 0.9, "relative_to": "base"}] * 4
    same, less = measures.sharpness(batch(sharp), target), measures.sharpness(batch(blurred, sharp), target)
    assert same.score.tolist() == pytest.approx([1.0] * 4)
    assert same.satisfied.all()
    assert not less.satisfied.any()


def test_contrast_is_no_sharpness():
    sharp = painter.paint(scenes())
    target = [{"at_least": 0.9, "relative_to": "base"}] * 4
    for fainter in (0.7 * sharp + 0.1, grading.graded(sharp, torch.full((4,), 0.9))):
        assert measures.sharpness(batch(fainter, sharp), target).score.tolist() == pytest.approx([1.0] * 4, abs=0.08)


def test_sharpness_is_the_variance_of_the_laplacian_over_that_of_the_luma():
    pictures = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    luma = 0.299 * pictures[:, 0] + 0.587 * pictures[:, 1] + 0.114 * pictures[:, 2]
    expected = [
        torch.stack([
            one[y - 1, x] + one[y + 1, x] + one[y, x - 1] + one[y, x + 1] - 4 * one[y, x]
            for y in range(1, 4) for x in range(1, 4)
        ]).var(unbiased=False)
        for one in luma
    ]  # fmt: skip
    expected = torch.stack(expected) / torch.stack([one.var(unbiased=False) for one in luma])
    assert torch.allclose(measures._fineness(pictures), expected)


def test_drift_is_the_mean_difference():
    bare = torch.zeros(2, 3, 4, 4)
    look = Batch(bare + torch.tensor([0.1, 0.3]).view(2, 1, 1, 1), bare, PROMPTS[:2])
    found = measures.drift(look, [{"at_most": 0.2}] * 2)
    assert found.score.tolist() == pytest.approx([0.1, 0.3])
    assert found.satisfied.tolist() == [True, False]


def test_a_list_is_no_number():
    with pytest.raises(TypeError, match="at_most"):
        measures.drift(batch(torch.zeros(1, 3, 4, 4), prompts=("a",)), [{"at_most": (0.1,)}])
