"""Pico folders of PixArt, Sana and Lumina: real classes of a few neurons, in the hub's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pico_parts as parts
import pico_sd
import torch
from control_recipes.engine.generators import lumina2_sizes, sana_text
from diffusers import (
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    Lumina2Pipeline,
    Lumina2Transformer2DModel,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SanaPipeline,
    SanaSprintPipeline,
    SanaTransformer2DModel,
    SCMScheduler,
)


def saved(pipeline: Any, folder: Path) -> Path:
    """The folder, with the pipeline in it."""
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def pixart_folder(folder: Path, *, seed: int = 0, kind: str = "linspace", learned: bool = True,
                  wide: bool = False) -> Path:  # fmt: skip
    """Save a pico `PixArtSigmaPipeline`: f = 4, text of 16 tokens; `learned`: it says a variance beside the noise."""
    width, heads = (parts.WIDE, 8) if wide else (parts.WIDTH, 2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = PixArtSigmaPipeline(
            transformer=PixArtTransformer2DModel(
                sample_size=8,
                num_layers=3 if wide else 2,
                num_attention_heads=heads,
                attention_head_dim=width // heads,
                in_channels=4,
                out_channels=8 if learned else 4,
                cross_attention_dim=width,
                caption_channels=2 * width,
                use_additional_conditions=False,
            ),
            scheduler=pico_sd.sampler(kind),
            vae=pico_sd.vae(wide=wide),
            text_encoder=parts.t5(width=2 * width),
            tokenizer=parts.t5_tokenizer(),
        )
        return saved(pipeline, folder)


def sana_backbone(*, wide: bool, **changes: Any) -> SanaTransformer2DModel:
    """For latents of 8×8, which are its tokens."""
    width, heads = (parts.WIDE, 8) if wide else (parts.WIDTH, 2)
    settings: dict[str, Any] = {
        "in_channels": 4,
        "out_channels": 4,
        "num_attention_heads": heads,
        "attention_head_dim": width // heads,
        "num_layers": 3 if wide else 2,
        "num_cross_attention_heads": 2,
        "cross_attention_head_dim": width // 2,
        "cross_attention_dim": width,
        "caption_channels": 2 * width,
        "sample_size": 8,
    }
    return SanaTransformer2DModel(**{**settings, **changes})


def sana_folder(folder: Path, *, seed: int = 0, order: int = 1, wide: bool = False) -> Path:
    """Save a pico `SanaPipeline`: f = 4, text of 16 tokens, a solver of that order; 0: Euler's scheduler."""
    solver: Any = DPMSolverMultistepScheduler(
        solver_order=max(1, order), flow_shift=3.0, use_flow_sigmas=True, prediction_type="flow_prediction"
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = SanaPipeline(
            transformer=sana_backbone(wide=wide),
            scheduler=solver if order else FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=parts.deep_autoencoder(wide=wide),
            text_encoder=parts.gemma(width=2 * (parts.WIDE if wide else parts.WIDTH)),
            tokenizer=parts.gemma_tokenizer("\n".join(sana_text.instruction(SanaPipeline))),
        )
        return saved(pipeline, folder)


def sana_sprint_folder(folder: Path, *, seed: int = 0, wide: bool = False) -> Path:
    """Save a pico `SanaSprintPipeline`, which is told the guidance and normalises queries and keys."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = SanaSprintPipeline(
            transformer=sana_backbone(wide=wide, guidance_embeds=True, qk_norm="rms_norm_across_heads"),
            scheduler=SCMScheduler(),
            vae=parts.deep_autoencoder(wide=wide),
            text_encoder=parts.gemma(width=2 * (parts.WIDE if wide else parts.WIDTH)),
            tokenizer=parts.gemma_tokenizer("\n".join(sana_text.instruction(SanaSprintPipeline))),
        )
        return saved(pipeline, folder)


def lumina2_folder(folder: Path, *, seed: int = 0, dynamic: bool = False, wide: bool = False) -> Path:
    """Save a pico `Lumina2Pipeline`: f = 8, text of 16 tokens, keys and values of half as many heads as queries."""
    width = parts.WIDE if wide else parts.WIDTH
    channels = (32, 32, 64, 64) if wide else (8,) * 4
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = Lumina2Pipeline(
            transformer=Lumina2Transformer2DModel(
                sample_size=4,
                in_channels=4,
                hidden_size=width,
                num_layers=2,
                num_refiner_layers=1,
                num_attention_heads=2,
                num_kv_heads=1,
                multiple_of=8,
                axes_dim_rope=(width // 4, width // 8, width // 8),
                axes_lens=(32, 8, 8),
                cap_feat_dim=2 * width,
            ),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=6.0, use_dynamic_shifting=dynamic),
            vae=parts.autoencoder(
                shift_factor=0.1,
                block_out_channels=channels,
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
            ),
            text_encoder=parts.gemma(width=2 * width),
            tokenizer=parts.gemma_tokenizer(),
        )
        pipeline.tokenizer.add_tokens([pipeline.system_prompt + lumina2_sizes.START])
        return saved(pipeline, folder)
