"""What Sana and Sana-Sprint share: prompts behind an instruction, read by Gemma 2, and latents of a deep autoencoder.

The stock pipelines put an instruction of theirs before every prompt and keep what Gemma says of the prompt alone.
Prompts are put into lower case and no further cleaned, and pictures are made in the size that is asked for: stock's
`clean_caption` and `use_resolution_binning` are off.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from .. import devices, plan
from . import pipelines, sana_sizes

# feed-forward layers are convolutions, which take no adapter here; `linear` is what modulates all blocks
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
MODULATION = ("linear",)


class Sana(pipelines.Piped):
    """A generator with a transformer of Sana."""

    lora_prefix = "transformer"

    @property
    def _latents_dtype(self) -> torch.dtype:
        return devices.precise(self._dtype)  # as the stock pipelines keep them

    @property
    def lora_targets(self) -> dict[str, tuple[str, ...]]:
        return {"attention": ATTENTION, "all": ATTENTION + MODULATION}

    @property
    def lora_metadata(self) -> dict[str, str]:
        """As in OneTrainer's headers."""
        return {"modelspec.architecture": "sana/lora", "modelspec.implementation": "diffusers"}


def instruction(stock: Any) -> list[str]:
    """The lines that a class of stock pipelines puts before a prompt where it is not told others."""
    return list(inspect.signature(stock.__call__).parameters["complex_human_instruction"].default)


def refuse_cut(prompts: Sequence[str], pipeline: Any, chosen: plan.Generator) -> None:
    """Raises `InputError` for prompts of which the stock pipeline keeps only the beginning."""
    before = "\n".join(instruction(type(pipeline)))
    # of what is kept, two places are the first token's and the instruction's last
    limit = len(pipeline.tokenizer(before).input_ids) + chosen.text_length - 2
    read = [prompt.lower().strip() for prompt in prompts]
    pipelines.refuse_longer(read, pipeline.tokenizer, limit, chosen, before)


def size_problems(pipeline: Any, chosen: plan.Generator) -> list[tuple[str, str]]:
    """What is wrong with a plan's size, as (key of the recipe, message)."""
    grain = sana_sizes.grain(Path(chosen.model.folder), int(pipeline.vae_scale_factor))
    return pipelines.size_problems(chosen, grain)
