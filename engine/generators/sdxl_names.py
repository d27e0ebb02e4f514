"""What the layers of Stable Diffusion XL's UNet are called elsewhere: as in the versions before. Free of torch."""

from __future__ import annotations

from .sd_names import PREFIX, parts

__all__ = ["PREFIX", "parts"]
