"""Stable Diffusion 3 and 3.5, put together from the parts of a stock `StableDiffusion3Pipeline` folder.

Rectified flow over plain latents z [B, C, h, w], sampled by `FlowMatchEulerDiscreteScheduler`. Two CLIP encoders, and
T5, which may be left out: zeros stand in its place then. Classifier-free guidance above 1, its gradient through both
branches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import plan
from ..quiet import quiet
from . import guidance, pipelines, rectified_flow, sd3_sizes
from .branches import guided
from .guidance import Conditioning
from .sd3_sizes import TEXT_TOKENS

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "add_k_proj", "add_v_proj", "to_add_out")
FEED_FORWARD = ("ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2")
MODULATION = ("norm1.linear", "norm1_context.linear")


class SD3Generator(rectified_flow.RectifiedFlow):
    """A Stable Diffusion 3 model at one size, number of prompts' tokens and guidance; every weight is frozen."""

    lora_prefix = "transformer"

    @property
    def lora_targets(self) -> dict[str, tuple[str, ...]]:
        """What the last block's text asks for is not read any more, so that it takes no adapter."""
        blocks = range(int(self._pipeline.transformer.config.num_layers) - 1)
        attention = (*ATTENTION, *(f"{block}.attn.add_q_proj" for block in blocks))
        return {"attention": attention, "all": attention + FEED_FORWARD + MODULATION}

    @property
    def lora_metadata(self) -> dict[str, str]:
        """What other tools' headers call this model: 3.5 normalises queries and keys, large is the deeper one of it."""
        config = self._pipeline.transformer.config
        size = "large" if config.num_layers >= 38 else "medium"
        kind = f"5-{size}" if config.qk_norm else "medium"
        return {
            "modelspec.architecture": f"stable-diffusion-3-{kind}/lora",
            "modelspec.implementation": "diffusers",
            "ss_base_model_version": kind,
            "ss_network_module": "networks.lora_sd3",
        }

    @torch.no_grad()
    def condition(self, prompts: Sequence[str], negatives: Sequence[str]) -> Conditioning:
        """Encode B prompts, and B negatives where there is guidance, by the stock text path.

        CLIP reads the beginning of a long prompt, as the stock pipeline has it, where T5 reads all of it.
        """
        pipelines.refuse_released(self._pipeline)
        pipelines.refuse_cut(prompts, *_longest(self._pipeline, self._chosen), self._chosen)
        length = self._chosen.text_length if self._pipeline.text_encoder_3 is not None else TEXT_TOKENS

        def encode(some: list[str], others: list[str]) -> Iterable[Tensor | None]:
            return self._pipeline.encode_prompt(
                some, None, None, device=self._device, do_classifier_free_guidance=guided(self._chosen),
                negative_prompt=others if guided(self._chosen) else None, max_sequence_length=length,
            )  # fmt: skip

        sequence, negative, pooled, negative_pooled = pipelines.encoded(prompts, negatives, encode)
        assert sequence is not None
        assert pooled is not None
        return Conditioning(sequence, negative, pooled, negative_pooled)

    def sigmas(self, steps: int) -> Tensor:
        """Noise levels [N + 1], float32, on the CPU: the scheduler's own, asked for as the pipeline does."""
        grain = int(self._pipeline.vae_scale_factor) * int(self._pipeline.patch_size)
        tokens = (self._chosen.height // grain) * (self._chosen.width // grain)
        return rectified_flow.sigmas(self._pipeline.scheduler, steps, tokens, given=False)

    def denoised(self, z: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        """x̂0 = z − σ v [B, C, h, w], guidance applied, in at least float32; sigma is one level [] or one a picture."""
        level = sigma.to(self._device).expand(len(z))
        timestep = level * self._pipeline.scheduler.config.num_train_timesteps
        (given, timestep), sequence, pooled = conditioning.branches(z, timestep)
        velocity: Tensor = self.backbone(
            hidden_states=given,
            timestep=timestep,
            encoder_hidden_states=sequence,
            pooled_projections=pooled,
            return_dict=False,
        )[0]
        velocity = conditioning.combined(velocity, self._chosen.guidance)
        return rectified_flow.clean(z, velocity, level)


def _longest(pipeline: Any, chosen: plan.Generator) -> tuple[Any, int]:
    """The tokenizer of the encoder that reads most of a prompt, and how many tokens it reads."""
    if pipeline.text_encoder_3 is not None:
        return pipeline.tokenizer_3, chosen.text_length
    return pipeline.tokenizer_2, int(pipeline.tokenizer_max_length)


def load(chosen: plan.Generator) -> SD3Generator:
    """Load the folder `chosen.model.folder`, safetensors only, in the plan's dtype on its device.

    Raises `InputError` for a size that the latents do not divide, a negative prompt without guidance, or another
    sampler.
    """
    with quiet():
        from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import StableDiffusion3Pipeline
    # stock has to be told which of its parts a folder does not have
    t5 = [name for name in ("text_encoder_3", "tokenizer_3") if not (Path(chosen.model.folder) / name).is_dir()]
    unwanted = dict.fromkeys((*t5, "image_encoder", "feature_extractor"))
    pipeline = pipelines.opened(StableDiffusion3Pipeline, chosen, **unwanted)
    grain = sd3_sizes.grain(Path(chosen.model.folder), int(pipeline.vae_scale_factor))
    found = pipelines.size_problems(chosen, grain)
    found += guidance.problems(chosen, *_longest(pipeline, chosen))
    pipelines.refuse([*found, *rectified_flow.sampler_problems(pipeline.scheduler)], chosen)
    return SD3Generator(pipeline, chosen)
