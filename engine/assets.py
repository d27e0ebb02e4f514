"""Picture files that a recipe names: read the same way wherever they are read, whatever a picture file may be.

8 or 16 bits, grey, palette or colour, with or without transparency, turned by the camera's own note: all of it becomes
RGBA. Pillow alone is imported, and only where a recipe names a picture.
"""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import changed

if TYPE_CHECKING:
    from PIL import Image

LARGEST_PICTURE = 4096 * 4096  # pixels; a picture is laid over, or shown to, a model that sees far fewer
MEBIBYTES = 64  # of the file
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")


class _TooLarge(ValueError):
    pass


def size(path: Path) -> tuple[int, int]:
    """Width and height in pixels. Raises ValueError, saying why, where the file is no picture that can be read."""
    return _opened(path).size


def rgba(path: Path, sha256: str = "") -> Image.Image:
    """The picture in RGBA, straight alpha. Raises ValueError as `size` does.

    `sha256` is what a plan has of it, if one does; `WorkError` where the file holds something else by now.
    """
    return _opened(path, sha256).convert("RGBA")


def rgb(path: Path, sha256: str = "") -> Image.Image:
    """The picture in RGB, over white where it is transparent. Raises ValueError and `WorkError` as `rgba` does."""
    from PIL import Image

    picture = rgba(path, sha256)
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def _opened(path: Path, sha256: str = "") -> Image.Image:
    """The whole picture, decoded, the right way up, of 8 bits a channel.

    What it claims of its size is looked at before a pixel is unpacked.
    """
    with path.open("rb") as file:  # once: what is looked at is what has the digest
        data = file.read(MEBIBYTES * 2**20 + 1)
    if len(data) > MEBIBYTES * 2**20:
        raise ValueError(f"is larger than {MEBIBYTES} MiB; make it smaller")
    if sha256 and hashlib.sha256(data).hexdigest() != sha256:
        raise changed(str(path))
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # refused below, and sooner
            width, height = picture.size
            if width * height > LARGEST_PICTURE:
                raise _TooLarge(f"is too large: {width} × {height} pixels; at most {LARGEST_PICTURE} pixels are read")
            picture.load()
            turned = ImageOps.exif_transpose(picture)
    except UnidentifiedImageError as error:
        raise ValueError("is no picture that can be read; use PNG or JPEG") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"is too large; at most {LARGEST_PICTURE} pixels are read") from error
    except _TooLarge:
        raise
    # what Pillow's readers raise for a file that breaks off or contradicts itself
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, struct.error) as error:
        raise ValueError(f"is no picture that can be read to its end: {error}; save it again as PNG or JPEG") from error
    return _eight_bits(turned)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """A grey picture of 16 bits, scaled: Pillow's own conversion cuts off everything above 255."""
    if picture.mode.startswith("I"):
        return picture.convert("I").point(lambda value: value / 257).convert("L")
    return picture
