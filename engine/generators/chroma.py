"""Chroma: rectified flow over packed latents, put together from the parts of a stock `ChromaPipeline` folder.

Flux's blocks without modulation layers of their own: one small network says all shifts and scales (Chroma,
lodestones/Chroma1-HD). T5 alone reads the prompt; how much its padding counts is part of the conditioning.
Classifier-free guidance above 1, its gradient through both branches.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .. import plan
from ..quiet import quiet
from . import chroma_sizes, guidance, packed, pipelines, rectified_flow
from .branches import guided
from .flux import ATTENTION, FEED_FORWARD
from .guidance import Conditioning


class ChromaGenerator(packed.Packed):
    """A Chroma model at one size, number of prompts' tokens and guidance; every weight is frozen."""

    lora_prefix = "transformer"

    def __init__(self, pipeline: Any, chosen: plan.Generator) -> None:
        """Take a `ChromaPipeline` that holds all its parts; `chosen` gives size, guidance and T5's length."""
        super().__init__(pipeline, chosen)
        self._places: Tensor = self._drawn(0)[1]  # [V, 3] rows and columns of the tokens, for the rotary embedding
        self._seen: Tensor | None = None  # the mask of the pass that is recomputed
        if chosen.checkpoint_backbone:
            backbone: Any = self.backbone
            backbone.enable_gradient_checkpointing(self._recomputed)

    @property
    def lora_targets(self) -> dict[str, tuple[str, ...]]:
        return {"attention": ATTENTION, "all": ATTENTION + FEED_FORWARD}

    @property
    def lora_metadata(self) -> dict[str, str]:
        """What other tools' headers call this family (Stability ModelSpec 1.0.1, sd-scripts)."""
        return {
            "modelspec.architecture": "chroma/lora",
            "modelspec.implementation": "https://huggingface.co/lodestones/Chroma",
            "ss_base_model_version": "chroma",
            "ss_network_module": "networks.lora_flux",
        }

    @torch.no_grad()
    def condition(self, prompts: Sequence[str], negatives: Sequence[str]) -> Conditioning:
        """Encode B prompts, and B negatives where there is guidance, by the stock text path, padded to the length."""
        pipelines.refuse_released(self._pipeline)
        length = self._chosen.text_length
        pipelines.refuse_cut(prompts, self._pipeline.tokenizer, length, self._chosen)

        def encode(some: list[str], others: list[str]) -> Iterable[Tensor | None]:
            parts = self._pipeline.encode_prompt(
                some, others if guided(self._chosen) else None, self._device,
                do_classifier_free_guidance=guided(self._chosen), max_sequence_length=length,
            )  # fmt: skip
            return parts[0], parts[2], parts[3], parts[5]

        return guidance.masked(prompts, negatives, encode)

    def denoised(self, z: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        """x̂0 = z − σ v [B, V, 4C], guidance applied, in at least float32; sigma is one level [] or one a picture."""
        level = sigma.to(self._device).expand(len(z))
        (given, timestep), sequence, _ = conditioning.branches(z, self._timestep(level, z))
        read = conditioning.masks()
        assert read is not None
        # a number for each token, which stock adds to attention's scores: 1 where it is read, 0 where it is padding
        self._seen = torch.cat([read, read.new_ones(len(given), given.shape[1])], dim=1)
        velocity: Tensor = self.backbone(
            hidden_states=given,
            timestep=timestep,
            encoder_hidden_states=sequence,
            txt_ids=torch.zeros(sequence.shape[1], 3, device=z.device, dtype=z.dtype),
            img_ids=self._places,
            attention_mask=self._seen,
            return_dict=False,
        )[0]
        velocity = conditioning.combined(velocity, self._chosen.guidance)
        return rectified_flow.clean(z, velocity, level)

    def _recomputed(self, block: Any, *given: Any) -> Any:
        """A block whose values are computed again for the gradient, with the mask that stock leaves out of it then."""
        from diffusers.models.transformers.transformer_chroma import ChromaSingleTransformerBlock

        left_out = isinstance(block, ChromaSingleTransformerBlock) and len(given) == 3
        return checkpoint(block, *given, *((self._seen,) if left_out else ()), use_reentrant=False)


def load(chosen: plan.Generator) -> ChromaGenerator:
    """Load the folder `chosen.model.folder`, safetensors only, in the plan's dtype on its device.

    Raises `InputError` for a size that the latents do not divide, a negative prompt without guidance, or another
    sampler.
    """
    with quiet():
        from diffusers.pipelines.chroma.pipeline_chroma import ChromaPipeline
    with warnings.catch_warnings():
        # diffusers' own class takes its positions from a place of before, which is no news for a person
        warnings.filterwarnings("ignore", "`FluxPosEmbed` is deprecated", FutureWarning)
        pipeline = pipelines.opened(ChromaPipeline, chosen, image_encoder=None, feature_extractor=None)
    grain = chroma_sizes.grain(Path(chosen.model.folder), int(pipeline.vae_scale_factor))
    found = pipelines.size_problems(chosen, grain)
    found += guidance.problems(chosen, pipeline.tokenizer, chosen.text_length)
    pipelines.refuse([*found, *rectified_flow.sampler_problems(pipeline.scheduler)], chosen)
    return ChromaGenerator(pipeline, chosen)
