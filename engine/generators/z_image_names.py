"""What the layers of a Z-Image transformer are called in original checkpoints, and by musubi-tuner. Free of torch.

diffusers has three layers where the original has one `qkv`: its rows are theirs, one behind the other. musubi-tuner and
ai-toolkit name them as diffusers does.
"""

from __future__ import annotations

import re

from . import layouts

PREFIX = "transformer"  # before every key of an adapter, as diffusers writes it
EXPORTS = {
    "kohya": layouts.scripts("musubi-tuner", "diffusers"),
    "comfyui": layouts.native("ComfyUI", "diffusers", original=False),
    "diffusers": layouts.stock(PREFIX, "diffusers", "ComfyUI"),
    "peft": layouts.peft(),
}

_LAYERS = {
    "attention_qkv": ("attention.to_q", "attention.to_k", "attention.to_v"),
    "attention_out": ("attention.to_out.0",),
    "feed_forward_w1": ("feed_forward.w1",),
    "feed_forward_w2": ("feed_forward.w2",),
    "feed_forward_w3": ("feed_forward.w3",),
    "adaLN_modulation_0": ("adaLN_modulation.0",),
    "attention_to_q": ("attention.to_q",),
    "attention_to_k": ("attention.to_k",),
    "attention_to_v": ("attention.to_v",),
    "attention_to_out_0": ("attention.to_out.0",),
}
_NAME = re.compile(r"(layers|noise_refiner|context_refiner)_(\d+)_(\w+)")


def parts(original: str, rows: int, width: int) -> dict[str, tuple[int, int]]:
    """The diffusers layers of an original one, named with `_` for `.`, each with its rows; empty for an unknown name.

    `rows` are those of the original's output.
    """
    found = _NAME.fullmatch(original)
    names = _LAYERS.get(found[3], ()) if found else ()
    if found is None:
        return {}
    step, last = rows // max(1, len(names)), len(names) - 1
    head = f"{found[1]}.{found[2]}."
    return {f"{head}{name}": (at * step, rows if at == last else (at + 1) * step) for at, name in enumerate(names)}


def original(module: str) -> str:
    """The layer in the files of musubi-tuner: diffusers' own; empty for an unknown name."""
    return module if module in parts(module.replace(".", "_"), 1, 1) else ""
