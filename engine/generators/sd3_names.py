"""What the layers of Stable Diffusion 3's transformer are called in original checkpoints. Free of torch.

diffusers has three layers where the original has one `qkv`: its rows are theirs, one behind the other.
"""

from __future__ import annotations

import re

PREFIX = "transformer"  # before every key of an adapter, as diffusers writes it

_LAYERS = {
    "x_block_attn_qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "x_block_attn2_qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
    "context_block_attn_qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "x_block_attn_proj": ("attn.to_out.0",),
    "x_block_attn2_proj": ("attn2.to_out.0",),
    "context_block_attn_proj": ("attn.to_add_out",),
    "x_block_mlp_fc1": ("ff.net.0.proj",),
    "x_block_mlp_fc2": ("ff.net.2",),
    "context_block_mlp_fc1": ("ff_context.net.0.proj",),
    "context_block_mlp_fc2": ("ff_context.net.2",),
    "x_block_adaLN_modulation_1": ("norm1.linear",),
    "context_block_adaLN_modulation_1": ("norm1_context.linear",),
}
_NAME = re.compile(r"joint_blocks_(\d+)_(\w+)")


def parts(original: str, rows: int, width: int) -> dict[str, tuple[int, int]]:
    """The diffusers layers of an original one, named with `_` for `.`, each with its rows; empty for an unknown name.

    The last block's modulation of the text, which has two parts for the six of the others, is one of these: diffusers
    has its halves the other way round.
    """
    found = _NAME.fullmatch(original)
    names = _LAYERS.get(found[2], ()) if found else ()
    if found is None or (found[2] == "context_block_adaLN_modulation_1" and rows == 2 * width):
        return {}
    step, last = rows // max(1, len(names)), len(names) - 1
    head = f"transformer_blocks.{found[1]}."
    return {f"{head}{name}": (at * step, rows if at == last else (at + 1) * step) for at, name in enumerate(names)}
