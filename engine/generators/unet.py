"""Generators around a `UNet2DConditionModel`: what Stable Diffusion and Stable Diffusion XL share.

Latents are plain, z [B, C, h, w], in the scaling of `variance_exploding`. The gradient of guidance flows through both
of its branches, see `guidance`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import plan
from . import guidance, pipelines, unet_sizes, variance_exploding
from .guidance import Conditioning

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
# what sd-scripts adapts beside it; in Stable Diffusion 1 the projections are convolutions, which take no adapter here
REST = ("ff.net.0.proj", "ff.net.2", "proj_in", "proj_out")


Encode = Callable[[list[str], list[str]], Iterable[Tensor | None]]


class UNetGenerator(variance_exploding.VarianceExploding):
    """A UNet at one size, number of steps and guidance; every weight is frozen."""

    lora_prefix = "unet"

    def __init__(
        self, pipeline: Any, chosen: plan.Generator, tokenizer: Any, encode: Encode, metadata: dict[str, str]
    ) -> None:
        """Take a pipeline that holds all its parts, the tokenizer that limits prompts, and how prompts are encoded.

        `encode` makes of prompts and negatives the parts of a `Conditioning`; `metadata` are an adapter's entries.
        """
        super().__init__(pipeline, chosen)
        self._tokenizer: Any = tokenizer
        self._encode = encode
        self._metadata = metadata

    @property
    def lora_targets(self) -> dict[str, tuple[str, ...]]:
        return {"attention": ATTENTION, "all": ATTENTION + REST}

    @property
    def lora_metadata(self) -> dict[str, str]:
        """What other tools' headers call this model (Stability ModelSpec 1.0.1, sd-scripts)."""
        kind = "v" if self._schedule.velocity else "epsilon"
        return {**self._metadata, "modelspec.prediction_type": kind, "ss_network_module": "networks.lora"}

    @torch.no_grad()
    def condition(self, prompts: Sequence[str], negatives: Sequence[str]) -> Conditioning:
        """Encode B prompts, and B negatives where there is guidance, by the stock text path."""
        pipelines.refuse_released(self._pipeline)
        pipelines.refuse_cut(prompts, self._tokenizer, self._tokenizer.model_max_length, self._chosen)
        return Conditioning(*pipelines.encoded(prompts, negatives, self._encode))  # type: ignore[arg-type]

    def denoised(self, z: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        """x̂0 [B, C, h, w], guidance applied, in at least float32; sigma is one level [] or one a picture [B]."""
        return self._estimated(z, sigma, partial(self._said, conditioning))

    def _said(self, conditioning: Conditioning, given: Tensor, timestep: Tensor) -> Tensor:
        (given, timestep), sequence, pooled = conditioning.branches(given, timestep)
        added = None if pooled is None else {"text_embeds": pooled, "time_ids": self._size(pooled)}
        output: Tensor = self.backbone(
            given, timestep, encoder_hidden_states=sequence, added_cond_kwargs=added, return_dict=False
        )[0]
        return conditioning.combined(output, self._chosen.guidance)

    def _size(self, pooled: Tensor) -> Tensor:
        """What XL is told of a picture's size [B, 6]: the original's, the crop's corner, the target's; height first."""
        told = (self._chosen.height, self._chosen.width, 0, 0, self._chosen.height, self._chosen.width)
        return torch.tensor([told], dtype=pooled.dtype, device=pooled.device).expand(len(pooled), -1)


def problems(pipeline: Any, chosen: plan.Generator, tokenizer: Any) -> list[tuple[str, str]]:
    """What is wrong with a plan or a folder, as (key of the recipe, message)."""
    grain = unet_sizes.grain(Path(chosen.model.folder), int(pipeline.vae_scale_factor))
    found = pipelines.size_problems(chosen, grain)
    found += guidance.problems(chosen, tokenizer, int(tokenizer.model_max_length))
    config = pipeline.unet.config
    if config.time_cond_proj_dim is not None:
        found.append(("generator.model", "its UNet is told the guidance, as latent consistency models are: not known"))
    if config.in_channels != pipeline.vae.config.latent_channels:
        message = f"its UNet reads {config.in_channels} channels, which are more than a picture's latents"
        found.append(("generator.model", message))
    return found + variance_exploding.sampler_problems(pipeline.scheduler)
