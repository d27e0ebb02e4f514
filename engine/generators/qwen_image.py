"""Qwen-Image: rectified flow over packed latents, put together from the parts of a stock `QwenImagePipeline` folder.

Qwen2.5-VL reads the prompt in a chat of the pipeline's own. Classifier-free guidance above 1, its gradient through both
branches; every token of the guided velocity is then made as long as the prompt's own (arXiv 2508.02324, the stock
pipeline).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import plan
from ..quiet import quiet
from . import guidance, packed, pipelines, qwen_image_decoding, qwen_image_sizes, rectified_flow
from .branches import guided
from .guidance import Conditioning

ATTENTION = ("attn.to_q", "attn.to_k", "attn.to_v", "attn.to_out.0", "attn.add_k_proj", "attn.add_v_proj")
FEED_FORWARD = ("img_mlp.net.0.proj", "img_mlp.net.2")
MODULATION = ("img_mod.1", "txt_mod.1")
# of a block whose text is read by another one behind it
OF_TEXT = ("attn.add_q_proj", "attn.to_add_out")
FEED_FORWARD_OF_TEXT = ("txt_mlp.net.0.proj", "txt_mlp.net.2")


class QwenImageGenerator(packed.Packed):
    """A Qwen-Image model at one size, number of prompts' tokens and guidance; every weight is frozen."""

    lora_prefix = "transformer"

    def __init__(self, pipeline: Any, chosen: plan.Generator) -> None:
        """Take a `QwenImagePipeline` that holds all its parts; `chosen` gives size, guidance and texts' length."""
        super().__init__(pipeline, replace(chosen, checkpoint_decoder=False))  # which its decoder has no switch for
        self._vae.pixels = partial(qwen_image_decoding.pixels, self._vae, recomputed=chosen.checkpoint_decoder)
        self.turns.led(self._vae, "pixels")

    @property
    def lora_targets(self) -> dict[str, tuple[str, ...]]:
        """What comes of the last block's text is not read any more, so that it takes no adapter."""
        blocks = range(int(self._pipeline.transformer.config.num_layers) - 1)
        attention = (*ATTENTION, *(f"{block}.{layer}" for block in blocks for layer in OF_TEXT))
        texts = tuple(f"{block}.{layer}" for block in blocks for layer in FEED_FORWARD_OF_TEXT)
        return {"attention": attention, "all": attention + FEED_FORWARD + texts + MODULATION}

    @property
    def lora_metadata(self) -> dict[str, str]:
        """What other tools' headers call this family (Stability ModelSpec, musubi-tuner)."""
        return {
            "modelspec.architecture": "Qwen-Image/lora",
            "modelspec.implementation": "diffusers",
            "ss_base_model_version": "qwen_image",
            "ss_network_module": "networks.lora_qwen_image",
        }

    @torch.no_grad()
    def condition(self, prompts: Sequence[str], negatives: Sequence[str]) -> Conditioning:
        """Encode B prompts, and B negatives where there is guidance, by the stock text path, padded with zeros."""
        pipelines.refuse_released(self._pipeline)
        pipelines.refuse_cut(prompts, self._pipeline.tokenizer, self._chosen.text_length, self._chosen)

        def encode(some: list[str], others: list[str]) -> Iterable[Tensor | None]:
            return *self._read(some), *(self._read(others) if guided(self._chosen) else (None, None))

        return guidance.masked(prompts, negatives, encode)

    def _read(self, prompts: list[str]) -> tuple[Tensor, Tensor]:
        """Sequences of the plan's length [B, T, D], and which of their tokens are no padding [B, T]."""
        length = self._chosen.text_length
        sequence, read = self._pipeline.encode_prompt(prompts, self._device, max_sequence_length=length)
        if read is None:  # none is
            read = torch.ones(sequence.shape[:2], device=sequence.device)
        left = length - sequence.shape[1]
        return nn.functional.pad(sequence, (0, 0, 0, left)), nn.functional.pad(read, (0, left)).bool()

    def denoised(self, z: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        """x̂0 = z − σ v [B, V, 4C], guidance applied, in at least float32; sigma is one level [] or one a picture."""
        level = sigma.to(self._device).expand(len(z))
        (given, timestep), sequence, _ = conditioning.branches(z, self._timestep(level, z))
        masks = conditioning.masks()
        assert masks is not None
        longest = int(masks.sum(dim=1).max())
        sequence, masks = sequence[:, :longest], masks[:, :longest]
        said: Tensor = self.backbone(
            hidden_states=given,
            timestep=timestep,
            encoder_hidden_states=sequence,
            encoder_hidden_states_mask=None if bool(masks.all()) else masks,
            img_shapes=[[(1, self._rows, self._columns)]] * len(given),
            return_dict=False,
        )[0]
        return rectified_flow.clean(z, conditioning.combined_as_long(said, self._chosen.guidance), level)

    def image(self, denoised: Tensor) -> Tensor:
        """Pixels [B, 3, H, W] in [0, 1] of x̂0 [B, V, 4C]; the clamp passes gradients straight through."""
        latents = packed.unpack(denoised, 2 * self._rows).to(self._dtype)
        return self._vae.pixels(latents)


def load(chosen: plan.Generator) -> QwenImageGenerator:
    """Load the folder `chosen.model.folder`, safetensors only, in the plan's dtype on its device.

    Raises `InputError` for a size that the latents do not divide, a negative prompt without guidance, another sampler,
    and a decoder in tiles that are to be computed again.
    """
    with quiet():
        from diffusers.pipelines.qwenimage.pipeline_qwenimage import QwenImagePipeline
    pipeline = pipelines.opened(QwenImagePipeline, chosen)
    grain = qwen_image_sizes.grain(Path(chosen.model.folder), int(pipeline.vae_scale_factor))
    found = pipelines.size_problems(chosen, grain)
    found += guidance.problems(chosen, pipeline.tokenizer, chosen.text_length)
    found += pipelines.own_problems(qwen_image_sizes.refused(chosen))
    pipelines.refuse([*found, *rectified_flow.sampler_problems(pipeline.scheduler)], chosen)
    return QwenImageGenerator(pipeline, chosen)
