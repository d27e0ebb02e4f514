"""The coupling: noise holds numbers, and holding them leaves it noise."""

from __future__ import annotations

import pytest
import torch
from control_recipes.engine.world import coupling, painter
from torch import Tensor

COUNT = 4000
EVERY = torch.ones(COUNT, dtype=torch.bool)


def noise(count: int = COUNT) -> Tensor:
    return torch.randn(
        count, coupling.CHANNELS, coupling.SIDE, coupling.SIDE, generator=torch.Generator().manual_seed(1)
    )


def uniform(count: int = COUNT) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(2)
    return {name: torch.rand(count, generator=rng) for name in painter.FACTORS}


def far(z: Tensor) -> list[str]:
    """Ways in which z is not standard normal, by five standard errors: mean and variance of pixels and of quadrants."""
    half = coupling.HALF
    quadrants = z.unfold(2, half, half).unfold(3, half, half).mean((-1, -2)) * half
    wrong: list[str] = []
    for name, values in (("pixels", z), ("quadrants", quadrants)):
        flat = values.transpose(0, 1).flatten(1) if name == "pixels" else values.flatten(1).T
        error = 5 / flat.shape[1] ** 0.5
        if (flat.mean(1).abs() > error).any():
            wrong.append(f"mean of {name}")
        if ((flat.var(1) - 1).abs() > error * 2**0.5).any():
            wrong.append(f"variance of {name}")
    return wrong


def test_noise_gives_back_what_was_imprinted():
    z, u = noise(), uniform()
    for factor in painter.FACTORS:
        coupling.imprint(z, factor, u[factor], EVERY)
    held = coupling.numbers(z)
    for factor in painter.FACTORS:
        assert torch.allclose(held[factor], u[factor].clamp(1e-6, 1 - 1e-6), atol=1e-5), factor
    implied, wanted = coupling.implied(z), painter.from_uniform(held)
    for factor in painter.FACTORS:
        assert torch.equal(getattr(implied, factor), getattr(wanted, factor))
    same = torch.cat(
        [(getattr(implied, name) == getattr(painter.from_uniform(u), name)) for name in ("thing", "color")]
    )
    assert same.float().mean() > 0.999


def test_only_what_is_meant_is_changed():
    z, u = noise(8), torch.full((8,), 0.9)
    which = torch.tensor([True, False] * 4)
    before = z.clone()
    coupling.imprint(z, "color", u, which)
    assert torch.equal(z[~which], before[~which])
    for factor, number in coupling.numbers(z).items():
        old = coupling.numbers(before)[factor]
        if factor == "color":
            assert torch.allclose(number[which], u[which], atol=1e-5)
        else:
            assert torch.equal(number, old)


def test_every_factor_has_a_region_of_its_own():
    assert len(set(coupling.PLACES.values())) == len(coupling.PLACES) == len(painter.FACTORS)


def test_imprinted_noise_is_standard_normal():
    z = noise()
    assert far(z) == []
    for factor, u in uniform().items():
        coupling.imprint(z, factor, u, EVERY)
    assert far(z) == []


@pytest.mark.parametrize(
    ("spoil", "wrong"),
    [
        (lambda z: coupling.imprint(z, "color", torch.full((COUNT,), 0.6), EVERY), ["mean", "variance of quadrants"]),
        (lambda z: z.mul_(1.02), ["variance of pixels"]),
        (lambda z: z.add_(0.02), ["mean of pixels"]),
    ],
)
def test_the_check_sees_other_noise(spoil, wrong: list[str]):
    z = noise()
    spoil(z)
    found = far(z)
    for name in wrong:
        assert any(name in each for each in found), found
