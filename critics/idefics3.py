"""The Idefics3 family, SmolVLM among it: a picture in tiles and as a small whole, each looked at by itself.

It packs, and it is shown several pictures at once as it is shown one. The stock model takes a tile whose every value is
0 for padding and leaves it out, this does not: pictures that are grey all over are seen too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from .chat import Chat, integer, read_chat, read_json, refuse
from .configs import Config, processor_of, read_config, sides, vision_tower
from .configs import sizes as sizes_of
from .costs import Sizes
from .reading import Reader, stock_model

if TYPE_CHECKING:
    from torch import Tensor

    from .pixels import Normal

LARGEST = 4096  # pixels; no side is longer after the first resizing


@dataclass(frozen=True, slots=True)
class Tiles:
    """How a picture becomes tiles; sizes in pixels, (height, width) each."""

    longest: int  # side after the first resizing
    side: int  # of a tile
    splits: bool  # whether there are tiles besides the small whole
    each: int  # tokens of a tile

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """The size after the first resizing: the longer side is given, the shorter one even."""
        aspect = width / height
        if width >= height:
            columns, rows = self.longest, int(self.longest / aspect)
            rows += rows % 2
        else:
            rows, columns = self.longest, int(self.longest * aspect)
            columns += columns % 2
        rows, columns = max(rows, 1), max(columns, 1)
        aspect = columns / rows
        if columns >= rows and columns > LARGEST:
            rows, columns = int(LARGEST / aspect), LARGEST
        elif rows > columns and rows > LARGEST:
            rows, columns = LARGEST, int(LARGEST * aspect)
        return max(rows, 1), max(columns, 1)

    def whole(self, width: int, height: int) -> tuple[int, int]:
        """The size after the second resizing: whole tiles."""
        rows, columns = self.resized(width, height)
        aspect = columns / rows
        if columns >= rows:
            columns = self._tiles(columns)
            rows = self._tiles(int(columns / aspect))
        else:
            rows = self._tiles(rows)
            columns = self._tiles(int(rows * aspect))
        return rows, columns

    def grid(self, width: int, height: int) -> tuple[int, int]:
        """Rows and columns of tiles; none where the small whole is all there is."""
        rows, columns = self.whole(width, height) if self.splits else (self.side, self.side)
        return (0, 0) if max(rows, columns) <= self.side else (rows // self.side, columns // self.side)

    def count(self, width: int, height: int) -> int:
        """Squares that the vision tower sees of a picture, the small whole among them."""
        rows, columns = self.grid(width, height)
        return 1 + rows * columns

    def tokens(self, width: int, height: int) -> int:
        """Tokens that the language model reads for a picture, where its tokenizer has one for two line ends."""
        rows, columns = self.grid(width, height)
        return rows * columns * (self.each + 2) + rows + self.each + 3

    def spelled(self, width: int, height: int) -> str:
        """What the stock processor writes for a picture."""
        rows, columns = self.grid(width, height)
        around, image = "<fake_token_around_image>", "<image>" * self.each
        lines = [
            "".join(f"{around}<row_{row + 1}_col_{column + 1}>{image}" for column in range(columns)) + "\n"
            for row in range(rows)
        ]
        return "".join(lines) + ("\n" if lines else "") + f"{around}<global-img>{image}{around}"

    def _tiles(self, length: int) -> int:
        return math.ceil(length / self.side) * self.side


def config(folder: Path) -> Config:
    """`config.json` and what it leaves out."""
    kind = read_json(folder / "config.json").get("model_type", "idefics3")
    return read_config(folder, "llama", f"{kind}_vision")


def tiles(folder: Path) -> Tiles:
    """Reads the processor's file and `config.json`; `InputError` where the two do not fit together."""
    read, (path, data) = config(folder), processor_of(folder)
    side = sides(path, data, "max_image_size", {"longest_edge": 364}).get("longest_edge")
    longest = sides(path, data, "size", {"longest_edge": 4 * 364}).get("longest_edge")
    if side is None or side != read.side() or longest is None:
        raise refuse(path, f"`max_image_size` is not what the vision tower sees: {read.side()} pixels square")
    factor = integer(read.path, {"scale_factor": 2, **read.whole}, "scale_factor")
    each = int((side // read.patch()) ** 2 / factor**2)
    said = _tokens_said(folder)
    if said not in (None, each):
        raise refuse(folder / "processor_config.json", f"`image_seq_len` {said} is not what the model makes: {each}")
    return Tiles(longest, side, data.get("do_image_splitting", True) is True, each)


def _tokens_said(folder: Path) -> object:
    path = folder / "processor_config.json"
    return read_json(path).get("image_seq_len") if path.is_file() else None


def chat(folder: Path) -> Chat:
    """The chat of a model folder, without torch."""
    read, cut = config(folder), tiles(folder)
    image = integer(read.path, {"image_token_id": 128257, **read.whole}, "image_token_id")
    found: Chat = read_chat(
        folder, image, lambda width, height: len(found.picture(width, height)), read.longest(), spelled=cut.spelled
    )
    return found


def sizes(folder: Path) -> Sizes:
    """What the model of a folder costs, without torch; what `config.json` leaves out is as in the stock classes."""
    read, cut = config(folder), tiles(folder)

    def patches(width: int, height: int) -> int:
        return cut.count(width, height) * (cut.side // read.patch()) ** 2

    return sizes_of(read, vision_tower(read), patches, cut.tokens, False, pieces=cut.count)


def load(folder: Path, dtype: str, device: str) -> Idefics3:
    """The critic of a model folder, frozen and in evaluation mode. `dtype` as torch names it: float32, bfloat16."""
    from transformers import AutoModelForImageTextToText

    from .pixels import normal

    path, data = processor_of(folder)
    usual = {"resample": 1, "image_mean": (0.5,) * 3, "image_std": (0.5,) * 3}
    model = stock_model(folder, AutoModelForImageTextToText, dtype, device)
    return Idefics3(model, chat(folder), tiles(folder), normal(path, {**usual, **data}))


@final
class Idefics3(Reader):
    """A critic made of a stock model (with `sdpa` attention), a chat and its tiles. It freezes nothing."""

    def __init__(self, model: Any, chat: Chat, tiles: Tiles, normal: Normal) -> None:
        super().__init__(model, chat, normal)
        self.tiles = tiles

    @property
    def text(self) -> Any:
        return self.model.model.text_model

    def pixel_values(self, pictures: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] → [B, N, 3, side, side]: the tiles, row by row, then the small whole."""
        import torch

        from .pixels import normalise, resize

        side, kernel = self.tiles.side, self.normal.kernel
        height, width = pictures.shape[-2:]
        values = resize(pictures, *self.tiles.resized(width, height), kernel)
        cut: list[Tensor] = []
        if self.tiles.splits:
            values = resize(values, *self.tiles.whole(width, height), kernel)
        if max(values.shape[-2:]) > side and self.tiles.splits:
            parts = values.unflatten(-1, (-1, side)).unflatten(-3, (-1, side))
            cut.append(parts.permute(0, 2, 4, 1, 3, 5).flatten(1, 2))
        return normalise(torch.cat([*cut, resize(values, side, side, kernel)[:, None]], 1), self.normal)

    def look(self, pictures: Sequence[Tensor]) -> Tensor:
        import torch

        model: Any = self.model.model
        values = torch.cat([self.pixel_values(picture) for picture in pictures], 1)
        seen = model.vision_model(values.flatten(0, 1).to(model.dtype)).last_hidden_state
        return model.connector(seen).unflatten(0, values.shape[:2]).flatten(1, 2)
