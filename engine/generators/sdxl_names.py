"""What the layers of Stable Diffusion XL's UNet are called elsewhere: read as in the versions before. Free of torch."""

from __future__ import annotations

import re

from .sd_names import EXPORTS, PREFIX, parts

__all__ = ["EXPORTS", "PREFIX", "original", "parts"]

_MODULE = re.compile(r"(?:(down|up)_blocks\.(\d+)\.attentions\.(\d+)|mid_block\.attentions\.0)\.(.+)")


def original(module: str) -> str:
    """Stability's name of a layer, as sd-scripts writes it: three entries to a block; empty for an unknown name."""
    found = _MODULE.fullmatch(module)
    if found is None or not parts(module.replace(".", "_"), 1, 1):
        return ""
    side, block, attention, layer = found.groups()
    if side is None:
        return f"middle_block.1.{layer}"
    entry = 3 * int(block) + int(attention)
    return f"input_blocks.{entry + 1}.1.{layer}" if side == "down" else f"output_blocks.{entry}.1.{layer}"
