"""Generators around a `UNet2DConditionModel`: what Stable Diffusion and Stable Diffusion XL share.

Latents are plain, z [B, C, h, w], in the scaling of `variance_exploding`. The gradient of guidance flows through both
of its branches, see `guidance`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import devices, plan
from . import decoding, guidance, levels, pipelines, unet_sizes, variance_exploding

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
# what sd-scripts adapts beside it; in Stable Diffusion 1 the projections are convolutions, which take no adapter here
REST = ("ff.net.0.proj", "ff.net.2", "proj_in", "proj_out")


@dataclass(frozen=True, slots=True)
class UNetConditioning:
    """Sequences [B, T, D] and, of XL, pooled vectors [B, P] of B prompts; with guidance those of the negatives too."""

    sequence: Tensor
    negative: Tensor | None
    pooled: Tensor | None = None
    negative_pooled: Tensor | None = None

    def rows(self, index: Sequence[int]) -> UNetConditioning:
        picked = torch.tensor(list(index), device=self.sequence.device)
        parts = (self.sequence, self.negative, self.pooled, self.negative_pooled)
        return UNetConditioning(*(None if part is None else part[picked] for part in parts))  # type: ignore[arg-type]


Encode = Callable[[list[str], list[str]], Iterable[Tensor | None]]


class UNetGenerator:
    """A UNet at one size, number of steps and guidance; every weight is frozen."""

    lora_prefix = "unet"

    def __init__(
        self, pipeline: Any, chosen: plan.Generator, tokenizer: Any, encode: Encode, metadata: dict[str, str]
    ) -> None:
        """Take a pipeline that holds all its parts, the tokenizer that limits prompts, and how prompts are encoded.

        `encode` makes of prompts and negatives the parts of a `UNetConditioning`; `metadata` are an adapter's entries.
        """
        self._pipeline: Any = pipeline
        self._vae: Any = pipeline.vae
        self._chosen = chosen
        self._tokenizer: Any = tokenizer
        self._encode = encode
        self._metadata = metadata
        self._device = pipelines.freeze(pipeline, pipeline.unet, chosen)
        self._dtype = devices.dtype(chosen.dtype)
        self.backbone: nn.Module = pipeline.unet
        self._schedule = variance_exploding.schedule(pipeline.scheduler, chosen.steps)
        pipeline.scheduler.set_timesteps(chosen.steps)  # by which the stock pipeline scales its noise

    @property
    def lora_targets(self) -> dict[str, tuple[str, ...]]:
        return {"attention": ATTENTION, "all": ATTENTION + REST}

    @property
    def lora_metadata(self) -> dict[str, str]:
        """What other tools' headers call this model (Stability ModelSpec 1.0.1, sd-scripts)."""
        kind = "v" if self._schedule.velocity else "epsilon"
        return {**self._metadata, "modelspec.prediction_type": kind, "ss_network_module": "networks.lora"}

    @torch.no_grad()
    def condition(self, prompts: Sequence[str], negatives: Sequence[str]) -> UNetConditioning:
        """Encode B prompts, and B negatives where there is guidance, by the stock text path."""
        pipelines.refuse_released(self._pipeline)
        pipelines.refuse_cut(prompts, self._tokenizer, self._tokenizer.model_max_length, self._chosen)
        return UNetConditioning(*pipelines.encoded(prompts, negatives, self._encode))  # type: ignore[arg-type]

    def release_encoders(self) -> None:
        pipelines.release_encoders(self._pipeline, self._device)

    @property
    def deviation(self) -> float:
        """By which the sampler starts, as its `timestep_spacing` has it: σ, or √(σ² + 1), of the first level."""
        return float(self._pipeline.scheduler.init_noise_sigma)

    def noise(self, seeds: Sequence[int]) -> Tensor:
        """z [B, C, h, w] at the first level, bit for bit what the stock pipeline draws for one picture."""
        return torch.cat([self._draw(seed) for seed in seeds])

    def _draw(self, seed: int) -> Tensor:
        stream = torch.Generator("cpu").manual_seed(seed)
        channels = int(self._pipeline.unet.config.in_channels)
        size = (self._chosen.height, self._chosen.width)
        return self._pipeline.prepare_latents(1, channels, *size, self._dtype, self._device, stream)

    def sigmas(self, steps: int) -> Tensor:
        """Noise levels [N + 1], float32, on the CPU: the scheduler's own."""
        return variance_exploding.schedule(self._pipeline.scheduler, steps).sigmas

    def denoised(self, z: Tensor, sigma: Tensor, conditioning: UNetConditioning) -> Tensor:
        """x̂0 [B, C, h, w], guidance applied, in at least float32; sigma is one level [] or one a picture [B]."""
        timestep = self._schedule.timestep(sigma.cpu()).to(self._device).expand(len(z))
        level = sigma.to(self._device)
        output = self._said(variance_exploding.read(z, level), timestep, conditioning)
        return variance_exploding.clean(z, output, level, velocity=self._schedule.velocity)

    def _said(self, given: Tensor, timestep: Tensor, conditioning: UNetConditioning) -> Tensor:
        sequence, pooled = conditioning.sequence, conditioning.pooled
        guided = conditioning.negative is not None
        if conditioning.negative is not None:
            given, timestep = torch.cat([given, given]), torch.cat([timestep, timestep])
            sequence = guidance.both(conditioning.negative, sequence)
            if pooled is not None and conditioning.negative_pooled is not None:
                pooled = guidance.both(conditioning.negative_pooled, pooled)
        added = None if pooled is None else {"text_embeds": pooled, "time_ids": self._size(pooled)}
        output: Tensor = self.backbone(
            given, timestep, encoder_hidden_states=sequence, added_cond_kwargs=added, return_dict=False
        )[0]
        return guidance.combined(output, self._chosen.guidance) if guided else output

    def _size(self, pooled: Tensor) -> Tensor:
        """What XL is told of a picture's size [B, 6]: the original's, the crop's corner, the target's; height first."""
        told = (self._chosen.height, self._chosen.width, 0, 0, self._chosen.height, self._chosen.width)
        return torch.tensor([told], dtype=pooled.dtype, device=pooled.device).expand(len(pooled), -1)

    def advance(
        self, denoised: Tensor, z: Tensor, sigma: Tensor, next_sigma: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """Euler's step: the sampler draws nothing."""
        return levels.euler(denoised, z, sigma, next_sigma)

    def level(self, share: Tensor) -> Tensor:
        return self._schedule.level(share)

    def renoised(self, denoised: Tensor, sigma: Tensor, generator: torch.Generator) -> Tensor:
        """z = x̂0 + σ noise, in the model's dtype."""
        return variance_exploding.renoised(denoised, sigma, generator, self._device, self._dtype)

    def image(self, denoised: Tensor) -> Tensor:
        """Pixels [B, 3, H, W] in [0, 1] of x̂0; the clamp passes gradients straight through."""
        return decoding.pixels(self._vae, denoised.to(self._dtype))


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
