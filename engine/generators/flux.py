"""Flux: rectified flow over packed latents, put together from the parts of a stock `FluxPipeline` folder.

Latents are packed as the stock pipeline packs them: z [B, V, 4C], V = (h / 2)(w / 2) tokens of 2×2 latents. With
velocity v the clean estimate is x̂0 = z − σ v (Flow Matching, arXiv 2210.02747, with the path z = (1 − σ) x0 + σ noise).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import devices, lengths, models, plan
from ..errors import InputError, Place, Problem
from ..quiet import quiet

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
FEED_FORWARD = ("ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2", "proj_mlp", "proj_out")
MODULATION = ("norm1.linear", "norm1_context.linear", "norm.linear")
ENCODED_AT_ONCE = 16  # prompts; bounds the memory of a full-size T5


@dataclass(frozen=True, slots=True)
class FluxConditioning:
    """T5's sequence [B, T, D] and CLIP's pooled vector [B, P] of B prompts."""

    sequence: Tensor
    pooled: Tensor

    def rows(self, index: Sequence[int]) -> FluxConditioning:
        picked = torch.tensor(list(index), device=self.sequence.device)
        return FluxConditioning(self.sequence[picked], self.pooled[picked])


class FluxGenerator:
    """A Flux model at one size, number of prompts' tokens and guidance; every weight is frozen."""

    lora_prefix = "transformer"

    def __init__(self, pipeline: Any, chosen: plan.Generator) -> None:
        """Take a `FluxPipeline` that holds all its parts; `chosen` gives size, guidance and the length T5 pads to."""
        self._pipeline: Any = pipeline
        self._vae: Any = pipeline.vae
        self._scheduler: Any = pipeline.scheduler
        self._chosen = chosen
        self._device = devices.found(chosen.device)
        self._dtype = devices.dtype(chosen.dtype)
        for part in (pipeline.transformer, pipeline.vae, pipeline.text_encoder, pipeline.text_encoder_2):
            part.to(self._device).requires_grad_(False).eval()
        self.backbone: nn.Module = pipeline.transformer
        self._save_memory()
        self._guided = bool(pipeline.transformer.config.guidance_embeds)
        self._channels = int(pipeline.transformer.config.in_channels) // 4
        self._places: Tensor = self._draw(0)[1]  # [V, 3] rows and columns of the tokens, for the rotary embedding

    def _save_memory(self) -> None:
        """Turn on what the plan asks for, by diffusers' own switches."""
        if self._chosen.slicing:
            self._vae.enable_slicing()
        if self._chosen.tiling:
            self._vae.enable_tiling()
        if self._chosen.checkpoint_decoder:
            self._vae.enable_gradient_checkpointing()
        if self._chosen.checkpoint_backbone:
            self._pipeline.transformer.enable_gradient_checkpointing()

    @property
    def lora_targets(self) -> dict[str, tuple[str, ...]]:
        return {"attention": ATTENTION, "all": ATTENTION + FEED_FORWARD + MODULATION}

    @property
    def lora_metadata(self) -> dict[str, str]:
        """What other tools' headers call this family (Stability ModelSpec 1.0.1, sd-scripts)."""
        return {
            "modelspec.architecture": "flux-1-dev/lora" if self._guided else "flux-1-schnell/lora",
            "modelspec.implementation": "https://github.com/black-forest-labs/flux",
            "ss_base_model_version": "flux1",
            "ss_network_module": "networks.lora_flux",
        }

    @torch.no_grad()
    def condition(self, prompts: Sequence[str], negatives: Sequence[str]) -> FluxConditioning:
        """Encode B prompts by the stock text path: CLIP pooled, T5 padded to the plan's length; no negatives.

        CLIP reads the beginning of a long prompt, as the stock pipeline has it: that is no news, and not told.
        """
        if self._pipeline.text_encoder is None:
            raise RuntimeError("the text encoders were released")
        length = self._chosen.text_length
        parts = [prompts[start : start + ENCODED_AT_ONCE] for start in range(0, len(prompts), ENCODED_AT_ONCE)]
        with quiet():
            self._refuse_cut(prompts)
            encoded = [
                self._pipeline.encode_prompt(list(part), device=self._device, max_sequence_length=length)
                for part in parts
            ]
        return FluxConditioning(torch.cat([one[0] for one in encoded]), torch.cat([one[1] for one in encoded]))

    def _refuse_cut(self, prompts: Sequence[str]) -> None:
        """Raises `InputError` for what T5 would cut, where there was no file of a tokenizer to say so before."""
        if models.reads(self._chosen.model) is not None:
            return
        for prompt in dict.fromkeys(prompts):
            count = len(self._pipeline.tokenizer_2(prompt).input_ids)
            if count > self._chosen.text_length:
                message = lengths.said(prompt, count, self._chosen.text_length)
                raise InputError([Problem(Place(self._chosen.model.address), "", message)])

    def release_encoders(self) -> None:
        self._pipeline.register_modules(text_encoder=None, text_encoder_2=None)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def noise(self, seeds: Sequence[int]) -> Tensor:
        """z [B, V, 4C] at σ = 1, bit for bit what the stock pipeline draws for one picture from a CPU generator."""
        return torch.cat([self._draw(seed)[0] for seed in seeds])

    def _draw(self, seed: int) -> tuple[Tensor, Tensor]:
        stream = torch.Generator("cpu").manual_seed(seed)
        size = (self._chosen.height, self._chosen.width)
        return self._pipeline.prepare_latents(1, self._channels, *size, self._dtype, self._device, stream)

    def sigmas(self, steps: int) -> Tensor:
        """Noise levels [N + 1], float32, on the CPU: the scheduler's own, asked for as the pipeline does."""
        from diffusers.pipelines.flux.pipeline_flux import calculate_shift

        settings = self._scheduler.config
        mu = calculate_shift(
            len(self._places),
            settings.get("base_image_seq_len", 256),
            settings.get("max_image_seq_len", 4096),
            settings.get("base_shift", 0.5),
            settings.get("max_shift", 1.15),
        )
        if settings.get("use_flow_sigmas", False):
            self._scheduler.set_timesteps(steps, mu=mu)
        else:
            self._scheduler.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu)
        return self._scheduler.sigmas.clone()

    def denoised(self, z: Tensor, sigma: Tensor, conditioning: FluxConditioning) -> Tensor:
        """x̂0 = z − σ v [B, V, 4C], in at least float32; sigma is one level [] or one a picture [B]."""
        level = sigma.to(self._device).expand(len(z))
        steps = self._scheduler.config.num_train_timesteps
        # through the model's dtype at the scale of timesteps, as stock does: in bfloat16 the order of rounding shows
        timestep = (level * steps).to(z.dtype) / steps
        velocity: Tensor = self.backbone(
            hidden_states=z,
            timestep=timestep,
            guidance=self._guidance(len(z)),
            pooled_projections=conditioning.pooled,
            encoder_hidden_states=conditioning.sequence,
            txt_ids=torch.zeros(conditioning.sequence.shape[1], 3, device=z.device, dtype=z.dtype),
            img_ids=self._places,
            return_dict=False,
        )[0]
        exact = devices.precise(z.dtype)
        return z.to(exact) - _over(level, exact) * velocity.to(exact)

    def _guidance(self, pictures: int) -> Tensor | None:
        if not self._guided:
            return None
        return torch.full([pictures], self._chosen.guidance, device=self._device, dtype=torch.float32)

    def advance(
        self, denoised: Tensor, z: Tensor, sigma: Tensor, next_sigma: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """z' = x̂0 + (σ'/σ)(z − x̂0), or x̂0 re-noised where the scheduler is set to sample stochastically."""
        now, then = (_over(level.to(self._device), denoised.dtype) for level in (sigma, next_sigma))
        if self._scheduler.config.get("stochastic_sampling", False):
            fresh = torch.randn(denoised.shape, generator=generator, dtype=denoised.dtype).to(self._device)
            return ((1 - then) * denoised + then * fresh).to(z.dtype)
        return (denoised + (then / now) * (z.to(denoised.dtype) - denoised)).to(z.dtype)

    def renoised(self, denoised: Tensor, sigma: Tensor, generator: torch.Generator) -> Tensor:
        """z = (1 − σ) x̂0 + σ noise, in the model's dtype."""
        exact = devices.precise(self._dtype)
        fresh = torch.randn(denoised.shape, generator=generator, dtype=exact).to(self._device)
        level = _over(sigma.to(self._device), exact)
        return ((1 - level) * denoised.to(self._device, exact) + level * fresh).to(self._dtype)

    def image(self, denoised: Tensor) -> Tensor:
        """Pixels [B, 3, H, W] in [0, 1] of x̂0 [B, V, 4C]; the clamp passes gradients straight through."""
        latents = unpack(denoised.to(self._dtype), 2 * self._rows)
        settings = self._vae.config
        decoded: Tensor = self._vae.decode(
            latents / settings.scaling_factor + settings.shift_factor, return_dict=False
        )[0]
        pixels = decoded / 2 + 0.5
        return pixels.clamp(0, 1).detach() + (pixels - pixels.detach())

    @property
    def _rows(self) -> int:
        return self._chosen.height // (2 * int(self._pipeline.vae_scale_factor))


def _over(level: Tensor, exact: torch.dtype) -> Tensor:
    """A noise level [] or [B], shaped to multiply packed latents [B, V, 4C]."""
    return level.to(exact).reshape(-1, 1, 1)


def unpack(z: Tensor, height: int) -> Tensor:
    """Latents [B, C, h, w] of packed ones [B, (h / 2)(w / 2), 4C], h = `height`: the inverse of the stock packing."""
    pictures, tokens, channels = z.shape
    rows, columns = height // 2, 2 * tokens // height
    parts = z.view(pictures, rows, columns, channels // 4, 2, 2)
    return parts.permute(0, 3, 1, 4, 2, 5).reshape(pictures, channels // 4, 2 * rows, 2 * columns)


def load(chosen: plan.Generator) -> FluxGenerator:
    """Load the folder `chosen.model.folder`, safetensors only, in the plan's dtype on its device.

    Raises `InputError` for a size that the latents do not divide, a negative prompt, or another sampler.
    """
    with quiet():
        from diffusers.pipelines.flux.pipeline_flux import FluxPipeline

        pipeline: Any = FluxPipeline.from_pretrained(
            chosen.model.folder, dtype=devices.dtype(chosen.dtype), use_safetensors=True, local_files_only=True
        )
    problems = list(_problems(pipeline, chosen))
    if problems:
        raise InputError(Problem(Place(chosen.model.address), key, message) for key, message in problems)
    return FluxGenerator(pipeline, chosen)


def _problems(pipeline: Any, chosen: plan.Generator) -> list[tuple[str, str]]:
    grain = 2 * int(pipeline.vae_scale_factor)
    sampler = type(pipeline.scheduler).__name__
    found: list[tuple[str, str]] = []
    if chosen.width % grain or chosen.height % grain:
        size = f"{chosen.width}×{chosen.height}"
        found.append(("generator.size", f"width and height must be multiples of {grain} for this model, found {size}"))
    if chosen.negative:
        found.append(("generator.negative", f"Flux takes no negative prompt, found {chosen.negative!r}"))
    if sampler != "FlowMatchEulerDiscreteScheduler" or pipeline.scheduler.config.get("invert_sigmas", False):
        found.append(("generator.model", f"the scheduler must be FlowMatchEulerDiscreteScheduler, found {sampler}"))
    return found
