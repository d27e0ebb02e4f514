"""Flux.2 klein, put together from the parts of a stock `Flux2KleinPipeline` folder.

Rectified flow over latents z [B, 4C, h / 2, w / 2], squares of 2 × 2 put together as the stock pipeline takes them,
each channel scaled as the autoencoder's batch norm counted it. Three layers of Qwen3 say the prompt, which it reads as
a chat. Base models take classifier-free guidance above 1 against an empty text, its gradient through both branches;
distilled ones take none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import plan
from ..quiet import quiet
from . import branches, decoding, flux2_klein_sizes, packed, pipelines, rectified_flow
from .flux import ATTENTION
from .guidance import Conditioning

FEED_FORWARD = ("ff.linear_in", "ff.linear_out", "ff_context.linear_in", "ff_context.linear_out")
FUSED = ("attn.to_qkv_mlp_proj", "attn.to_out")  # of a single block: attention and feed-forward in one


class Flux2KleinGenerator(packed.Packed):
    """A Flux.2 klein model at one size, number of prompts' tokens and guidance; every weight is frozen."""

    lora_prefix = "transformer"

    def __init__(self, pipeline: Any, chosen: plan.Generator) -> None:
        """Take a `Flux2KleinPipeline` that holds all its parts; `chosen` gives size, guidance and texts' length."""
        super().__init__(pipeline, chosen)
        self._places: Tensor = self._drawn(0)[1]  # [1, V, 4] rows and columns of the tokens, for the rotary embedding

    @property
    def lora_targets(self) -> dict[str, tuple[str, ...]]:
        return {"attention": ATTENTION + FUSED, "all": ATTENTION + FUSED + FEED_FORWARD}

    @property
    def lora_metadata(self) -> dict[str, str]:
        """What other tools' headers call this model (Stability ModelSpec, musubi-tuner), by its width."""
        config = self._pipeline.transformer.config
        size = "4b" if config.num_attention_heads * config.attention_head_dim <= 3072 else "9b"
        return {
            "modelspec.architecture": f"Flux.2-klein-{size}/lora",
            "modelspec.implementation": "https://github.com/black-forest-labs/flux2",
            "ss_base_model_version": f"flux_2_klein_{size}",
            "ss_network_module": "networks.lora_flux_2",
        }

    @torch.no_grad()
    def condition(self, prompts: Sequence[str], negatives: Sequence[str]) -> Conditioning:
        """Encode B prompts, and an empty text for each where there is guidance, by the stock text path; no negatives.

        All are padded to the plan's length, and the model reads the padding too.
        """
        pipelines.refuse_released(self._pipeline)
        room = pipelines.room(self._chosen)
        pipelines.refuse_cut(prompts, self._pipeline.tokenizer, room, self._chosen)

        def encode(some: list[str], others: list[str]) -> Iterable[Tensor | None]:
            return self._read(some), self._read(others) if branches.guided(self._chosen) else None

        sequence, negative = pipelines.encoded(prompts, [""] * len(prompts), encode)
        assert sequence is not None
        return Conditioning(sequence, negative)

    def noise(self, seeds: Sequence[int]) -> Tensor:
        """z [B, 4C, h / 2, w / 2] at σ = 1, bit for bit what the stock pipeline draws for one picture on the CPU."""
        return super().noise(seeds).transpose(1, 2).unflatten(2, (self._rows, self._columns))

    def _read(self, prompts: list[str]) -> Tensor:
        """Sequences [B, T, D]."""
        return self._pipeline.encode_prompt(
            prompts, self._device, max_sequence_length=self._chosen.text_length
        )[0]  # fmt: skip

    def sigmas(self, steps: int) -> Tensor:
        """Noise levels [N + 1], float32, on the CPU: the scheduler's own, shifted by tokens and steps as stock does."""
        from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu

        tokens = self._rows * self._columns
        shift = compute_empirical_mu(image_seq_len=tokens, num_steps=steps)
        return rectified_flow.sigmas(self._pipeline.scheduler, steps, tokens, given=True, shift=shift)

    def denoised(self, z: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        """x̂0 = z − σ v [B, 4C, …], guidance applied, in at least float32; sigma is one level [] or one a picture."""
        level = sigma.to(self._device).expand(len(z))
        (given, timestep), sequence, _ = conditioning.branches(_tokens(z), self._timestep(level, z))
        places = torch.zeros(sequence.shape[1], 4, device=z.device, dtype=torch.int64)
        places[:, 3] = torch.arange(len(places))
        velocity: Tensor = self.backbone(
            hidden_states=given,
            timestep=timestep,
            encoder_hidden_states=sequence,
            txt_ids=places,
            img_ids=self._places[0],
            return_dict=False,
        )[0]
        velocity = conditioning.combined(velocity, self._chosen.guidance)
        return rectified_flow.clean(z, velocity.transpose(1, 2).view(z.shape), level)

    def image(self, denoised: Tensor) -> Tensor:
        """Pixels [B, 3, H, W] in [0, 1] of x̂0 [B, 4C, …]; the clamp passes gradients straight through."""
        counted, z = self._vae.bn, _tokens(denoised.to(self._dtype))
        deviation = torch.sqrt(counted.running_var + self._vae.config.batch_norm_eps).to(z)
        latents = packed.unpack(z * deviation + counted.running_mean.to(z), 2 * self._rows)
        return decoding.shown(self._vae.decode(latents, return_dict=False)[0])


def _tokens(z: Tensor) -> Tensor:
    """Packed as the backbone takes them [B, V, 4C]."""
    return z.flatten(2).transpose(1, 2)


def load(chosen: plan.Generator) -> Flux2KleinGenerator:
    """Load the folder `chosen.model.folder`, safetensors only, in the plan's dtype on its device.

    Raises `InputError` for a size that the latents do not divide, a negative prompt, guidance of a distilled model, or
    another sampler.
    """
    with quiet():
        from diffusers.pipelines.flux2.pipeline_flux2_klein import Flux2KleinPipeline
    pipeline = pipelines.opened(Flux2KleinPipeline, chosen)
    folder = Path(chosen.model.folder)
    found = pipelines.size_problems(chosen, flux2_klein_sizes.grain(folder, int(pipeline.vae_scale_factor)))
    if unread := branches.negative_problem(chosen, takes=flux2_klein_sizes.NEGATIVES):
        found.append(("generator.negative", unread[0]))
    found += pipelines.own_problems(flux2_klein_sizes.refused(chosen))
    pipelines.refuse([*found, *rectified_flow.sampler_problems(pipeline.scheduler)], chosen)
    return Flux2KleinGenerator(pipeline, chosen)
