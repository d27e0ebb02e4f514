"""The reader: what the painter painted is what it sees, in pictures and in what the VAE makes of them."""

from __future__ import annotations

import pytest
import torch
from control_recipes.engine.world import audit, codec, painter, reader
from control_recipes.engine.world.train import SHIPPED

HORIZON = "horizon within 0.02"
PAINTED, REBUILT = 300, 150  # pictures


@pytest.fixture(scope="module")
def rendered() -> tuple[painter.Scenes, torch.Tensor]:
    return audit.rendered(PAINTED, seed=5)


def poor(found: audit.Accuracy, horizon: float, others: float) -> dict[str, float]:
    """What is right less often than it should be."""
    return {what: share for what, (share, _) in found.items() if share < (horizon if what == HORIZON else others)}


def test_paintings_are_read(rendered: tuple[painter.Scenes, torch.Tensor]):
    found = audit.reading(*rendered)
    assert set(found) == {HORIZON, *painter.FACTORS} - {"horizon"}
    assert poor(found, horizon=0.99, others=0.97) == {}


def test_the_check_sees_wrong_readings(rendered: tuple[painter.Scenes, torch.Tensor]):
    scenes, pictures = rendered
    others = scenes[torch.arange(1, 61)]
    assert set(poor(audit.reading(others, pictures[:60]), 0.99, 0.97)) == {HORIZON, *painter.FACTORS} - {"horizon"}


def test_reconstructions_are_read(rendered: tuple[painter.Scenes, torch.Tensor]):
    scenes, pictures = rendered
    vae = codec.load(SHIPPED / "generator" / "vae")
    found = audit.reading(scenes[:REBUILT], audit.reconstructed(vae, pictures[:REBUILT]))
    assert poor(found, horizon=0.97, others=0.97) == {}


def test_a_picture_is_read_alone_as_in_company(rendered: tuple[painter.Scenes, torch.Tensor]):
    pictures = rendered[1][:10]
    whole, parts = reader.read(pictures), reader.read(pictures.double(), batch=3)
    for name in painter.FACTORS:
        assert torch.allclose(getattr(whole.scenes, name), getattr(parts.scenes, name), atol=1e-5), name


def test_misfit_tells_paintings_from_noise(rendered: tuple[painter.Scenes, torch.Tensor]):
    noise = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert reader.read(rendered[1][:20]).misfit.max() < 0.5 * reader.read(noise).misfit.min()


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match="3 x 64 x 64"):
        reader.read(torch.zeros(1, 3, 32, 64))
