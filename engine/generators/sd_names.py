"""What the layers of Stable Diffusion's UNet are called elsewhere, for the versions 1, 2 and XL. Free of torch.

sd-scripts writes diffusers' names of versions 1 and 2, and Stability's (`input_blocks`, …) of XL; ComfyUI reads both.
No layer is fused: each of theirs is one of diffusers.
"""

from __future__ import annotations

import re

from . import layouts

PREFIX = "unet"  # before every key of an adapter, as diffusers writes it
_SCRIPTS = layouts.scripts("sd-scripts", "ComfyUI", "diffusers", "A1111", one_rank=True)
EXPORTS = {
    "kohya": _SCRIPTS,
    "comfyui": _SCRIPTS,
    "diffusers": layouts.stock(PREFIX, "diffusers"),
    "peft": layouts.peft(),
}

_LAYERS = {
    **{
        f"transformer_blocks_{{}}_attn{one}_to_{part}{end}": f"transformer_blocks.{{}}.attn{one}.to_{part}{tail}"
        for one in (1, 2)
        for part, end, tail in (("q", "", ""), ("k", "", ""), ("v", "", ""), ("out", "_0", ".0"))
    },
    "transformer_blocks_{}_ff_net_0_proj": "transformer_blocks.{}.ff.net.0.proj",
    "transformer_blocks_{}_ff_net_2": "transformer_blocks.{}.ff.net.2",
    "proj_in": "proj_in",
    "proj_out": "proj_out",
}
_BLOCK = re.compile(r"(down|up)_blocks_(\d+)_attentions_(\d+)_(\w+)|mid_block_attentions_0_(\w+)")
# Stability's: three entries to a block, the first of the input before them
_STABILITY = re.compile(r"(input|output)_blocks_(\d+)_1_(\w+)|middle_block_1_(\w+)")
_DEPTH = re.compile(r"transformer_blocks_(\d+)_")


def parts(original: str, rows: int, width: int) -> dict[str, tuple[int, int]]:
    """The diffusers layer of an original one, named with `_` for `.`, with all its rows; empty for an unknown name."""
    at, layer = _place(original)
    depth = _DEPTH.match(layer)
    name = _LAYERS.get(_DEPTH.sub("transformer_blocks_{}_", layer))
    return {f"{at}.{name.format(depth and depth[1])}": (0, rows)} if at and name else {}


def original(module: str) -> str:
    """The layer in the files of sd-scripts: diffusers' own; empty for an unknown name."""
    return module if parts(module.replace(".", "_"), 1, 1) else ""


def _place(original: str) -> tuple[str, str]:
    """The attention of diffusers' UNet that a layer is in, and the rest of its name; empty for an unknown one."""
    if found := _BLOCK.fullmatch(original):
        side, block, attention, layer, middle = found.groups()
        return (
            ("mid_block.attentions.0", middle) if middle else (f"{side}_blocks.{block}.attentions.{attention}", layer)
        )
    if found := _STABILITY.fullmatch(original):
        side, entry, layer, middle = found.groups()
        if middle:
            return "mid_block.attentions.0", middle
        block, attention = divmod(int(entry) - (side == "input"), 3)
        return f"{'down' if side == 'input' else 'up'}_blocks.{block}.attentions.{attention}", layer
    return "", ""
