"""What the layers of Stable Diffusion 3's transformer are called in original checkpoints. Free of torch.

diffusers has three layers where the original has one `qkv`: its rows are theirs, one behind the other.
"""

from __future__ import annotations

from . import layouts, naming

PREFIX = "transformer"  # before every key of an adapter, as diffusers writes it
_SCRIPTS = layouts.scripts("sd-scripts", "ComfyUI")
EXPORTS = {
    "kohya": _SCRIPTS,
    "comfyui": _SCRIPTS,
    "diffusers": layouts.stock(PREFIX, "diffusers", "ComfyUI"),
    "peft": layouts.peft(),
}

_LAYERS = {
    "x_block.attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "x_block.attn2.qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
    "context_block.attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "x_block.attn.proj": ("attn.to_out.0",),
    "x_block.attn2.proj": ("attn2.to_out.0",),
    "context_block.attn.proj": ("attn.to_add_out",),
    "x_block.mlp.fc1": ("ff.net.0.proj",),
    "x_block.mlp.fc2": ("ff.net.2",),
    "context_block.mlp.fc1": ("ff_context.net.0.proj",),
    "context_block.mlp.fc2": ("ff_context.net.2",),
    "x_block.adaLN_modulation.1": ("norm1.linear",),
    "context_block.adaLN_modulation.1": ("norm1_context.linear",),
}
_BLOCKS = {"joint_blocks": ("transformer_blocks", _LAYERS)}


def parts(original: str, rows: int, width: int) -> dict[str, tuple[int, int]]:
    """The diffusers layers of an original one, named with `_` for `.`, each with its rows; empty for an unknown name.

    The last block's modulation of the text has two parts for the six of the others, and diffusers has them the other
    way round: its rows begin in the middle, and go on with the first.
    """
    found = naming.parts(_BLOCKS, original, rows)
    turned = original.endswith("context_block_adaLN_modulation_1") and rows == 2 * width
    return dict.fromkeys(found, (width, width + rows)) if turned else found


def original(module: str) -> str:
    """The original layer that a layer of diffusers is, or is a part of; empty for an unknown name."""
    return naming.original(_BLOCKS, module)
