"""What the layers of Lumina 2's transformer are called in original checkpoints. Free of torch.

diffusers has three layers where the original has one `qkv`: its rows are theirs, one behind the other. Keys and values
have fewer where heads share them.
"""

from __future__ import annotations

from . import layouts, naming

PREFIX = "transformer"  # before every key of an adapter, as diffusers writes it

EXPORTS = {
    "kohya": layouts.scripts("sd-scripts", "ComfyUI"),
    "comfyui": layouts.native("ComfyUI"),
    "diffusers": layouts.stock(PREFIX, "diffusers"),
    "peft": layouts.peft(),
}

_LAYERS = {
    "attention.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "attention.out": ("attn.to_out.0",),
    "feed_forward.w1": ("feed_forward.linear_1",),
    "feed_forward.w2": ("feed_forward.linear_2",),
    "feed_forward.w3": ("feed_forward.linear_3",),
    "adaLN_modulation.1": ("norm1.linear",),
}
_BLOCKS = {block: (block, _LAYERS) for block in ("layers", "noise_refiner", "context_refiner")}


def parts(original: str, rows: int, width: int) -> dict[str, tuple[int, int]]:
    """The diffusers layers of an original one, named with `_` for `.`, with their rows; empty for an unknown name.

    `rows` are those of the original's output, `width` is that of its input, and of its queries.
    """
    found = naming.parts(_BLOCKS, original, rows)
    if len(found) != 3:
        return found
    shared = (rows - width) // 2
    places = ((0, width), (width, width + shared), (width + shared, rows))
    return dict(zip(found, places, strict=True))


def original(module: str) -> str:
    """The original layer that a layer of diffusers is, or is a part of; empty for an unknown name."""
    return naming.original(_BLOCKS, module)
