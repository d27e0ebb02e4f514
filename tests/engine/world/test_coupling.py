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
    """Ways in which z is not standard normal, by five standard errors: mean and variance of pixels and of regions."""
    half = coupling.HALF
    regions = {
        "quadrants": z.unfold(2, half, half).unfold(3, half, half).mean((-1, -2)) * half,
        "halves": z.unfold(2, half // 2, half // 2).unfold(3, half, half).mean((-1, -2)) * (half * half / 2) ** 0.5,
    }
    flat = {"pixels": z.transpose(0, 1).flatten(1)} | {name: values.flatten(1).T for name, values in regions.items()}
    wrong: list[str] = []
    for name, values in flat.items():
        error = 5 / values.shape[1] ** 0.5
        if (values.mean(1).abs() > error).any():
            wrong.append(f"mean of {name}")
        if ((values.var(1) - 1).abs() > error * 2**0.5).any():
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
    assert set(coupling.REGIONS) == set(painter.FACTORS)
    z = torch.zeros(1, coupling.CHANNELS, coupling.SIDE, coupling.SIDE)
    for factor in painter.FACTORS:
        coupling._region(z, factor).add_(1)
    assert torch.equal(z, torch.ones_like(z))  # none twice, none to spare
    assert {region.height * region.width for region in coupling.REGIONS.values()} == {64, 32}


def test_the_first_eight_factors_keep_their_regions():
    """Generators that know them need not learn them anew."""
    first = [("time", "place", "thing", "color"), ("horizon", "position", "size", "outline")]
    for corner, names in zip((0, coupling.HALF), first, strict=True):
        for channel, name in enumerate(names):
            assert coupling.REGIONS[name] == coupling.Region(channel, corner, corner, coupling.HALF)


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
        (lambda z: coupling.imprint(z, "lamp", torch.full((COUNT,), 0.6), EVERY), ["mean", "variance of halves"]),
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
