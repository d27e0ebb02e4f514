"""Z-Image, put together from the parts of a stock `ZImagePipeline` folder.

Rectified flow over plain latents z [B, C, h, w], kept in at least float32 as the stock pipeline has it, sampled by
`FlowMatchEulerDiscreteScheduler`. Qwen3 reads the prompt as a chat; of each only its own tokens are kept. Guidance as
stock counts it: v = v⁺ + g (v⁺ − v⁻), any g above 0, its gradient through both branches; Turbo is made without.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from .. import devices, plan
from ..quiet import quiet
from . import guidance, pipelines, rectified_flow, z_image_sizes
from .branches import guided
from .guidance import Conditioning

ATTENTION = ("attention.to_q", "attention.to_k", "attention.to_v", "attention.to_out.0")
FEED_FORWARD = ("feed_forward.w1", "feed_forward.w2", "feed_forward.w3")
MODULATION = ("adaLN_modulation.0",)


class ZImageGenerator(rectified_flow.RectifiedFlow):
    """A Z-Image model at one size, number of prompts' tokens and guidance; every weight is frozen."""

    lora_prefix = "transformer"

    @property
    def lora_targets(self) -> dict[str, tuple[str, ...]]:
        return {"attention": ATTENTION, "all": ATTENTION + FEED_FORWARD + MODULATION}

    @property
    def lora_metadata(self) -> dict[str, str]:
        """What other tools' headers call this family (Stability ModelSpec, musubi-tuner)."""
        return {
            "modelspec.architecture": "Z-Image/lora",
            "modelspec.implementation": "diffusers",
            "ss_base_model_version": "z_image",
            "ss_network_module": "networks.lora_zimage",
        }

    @property
    def _latents_dtype(self) -> torch.dtype:
        return devices.precise(self._dtype)

    @torch.no_grad()
    def condition(self, prompts: Sequence[str], negatives: Sequence[str]) -> Conditioning:
        """Encode B prompts, and B negatives where there is guidance, by the stock text path, padded with zeros."""
        pipelines.refuse_released(self._pipeline)
        length = self._chosen.text_length
        pipelines.refuse_cut(prompts, self._pipeline.tokenizer, pipelines.room(self._chosen), self._chosen)

        def encode(some: list[str], others: list[str]) -> Iterable[Tensor | None]:
            positive, negative = self._pipeline.encode_prompt(
                some, self._device, guided(self._chosen, z_image_sizes.GUIDED_ABOVE), others, max_sequence_length=length
            )
            return *_padded(positive, length), *_padded(negative, length)

        return guidance.masked(prompts, negatives, encode)

    def sigmas(self, steps: int) -> Tensor:
        """Noise levels [N + 1], float32, on the CPU: the scheduler's own, asked for as the pipeline does."""
        grain = 2 * int(self._pipeline.vae_scale_factor)
        tokens = (self._chosen.height // grain) * (self._chosen.width // grain)
        return rectified_flow.sigmas(self._pipeline.scheduler, steps, tokens, given=True)

    def denoised(self, z: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        """x̂0 = z − σ v [B, C, h, w], guidance applied, in at least float32; sigma is one level [] or one a picture."""
        level = sigma.to(self._device).expand(len(z))
        steps = self._pipeline.scheduler.config.num_train_timesteps
        # the model counts from noise to picture, and says x0 − noise
        (given, done), sequence, _ = conditioning.branches(z.to(self._dtype), (steps - level * steps) / steps)
        masks = conditioning.masks()
        assert masks is not None
        texts = [one[read] for one, read in zip(sequence, masks, strict=True)]
        said: list[Tensor] = self.backbone([one.unsqueeze(1) for one in given], done, texts, return_dict=False)[0]
        velocity = -torch.stack(said).squeeze(2).to(devices.precise(self._dtype))
        velocity = conditioning.combined(velocity, 1 + self._chosen.guidance)
        return rectified_flow.clean(z, velocity, level)


def _padded(sequences: Sequence[Tensor], length: int) -> tuple[Tensor | None, Tensor | None]:
    """Sequences [T, D] of their own lengths as one [B, length, D], zeros behind, and where they are [B, length]."""
    if not sequences:
        return None, None
    whole = torch.stack([nn.functional.pad(one, (0, 0, 0, length - len(one))) for one in sequences])
    counts = torch.tensor([len(one) for one in sequences], device=whole.device)
    return whole, torch.arange(length, device=whole.device) < counts[:, None]


def load(chosen: plan.Generator) -> ZImageGenerator:
    """Load the folder `chosen.model.folder`, safetensors only, in the plan's dtype on its device.

    Raises `InputError` for a size that the latents do not divide, a negative prompt without guidance, or another
    sampler.
    """
    with quiet():
        from diffusers.pipelines.z_image.pipeline_z_image import ZImagePipeline
    pipeline = pipelines.opened(ZImagePipeline, chosen)
    found = pipelines.size_problems(
        chosen, z_image_sizes.grain(Path(chosen.model.folder), int(pipeline.vae_scale_factor))
    )
    room = pipelines.room(chosen)
    found += guidance.problems(chosen, pipeline.tokenizer, room, above=z_image_sizes.GUIDED_ABOVE)
    pipelines.refuse([*found, *rectified_flow.sampler_problems(pipeline.scheduler)], chosen)
    return ZImageGenerator(pipeline, chosen)
