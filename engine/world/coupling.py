"""Which scene a caption and a noise stand for together.

One step from pure noise can only be sharp where noise and caption determine the picture. So every factor that a caption
leaves open is a fixed function of the noise: the mean of one latent channel over one quadrant, standardised, through
the normal distribution function, gives a number in (0, 1), and `painter.from_uniform` gives the factor's value.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .painter import FACTORS, Scenes, from_uniform

CHANNELS, SIDE = 4, 16  # of the latents
HALF = SIDE // 2

# factor -> (channel, quadrant); with four channels and four quadrants there is room for eight more
PLACES = {name: (number % CHANNELS, (0, 3, 1, 2)[number // CHANNELS]) for number, name in enumerate(FACTORS)}


def _region(noise: Tensor, factor: str) -> Tensor:
    channel, quadrant = PLACES[factor]
    top, left = HALF * (quadrant // 2), HALF * (quadrant % 2)
    return noise[:, channel, top : top + HALF, left : left + HALF]


def numbers(noise: Tensor) -> dict[str, Tensor]:
    """The number in (0, 1) that noise [B, 4, 16, 16] holds for each factor, [B]."""
    normal = torch.distributions.Normal(0.0, 1.0)
    return {factor: normal.cdf(_region(noise, factor).mean((1, 2)) * HALF) for factor in FACTORS}


def implied(noise: Tensor) -> Scenes:
    """The scenes that noise [B, 4, 16, 16] stands for when the caption names nothing."""
    return from_uniform(numbers(noise))


def imprint(noise: Tensor, factor: str, u: Tensor, which: Tensor) -> None:
    """Change noise in place so that it holds the numbers u [B] for a factor, where `which` [B] is true.

    The rest of the noise keeps its distribution: only a mean is moved, and it is as normal as it was if u is uniform.
    """
    region = _region(noise, factor)
    wanted = torch.distributions.Normal(0.0, 1.0).icdf(u.clamp(1e-6, 1 - 1e-6)) / HALF
    region += ((wanted - region.mean((1, 2))) * which).view(-1, 1, 1)
