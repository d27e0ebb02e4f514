"""From latents to pixels by `AutoencoderKLQwenImage`, whose pictures are films of one frame.

Stock's own `decode` clamps in a way that passes no gradient where a picture is too bright or too dark, and keeps frames
for those that follow; one frame needs neither, and its values are the same.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from . import decoding


def pixels(vae: Any, latents: Tensor, *, recomputed: bool) -> Tensor:
    """Pixels [B, 3, H, W] in [0, 1] of latents [B, C, h, w]; the clamp passes gradients straight through.

    `recomputed`: blocks are computed again for the gradient.
    """
    settings = vae.config
    mean, deviation = (
        torch.tensor(one).view(1, -1, 1, 1).to(latents) for one in (settings.latents_mean, settings.latents_std)
    )
    frames = (latents * deviation + mean).unsqueeze(2)
    least = (vae.tile_sample_min_height, vae.tile_sample_min_width)
    sides = [side * vae.spatial_compression_ratio for side in latents.shape[2:]]
    tiled = vae.use_tiling and any(side > one for side, one in zip(sides, least, strict=True))
    parts = frames.split(1) if vae.use_slicing else [frames]
    decoded = [vae.tiled_decode(part).sample if tiled else _decoded(vae, part, recomputed) for part in parts]
    return decoding.shown(torch.cat(decoded)[:, :, 0])


def _decoded(vae: Any, frames: Tensor, recomputed: bool) -> Tensor:
    """Films [B, 3, 1, H, W] of latents [B, C, 1, h, w], the decoder's own layers one after the other."""
    decoder = vae.decoder
    values: Tensor = decoder.conv_in(vae.post_quant_conv(frames))
    for block in (decoder.mid_block, *decoder.up_blocks):
        values = checkpoint(block, values, use_reentrant=False) if recomputed else block(values)  # pyright: ignore[reportAssignmentType]
    return decoder.conv_out(decoder.nonlinearity(decoder.norm_out(values)))
