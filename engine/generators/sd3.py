"""Stable Diffusion 3 and 3.5, put together from the parts of a stock `StableDiffusion3Pipeline` folder.

Rectified flow over plain latents z [B, C, h, w], sampled by `FlowMatchEulerDiscreteScheduler`. Two CLIP encoders, and
T5, which may be left out: zeros stand in its place then. Classifier-free guidance above 1, its gradient through both
branches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import devices, plan
from ..quiet import quiet
from . import decoding, guidance, pipelines, rectified_flow, sd3_sizes
from .branches import guided
from .sd3_sizes import TEXT_TOKENS

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "add_k_proj", "add_v_proj", "to_add_out")
FEED_FORWARD = ("ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2")
MODULATION = ("norm1.linear", "norm1_context.linear")


@dataclass(frozen=True, slots=True)
class SD3Conditioning:
    """Sequences [B, T, D] and pooled vectors [B, P] of B prompts; with guidance those of the negatives too."""

    sequence: Tensor
    negative: Tensor | None
    pooled: Tensor
    negative_pooled: Tensor | None

    def rows(self, index: Sequence[int]) -> SD3Conditioning:
        picked = torch.tensor(list(index), device=self.sequence.device)
        negatives = [None if part is None else part[picked] for part in (self.negative, self.negative_pooled)]
        return SD3Conditioning(self.sequence[picked], negatives[0], self.pooled[picked], negatives[1])


class SD3Generator:
    """A Stable Diffusion 3 model at one size, number of prompts' tokens and guidance; every weight is frozen."""

    lora_prefix = "transformer"
    deviation = 1.0

    def __init__(self, pipeline: Any, chosen: plan.Generator) -> None:
        """Take a `StableDiffusion3Pipeline`; `chosen` gives size, guidance and the length T5 pads to."""
        self._pipeline: Any = pipeline
        self._vae: Any = pipeline.vae
        self._scheduler: Any = pipeline.scheduler
        self._chosen = chosen
        self._device = pipelines.freeze(pipeline, pipeline.transformer, chosen)
        self._dtype = devices.dtype(chosen.dtype)
        self.backbone: nn.Module = pipeline.transformer

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
    def condition(self, prompts: Sequence[str], negatives: Sequence[str]) -> SD3Conditioning:
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
        return SD3Conditioning(sequence, negative, pooled, negative_pooled)

    def release_encoders(self) -> None:
        pipelines.release_encoders(self._pipeline, self._device)

    def noise(self, seeds: Sequence[int]) -> Tensor:
        """z [B, C, h, w] at σ = 1, bit for bit what the stock pipeline draws for one picture from a CPU generator."""
        return torch.cat([self._draw(seed) for seed in seeds])

    def _draw(self, seed: int) -> Tensor:
        stream = torch.Generator("cpu").manual_seed(seed)
        channels = int(self._pipeline.transformer.config.in_channels)
        size = (self._chosen.height, self._chosen.width)
        return self._pipeline.prepare_latents(1, channels, *size, self._dtype, self._device, stream)

    def sigmas(self, steps: int) -> Tensor:
        """Noise levels [N + 1], float32, on the CPU: the scheduler's own, asked for as the pipeline does."""
        grain = int(self._pipeline.vae_scale_factor) * int(self._pipeline.patch_size)
        tokens = (self._chosen.height // grain) * (self._chosen.width // grain)
        return rectified_flow.sigmas(self._scheduler, steps, tokens, given=False)

    def denoised(self, z: Tensor, sigma: Tensor, conditioning: SD3Conditioning) -> Tensor:
        """x̂0 = z − σ v [B, C, h, w], guidance applied, in at least float32; sigma is one level [] or one a picture."""
        level = sigma.to(self._device).expand(len(z))
        given, timestep = z, level * self._scheduler.config.num_train_timesteps
        sequence, pooled = conditioning.sequence, conditioning.pooled
        if conditioning.negative is not None and conditioning.negative_pooled is not None:
            given, timestep = torch.cat([given, given]), torch.cat([timestep, timestep])
            sequence = guidance.both(conditioning.negative, sequence)
            pooled = guidance.both(conditioning.negative_pooled, pooled)
        velocity: Tensor = self.backbone(
            hidden_states=given,
            timestep=timestep,
            encoder_hidden_states=sequence,
            pooled_projections=pooled,
            return_dict=False,
        )[0]
        if conditioning.negative is not None:
            velocity = guidance.combined(velocity, self._chosen.guidance)
        return rectified_flow.clean(z, velocity, level)

    def advance(
        self, denoised: Tensor, z: Tensor, sigma: Tensor, next_sigma: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """z' = x̂0 + (σ'/σ)(z − x̂0), or x̂0 re-noised where the scheduler is set to sample stochastically."""
        return rectified_flow.advance(self._scheduler, denoised, z, sigma, next_sigma, generator)

    def level(self, share: Tensor) -> Tensor:
        return share

    def renoised(self, denoised: Tensor, sigma: Tensor, generator: torch.Generator) -> Tensor:
        """z = (1 − σ) x̂0 + σ noise, in the model's dtype."""
        return rectified_flow.renoised(denoised, sigma, generator, self._device, self._dtype)

    def image(self, denoised: Tensor) -> Tensor:
        """Pixels [B, 3, H, W] in [0, 1] of x̂0; the clamp passes gradients straight through."""
        return decoding.pixels(self._vae, denoised.to(self._dtype))


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
