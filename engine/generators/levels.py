"""Noise levels, and the one line of Euler that serves every family whose z lies on a straight line through x̂0."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .. import streams

Draws = torch.Generator | Sequence[torch.Generator]  # on the CPU: one stream for all pictures, or one a picture


def over(level: Tensor, z: Tensor, exact: torch.dtype) -> Tensor:
    """A noise level [] or [B], shaped to multiply latents z of any layout, B first."""
    return level.to(exact).reshape(-1, *[1] * (z.ndim - 1))


def told(level: Tensor, sigmas: Tensor, timesteps: Tensor, between: Tensor) -> Tensor:
    """What a model is told of levels [] or [B]: the sampler's own word for its N levels, elsewhere `between` [B]."""
    own = level.reshape(-1, 1) == sigmas[:-1]
    return torch.where(own.any(1), timesteps[own.int().argmax(1)], between)


def euler(denoised: Tensor, z: Tensor, sigma: Tensor, next_sigma: Tensor) -> Tensor:
    """z' = x̂0 + (σ'/σ)(z − x̂0), in the dtype of z."""
    now, then = (over(level.to(z.device), z, denoised.dtype) for level in (sigma, next_sigma))
    return (denoised + (then / now) * (z.to(denoised.dtype) - denoised)).to(z.dtype)


def fresh(shape: Sequence[int], draws: Draws | None, exact: torch.dtype) -> Tensor:
    """Noise [B, …] on the CPU."""
    if draws is None or isinstance(draws, torch.Generator):
        return streams.normal(shape, draws, exact)
    return torch.stack([torch.randn(tuple(shape[1:]), generator=one, dtype=exact) for one in draws])
