"""What the layers of Sana's transformer are called elsewhere: no tool is known that does not take diffusers' names."""

from __future__ import annotations

from . import layouts

PREFIX = "transformer"  # before every key of an adapter, as diffusers writes it
EXPORTS = {"diffusers": layouts.stock(PREFIX, "diffusers"), "peft": layouts.peft()}


def parts(original: str, rows: int, width: int) -> dict[str, tuple[int, int]]:
    """None, whatever the name."""
    return {}


def original(module: str) -> str:
    """None, whatever the name."""
    return ""
