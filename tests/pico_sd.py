"""Pico folders of Stable Diffusion: real classes of a few neurons, from their own configs, in the hub's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pico_parts as parts
import torch
from diffusers import (
    DDIMScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel

BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}


def sampler(kind: str = "leading", *, velocity: bool = False) -> Any:
    """A scheduler as the hub's folders have it: of Turbo, of 2.x, of 1.5, of XL Turbo."""
    shared: dict[str, Any] = {**BETAS, "prediction_type": "v_prediction" if velocity else "epsilon"}
    if kind == "ancestral":
        return EulerAncestralDiscreteScheduler(**shared, timestep_spacing="trailing")
    if kind == "ddim":
        return DDIMScheduler(**shared, clip_sample=False, set_alpha_to_one=False)
    if kind == "pndm":
        return PNDMScheduler(**shared, skip_prk_steps=True, set_alpha_to_one=False)
    return EulerDiscreteScheduler(**shared, timestep_spacing=kind)


def unet(*, linear: bool, wide: bool, **changes: Any) -> UNet2DConditionModel:
    """Two sizes, the first with attention; for latents of 8×8."""
    channels = (64, 128) if wide else (8, 16)
    settings: dict[str, Any] = {
        "sample_size": 8,
        "block_out_channels": channels,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "layers_per_block": 2 if wide else 1,
        "attention_head_dim": 2,
        "cross_attention_dim": parts.WIDE if wide else parts.WIDTH,
        "norm_num_groups": 4,
        "use_linear_projection": linear,
    }
    return UNet2DConditionModel(**{**settings, **changes})


def vae(*, wide: bool) -> Any:
    """The decoder of `pico_parts`, in width as asked."""
    return parts.autoencoder(**({"block_out_channels": parts.WIDE_CHANNELS} if wide else {}))


def sd_folder(folder: Path, *, seed: int = 0, kind: str = "leading", velocity: bool = False, linear: bool = False,
              wide: bool = False) -> Path:  # fmt: skip
    """Save a pico `StableDiffusionPipeline` of random weights: f = 4, text of 16 tokens; return its folder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = StableDiffusionPipeline(
            vae=vae(wide=wide),
            text_encoder=parts.clip(CLIPTextModel, width=parts.WIDE if wide else parts.WIDTH),
            tokenizer=parts.clip_tokenizer(),
            unet=unet(linear=linear, wide=wide),
            scheduler=sampler(kind, velocity=velocity),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        pipeline.save_pretrained(folder, safe_serialization=True)
    return folder
