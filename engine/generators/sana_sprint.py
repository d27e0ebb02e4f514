"""Sana-Sprint, put together from the parts of a stock `SanaSprintPipeline` folder (arXiv 2503.09641).

A consistency model of few steps on the path of TrigFlow (arXiv 2410.11081), z = cos(t) x0 + sin(t) noise. Its levels σ
are the angles t from π / 2 to 0. z is kept in units of the scheduler's `sigma_data`, [B, C, h, w], in float32 at least.
The sampler puts fresh noise on every clean estimate. Guidance is a number that the model is told: one branch, and no
negative prompt. Text and pictures as in `sana_text`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import plan
from ..quiet import quiet
from . import branches, pipelines, rectified_flow, sana_sprint_sizes, sana_text
from .guidance import Conditioning
from .levels import Draws, over

SAMPLER = "SCMScheduler"
HALFWAY = 1.3  # the angle between two steps, as the stock pipeline has it


class SanaSprintGenerator(sana_text.Sana):
    """A Sana-Sprint model at one size, number of prompts' tokens and guidance; every weight is frozen."""

    deviation = 1.0

    @torch.no_grad()
    def condition(self, prompts: Sequence[str], negatives: Sequence[str]) -> Conditioning:
        """Encode B prompts behind the stock instruction; no negatives."""
        pipelines.refuse_released(self._pipeline)
        sana_text.refuse_cut(prompts, self._pipeline, self._chosen)

        def encode(some: list[str], _: list[str]) -> Iterable[Tensor | None]:
            return self._pipeline.encode_prompt(
                some, device=self._device, max_sequence_length=self._chosen.text_length,
                complex_human_instruction=sana_text.instruction(type(self._pipeline)),
            )  # fmt: skip

        sequence, mask = pipelines.encoded(prompts, negatives, encode)
        assert sequence is not None
        return Conditioning(sequence, None, mask=mask)

    def sigmas(self, steps: int) -> Tensor:
        """Angles [N + 1], float32, on the CPU: the scheduler's own, asked for as the pipeline does."""
        halfway = HALFWAY if steps == 2 else None
        return pipelines.set_apart(self._pipeline.scheduler, steps, intermediate_timesteps=halfway).timesteps

    def denoised(self, z: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        """x̂0 [B, C, h, w] in at least float32; sigma is one angle t [] or one a picture [B].

        The model was a rectified flow, and is told what it knows: z / (cos t + sin t) lies on the straight path where
        noise is a share s = sin t / (cos t + sin t), so that x̂0 = z / (cos t + sin t) − s v.
        """
        config: Any = self.backbone.config
        angle = sigma.to(self._device).expand(len(z))
        whole = torch.cos(angle) + torch.sin(angle)
        share = torch.sin(angle) / whole
        given = z / over(whole, z, z.dtype)
        guidance = torch.full([len(z)], self._chosen.guidance, device=self._device, dtype=torch.float32)
        velocity: Tensor = self.backbone(
            given.to(self._dtype),
            encoder_hidden_states=conditioning.sequence,
            encoder_attention_mask=conditioning.mask,
            guidance=guidance.to(self._dtype) * config.guidance_embeds_scale,
            timestep=share,
            return_dict=False,
        )[0]
        return rectified_flow.clean(given, velocity, share)

    def advance(
        self, denoised: Tensor, z: Tensor, sigma: Tensor, next_sigma: Tensor, generator: Draws | None
    ) -> Tensor:
        """x̂0 with fresh noise on it: the sampler of consistency models (arXiv 2303.01469, algorithm 1)."""
        return self._mixed(denoised, next_sigma, generator, _turned)

    def level(self, share: Tensor) -> Tensor:
        """t = arctan(s / (1 − s))."""
        return torch.atan2(share, 1 - share)

    def renoised(self, denoised: Tensor, sigma: Tensor, generator: torch.Generator) -> Tensor:
        """z = cos(t) x̂0 + sin(t) noise, in at least float32."""
        return self._mixed(denoised, sigma, generator, _turned)


def _turned(angle: Tensor) -> tuple[Tensor, Tensor]:
    return torch.cos(angle), torch.sin(angle)


def load(chosen: plan.Generator) -> SanaSprintGenerator:
    """Load the folder `chosen.model.folder`, safetensors only, in the plan's dtype on its device.

    Raises `InputError` for a size that the latents do not divide, a negative prompt, or another sampler.
    """
    with quiet():
        from diffusers.pipelines.sana.pipeline_sana_sprint import SanaSprintPipeline
    pipeline = pipelines.opened(SanaSprintPipeline, chosen)
    found = sana_text.size_problems(pipeline, chosen)
    if unread := branches.negative_problem(chosen, takes=sana_sprint_sizes.NEGATIVES):
        found.append(("generator.negative", unread[0]))
    name = type(pipeline.scheduler).__name__
    if name != SAMPLER or pipeline.scheduler.config.prediction_type != "trigflow":
        found.append(("generator.model", f"the scheduler must be {SAMPLER} of trigflow, found {name}"))
    if not pipeline.transformer.config.guidance_embeds:
        found.append(("generator.model", "its transformer is not told the guidance, as Sana-Sprint's is"))
    pipelines.refuse(found, chosen)
    return SanaSprintGenerator(pipeline, chosen)
