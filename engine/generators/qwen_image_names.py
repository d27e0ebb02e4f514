"""What the layers of a Qwen-Image transformer are called by other tools: as diffusers calls them. Free of torch."""

from __future__ import annotations

import re

from . import layouts

PREFIX = "transformer"  # before every key of an adapter, as diffusers writes it
_SCRIPTS = layouts.scripts("musubi-tuner", "ComfyUI", "diffusers")
EXPORTS = {
    "kohya": _SCRIPTS,
    "comfyui": _SCRIPTS,
    "diffusers": layouts.stock(PREFIX, "diffusers", "ComfyUI"),
    "peft": layouts.peft(),
}

_LAYERS = {
    "attn_to_q": ("attn.to_q",),
    "attn_to_k": ("attn.to_k",),
    "attn_to_v": ("attn.to_v",),
    "attn_to_out_0": ("attn.to_out.0",),
    "attn_add_q_proj": ("attn.add_q_proj",),
    "attn_add_k_proj": ("attn.add_k_proj",),
    "attn_add_v_proj": ("attn.add_v_proj",),
    "attn_to_add_out": ("attn.to_add_out",),
    "img_mlp_net_0_proj": ("img_mlp.net.0.proj",),
    "img_mlp_net_2": ("img_mlp.net.2",),
    "txt_mlp_net_0_proj": ("txt_mlp.net.0.proj",),
    "txt_mlp_net_2": ("txt_mlp.net.2",),
    "img_mod_1": ("img_mod.1",),
    "txt_mod_1": ("txt_mod.1",),
}
_NAME = re.compile(r"transformer_blocks_(\d+)_(\w+)")


def parts(original: str, rows: int, width: int) -> dict[str, tuple[int, int]]:
    """The diffusers layer of an original one, named with `_` for `.`, with all its rows; empty for an unknown name."""
    found = _NAME.fullmatch(original)
    names = _LAYERS.get(found[2], ()) if found else ()
    return {f"transformer_blocks.{found[1]}.{name}": (0, rows) for name in names} if found else {}


def original(module: str) -> str:
    """The layer in the files of musubi-tuner: diffusers' own; empty for an unknown name."""
    return module if module in parts(module.replace(".", "_"), 1, 1) else ""
