"""Pico folders of PixArt, Sana and Lumina: real classes of a few neurons, in the hub's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pico_parts as parts
import pico_sd
import torch
from diffusers import PixArtSigmaPipeline, PixArtTransformer2DModel


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
