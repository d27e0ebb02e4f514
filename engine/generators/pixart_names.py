"""What the layers of PixArt's transformer are called in original checkpoints. Free of torch.

diffusers has two or three layers where the original has one `qkv` or `kv_linear`: its rows are theirs, one behind the
other. sd-scripts does not know this family; ComfyUI and OneTrainer read these names.
"""

from __future__ import annotations

import re

PREFIX = "transformer"  # before every key of an adapter, as diffusers would write it

_LAYERS = {
    "attn_qkv": ("attn1.to_q", "attn1.to_k", "attn1.to_v"),
    "attn_proj": ("attn1.to_out.0",),
    "cross_attn_q_linear": ("attn2.to_q",),
    "cross_attn_kv_linear": ("attn2.to_k", "attn2.to_v"),
    "cross_attn_proj": ("attn2.to_out.0",),
    "mlp_fc1": ("ff.net.0.proj",),
    "mlp_fc2": ("ff.net.2",),
}
_NAME = re.compile(r"blocks_(\d+)_(\w+)")


def parts(original: str, rows: int, width: int) -> dict[str, tuple[int, int]]:
    """The diffusers layers of an original one, named with `_` for `.`, with their rows; empty for an unknown name."""
    found = _NAME.fullmatch(original)
    names = _LAYERS.get(found[2], ()) if found else ()
    if found is None:
        return {}
    step, last = rows // max(1, len(names)), len(names) - 1
    head = f"transformer_blocks.{found[1]}."
    return {f"{head}{name}": (at * step, rows if at == last else (at + 1) * step) for at, name in enumerate(names)}
