"""Diffusion models of noise (ε) and velocity (v) in variance-exploding scaling: z = x0 + σ noise.

A model of the variance-preserving kind reads z / √(σ² + 1) = √ᾱ x0 + √(1 − ᾱ) noise with σ = √((1 − ᾱ) / ᾱ) (Karras et
al., arXiv 2206.00364, table 1), so that the same line of Euler serves it, which in this scaling is DDIM's (η = 0) too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import devices, plan
from ..quiet import quiet
from .levels import Draws, euler, over, told
from .pipelines import Piped, set_apart

SAMPLER = "EulerDiscreteScheduler"
# of the same noise levels, so that their settings are Euler's as well (diffusers' own list of compatible ones)
REPLACED = (
    "DDIMScheduler", "DDPMScheduler", "DEISMultistepScheduler", "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler", "KDPM2DiscreteScheduler", "LMSDiscreteScheduler", "PNDMScheduler",
    "UniPCMultistepScheduler",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Schedule:
    """The noise levels of a sampler's N steps, and what the model calls them."""

    sigmas: Tensor  # [N + 1], descending, ends at 0
    timesteps: Tensor  # [N], as the model is told them
    trained: Tensor  # ln σ of every timestep of training, ascending
    velocity: bool  # the model says v, not ε

    def timestep(self, sigma: Tensor) -> Tensor:
        """What the model is told of levels [] or [B]: the sampler's own word, between its levels linear in ln σ."""
        level = sigma.reshape(-1).double().clamp_min(1e-10).log().numpy()
        places = np.interp(level, self.trained.numpy(), self._count)
        return told(sigma, self.sigmas, self.timesteps, torch.from_numpy(places).to(self.timesteps))

    @property
    def _count(self) -> np.ndarray[Any, Any]:
        return np.arange(len(self.trained))

    def level(self, share: Tensor) -> Tensor:
        """σ = s / (1 − s), at which noise is a share s of the sum x0 + σ noise; never above that of training."""
        return (share / (1 - share)).clamp_max(float(self.trained[-1].exp()))


def scheduler(found: Any, chosen: plan.Generator) -> Any:
    """The sampler of a folder: Euler's with its settings, with a warning where the folder names another."""
    name = type(found).__name__
    if name == SAMPLER:
        return found
    with quiet():
        from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler

        euler: Any = EulerDiscreteScheduler.from_config(found.config)
    if not (name == "EulerAncestralDiscreteScheduler" and chosen.steps == 1):  # one step of it is Euler's
        said = f"its scheduler is {name}; pictures are sampled by {SAMPLER} with the same settings"
        warnings.warn(f"{chosen.model.address}: {said}", stacklevel=2)
    return euler


def sampler_problems(found: Any) -> list[tuple[str, str]]:
    """What is wrong with a folder's scheduler."""
    name, settings = type(found).__name__, found.config
    if name not in (SAMPLER, *REPLACED):
        return [("generator.model", f"the scheduler must be {SAMPLER} or one of the same noise levels, found {name}")]
    wanted = {
        "prediction_type": ("epsilon", "v_prediction"),
        "final_sigmas_type": ("zero",),
        "timestep_type": ("discrete",),
        "interpolation_type": ("linear",),
        "use_flow_sigmas": (False,),
    }
    return [
        ("generator.model", f"the scheduler's {key} must be {' or '.join(map(str, known))}, found {settings[key]}")
        for key, known in wanted.items()
        if key in settings and settings[key] not in known
    ]


def schedule(sampler: Any, steps: int) -> Schedule:
    """Levels and timesteps of N steps, from the sampler as it is set; the sampler itself stays as it was."""
    own = set_apart(sampler, steps)
    cumulative = own.alphas_cumprod.double()
    trained = ((1 - cumulative) / cumulative).sqrt().log()
    return Schedule(own.sigmas, own.timesteps, trained, sampler.config.prediction_type == "v_prediction")


def read(z: Tensor, sigma: Tensor) -> Tensor:
    """What the model reads of latents: z / √(σ² + 1); a level [] is divided by as stock does, in the dtype of z."""
    scale = (sigma.square() + 1).sqrt()
    return z / scale if not scale.ndim else (z / over(scale, z, devices.precise(z.dtype))).to(z.dtype)


def clean(z: Tensor, output: Tensor, sigma: Tensor, *, velocity: bool) -> Tensor:
    """x̂0 = z − σ ε, or of v x̂0 = z / (σ² + 1) − σ v / √(σ² + 1) (arXiv 2202.00512), in at least float32."""
    exact = devices.precise(z.dtype)
    z, output, level = z.to(exact), output.to(exact), over(sigma, z, exact)
    if velocity:
        return z / (level.square() + 1) - level / (level.square() + 1).sqrt() * output
    return z - level * output


class VarianceExploding(Piped):
    """A generator whose latents are kept in that scaling, at the noise levels of its own scheduler."""

    def __init__(self, pipeline: Any, chosen: plan.Generator) -> None:
        super().__init__(pipeline, chosen)
        self._schedule = schedule(pipeline.scheduler, chosen.steps)
        pipeline.scheduler.set_timesteps(chosen.steps)  # by which the stock pipeline scales its noise

    @property
    def deviation(self) -> float:
        """By which the sampler starts, as its `timestep_spacing` has it: σ, or √(σ² + 1), of the first level."""
        return float(self._pipeline.scheduler.init_noise_sigma)

    def sigmas(self, steps: int) -> Tensor:
        """Noise levels [N + 1], float32, on the CPU: the scheduler's own."""
        return schedule(self._pipeline.scheduler, steps).sigmas

    def _estimated(self, z: Tensor, sigma: Tensor, said: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """x̂0 [B, …] in at least float32, of what the model has `said` of what it reads and of its timestep [B]."""
        timestep = self._schedule.timestep(sigma.cpu()).to(self._device).expand(len(z))
        level = sigma.to(self._device)
        return clean(z, said(read(z, level), timestep), level, velocity=self._schedule.velocity)

    def advance(
        self, denoised: Tensor, z: Tensor, sigma: Tensor, next_sigma: Tensor, generator: Draws | None
    ) -> Tensor:
        """Euler's step: the sampler draws nothing."""
        return euler(denoised, z, sigma, next_sigma)

    def level(self, share: Tensor) -> Tensor:
        return self._schedule.level(share)

    def renoised(self, denoised: Tensor, sigma: Tensor, generator: torch.Generator) -> Tensor:
        """z = x̂0 + σ noise, in the model's dtype on its device."""
        return self._mixed(denoised, sigma, generator, lambda level: (torch.ones_like(level), level))
