"""The reader: what the painter painted is what it sees, in pictures and in what the VAE makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from control_recipes.engine.world import audit, codec, painter, reader
from control_recipes.engine.world.train import SHIPPED

HORIZON = "horizon within 0.02"
EVERY = {HORIZON, *painter.FACTORS} - {"horizon"}
PAINTED, REBUILT = 200, 100  # pictures


@dataclass(frozen=True, slots=True)
class Rendered:
    scenes: painter.Scenes
    pictures: torch.Tensor
    seen: reader.Readings


@pytest.fixture(scope="module")
def rendered() -> Rendered:
    scenes, pictures = audit.rendered(PAINTED, seed=5)
    return Rendered(scenes, pictures, reader.read(pictures))


def poor(found: audit.Accuracy, horizon: float, others: float) -> dict[str, float]:
    """What is right less often than it should be."""
    return {what: share for what, (share, _) in found.items() if share < (horizon if what == HORIZON else others)}


def test_paintings_are_read(rendered: Rendered):
    found = audit.agreement(rendered.scenes, rendered.seen)
    assert set(found) == EVERY
    assert poor(found, horizon=0.99, others=0.97) == {}


def test_the_check_sees_readings_of_other_pictures(rendered: Rendered):
    shuffled = rendered.scenes[torch.arange(PAINTED).roll(1)]
    assert set(poor(audit.agreement(shuffled, rendered.seen), 0.99, 0.97)) == EVERY


def test_reconstructions_are_read(rendered: Rendered):
    vae = codec.load(SHIPPED / "generator" / "vae")
    seen = audit.reconstructed(vae, rendered.pictures[:REBUILT])
    assert poor(audit.reading(rendered.scenes[:REBUILT], seen), horizon=0.97, others=0.97) == {}


def test_a_picture_is_read_alone_as_in_company(rendered: Rendered):
    alone = reader.read(rendered.pictures[:6].double(), batch=4).scenes
    for name in painter.FACTORS:
        assert torch.allclose(getattr(rendered.seen.scenes, name)[:6], getattr(alone, name), atol=1e-5), name


def test_misfit_tells_paintings_from_noise(rendered: Rendered):
    noise = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert rendered.seen.misfit.quantile(0.95) < 0.5 * reader.read(noise).misfit.min()


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match="3 x 64 x 64"):
        reader.read(torch.zeros(1, 3, 32, 64))
