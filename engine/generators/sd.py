"""Stable Diffusion 1.5, 2.x and Turbo, put together from the parts of a stock `StableDiffusionPipeline` folder.

ε and v prediction, sampled by `EulerDiscreteScheduler`; folders that name another of the same noise levels (PNDM and
DDIM of 1.5 and 2.x) are sampled by it with a warning. Classifier-free guidance above 1, its gradient through both
branches. The safety checker is not loaded.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .. import devices, plan
from ..quiet import quiet
from . import pipelines, unet, variance_exploding
from .branches import guided


def load(chosen: plan.Generator) -> unet.UNetGenerator:
    """Load the folder `chosen.model.folder`, safetensors only, in the plan's dtype on its device.

    Raises `InputError` for a size that the stock pipeline does not take, a negative prompt without guidance, or another
    sampler; warns of one that is replaced.
    """
    with quiet():
        from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
    unwanted = dict.fromkeys(("safety_checker", "feature_extractor", "image_encoder"))
    pipeline = pipelines.opened(StableDiffusionPipeline, chosen, **unwanted, requires_safety_checker=False)
    pipelines.refuse(unet.problems(pipeline, chosen, pipeline.tokenizer), chosen)
    pipeline.register_modules(scheduler=variance_exploding.scheduler(pipeline.scheduler, chosen))
    two = guided(chosen)

    def encode(prompts: list[str], negatives: list[str]) -> tuple[Tensor, Tensor | None]:
        return pipeline.encode_prompt(prompts, devices.device(chosen.device), 1, two, negatives if two else None)

    return unet.UNetGenerator(pipeline, chosen, pipeline.tokenizer, encode, _metadata(pipeline))


def _metadata(pipeline: Any) -> dict[str, str]:
    """Version 2 reads OpenCLIP's 1024 numbers a token, version 1 CLIP's 768."""
    second = pipeline.unet.config.cross_attention_dim == 1024
    velocity = pipeline.scheduler.config.prediction_type == "v_prediction"
    version = f"sd_v{1 + second}" + ("_v" if velocity else "")
    named = ("v2-768-v" if velocity else "v2-512") if second else "v1"
    return {
        "modelspec.architecture": f"stable-diffusion-{named}/lora",
        "modelspec.implementation": "diffusers",
        "ss_base_model_version": version,
        "ss_v2": str(second),
    }
