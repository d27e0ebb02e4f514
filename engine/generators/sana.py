"""Sana, put together from the parts of a stock `SanaPipeline` folder (arXiv 2410.10629).

Rectified flow over plain latents z [B, C, h, w], kept in float32 at least whatever the model's dtype. Classifier-free
guidance above 1, its gradient through both branches. Text and pictures as in `sana_text`. Sampled by
`FlowMatchEulerDiscreteScheduler`; of folders that name DPM-Solver for flows the noise levels are kept, and steps of
Euler are taken between them, which are that solver's of first order.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import plan
from ..quiet import quiet
from . import guidance, pipelines, rectified_flow, sana_text
from .branches import guided
from .guidance import Conditioning
from .levels import told

SOLVER = "DPMSolverMultistepScheduler"


class SanaGenerator(sana_text.Sana, rectified_flow.RectifiedFlow):
    """A Sana model at one size, number of steps, prompts' tokens and guidance; every weight is frozen."""

    def __init__(self, pipeline: Any, chosen: plan.Generator) -> None:
        """Take a `SanaPipeline` that holds all its parts."""
        super().__init__(pipeline, chosen)
        self._own = _levels(pipeline.scheduler, chosen.steps)

    @torch.no_grad()
    def condition(self, prompts: Sequence[str], negatives: Sequence[str]) -> Conditioning:
        """Encode B prompts behind the stock instruction, and B negatives without it where there is guidance."""
        pipelines.refuse_released(self._pipeline)
        sana_text.refuse_cut(prompts, self._pipeline, self._chosen)

        def encode(some: list[str], others: list[str]) -> Iterable[Tensor | None]:
            return self._pipeline.encode_prompt(
                some, guided(self._chosen), others, device=self._device,
                max_sequence_length=self._chosen.text_length,
                complex_human_instruction=sana_text.instruction(type(self._pipeline)),
            )  # fmt: skip

        return guidance.masked(prompts, negatives, encode)

    def sigmas(self, steps: int) -> Tensor:
        """Noise levels [N + 1], float32, on the CPU: the scheduler's own."""
        return _levels(self._pipeline.scheduler, steps)[0]

    def denoised(self, z: Tensor, sigma: Tensor, conditioning: Conditioning) -> Tensor:
        """x̂0 = z − σ v [B, C, h, w], guidance applied, in at least float32; sigma is one level [] or one a picture."""
        level = sigma.to(self._device).expand(len(z))
        timestep = self._timestep(sigma.cpu()).to(self._device).expand(len(z))
        (given, timestep), sequence, _ = conditioning.branches(z.to(self._dtype), timestep)
        velocity: Tensor = self.backbone(
            given,
            encoder_hidden_states=sequence,
            encoder_attention_mask=conditioning.masks(),
            timestep=timestep,
            return_dict=False,
        )[0]
        velocity = conditioning.combined(velocity.to(z.dtype), self._chosen.guidance)
        return rectified_flow.clean(z, velocity, level)

    def _timestep(self, sigma: Tensor) -> Tensor:
        """What the model is told of levels [] or [B]: the scheduler's own word, between its levels its scale of σ."""
        config: Any = self.backbone.config
        between = sigma.reshape(-1) * self._pipeline.scheduler.config.num_train_timesteps
        return told(sigma, *self._own, between) * config.timestep_scale


def _levels(scheduler: Any, steps: int) -> tuple[Tensor, Tensor]:
    """Levels [N + 1] and timesteps [N] of a scheduler."""
    own = pipelines.set_apart(scheduler, steps)
    return own.sigmas, own.timesteps.float()


def load(chosen: plan.Generator) -> SanaGenerator:
    """Load the folder `chosen.model.folder`, safetensors only, in the plan's dtype on its device.

    Raises `InputError` for a size that the latents do not divide, a negative prompt without guidance, or another
    sampler; warns where the sampler's steps are of a higher order than Euler's.
    """
    with quiet():
        from diffusers.pipelines.sana.pipeline_sana import SanaPipeline
    pipeline = pipelines.opened(SanaPipeline, chosen)
    found = sana_text.size_problems(pipeline, chosen)
    found += guidance.problems(chosen, pipeline.tokenizer, chosen.text_length)
    pipelines.refuse([*found, *_sampler_problems(pipeline.scheduler)], chosen)
    # a solver of second order takes its first and its last step in first order
    if pipeline.scheduler.config.get("solver_order", 1) > 1 and chosen.steps > 2:
        said = f"its scheduler is {SOLVER} of second order or more; pictures are sampled by its steps of first order"
        warnings.warn(f"{chosen.model.address}: {said}", stacklevel=2)
    return SanaGenerator(pipeline, chosen)


def _sampler_problems(scheduler: Any) -> list[tuple[str, str]]:
    """What is wrong with a folder's scheduler, whose levels must be those of a flow and must not depend on the size."""
    name, settings = type(scheduler).__name__, scheduler.config
    if name != SOLVER:
        found = rectified_flow.sampler_problems(scheduler)
    else:
        wanted = {
            "prediction_type": "flow_prediction", "use_flow_sigmas": True, "final_sigmas_type": "zero",
            "algorithm_type": "dpmsolver++", "thresholding": False,
        }  # fmt: skip
        found = [
            ("generator.model", f"the scheduler's {key} must be {known}, found {settings[key]}")
            for key, known in wanted.items()
            if settings[key] != known
        ]
    if not found and settings.get("use_dynamic_shifting", False):
        found = [("generator.model", "the scheduler must not shift by size, which the stock pipeline does not tell it")]
    return found
