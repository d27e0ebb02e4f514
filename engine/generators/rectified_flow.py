"""Rectified flow as every family of it has it: the path z = (1 − σ) x0 + σ noise and its velocity v = noise − x0.

Flow Matching (arXiv 2210.02747): the clean estimate is x̂0 = z − σ v. Latents are of any layout, B first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import devices
from .levels import Draws, euler, over
from .pipelines import Piped


def sampler_problems(scheduler: Any) -> list[tuple[str, str]]:
    """What is wrong with a folder's scheduler: only FlowMatchEulerDiscreteScheduler walks this path as it is."""
    name = type(scheduler).__name__
    if name == "FlowMatchEulerDiscreteScheduler" and not scheduler.config.get("invert_sigmas", False):
        return []
    return [("generator.model", f"the scheduler must be FlowMatchEulerDiscreteScheduler, found {name}")]


def sigmas(scheduler: Any, steps: int, tokens: int, *, given: bool, shift: float | None = None) -> Tensor:
    """Noise levels [N + 1], float32, on the CPU: the scheduler's own, asked for as the pipelines do.

    `tokens` of a picture shift them where the scheduler shifts by size; `given`: the pipeline says levels, 1 to 1 / N;
    `shift`: it says itself by how much.
    """
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift

    settings = scheduler.config
    mu = (
        shift
        if shift is not None
        else calculate_shift(
            tokens,
            settings.get("base_image_seq_len", 256),
            settings.get("max_image_seq_len", 4096),
            settings.get("base_shift", 0.5),
            settings.get("max_shift", 1.15),
        )
    )
    if given and not settings.get("use_flow_sigmas", False):
        scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu)
    else:
        scheduler.set_timesteps(steps, mu=mu)
    return scheduler.sigmas.clone()


def clean(z: Tensor, velocity: Tensor, level: Tensor) -> Tensor:
    """x̂0 = z − σ v, in at least float32; `level` is one [] or one a picture [B]."""
    exact = devices.precise(z.dtype)
    return z.to(exact) - over(level, z, exact) * velocity.to(exact)


class RectifiedFlow(Piped):
    """A generator whose z lies on that path, σ from 1 to 0."""

    deviation = 1.0

    def advance(
        self, denoised: Tensor, z: Tensor, sigma: Tensor, next_sigma: Tensor, generator: Draws | None
    ) -> Tensor:
        """z' = x̂0 + (σ'/σ)(z − x̂0), or x̂0 re-noised where the scheduler is set to sample stochastically."""
        if self._pipeline.scheduler.config.get("stochastic_sampling", False):
            return self._mixed(denoised, next_sigma, generator, _straight)
        return euler(denoised, z, sigma, next_sigma)

    def level(self, share: Tensor) -> Tensor:
        """The share itself."""
        return share

    def renoised(self, denoised: Tensor, sigma: Tensor, generator: torch.Generator) -> Tensor:
        """z = (1 − σ) x̂0 + σ noise, in the dtype of z on its device."""
        return self._mixed(denoised, sigma, generator, _straight)


def _straight(level: Tensor) -> tuple[Tensor, Tensor]:
    return 1 - level, level
