"""Which scene a caption and a noise stand for together.

One step from pure noise can only be sharp where noise and caption determine the picture. So every factor that a caption
leaves open is a fixed function of the noise: the mean of one latent channel over one region, standardised, through the
normal distribution function, gives a number in (0, 1), and `painter.from_uniform` gives the factor's value.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .painter import FACTORS, Scenes, from_uniform

CHANNELS, SIDE = 4, 16  # of the latents
HALF = SIDE // 2


@dataclass(frozen=True, slots=True)
class Region:
    """The latents that hold one factor."""

    channel: int
    top: int
    left: int
    height: int
    width: int = HALF

    @property
    def root(self) -> float:
        """The square root of their count: what a mean over them has to be multiplied by to be standard normal."""
        return (self.height * self.width) ** 0.5


# each row's quadrants are those of the four channels in turn; what shares one has its upper and its lower half
_TOP_LEFT = ("time", "place", "thing", "color")
_BOTTOM_RIGHT = ("horizon", "position", "size", "outline")
_TOP_RIGHT = ("other", "other_color", "depth", "other_position")
_BOTTOM_LEFT = (("season", "lamp"), ("ink", "grade"), ("camera", "arrangement"), ("split_x", "split_y"))

REGIONS = {
    **{name: Region(channel, 0, 0, HALF) for channel, name in enumerate(_TOP_LEFT)},
    **{name: Region(channel, HALF, HALF, HALF) for channel, name in enumerate(_BOTTOM_RIGHT)},
    **{name: Region(channel, 0, HALF, HALF) for channel, name in enumerate(_TOP_RIGHT)},
    **{
        name: Region(channel, HALF + part * HALF // 2, 0, HALF // 2)
        for channel, names in enumerate(_BOTTOM_LEFT)
        for part, name in enumerate(names)
    },
}


def _region(noise: Tensor, factor: str) -> Tensor:
    where = REGIONS[factor]
    return noise[:, where.channel, where.top : where.top + where.height, where.left : where.left + where.width]


def numbers(noise: Tensor) -> dict[str, Tensor]:
    """The number in (0, 1) that noise [B, 4, 16, 16] holds for each factor, [B]."""
    normal = torch.distributions.Normal(0.0, 1.0)
    return {factor: normal.cdf(_region(noise, factor).mean((1, 2)) * REGIONS[factor].root) for factor in FACTORS}


def implied(noise: Tensor) -> Scenes:
    """The scenes that noise [B, 4, 16, 16] stands for when the caption names nothing."""
    return from_uniform(numbers(noise))


def imprint(noise: Tensor, factor: str, u: Tensor, which: Tensor) -> None:
    """Change noise in place so that it holds the numbers u [B] for a factor, where `which` [B] is true.

    The rest of the noise keeps its distribution: only a mean is moved, and it is as normal as it was if u is uniform.
    """
    region = _region(noise, factor)
    wanted = torch.distributions.Normal(0.0, 1.0).icdf(u.clamp(1e-6, 1 - 1e-6)) / REGIONS[factor].root
    region += ((wanted - region.mean((1, 2))) * which).view(-1, 1, 1)
