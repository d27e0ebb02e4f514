"""What a Stable Diffusion folder costs, from its configurations alone, without torch."""

from __future__ import annotations

from pathlib import Path

from .. import plan
from . import encoder_sizes, unet_sizes

TEXT_TOKENS, NEGATIVES, grain = unet_sizes.TEXT_TOKENS, unet_sizes.NEGATIVES, unet_sizes.grain


def sizes(chosen: plan.Generator) -> unet_sizes.UNetSizes:
    """Raises `InputError` where a configuration does not say what is needed."""
    clip = encoder_sizes.clip(Path(chosen.model.folder) / "text_encoder" / "config.json")
    return unet_sizes.sizes(chosen, clip)
