"""How other tools' files of adapters are laid out: the forms from which every family's `EXPORTS` chooses. No torch.

In none of them is a scale to be found beside the factors: it is in B, and an alpha that a tool asks for is the rank.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

TOOLS = ("kohya", "comfyui", "diffusers", "peft")  # that `recipe export` writes for
_PAIR = (".lora_A.weight", ".lora_B.weight")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file names the layers of a generator, and which tools read it."""

    head: str  # before every layer's name, in which `_` stands for `.` where the head ends so
    ends: tuple[str, str]  # behind the name, of A and of B
    readers: tuple[str, ...]  # tools that load the file as it is, and apply what was trained
    original: bool = False  # layers are those of the original checkpoint, where one may be several of diffusers
    alpha: bool = False  # a number `NAME.alpha` stands beside each
    one_rank: bool = False  # a reader takes one layer's scale for that of others, so that all need the same rank
    folder: bool = False  # two files: the factors, and settings beside them
    width: int = 0  # numbers that a layer reads, which some readers take for granted; 0 where none does
    any_width: tuple[str, ...] = ()  # readers that do not

    def loads(self, widths: Collection[int]) -> tuple[str, ...]:
        """Tools that read a file whose layers have these widths."""
        known = not self.width or self.width in widths
        return self.readers if known else self.any_width

    def unread(self, widths: Collection[int]) -> str:
        """Which tools of this form do not read such a file, and why, in words; empty where all of them do."""
        left_out = [reader for reader in self.readers if reader not in self.loads(widths)]
        why = f"which know this family at its published width, {self.width}, alone"
        return f"not in {' and '.join(left_out)}, {why}" if left_out else ""


def scripts(*readers: str, one_rank: bool = False, width: int = 0, any_width: tuple[str, ...] = ()) -> Layout:
    """What sd-scripts and musubi-tuner write."""
    ends = (".lora_down.weight", ".lora_up.weight")
    return Layout(
        "lora_unet_", ends, readers, original=True, alpha=True, one_rank=one_rank, width=width, any_width=any_width
    )


def native(*readers: str, original: bool = True) -> Layout:
    """ComfyUI's own, `diffusion_model.…`, of the original's layers or of those of diffusers."""
    return Layout("diffusion_model.", _PAIR, readers, original=original)


def stock(prefix: str, *readers: str) -> Layout:
    """What diffusers writes of its component `prefix`, and peft of `base_model.model`."""
    return Layout(f"{prefix}.", _PAIR, readers)


def peft() -> Layout:
    """What `PeftModel.from_pretrained` takes."""
    return Layout("base_model.model.", _PAIR, ("PEFT",), folder=True)
