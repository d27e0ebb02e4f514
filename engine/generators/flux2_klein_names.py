"""What a Flux.2 transformer's layers are called in original checkpoints, and how their fused ones are cut. Torch-free.

diffusers has three layers where the original has one `qkv`: its rows are theirs, one behind the other. The first layer
of a single block, attention and feed-forward in one, is one in both.
"""

from __future__ import annotations

import re

PREFIX = "transformer"  # before every key of an adapter, as diffusers writes it

_DOUBLE = {
    "img_attn_qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn_qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "img_attn_proj": ("attn.to_out.0",),
    "txt_attn_proj": ("attn.to_add_out",),
    "img_mlp_0": ("ff.linear_in",),
    "img_mlp_2": ("ff.linear_out",),
    "txt_mlp_0": ("ff_context.linear_in",),
    "txt_mlp_2": ("ff_context.linear_out",),
}
_SINGLE = {
    "linear1": ("attn.to_qkv_mlp_proj",),
    "linear2": ("attn.to_out",),
}
_NAME = re.compile(r"(double|single)_blocks_(\d+)_(\w+)")


def parts(original: str, rows: int, width: int) -> dict[str, tuple[int, int]]:
    """The diffusers layers of an original one, named with `_` for `.`, each with its rows; empty for an unknown name.

    `rows` are those of the original's output.
    """
    found = _NAME.fullmatch(original)
    if found is None:
        return {}
    kind, block, layer = found.groups()
    names = (_DOUBLE if kind == "double" else _SINGLE).get(layer, ())
    head = f"{'' if kind == 'double' else 'single_'}transformer_blocks.{block}."
    step, last = rows // max(1, len(names)), len(names) - 1
    return {f"{head}{name}": (at * step, rows if at == last else (at + 1) * step) for at, name in enumerate(names)}
