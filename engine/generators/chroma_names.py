"""What a Chroma transformer's layers are called in original checkpoints: as Flux's, none of which modulates."""

from __future__ import annotations

from . import flux_names

PREFIX, EXPORTS = flux_names.PREFIX, flux_names.EXPORTS


def parts(original: str, rows: int, width: int) -> dict[str, tuple[int, int]]:
    """The diffusers layers of an original one, as `flux_names.parts` says; empty for a layer that modulates."""
    modulates = original.endswith(("img_mod_lin", "txt_mod_lin", "modulation_lin"))
    return {} if modulates else flux_names.parts(original, rows, width)


def original(module: str) -> str:
    """The original layer that a layer of diffusers is, or is a part of; empty for an unknown name."""
    found = flux_names.original(module)
    return found if parts(found.replace(".", "_"), 1, 1) else ""
