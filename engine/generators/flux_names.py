"""What a Flux transformer's layers are called in original checkpoints, and how their fused ones are cut. Free of torch.

diffusers has three or four layers where the original has one: its rows are theirs, one behind the other.
"""

from __future__ import annotations

from . import layouts, naming

PREFIX = "transformer"  # before every key of an adapter, as diffusers writes it
# sd-scripts, and the converter of diffusers, know the published width alone
_SCRIPTS = layouts.scripts("sd-scripts", "ComfyUI", "diffusers", width=3072, any_width=("ComfyUI",))
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
    "img_mlp.0": ("ff.net.0.proj",),
    "img_mlp.2": ("ff.net.2",),
    "txt_mlp.0": ("ff_context.net.0.proj",),
    "txt_mlp.2": ("ff_context.net.2",),
    "img_mod.lin": ("norm1.linear",),
    "txt_mod.lin": ("norm1_context.linear",),
}
_SINGLE = {
    "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
    "linear2": ("proj_out",),
    "modulation.lin": ("norm.linear",),
}
_BLOCKS = {
    "double_blocks": ("transformer_blocks", _DOUBLE),
    "single_blocks": ("single_transformer_blocks", _SINGLE),
}
_SHARES = {"proj_mlp": 4}


def parts(original: str, rows: int, width: int) -> dict[str, tuple[int, int]]:
    """The diffusers layers of an original one, named with `_` for `.`, each with its rows; empty for an unknown name.

    `rows` are those of the original's output, `width` is that of its input.
    """
    return naming.parts(_BLOCKS, original, rows, _SHARES)


def original(module: str) -> str:
    """The original layer that a layer of diffusers is, or is a part of; empty for an unknown name."""
    return naming.original(_BLOCKS, module)
