"""Picture files that a recipe names: whether they can be read, and are of a size that can be handled."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

LARGEST = 64 * 2**20  # bytes of the file
PIXELS = 4096 * 4096
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")


def wrong(path: Path) -> tuple[str, str]:
    """What is wrong with a picture file, and a hint; two empty texts where it can be read to its end.

    The file is there. What it claims of its size is looked at before a pixel is unpacked.
    """
    if path.stat().st_size > LARGEST:
        return f"is larger than {LARGEST // 2**20} MiB", "make it smaller"
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings(), Image.open(path, formats=FORMATS) as picture:
            if picture.width * picture.height > PIXELS:
                return f"is too large: {picture.width} × {picture.height} pixels", f"at most {PIXELS} pixels are read"
            picture.load()
    except UnidentifiedImageError:
        return "is no picture that can be read", "use PNG or JPEG"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return "is too large", f"at most {PIXELS} pixels are read"
    # what Pillow's readers raise for a file that breaks off or contradicts itself
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, struct.error) as error:
        return f"is no picture that can be read to its end: {error}", "save it again as PNG or JPEG"
    return "", ""
