"""How tools name the factors of a LoRA, and what the names alone say of a file. Free of torch."""

from __future__ import annotations

from collections.abc import Iterable

from . import digests
from .headers import Header

# how a tensor's name ends -> which factor it is: A [R, in] or B [out, R]
SIDES = {
    f".{name}{end}": side
    for side, names in {"A": ("lora_A", "lora_down", "lora.down"), "B": ("lora_B", "lora_up", "lora.up")}.items()
    for name in names
    for end in (".weight", ".default.weight")
}
PEFT = "base_model.model."  # before every name that peft saves
FACTORS, SETTINGS = "adapter_model.safetensors", "adapter_config.json"  # what it writes: beside the file, its scale
_ORIGINAL = ("diffusion_model.", "lora_unet_")  # before names of original checkpoints


def matrices(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """The tensors of the factors of every matrix, by its name in the file and by `A` and `B`."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        if end := next((end for end in SIDES if name.endswith(end)), ""):
            found.setdefault(name.removesuffix(end), {})[SIDES[end]] = name
    return found


def original(matrix: str) -> str:
    """What original checkpoints call a matrix, with `_` for `.`; empty where a file does not name it so."""
    head = next((head for head in _ORIGINAL if matrix.startswith(head)), "")
    return matrix.removeprefix(head).replace(".", "_") if head else ""


def rank(header: Header) -> int:
    """The highest rank of a file's matrices; 0 where none is named as a factor."""
    down = tuple(end for end, side in SIDES.items() if side == "A")
    return max((shape[0] for name, shape in header.shapes.items() if shape and name.endswith(down)), default=0)


def scaled_beside(header: Header) -> bool:
    """Whether the scale stands in a file beside it, as peft has it."""
    told = {"lora_adapter_metadata", digests.SAID} & header.metadata.keys()
    return not told and any(name.startswith(PEFT) for name in header.shapes)
