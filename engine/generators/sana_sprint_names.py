"""What the layers of Sana-Sprint's transformer are called elsewhere: as Sana's. Free of torch."""

from __future__ import annotations

from .sana_names import EXPORTS, PREFIX, original, parts

__all__ = ["EXPORTS", "PREFIX", "original", "parts"]
