"""A picture as a small whole and tiles of a larger one (LLaVA's "anyres"): tokens without torch, and a critic of such.

The picture is resized to a square, and once more into the best of several shapes made of such squares, black around
it; features of the black are cut away again, and each row of the rest ends in a token of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, final

from .chat import Chat, refuse
from .configs import Config, processor_of, read_config, refuse_features, sides, vision_tower
from .configs import sizes as sizes_of
from .costs import Sizes
from .reading import Reader

if TYPE_CHECKING:
    from torch import Tensor

    from .pixels import Normal


@dataclass(frozen=True, slots=True)
class Tiles:
    """How a picture becomes tiles. Sizes in pixels, (height, width) each."""

    patch: int
    side: int  # of a tile
    shapes: tuple[tuple[int, int], ...]  # multiples of `side`
    most: int | None  # tiles whose features are read at full resolution; None: all of them

    def shape(self, width: int, height: int) -> tuple[int, int]:
        """The shape that keeps most of the picture and then wastes least (`select_best_resolution`)."""
        best, kept, wasted = self.shapes[0], 0, math.inf
        for rows, columns in self.shapes:
            scale = min(columns / width, rows / height)
            useful = min(int(width * scale) * int(height * scale), width * height)
            waste = rows * columns - useful
            if useful > kept or (useful == kept and waste < wasted):
                best, kept, wasted = (rows, columns), useful, waste
        return best

    def inside(self, width: int, height: int) -> tuple[int, int]:
        """The size of the picture inside its shape (`get_patch_output_size`)."""
        rows, columns = self.shape(width, height)
        if columns / width < rows / height:
            return min(math.ceil(height * (columns / width)), rows), columns
        return rows, min(math.ceil(width * (rows / height)), columns)

    def count(self, width: int, height: int) -> int:
        """Squares that the vision tower sees of a picture, the small whole among them."""
        rows, columns = self.shape(width, height)
        return 1 + (rows // self.side) * (columns // self.side)

    def tokens(self, width: int, height: int) -> int:
        """Tokens that the language model reads for a picture of that size."""
        each = self.side // self.patch
        rows, columns = (length // self.side * each for length in self.shape(width, height))
        if width / height > columns / rows:
            rows -= (rows - int(round(height * (columns / width), 7))) // 2 * 2
        else:
            columns -= (columns - int(round(width * (rows / height), 7))) // 2 * 2
        if self.most is not None:
            ratio = math.sqrt(rows * columns / (self.most * each**2))
            if ratio > 1.1:
                rows, columns = int(rows // ratio), int(columns // ratio)
        return each**2 + rows * columns + rows

    def patches(self, width: int, height: int) -> int:
        """Patches that the vision tower sees of a picture, all tiles together."""
        return self.count(width, height) * (self.side // self.patch) ** 2


def configured(folder: Path, text: str, vision: tuple[str, str], features: str) -> Config:
    """`config.json` and what it leaves out of a language model of type `text`.

    `InputError` where the vision tower is not of the type that is named first, and as messages call it second, or
    features are chosen otherwise than by this strategy.
    """
    kind, whose = vision
    read = read_config(folder, text, kind)
    if read.vision["model_type"] != kind:
        raise refuse(read.path, f"the vision tower {read.vision['model_type']!r} is not supported: {whose} is")
    refuse_features(read.path, read.whole, features)
    return read


def sizes(read: Config, how: Tiles) -> Sizes:
    """What a model that sees tiles costs."""
    return sizes_of(read, vision_tower(read), how.patches, how.tokens, False, pieces=how.count)


def tiles(folder: Path, config: Config, most: int | None) -> Tiles:
    """Reads the processor's file; `InputError` where it and `config.json` do not fit together."""
    path, data = processor_of(folder)
    side = config.side()
    for name in ("size", "crop_size"):
        if set(sides(path, data, name, {"height": side}).values()) != {side}:
            raise refuse(path, f"`{name}` {data[name]!r} is not what the vision tower sees: {side} pixels square")
    shapes = config.whole.get("image_grid_pinpoints")
    pairs = cast(list[list[int]], shapes) if isinstance(shapes, list) else []
    if not pairs or any(len(pair) != 2 or pair[0] % side or pair[1] % side for pair in pairs):
        raise refuse(config.path, f"`image_grid_pinpoints` are no shapes made of squares of {side} pixels")
    if data.get("image_grid_pinpoints", shapes) != shapes:
        raise refuse(path, "`image_grid_pinpoints` are others than in config.json")
    return Tiles(config.patch(), side, tuple((rows, columns) for rows, columns in pairs), most)


@final
class Tiled(Reader):
    """A critic made of a stock model (with `sdpa` attention), a chat and its tiles. It freezes nothing."""

    def __init__(self, model: Any, chat: Chat, tiles: Tiles, normal: Normal) -> None:
        super().__init__(model, chat, normal)
        self.tiles = tiles

    def pixel_values(self, pictures: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] → [B, N, 3, side, side]: the small whole, then the tiles, row by row."""
        import torch

        from .pixels import normalise, resize

        side, kernel = self.tiles.side, self.normal.kernel
        height, width = pictures.shape[-2:]
        rows, columns = self.tiles.shape(width, height)
        high, wide = self.tiles.inside(width, height)
        above, left = (rows - high) // 2, (columns - wide) // 2
        large = torch.nn.functional.pad(
            resize(pictures, high, wide, kernel), (left, columns - wide - left, above, rows - high - above)
        )
        cut = large.unflatten(-1, (-1, side)).unflatten(-3, (-1, side)).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
        return normalise(torch.cat([resize(pictures, side, side, kernel)[:, None], cut], 1), self.normal)

    def look(self, pictures: Sequence[Tensor]) -> Tensor:
        import torch

        model: Any = self.model.model
        features: list[Tensor] = []
        for picture in pictures:
            values = self.pixel_values(picture)
            sizes = torch.tensor([list(picture.shape[-2:])] * len(values))
            seen = model.get_image_features(values.to(model.dtype), sizes, return_dict=True)
            features.append(torch.stack(list(seen.pooler_output)))
        return torch.cat(features, 1)
