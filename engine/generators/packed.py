"""Latents packed into tokens as Flux has them, which several families share: z [B, V, 4C], V = (h / 2)(w / 2).

A token is a square of 2 × 2 latents, its values ordered by channel, row and column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from . import rectified_flow


class Packed(rectified_flow.RectifiedFlow):
    """A generator whose z is packed, on the path of rectified flow."""

    def noise(self, seeds: Sequence[int]) -> Tensor:
        """z [B, V, 4C] at σ = 1, bit for bit what the stock pipeline draws for one picture from a CPU generator."""
        drawn: list[Any] = [self._drawn(seed) for seed in seeds]
        # some pipelines say where the tokens lie, too
        return torch.cat([one[0] if isinstance(one, tuple) else one for one in drawn])

    @property
    def _channels(self) -> int:
        return super()._channels // 4

    def sigmas(self, steps: int) -> Tensor:
        """Noise levels [N + 1], float32, on the CPU: the scheduler's own, asked for as the pipeline does."""
        return rectified_flow.sigmas(self._pipeline.scheduler, steps, self._rows * self._columns, given=True)

    def _timestep(self, level: Tensor, z: Tensor) -> Tensor:
        """What the backbone is told of levels [B]."""
        steps = self._pipeline.scheduler.config.num_train_timesteps
        # through the model's dtype at the scale of timesteps, as stock does: in bfloat16 the order of rounding shows
        return (level * steps).to(z.dtype) / steps

    def image(self, denoised: Tensor) -> Tensor:
        """Pixels [B, 3, H, W] in [0, 1] of x̂0 [B, V, 4C]; the clamp passes gradients straight through."""
        return super().image(unpack(denoised, 2 * self._rows))

    @property
    def _rows(self) -> int:
        """Of tokens."""
        return self._chosen.height // (2 * int(self._pipeline.vae_scale_factor))

    @property
    def _columns(self) -> int:
        return self._chosen.width // (2 * int(self._pipeline.vae_scale_factor))


def unpack(z: Tensor, height: int) -> Tensor:
    """Latents [B, C, h, w] of packed ones [B, (h / 2)(w / 2), 4C], h = `height`: the inverse of the stock packing."""
    pictures, tokens, channels = z.shape
    rows, columns = height // 2, 2 * tokens // height
    parts = z.view(pictures, rows, columns, channels // 4, 2, 2)
    return parts.permute(0, 3, 1, 4, 2, 5).reshape(pictures, channels // 4, 2 * rows, 2 * columns)
