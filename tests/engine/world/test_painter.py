"""The painter: the same scene is the same picture, and every factor is where and what it says."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from control_recipes.engine.world import painter, things, trees
from control_recipes.engine.world.scenes import COLORS, INDOOR, INKS, KINDS, PLACES, SCALES, SIZE, WORDS
from world_scenes import PLAIN, drawn, one

# within every kind, a point of its own colour: height above the base in half widths
MIDST = {"ball": 1.0, "box": 0.9, "tent": 0.7, "tree": 1.45, "house": 0.6, "vase": 0.8, "car": 0.85}
# a second value of every factor
CHANGED: dict[str, str | float] = {
    "time": "night", "thing": "house", "color": "cyan", "horizon": 0.55, "position": 0.4, "size": 0.2, "outline": 3.0,
    "season": "winter", "lamp": "off", "other": "vase", "other_color": "orange", "ink": "white", "camera": 0.06,
    "arrangement": "white_black_red", "other_position": 0.7, "depth": 0.6, "grade": 0.8, "split_x": 0.3, "split_y": 0.7,
}  # fmt: skip
FOR_PAINTINGS = {"arrangement", "split_x", "split_y"}
OF_OTHER = {"other_color", "other_position", "depth"}
WITHOUT_EFFECT = {
    "grass": FOR_PAINTINGS | {"lamp", "camera"},
    "kitchen": FOR_PAINTINGS,
    "painting": set(CHANGED) - FOR_PAINTINGS - {"outline", "ink", "grade"},
}


def test_a_scene_is_one_picture():
    scenes = drawn()
    pictures = painter.paint(scenes)
    assert pictures.shape == (32, 3, SIZE, SIZE)
    assert torch.equal(pictures, painter.paint(scenes))
    assert torch.allclose(pictures[3:4], painter.paint(scenes[3:4]), atol=1e-6)  # whatever else is in the batch


def test_every_value_is_a_color():
    pictures = painter.paint(drawn(600, seed=5))
    assert pictures.dtype == torch.float32
    assert pictures.isfinite().all()
    assert pictures.min() >= 0
    assert pictures.max() <= 1


@pytest.mark.parametrize("place", WITHOUT_EFFECT)
@pytest.mark.parametrize("factor", CHANGED)
def test_a_factor_changes_a_picture_where_it_has_an_effect(place: str, factor: str):
    scene = {"place": place, "other": "box"}
    before, after = one(**scene), one(**scene | {factor: CHANGED[factor]})
    changed = (painter.paint(before) - painter.paint(after)).abs().amax()
    assert (changed == 0) == (factor in WITHOUT_EFFECT[place])
    assert changed == 0 or changed > 0.1


@pytest.mark.parametrize("factor", sorted(OF_OTHER))
def test_nothing_is_said_by_a_thing_that_is_not_there(factor: str):
    assert torch.equal(painter.paint(one()), painter.paint(one(**{factor: CHANGED[factor]})))


def test_every_factor_is_tried():
    assert {*CHANGED, "place"} == set(painter.FACTORS) == set(PLAIN)
    assert {field.name for field in fields(painter.Scenes)} == set(painter.FACTORS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["sand", "office"])
def test_a_thing_has_its_color_in_its_midst(kind: str, place: str):
    for color in COLORS:
        scene = one(thing=kind, color=color, position=0.4, place=place)
        seen = _at(painter.paint(scene)[0], 0.4, scene.base.item() - MIDST[kind] * scene.size.item())
        assert (things.colors() - seen).abs().sum(1).argmin() == list(COLORS).index(color)


def _at(picture: torch.Tensor, x: float, y: float) -> torch.Tensor:
    return picture[:, int(y * SIZE), int(x * SIZE)]


@pytest.mark.parametrize("ink", INKS)
@pytest.mark.parametrize("place", ["snow", "bedroom"])
def test_outlines_have_their_ink_and_weight(ink: str, place: str):
    def inked(outline: float) -> int:
        picture = painter.paint(one(thing="box", color="yellow", place=place, ink=ink, outline=outline))[0]
        rows = picture[:, 35:42]  # of the box only: above it there is no snow, under it none
        color = torch.tensor(INKS[ink]).view(3, 1, 1)
        return int(((rows - color).abs().amax(0) < 0.03)[:, 20:44].sum())

    assert 0 < inked(2.0) < inked(3.0)


@pytest.mark.parametrize("place", ["grass", "living_room"])
def test_the_nearer_thing_covers_the_farther_one(place: str):
    scene = {"place": place, "thing": "box", "other": "box", "position": 0.42, "other_position": 0.6, "outline": 0.8}
    behind, ahead = one(**scene, depth=-0.3), one(**scene, depth=0.3)
    x, y = 0.5, 0.62  # inside both boxes either way
    reds_blues = things.colors()[:2]
    seen = [_at(painter.paint(each)[0], x, y) for each in (behind, ahead)]
    assert [(reds_blues - each).abs().sum(1).argmin().item() for each in seen] == [0, 1]


def test_lamps_light_rooms_but_not_what_the_window_shows():
    for place in INDOOR:
        lit, dark = (painter.background(one(place=place, lamp=lamp))[0] for lamp in ("on", "off"))
        floor = slice(34, 64)
        assert (dark[:, floor].mean() / lit[:, floor].mean()).item() == pytest.approx(0.57, abs=0.03)
        assert torch.allclose(lit[:, 4:18, 43:60], dark[:, 4:18, 43:60], atol=1e-4)
        things_dark, things_lit = (painter.paint(one(place=place, lamp=lamp))[0, 0, 36, 32] for lamp in ("off", "on"))
        assert 0.7 < things_dark / things_lit < 0.9


@pytest.mark.parametrize("factor", ["time", "season"])
def test_time_and_season_are_behind_the_window(factor: str):
    pictures = [painter.background(one(place="museum", **{factor: word}))[0] for word in WORDS[factor]]
    window = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    window[:21, 42:61] = True
    for number, first in enumerate(pictures):
        for second in pictures[:number]:
            difference = (first - second).abs().amax(0)
            assert difference[~window].max() == 0
            assert (difference[window] > 0.15).sum() > 25


def test_seasons_are_on_the_horizon_outdoors():
    for time in WORDS["time"]:
        pictures = [painter.background(one(time=time, season=word, horizon=0.6)) for word in WORDS["season"]]
        box = trees.boxes(torch.tensor([0.6]))[0]
        for number, first in enumerate(pictures):
            for second in pictures[:number]:
                difference = (first - second)[0].abs().amax(0)
                assert difference[~box].max() == 0
                assert (difference[box] > 0.12).sum() > 40


def test_places_differ_clearly():
    scenes = painter.concat([one(place=place) for place in PLACES])
    pictures = painter.background(scenes)
    apart = (pictures.unsqueeze(0) - pictures.unsqueeze(1)).abs().mean((2, 3, 4))
    assert apart[~torch.eye(len(PLACES), dtype=torch.bool)].min() > 0.08


def test_batches_join():
    first, second = drawn(3), drawn(4, seed=1)
    both = painter.concat([first, second])
    assert len(both) == 7
    assert torch.allclose(painter.paint(both[3:]), painter.paint(second), atol=1e-6)
    for factor in (*WORDS, *SCALES):
        assert both.words(factor) == first.words(factor) + second.words(factor)
    assert replace(first, camera=torch.full((3,), 0.06)).words("camera") == ["low"] * 3
