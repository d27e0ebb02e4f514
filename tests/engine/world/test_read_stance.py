"""Standing: where things are says which is the subject, how deep the other stands, and how low the camera is."""

from __future__ import annotations

import pytest
import torch
from control_recipes.engine.world import painter, pictures, read_stance
from control_recipes.engine.world.read_fit import NOTHING, Bodies, Fit


def fits(scenes: painter.Scenes, noise: float = 0.0) -> Fit:
    """What stands in scenes, as the reader should find it, places off by some deviation."""
    rng = torch.Generator().manual_seed(0)
    first, second = scenes.stance, scenes.other_stance

    def body(
        kind: torch.Tensor, color: torch.Tensor, x: torch.Tensor, base: torch.Tensor, half: torch.Tensor
    ) -> Bodies:
        place = torch.stack([x, base, half], 1)
        return Bodies(kind, color, place + noise * torch.randn(place.shape, generator=rng))

    subject = body(scenes.thing, scenes.color, scenes.position, first.base, first.half)
    other = body(scenes.other - 1, scenes.other_color, scenes.other_position, second.base, second.half)
    ahead = scenes.both & (scenes.depth > 0)
    far, near = other.or_else(ahead, subject), subject.or_else(ahead, other)
    return Fit(far, near, scenes.outline, scenes.ink, torch.zeros(len(scenes)))


@pytest.fixture(scope="module")
def scenes() -> painter.Scenes:
    drawn = pictures.drawn(2000, torch.Generator().manual_seed(2))
    return drawn[~drawn.paintings]


@pytest.mark.parametrize(("noise", "least"), [(0.0, 0.998), (0.2 / 64, 0.985)])
def test_subjects_are_told_from_others(scenes: painter.Scenes, noise: float, least: float):
    found, _ = read_stance.scenes(scenes, fits(scenes, noise))
    both = scenes.both
    assert ((found.depth > 0) == (scenes.depth > 0))[both].float().mean() > least
    assert (found.thing == scenes.thing).float().mean() > least
    assert (found.other == scenes.other).float().mean() > least


def test_outdoors_sizes_and_depths_are_found(scenes: painter.Scenes):
    outdoors = scenes[~scenes.indoors]
    found, _ = read_stance.scenes(outdoors, fits(outdoors))
    assert (found.size - outdoors.size).abs().quantile(0.99) < 0.002
    assert (found.depth - outdoors.depth).abs()[outdoors.both].quantile(0.99) < 0.02
    assert (found.camera == 1).all()


def test_eye_level_is_told_from_a_robot_vacuums(scenes: painter.Scenes):
    rooms = scenes[scenes.indoors & ((scenes.camera < 0.15) | (scenes.camera > 0.85))]
    found, _ = read_stance.scenes(rooms, fits(rooms, 0.1 / 64))
    assert ((found.camera > 0.5) == (rooms.camera > 0.5)).float().mean() > 0.97


def test_one_thing_is_the_subject(scenes: painter.Scenes):
    alone = scenes[~scenes.both]
    found, order = read_stance.scenes(alone, fits(alone))
    assert (fits(alone).far.kind == NOTHING).all()
    assert (found.other == 0).all()
    assert order.isinf().all()
