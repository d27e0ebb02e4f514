"""Flux: rectified flow over packed latents, put together from the parts of a stock `FluxPipeline` folder.

Latents are packed as the stock pipeline packs them: z [B, V, 4C], V = (h / 2)(w / 2) tokens of 2×2 latents. With
velocity v the clean estimate is x̂0 = z − σ v (Flow Matching, arXiv 2210.02747, with the path z = (1 − σ) x0 + σ noise).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import plan
from ..quiet import quiet
from . import branches, flux_sizes, packed, pipelines, rectified_flow

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
FEED_FORWARD = ("ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2", "proj_mlp", "proj_out")
MODULATION = ("norm1.linear", "norm1_context.linear", "norm.linear")


@dataclass(frozen=True, slots=True)
class FluxConditioning:
    """T5's sequence [B, T, D] and CLIP's pooled vector [B, P] of B prompts."""

    sequence: Tensor
    pooled: Tensor

    def rows(self, index: Sequence[int]) -> FluxConditioning:
        picked = torch.tensor(list(index), device=self.sequence.device)
        return FluxConditioning(self.sequence[picked], self.pooled[picked])


class FluxGenerator(packed.Packed):
    """A Flux model at one size, number of prompts' tokens and guidance; every weight is frozen."""

    lora_prefix = "transformer"

    def __init__(self, pipeline: Any, chosen: plan.Generator) -> None:
        """Take a `FluxPipeline` that holds all its parts; `chosen` gives size, guidance and the length T5 pads to."""
        super().__init__(pipeline, chosen)
        self._guided = bool(pipeline.transformer.config.guidance_embeds)
        self._places: Tensor = self._drawn(0)[1]  # [V, 3] rows and columns of the tokens, for the rotary embedding

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
        pipelines.refuse_released(self._pipeline)
        length = self._chosen.text_length
        pipelines.refuse_cut(prompts, self._pipeline.tokenizer_2, length, self._chosen)

        def encode(some: list[str], _: list[str]) -> tuple[Tensor, Tensor]:
            return self._pipeline.encode_prompt(some, device=self._device, max_sequence_length=length)[:2]

        sequence, pooled = pipelines.encoded(prompts, negatives, encode)
        assert sequence is not None
        assert pooled is not None
        return FluxConditioning(sequence, pooled)

    def denoised(self, z: Tensor, sigma: Tensor, conditioning: FluxConditioning) -> Tensor:
        """x̂0 = z − σ v [B, V, 4C], in at least float32; sigma is one level [] or one a picture [B]."""
        level = sigma.to(self._device).expand(len(z))
        velocity: Tensor = self.backbone(
            hidden_states=z,
            timestep=self._timestep(level, z),
            guidance=self._guidance(len(z)),
            pooled_projections=conditioning.pooled,
            encoder_hidden_states=conditioning.sequence,
            txt_ids=torch.zeros(conditioning.sequence.shape[1], 3, device=z.device, dtype=z.dtype),
            img_ids=self._places,
            return_dict=False,
        )[0]
        return rectified_flow.clean(z, velocity, level)

    def _guidance(self, pictures: int) -> Tensor | None:
        if not self._guided:
            return None
        return torch.full([pictures], self._chosen.guidance, device=self._device, dtype=torch.float32)


def load(chosen: plan.Generator) -> FluxGenerator:
    """Load the folder `chosen.model.folder`, safetensors only, in the plan's dtype on its device.

    Raises `InputError` for a size that the latents do not divide, a negative prompt, or another sampler.
    """
    with quiet():
        from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
    pipeline = pipelines.opened(FluxPipeline, chosen)
    folder = Path(chosen.model.folder)
    found = pipelines.size_problems(chosen, flux_sizes.grain(folder, int(pipeline.vae_scale_factor)))
    if unread := branches.negative_problem(chosen, takes=flux_sizes.NEGATIVES):
        found.append(("generator.negative", unread[0]))
    pipelines.refuse([*found, *rectified_flow.sampler_problems(pipeline.scheduler)], chosen)
    return FluxGenerator(pipeline, chosen)
