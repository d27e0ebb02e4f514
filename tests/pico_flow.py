"""Pico folders of the newer flow models: real classes of a few neurons, from their own configs, in the hub's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pico_parts as parts
import torch
from diffusers import ChromaPipeline, ChromaTransformer2DModel, FlowMatchEulerDiscreteScheduler


def saved(pipeline: Any, folder: Path) -> Path:
    """The folder that the stock class loads."""
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def chroma_folder(folder: Path, *, seed: int = 0, wide: bool = False) -> Path:
    """Save a pico `ChromaPipeline` of random weights: f = 4, 4 latent channels, text of 16 tokens; return its folder."""
    width = parts.WIDE if wide else parts.WIDTH
    channels = {"block_out_channels": parts.WIDE_CHANNELS} if wide else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = ChromaPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0),
            vae=parts.autoencoder(shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False, **channels),
            text_encoder=parts.t5(width=width),
            tokenizer=parts.t5_tokenizer(),
            transformer=ChromaTransformer2DModel(
                in_channels=16,
                num_layers=1,
                num_single_layers=1,
                attention_head_dim=16,
                num_attention_heads=width // 8,
                joint_attention_dim=width,
                axes_dims_rope=(4, 6, 6),
                approximator_num_channels=8,
                approximator_hidden_dim=width,
                approximator_layers=1,
            ),
        )
        return saved(pipeline, folder)
