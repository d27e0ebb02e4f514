"""Lumina Image 2.0, put together from the parts of a stock `Lumina2Pipeline` folder (arXiv 2503.21758).

Rectified flow over plain latents z [B, C, h, w] with its time turned round: the model is told 1 − σ and says −v. Gemma
2 reads a system prompt before every prompt, and none before a negative one. Classifier-free guidance above 1, its
gradient through both branches; every row of what comes out is brought to the length that it has in the prompt's branch,
as stock does (`cfg_normalization`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import plan
from ..quiet import quiet
from . import guidance, lumina2_sizes, pipelines, rectified_flow
from .branches import guided
from .guidance import Conditioning

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
FEED_FORWARD = ("feed_forward.linear_1", "feed_forward.linear_2", "feed_forward.linear_3")
MODULATION = ("norm1.linear",)


class Lumina2Generator(rectified_flow.RectifiedFlow):
    """A Lumina 2 model at one size, number of prompts' tokens and guidance; every weight is frozen."""

    lora_prefix = "transformer"

    @property
    def lora_targets(self) -> dict[str, tuple[str, ...]]:
        return {"attention": ATTENTION, "all": ATTENTION + FEED_FORWARD + MODULATION}

    @property
    def lora_metadata(self) -> dict[str, str]:
        """What other tools' headers call this family (Stability ModelSpec 1.0.1, sd-scripts)."""
        return {
            "modelspec.architecture": "lumina-2/lora",
            "modelspec.implementation": "https://github.com/Alpha-VLLM/Lumina-Image-2.0",
            "ss_base_model_version": "lumina2",
            "ss_network_module": "networks.lora_lumina",
        }

    @torch.no_grad()
    def condition(self, prompts: Sequence[str], negatives: Sequence[str]) -> Conditioning:
        """Encode B prompts behind the system prompt, and B negatives without it where there is guidance."""
        pipelines.refuse_released(self._pipeline)
        length = self._chosen.text_length
        before = self._pipeline.system_prompt + lumina2_sizes.START
        pipelines.refuse_longer(prompts, self._pipeline.tokenizer, length, self._chosen, before)

        def encode(some: list[str], others: list[str]) -> Iterable[Tensor | None]:
            return self._pipeline.encode_prompt(
                some, guided(self._chosen), others, device=self._device, max_sequence_length=length
            )

        return guidance.masked(prompts, negatives, encode)

    def sigmas(self, steps: int) -> Tensor:
        """Noise levels [N + 1], float32, on the CPU: the scheduler's own, asked for as the pipeline does."""
        # where a folder shifts by size, stock counts the latents' channels for it, and not tokens
        return rectified_flow.sigmas(self._pipeline.scheduler, steps, self._channels, given=True)

    def denoised(self, z: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        """x̂0 = z − σ v [B, C, h, w], guidance applied, in at least float32; sigma is one level [] or one a picture."""
        level = sigma.to(self._device).expand(len(z))
        (given, time), sequence, _ = conditioning.branches(z, 1 - level)
        said: Tensor = self.backbone(
            hidden_states=given,
            timestep=time,
            encoder_hidden_states=sequence,
            encoder_attention_mask=conditioning.masks(),
            return_dict=False,
        )[0]
        return rectified_flow.clean(z, -conditioning.combined_as_long(said, self._chosen.guidance), level)


def load(chosen: plan.Generator) -> Lumina2Generator:
    """Load the folder `chosen.model.folder`, safetensors only, in the plan's dtype on its device.

    Raises `InputError` for a size that the latents do not divide, a negative prompt without guidance, a decoder that
    the stock pipeline does not expect, or another sampler.
    """
    with quiet():
        from diffusers.pipelines.lumina2.pipeline_lumina2 import Lumina2Pipeline
    pipeline = pipelines.opened(Lumina2Pipeline, chosen)
    pipelines.refuse([*_problems(pipeline, chosen), *rectified_flow.sampler_problems(pipeline.scheduler)], chosen)
    return Lumina2Generator(pipeline, chosen)


def _problems(pipeline: Any, chosen: plan.Generator) -> list[tuple[str, str]]:
    """What is wrong with a plan or a folder, as (key of the recipe, message)."""
    factor = 2 ** (len(pipeline.vae.config.block_out_channels) - 1)
    found = pipelines.size_problems(chosen, lumina2_sizes.grain(Path(chosen.model.folder), factor))
    found += guidance.problems(chosen, pipeline.tokenizer, chosen.text_length)
    if factor != pipeline.vae_scale_factor:
        expected = pipeline.vae_scale_factor
        message = f"its decoder has {factor} pixels to a latent, where the stock pipeline expects {expected}"
        found.append(("generator.model", message))
    return found
