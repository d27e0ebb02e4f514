"""The InternVL family: a picture in tiles of a fitting shape and as a small whole, their features made fewer.

It packs, and it is shown several pictures at once as it is shown one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, final

from . import squares
from .chat import Chat, integer, read_chat
from .configs import Config, processor_of, read_config, refuse_features, vision_tower
from .configs import sizes as sizes_of
from .costs import Sizes
from .reading import Reader, stock_model

if TYPE_CHECKING:
    from torch import Tensor

    from .pixels import Normal

IMAGE = "<IMG_CONTEXT>"


@dataclass(frozen=True, slots=True)
class Canvas:
    """How a picture becomes tiles; sizes in pixels."""

    side: int  # of a tile
    least: int  # tiles, the small whole not among them
    most: int
    each: int  # tokens of a tile

    def grid(self, width: int, height: int) -> tuple[int, int]:
        """(rows, columns) of tiles, nearest to the picture's shape (`get_optimal_tiled_canvas`)."""
        best, nearest = (1, 1), float("inf")
        counts = range(1, self.most + 1)
        shapes = [(rows, columns) for columns in counts for rows in counts if self.least <= rows * columns <= self.most]
        for rows, columns in sorted(shapes, key=lambda shape: shape[0] * shape[1]):
            apart = abs(width / height - columns / rows)
            # of equal shapes the one with more tiles, while these cover less than twice the picture
            if apart < nearest or (apart == nearest and width * height > 0.5 * self.side**2 * rows * columns):
                best, nearest = (rows, columns), apart
        return best

    def count(self, width: int, height: int) -> int:
        """Squares that the vision tower sees of a picture, the small whole among them."""
        rows, columns = self.grid(width, height)
        return rows * columns + (rows * columns > 1)

    def tokens(self, width: int, height: int) -> int:
        """Tokens that the language model reads for a picture, without the one before and the one behind."""
        return self.count(width, height) * self.each


def written(text: str) -> str:
    """The chat as the stock processor has it, one image token left."""
    return text.replace(IMAGE, f"<img>{IMAGE}</img>")


def config(folder: Path) -> Config:
    """`config.json` and what it leaves out; `InputError` where features are chosen in another way."""
    read = read_config(folder, "qwen2", "internvl_vision")
    refuse_features(read.path, read.whole, "default")
    return read


def canvas(folder: Path) -> Canvas:
    """Reads the processor's file and `config.json`; `InputError` where the two do not fit together."""
    read, (path, data) = config(folder), processor_of(folder)
    squares.refuse_other(read, path, data, usual=384)
    ratio = float(cast(float, read.whole.get("downsample_ratio", 0.5)))
    each = round((read.side() // read.patch()) ** 2 * ratio**2)
    # the stock processor cuts tiles only if the folder says so
    cuts = data.get("crop_to_patches", False) is True
    usual = {"min_patches": 1, "max_patches": 12, **data}
    least, most = (integer(path, usual, name) for name in ("min_patches", "max_patches"))
    return Canvas(read.side(), least, most, each) if cuts and most > 1 else Canvas(read.side(), 1, 1, each)


def tiled(pictures: Tensor, canvas: Canvas, normal: Normal) -> Tensor:
    """Pictures [B, 3, H, W] → [B, N, 3, side, side]: the tiles, row by row, then the small whole."""
    import torch

    from .pixels import normalise, resize

    side = canvas.side
    rows, columns = canvas.grid(pictures.shape[-1], pictures.shape[-2])
    large = resize(pictures, rows * side, columns * side, normal.kernel)
    cut = large.unflatten(-1, (-1, side)).unflatten(-3, (-1, side)).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
    small = [resize(pictures, side, side, normal.kernel)[:, None]] if rows * columns > 1 else []
    return normalise(torch.cat([cut, *small], 1), normal)


def chat(folder: Path) -> Chat:
    """The chat of a model folder, without torch."""
    read = config(folder)
    image = integer(read.path, {"image_token_id": 151667, **read.whole}, "image_token_id")
    return read_chat(folder, image, canvas(folder).tokens, read.longest(), written=written)


def sizes(folder: Path) -> Sizes:
    """What the model of a folder costs, without torch; what `config.json` leaves out is as in the stock classes."""
    read, cut = config(folder), canvas(folder)

    def patches(width: int, height: int) -> int:
        return cut.count(width, height) * ((cut.side // read.patch()) ** 2 + 1)  # the class token

    return sizes_of(read, vision_tower(read), patches, cut.tokens, True, pieces=cut.count)


def load(folder: Path, dtype: str, device: str) -> InternVL:
    """The critic of a model folder, frozen and in evaluation mode. `dtype` as torch names it: float32, bfloat16."""
    from transformers import InternVLForConditionalGeneration

    from .pixels import normal

    model = stock_model(folder, InternVLForConditionalGeneration, dtype, device)
    return InternVL(model, chat(folder), canvas(folder), normal(*processor_of(folder)))


@final
class InternVL(Reader):
    """A critic made of a stock model (with `sdpa` attention), a chat and its canvas. It freezes nothing."""

    def __init__(self, model: Any, chat: Chat, canvas: Canvas, normal: Normal) -> None:
        super().__init__(model, chat, normal)
        self.canvas = canvas

    def pixel_values(self, pictures: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] → [B, N, 3, side, side]: the tiles, row by row, then the small whole."""
        return tiled(pictures, self.canvas, self.normal)

    def look(self, pictures: Sequence[Tensor]) -> Tensor:
        import torch

        model: Any = self.model.model
        values = torch.cat([self.pixel_values(picture) for picture in pictures], 1)
        seen: Tensor = model.get_image_features(values.flatten(0, 1).to(model.dtype), return_dict=True).pooler_output
        return seen.unflatten(0, values.shape[:2]).flatten(1, 2)
