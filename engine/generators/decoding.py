"""From latents to pixels by a stock autoencoder."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def pixels(vae: Any, latents: Tensor) -> Tensor:
    """Pixels [B, 3, H, W] in [0, 1] of latents [B, C, h, w]; the clamp passes gradients straight through."""
    settings = vae.config
    mean, deviation = settings.get("latents_mean"), settings.get("latents_std")
    if mean is not None and deviation is not None and len(mean) == latents.shape[1]:
        by_channel = (torch.tensor(one).view(1, -1, 1, 1).to(latents) for one in (mean, deviation))
        mean, deviation = by_channel
        latents = latents * deviation / settings.scaling_factor + mean
    else:
        latents = latents / settings.scaling_factor
    if settings.get("shift_factor") is not None:
        latents = latents + settings.shift_factor
    decoded: Tensor = vae.decode(latents, return_dict=False)[0]
    return shown(decoded)


def shown(decoded: Tensor) -> Tensor:
    """Pixels in [0, 1] of decoded ones in [−1, 1]; the clamp passes gradients straight through."""
    pixels = decoded / 2 + 0.5
    return pixels.clamp(0, 1).detach() + (pixels - pixels.detach())


def recompute(vae: Any) -> None:
    """Let the decoder's blocks be computed again in the backward pass, by diffusers' own switch where there is one."""
    if vae._supports_gradient_checkpointing:
        vae.enable_gradient_checkpointing()
        return
    for block in vae.decoder.up_blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
