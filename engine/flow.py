"""The sampler: one loop from noise to the clean estimate, and the step of it that training differentiates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from .generators import Conditioning, Generator
from .generators.levels import Draws


@dataclass(frozen=True, slots=True)
class Estimate:
    """A clean estimate with a gradient, and the place on the sampler's path where it was made."""

    denoised: Tensor  # x̂0, B first
    z: Tensor  # the latents it was made from, detached
    sigma: Tensor  # their noise level, [] or one a picture [B]
    decoded: Tensor  # what becomes a picture: x̂0 itself, unless the estimate is a noisy one


def paths(noise: Tensor, seeds: Sequence[int]) -> list[torch.Generator]:
    """What stochastic samplers draw from, a stream a picture: that of its seed, behind its own noise, as in stock."""
    streams = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    for stream in streams:
        torch.randn(noise.shape[1:], generator=stream, dtype=noise.dtype)
    return streams


@torch.no_grad()
def sample(
    generator: Generator,
    conditioning: Conditioning,
    z: Tensor,
    steps: int,
    rng: Draws | None = None,
) -> Tensor:
    """x̂0 after all N steps from noise z (B first), without a gradient: what `Generator.image` decodes.

    Stochastic samplers draw from `rng`, others from nothing.
    """
    sigmas = generator.sigmas(steps)
    last = _walk(generator, conditioning, z, sigmas, steps - 1, rng)
    return generator.denoised(last, sigmas[steps - 1], conditioning)


def clean_estimate(
    generator: Generator, conditioning: Conditioning, z: Tensor, steps: int, rng: torch.Generator
) -> Estimate:
    """`random_step`: i uniform in 0..N−1, i steps without a gradient, then one clean estimate with it."""
    sigmas = generator.sigmas(steps)
    chosen = int(torch.randint(steps, (), generator=rng))
    with torch.no_grad():
        reached = _walk(generator, conditioning, z, sigmas, chosen, rng)
    denoised = generator.denoised(reached, sigmas[chosen], conditioning)
    return Estimate(denoised, reached, sigmas[chosen], denoised)


def unrolled(generator: Generator, conditioning: Conditioning, z: Tensor, steps: int, rng: Draws) -> Estimate:
    """x̂0 after all N steps from noise z, every one with a gradient: it comes to z, and memory grows with N."""
    sigmas = generator.sigmas(steps)
    reached = _walk(generator, conditioning, z, sigmas, steps - 1, rng)
    denoised = generator.denoised(reached, sigmas[steps - 1], conditioning)
    return Estimate(denoised, reached.detach(), sigmas[steps - 1], denoised)


def _walk(
    generator: Generator,
    conditioning: Conditioning,
    z: Tensor,
    sigmas: Tensor,
    steps: int,
    rng: Draws | None,
) -> Tensor:
    for now, then in pairwise(sigmas[: steps + 1]):
        z = generator.advance(generator.denoised(z, now, conditioning), z, now, then, rng)
    return z
