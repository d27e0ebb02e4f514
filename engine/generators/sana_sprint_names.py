"""What the layers of Sana-Sprint's transformer are called elsewhere: as Sana's. Free of torch."""

from __future__ import annotations

from .sana_names import PREFIX, parts

__all__ = ["PREFIX", "parts"]
