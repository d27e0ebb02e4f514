"""What the layers of PixArt's transformer are called in original checkpoints. Free of torch.

diffusers has two or three layers where the original has one `qkv` or `kv_linear`: its rows are theirs, one behind the
other. sd-scripts does not know this family; ComfyUI and OneTrainer read these names.
"""

from __future__ import annotations

from . import layouts, naming

PREFIX = "transformer"  # before every key of an adapter, as diffusers would write it
EXPORTS = {
    "comfyui": layouts.stock("base_model.model", "ComfyUI"),
    "peft": layouts.peft(),
}

_BLOCKS = {
    "blocks": (
        "transformer_blocks",
        {
            "attn.qkv": ("attn1.to_q", "attn1.to_k", "attn1.to_v"),
            "attn.proj": ("attn1.to_out.0",),
            "cross_attn.q_linear": ("attn2.to_q",),
            "cross_attn.kv_linear": ("attn2.to_k", "attn2.to_v"),
            "cross_attn.proj": ("attn2.to_out.0",),
            "mlp.fc1": ("ff.net.0.proj",),
            "mlp.fc2": ("ff.net.2",),
        },
    )
}


def parts(original: str, rows: int, width: int) -> dict[str, tuple[int, int]]:
    """The diffusers layers of an original one, named with `_` for `.`, with their rows; empty for an unknown name."""
    return naming.parts(_BLOCKS, original, rows)


def original(module: str) -> str:
    """The original layer that a layer of diffusers is, or is a part of; empty for an unknown name."""
    return naming.original(_BLOCKS, module)
