"""Pico folders of Stable Diffusion: real classes of a few neurons, from their own configs, in the hub's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pico_parts as parts
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel, CLIPTextModelWithProjection

BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}


def sampler(kind: str = "leading", *, velocity: bool = False) -> Any:
    """A scheduler as the hub's folders have it: of Turbo, of 2.x, of 1.5, of XL Turbo, of PixArt."""
    shared: dict[str, Any] = {**BETAS, "prediction_type": "v_prediction" if velocity else "epsilon"}
    if kind == "ancestral":
        return EulerAncestralDiscreteScheduler(**shared, timestep_spacing="trailing")
    if kind == "dpm":
        return DPMSolverMultistepScheduler(**shared)
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


def sdxl_folder(folder: Path, *, seed: int = 0, kind: str = "leading", zeros: bool = True, wide: bool = False) -> Path:
    """Save a pico `StableDiffusionXLPipeline`; `zeros` stand for a negative prompt that is not given."""
    width = parts.WIDE if wide else parts.WIDTH
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = StableDiffusionXLPipeline(
            vae=vae(wide=wide),
            text_encoder=parts.clip(CLIPTextModel, layers=2, width=width),
            text_encoder_2=parts.clip(CLIPTextModelWithProjection, layers=2, width=width),
            tokenizer=parts.clip_tokenizer(),
            tokenizer_2=parts.clip_tokenizer(),
            unet=unet(
                linear=True,
                wide=wide,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                transformer_layers_per_block=(1, 2),
                cross_attention_dim=2 * width,
                addition_embed_type="text_time",
                addition_time_embed_dim=8,
                projection_class_embeddings_input_dim=6 * 8 + width,
            ),
            scheduler=sampler(kind),
            force_zeros_for_empty_prompt=zeros,
            add_watermarker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def sd3_folder(folder: Path, *, seed: int = 0, t5: bool = True, newer: bool = False, wide: bool = False) -> Path:
    """Save a pico `StableDiffusion3Pipeline`; `newer` as 3.5 medium is: normalised, with blocks of two attentions."""
    width, heads = (parts.WIDE, 8) if wide else (parts.WIDTH, 2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = StableDiffusion3Pipeline(
            transformer=SD3Transformer2DModel(
                sample_size=8,
                patch_size=2,
                in_channels=4,
                out_channels=4,
                num_layers=3 if wide else 2,
                attention_head_dim=width // heads,
                num_attention_heads=heads,
                joint_attention_dim=2 * width,
                caption_projection_dim=width,
                pooled_projection_dim=2 * width,
                pos_embed_max_size=16,
                dual_attention_layers=(0,) if newer else (),
                qk_norm="rms_norm" if newer else None,
            ),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=parts.autoencoder(shift_factor=0.1, **({"block_out_channels": parts.WIDE_CHANNELS} if wide else {})),
            text_encoder=parts.clip(CLIPTextModelWithProjection, layers=2, width=width),
            text_encoder_2=parts.clip(CLIPTextModelWithProjection, layers=2, width=width),
            text_encoder_3=parts.t5(width=2 * width) if t5 else None,
            tokenizer=parts.clip_tokenizer(),
            tokenizer_2=parts.clip_tokenizer(),
            tokenizer_3=parts.t5_tokenizer() if t5 else None,
        )
        pipeline.set_progress_bar_config(disable=True)
        pipeline.save_pretrained(folder, safe_serialization=True)
    return folder
