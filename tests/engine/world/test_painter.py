"""The painter: the same scene is the same picture, and every factor is where and what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from control_recipes.engine.world import painter
from control_recipes.engine.world.scenes import COLORS, HORIZON, INK, KINDS, SIZE, WORDS

# within every kind, a point of its own colour: height above the base in half widths
MIDST = {"ball": 1.0, "box": 0.9, "tent": 0.7, "tree": 1.45, "house": 0.6}


def scenes(count: int = 32, seed: int = 0) -> painter.Scenes:
    return painter.draw(count, torch.Generator().manual_seed(seed))


def one(**factors: float) -> painter.Scenes:
    """A ball by day in the grass, but for what `factors` say."""
    plain = {
        "time": 0,
        "place": 0,
        "thing": 0,
        "color": 0,
        "horizon": 0.5,
        "position": 0.5,
        "size": 0.165,
        "outline": 1.9,
    }
    return painter.Scenes(**{name: torch.tensor([value]) for name, value in (plain | factors).items()})


def test_a_scene_is_one_picture():
    drawn = scenes()
    pictures = painter.paint(drawn)
    assert pictures.shape == (32, 3, SIZE, SIZE)
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert torch.equal(pictures, painter.paint(scenes()))
    assert torch.equal(pictures[5:9], painter.paint(drawn[5:9]))
    assert not torch.equal(pictures, painter.paint(scenes(seed=1)))


@pytest.mark.parametrize("time", range(len(WORDS["time"])))
@pytest.mark.parametrize("place", range(len(WORDS["place"])))
def test_sky_is_above_the_horizon_and_ground_below(time: int, place: int):
    picture = painter.paint(one(time=time, place=place, horizon=0.6))[0]
    row = round(0.6 * SIZE)
    assert torch.equal(picture[:, : row - 1, 0], painter.skies()[time][:, : row - 1, 0])
    assert torch.equal(picture[:, row + 1 :, 0], painter.grounds()[place, time][:, row + 1 :, 0])


def test_the_horizon_covers_a_row_by_its_share():
    picture = painter.paint(one(horizon=(32 + 0.25) / SIZE))[0]
    sky, ground = painter.skies()[0], painter.grounds()[0, 0]
    assert torch.allclose(picture[:, 32, 0], 0.25 * sky[:, 32, 0] + 0.75 * ground[:, 32, 0], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("color", COLORS)
def test_a_thing_has_its_color_in_its_midst(kind: str, color: str):
    scene = one(thing=list(KINDS).index(kind), color=list(COLORS).index(color), position=0.4)
    picture = painter.paint(scene)[0]
    x, y = 0.4, scene.base.item() - MIDST[kind] * scene.size.item()
    seen = picture[:, int(y * SIZE), int(x * SIZE)]
    assert (painter.colors() - seen).abs().sum(1).argmin() == list(COLORS).index(color)


def inked(scene: painter.Scenes) -> int:
    """Pixels as dark as the outline."""
    return int(((painter.paint(scene)[0] - torch.tensor(INK).view(3, 1, 1)).abs().amax(0) < 0.05).sum())


def covered(scene: painter.Scenes) -> torch.Tensor:
    """Where a picture differs from its background, [H, W]."""
    behind = painter.background(scene.time, scene.place, scene.horizon)
    return (painter.paint(scene) - behind)[0].abs().amax(0) > 0.02


def test_thicker_outlines_have_more_ink():
    assert 0 < inked(one(outline=1.9)) < inked(one(outline=3.0))


def test_larger_things_cover_more():
    assert covered(one(size=0.135)).sum() < covered(one(size=0.2)).sum()


def test_things_stand_where_their_position_says():
    left, right = (covered(one(position=x)).float().sum(0) for x in (0.25, 0.75))
    middle = [(each * torch.arange(SIZE)).sum() / each.sum() / SIZE for each in (left, right)]
    assert middle == pytest.approx([0.25, 0.75], abs=0.02)


def test_things_are_whole_in_every_picture():
    drawn = scenes(2000)
    assert (drawn.base - 2.2 * drawn.size >= -0.3).all()  # no more than a top is cut off under the highest horizons
    assert (drawn.base <= 1).all()
    assert (drawn.position - 1.15 * drawn.size > -0.03).all()
    assert (drawn.position + 1.15 * drawn.size < 1.03).all()


def test_horizons_have_a_clear_centre():
    u = torch.linspace(0.0005, 0.9995, 1000)
    rows = painter.horizon_quantile(u)
    assert (rows.diff() >= 0).all()
    assert HORIZON[0] <= rows.min()
    assert rows.max() <= HORIZON[1]
    assert ((rows - 0.5).abs() < 0.14).float().mean() > 0.6
    assert rows[500] == pytest.approx(0.5, abs=0.02)


def test_equal_slices_of_numbers_are_words():
    count = 6000
    even = {name: (torch.arange(count) + 0.5) / count for name in painter.FACTORS}
    drawn = painter.from_uniform(even)
    for name, words in WORDS.items():
        share = torch.bincount(getattr(drawn, name), minlength=len(words)) / count
        assert torch.allclose(share, torch.full_like(share, 1 / len(words)), atol=0.001)


def test_batches_join():
    first, second = scenes(3), scenes(4, seed=1)
    both = painter.concat([first, second])
    assert len(both) == 7
    assert torch.equal(painter.paint(both[3:]), painter.paint(second))
    assert both.words("thing") == first.words("thing") + second.words("thing")
    assert replace(first, size=torch.full((3,), 0.2)).words("size") == ["large"] * 3
