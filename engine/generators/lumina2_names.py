"""What the layers of Lumina 2's transformer are called in original checkpoints. Free of torch.

diffusers has three layers where the original has one `qkv`: its rows are theirs, one behind the other. Keys and values
have fewer where heads share them.
"""

from __future__ import annotations

import re

PREFIX = "transformer"  # before every key of an adapter, as diffusers writes it

_LAYERS = {
    "attention_out": "attn.to_out.0",
    "feed_forward_w1": "feed_forward.linear_1",
    "feed_forward_w2": "feed_forward.linear_2",
    "feed_forward_w3": "feed_forward.linear_3",
    "adaLN_modulation_1": "norm1.linear",
}
_NAME = re.compile(r"(layers|noise_refiner|context_refiner)_(\d+)_(\w+)")


def parts(original: str, rows: int, width: int) -> dict[str, tuple[int, int]]:
    """The diffusers layers of an original one, named with `_` for `.`, with their rows; empty for an unknown name.

    `rows` are those of the original's output, `width` is that of its input, and of its queries.
    """
    found = _NAME.fullmatch(original)
    if found is None:
        return {}
    head = f"{found[1]}.{found[2]}."
    if found[3] == "attention_qkv":
        shared = (rows - width) // 2
        ends = {"q": (0, width), "k": (width, width + shared), "v": (width + shared, rows)}
        return {f"{head}attn.to_{part}": place for part, place in ends.items()}
    name = _LAYERS.get(found[3])
    return {f"{head}{name}": (0, rows)} if name else {}
