"""What a Flux transformer's layers are called in original checkpoints, and how their fused ones are cut. Free of torch.

diffusers has three or four layers where the original has one: its rows are theirs, one behind the other.
"""

from __future__ import annotations

import re

PREFIX = "transformer"  # before every key of an adapter, as diffusers writes it

_DOUBLE = {
    "img_attn_qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn_qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "img_attn_proj": ("attn.to_out.0",),
    "txt_attn_proj": ("attn.to_add_out",),
    "img_mlp_0": ("ff.net.0.proj",),
    "img_mlp_2": ("ff.net.2",),
    "txt_mlp_0": ("ff_context.net.0.proj",),
    "txt_mlp_2": ("ff_context.net.2",),
    "img_mod_lin": ("norm1.linear",),
    "txt_mod_lin": ("norm1_context.linear",),
}
_SINGLE = {
    "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
    "linear2": ("proj_out",),
    "modulation_lin": ("norm.linear",),
}
_NAME = re.compile(r"(double|single)_blocks_(\d+)_(\w+)")


def parts(original: str, rows: int, width: int) -> dict[str, tuple[int, int]]:
    """The diffusers layers of an original one, named with `_` for `.`, each with its rows; empty for an unknown name.

    `rows` are those of the original's output, `width` is that of its input.
    """
    found = _NAME.fullmatch(original)
    if found is None:
        return {}
    kind, block, layer = found.groups()
    names = (_DOUBLE if kind == "double" else _SINGLE).get(layer, ())
    head = f"{'' if kind == 'double' else 'single_'}transformer_blocks.{block}."
    step = width if layer == "linear1" else rows // max(1, len(names))
    last = len(names) - 1
    return {f"{head}{name}": (at * step, rows if at == last else (at + 1) * step) for at, name in enumerate(names)}
