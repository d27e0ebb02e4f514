"""PixArt-Σ, put together from the parts of a stock `PixArtSigmaPipeline` folder (arXiv 2403.04692).

ε over plain latents z [B, C, h, w] in the scaling and by the samplers of `variance_exploding`; one T5, whose padding is
masked. Classifier-free guidance above 1, its gradient through both branches. Prompts are put into lower case and no
further cleaned, and pictures are made in the size that is asked for: stock's `clean_caption` and
`use_resolution_binning` are off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import plan
from ..quiet import quiet
from . import guidance, pipelines, pixart_sizes, variance_exploding
from .branches import guided
from .guidance import Conditioning

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
FEED_FORWARD = ("ff.net.0.proj", "ff.net.2")


class PixArtGenerator(variance_exploding.VarianceExploding):
    """A PixArt-Σ model at one size, number of steps, prompts' tokens and guidance; every weight is frozen."""

    lora_prefix = "transformer"

    @property
    def lora_targets(self) -> dict[str, tuple[str, ...]]:
        return {"attention": ATTENTION, "all": ATTENTION + FEED_FORWARD}

    @property
    def lora_metadata(self) -> dict[str, str]:
        """What OneTrainer's headers call this family; sd-scripts does not know it."""
        kind = "v" if self._schedule.velocity else "epsilon"
        return {
            "modelspec.architecture": "pixart-sigma/lora",
            "modelspec.implementation": "diffusers",
            "modelspec.prediction_type": kind,
        }

    @torch.no_grad()
    def condition(self, prompts: Sequence[str], negatives: Sequence[str]) -> Conditioning:
        """Encode B prompts, and B negatives where there is guidance, by the stock text path."""
        pipelines.refuse_released(self._pipeline)
        length = self._chosen.text_length
        pipelines.refuse_longer([_read(prompt) for prompt in prompts], self._pipeline.tokenizer, length, self._chosen)

        def encode(some: list[str], others: list[str]) -> Iterable[Tensor | None]:
            sequence, mask, negative, negative_mask = self._pipeline.encode_prompt(
                some, guided(self._chosen), others, device=self._device, max_sequence_length=length
            )
            return sequence, mask, negative, negative_mask

        return guidance.masked(prompts, negatives, encode)

    def denoised(self, z: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        """x̂0 [B, C, h, w], guidance applied, in at least float32; sigma is one level [] or one a picture [B]."""
        return self._estimated(z, sigma, partial(self._said, conditioning))

    def _said(self, conditioning: Conditioning, given: Tensor, timestep: Tensor) -> Tensor:
        (given, timestep), sequence, _ = conditioning.branches(given, timestep)
        output: Tensor = self.backbone(
            given,
            encoder_hidden_states=sequence,
            encoder_attention_mask=conditioning.masks(),
            timestep=timestep,
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
            return_dict=False,
        )[0]
        # of most folders the second half of the channels is a variance, which samplers of few steps do not read
        return conditioning.combined(output, self._chosen.guidance)[:, : self._channels]


def _read(prompt: str) -> str:
    """The text that the stock pipeline gives to its tokenizer."""
    return prompt.lower().strip()


def load(chosen: plan.Generator) -> PixArtGenerator:
    """Load the folder `chosen.model.folder`, safetensors only, in the plan's dtype on its device.

    Raises `InputError` for a size that the latents do not divide, a negative prompt without guidance, a model that is
    told the picture's size, or another sampler; warns of a sampler that is replaced.
    """
    with quiet():
        from diffusers.pipelines.pixart_alpha.pipeline_pixart_sigma import PixArtSigmaPipeline
    pipeline = pipelines.opened(PixArtSigmaPipeline, chosen)
    pipelines.refuse(_problems(pipeline, chosen), chosen)
    pipeline.register_modules(scheduler=variance_exploding.scheduler(pipeline.scheduler, chosen))
    return PixArtGenerator(pipeline, chosen)


def _problems(pipeline: Any, chosen: plan.Generator) -> list[tuple[str, str]]:
    """What is wrong with a plan or a folder, as (key of the recipe, message)."""
    grain = pixart_sizes.grain(Path(chosen.model.folder), int(pipeline.vae_scale_factor))
    found = pipelines.size_problems(chosen, grain)
    found += guidance.problems(chosen, pipeline.tokenizer, chosen.text_length)
    backbone = pipeline.transformer
    if backbone.use_additional_conditions:
        message = "its transformer is told a picture's size, as PixArt-α is, which its pipeline does not say"
        found.append(("generator.model", message))
    if backbone.config.out_channels not in (backbone.config.in_channels, 2 * backbone.config.in_channels):
        found.append(("generator.model", "its transformer says neither noise nor noise and variance of its latents"))
    return found + variance_exploding.sampler_problems(pipeline.scheduler)
