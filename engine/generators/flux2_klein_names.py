"""What a Flux.2 transformer's layers are called in original checkpoints, and how their fused ones are cut. Torch-free.

diffusers has three layers where the original has one `qkv`: its rows are theirs, one behind the other. The first layer
of a single block, attention and feed-forward in one, is one in both.
"""

from __future__ import annotations

from . import layouts, naming

PREFIX = "transformer"  # before every key of an adapter, as diffusers writes it
_SCRIPTS = layouts.scripts("musubi-tuner", "ComfyUI", "diffusers")
EXPORTS = {
    "kohya": _SCRIPTS,
    "comfyui": _SCRIPTS,
    "diffusers": layouts.stock(PREFIX, "diffusers", "ComfyUI"),
    "peft": layouts.peft(),
}

_DOUBLE = {
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "img_attn.proj": ("attn.to_out.0",),
    "txt_attn.proj": ("attn.to_add_out",),
    "img_mlp.0": ("ff.linear_in",),
    "img_mlp.2": ("ff.linear_out",),
    "txt_mlp.0": ("ff_context.linear_in",),
    "txt_mlp.2": ("ff_context.linear_out",),
}
_SINGLE = {
    "linear1": ("attn.to_qkv_mlp_proj",),
    "linear2": ("attn.to_out",),
}
_BLOCKS = {
    "double_blocks": ("transformer_blocks", _DOUBLE),
    "single_blocks": ("single_transformer_blocks", _SINGLE),
}


def parts(original: str, rows: int, width: int) -> dict[str, tuple[int, int]]:
    """The diffusers layers of an original one, named with `_` for `.`, each with its rows; empty for an unknown name.

    `rows` are those of the original's output.
    """
    return naming.parts(_BLOCKS, original, rows)


def original(module: str) -> str:
    """The original layer that a layer of diffusers is, or is a part of; empty for an unknown name."""
    return naming.original(_BLOCKS, module)
