"""Stable Diffusion XL, Turbo and Lightning, put together from the parts of a stock `StableDiffusionXLPipeline` folder.

Two CLIP encoders say the sequence together and the second a pooled vector; the UNet is told a picture's size as well.
Samplers and guidance, its gradient through both branches, are those of `sd`. No watermark is put into pictures.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from .. import devices, plan
from ..quiet import quiet
from . import pipelines, unet, variance_exploding
from .branches import guided

METADATA = {
    "modelspec.architecture": "stable-diffusion-xl-v1-base/lora",
    "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
    "ss_base_model_version": "sdxl_base_v1-0",
}


def load(chosen: plan.Generator) -> unet.UNetGenerator:
    """Load the folder `chosen.model.folder`, safetensors only, in the plan's dtype on its device.

    Raises `InputError` for a size that the stock pipeline does not take, a negative prompt without guidance, or another
    sampler; warns of one that is replaced.
    """
    with quiet():
        from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline
    unwanted = dict.fromkeys(("feature_extractor", "image_encoder"))
    pipeline = pipelines.opened(StableDiffusionXLPipeline, chosen, **unwanted, add_watermarker=False)
    pipelines.refuse(unet.problems(pipeline, chosen, pipeline.tokenizer_2), chosen)
    pipeline.register_modules(scheduler=variance_exploding.scheduler(pipeline.scheduler, chosen))

    def encode(prompts: list[str], negatives: list[str]) -> Iterable[Tensor | None]:
        # where no negative prompt is given, stock may put zeros in its place, as the folder says
        return pipeline.encode_prompt(
            prompts,
            device=devices.device(chosen.device),
            do_classifier_free_guidance=guided(chosen),
            negative_prompt=negatives if guided(chosen) and any(negatives) else None,
        )

    return unet.UNetGenerator(pipeline, chosen, pipeline.tokenizer_2, encode, METADATA)
