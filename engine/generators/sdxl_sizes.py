"""What a Stable Diffusion XL folder costs, from its configurations alone, without torch."""

from __future__ import annotations

from pathlib import Path

from ...critics.chat import integer, read_json
from .. import plan
from . import encoder_sizes, unet_sizes

TEXT_TOKENS, NEGATIVES, grain = unet_sizes.TEXT_TOKENS, unet_sizes.NEGATIVES, unet_sizes.grain


def sizes(chosen: plan.Generator) -> unet_sizes.UNetSizes:
    """Raises `InputError` where a configuration does not say what is needed."""
    first, second = (Path(chosen.model.folder) / f"text_encoder{number}" / "config.json" for number in ("", "_2"))
    pooled = integer(second, read_json(second), "projection_dim")
    return unet_sizes.sizes(chosen, encoder_sizes.clip(first) + encoder_sizes.clip(second), pooled)
