"""The Pixtral family: the LLaVA classes around a tower that sees a picture of any size, row by row.

It packs, and it is shown several pictures at once as it is shown one. A token of its own ends each row of a picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from .chat import Chat, read_chat, refuse
from .configs import Config, Json, processor_of, read_config, refuse_features, sides, vision_tower
from .configs import sizes as sizes_of
from .costs import Sizes
from .reading import Reader, stock_model

if TYPE_CHECKING:
    from torch import Tensor

    from .pixels import Normal


@dataclass(frozen=True, slots=True)
class Rows:
    """How a picture becomes rows of patches; sizes in pixels."""

    patch: int
    longest: tuple[int, int]  # (height, width) that no picture exceeds

    def grid(self, width: int, height: int) -> tuple[int, int]:
        """(rows, columns) of patches: the picture shrunk where it is too large, its last patches filled up."""
        ratio = max(height / self.longest[0], width / self.longest[1])
        if ratio > 1:
            height, width = math.floor(height / ratio), math.floor(width / ratio)
        return (height - 1) // self.patch + 1, (width - 1) // self.patch + 1

    def patches(self, width: int, height: int) -> int:
        """Patches that the vision tower sees of a picture of that size."""
        rows, columns = self.grid(width, height)
        return rows * columns

    def tokens(self, width: int, height: int) -> int:
        """Tokens that the language model reads for a picture of that size, ends of rows included."""
        rows, columns = self.grid(width, height)
        return rows * (columns + 1)

    def spelled(self, width: int, height: int) -> str:
        """What the stock processor writes for a picture."""
        rows, columns = self.grid(width, height)
        return "[IMG_BREAK]".join(["[IMG]" * columns] * rows) + "[IMG_END]"


def config(folder: Path) -> Config:
    """`config.json` and what it leaves out; `InputError` where features are chosen in another way."""
    read = read_config(folder, "mistral", "pixtral")
    refuse_features(read.path, read.whole, "full")
    return read


def rows(folder: Path) -> Rows:
    """Reads the processor's file and `config.json`; `InputError` where the two do not fit together."""
    read, (path, data) = config(folder), processor_of(folder)
    if set(sides(path, data, "patch_size", {"height": read.patch()}).values()) != {read.patch()}:
        raise refuse(path, f"`patch_size` is not what the vision tower sees: {read.patch()} pixels square")
    return Rows(read.patch(), longest(path, data))


def longest(path: Path, data: Json) -> tuple[int, int]:
    """(height, width) that no picture exceeds, from the processor's file, `data` at `path`."""
    size = sides(path, data, "size", {"longest_edge": 1024})
    edge = size.get("longest_edge")
    high, wide = (edge, edge) if edge else (size.get("height"), size.get("width"))
    if not high or not wide:
        raise refuse(path, "`size` needs `longest_edge`, or `height` and `width`")
    return high, wide


def filled(pictures: Tensor, rows: Rows, normal: Normal) -> Tensor:
    """Pictures [B, 3, H, W] → [B, 3, h, w], as the stock processor makes them."""
    from .pixels import normalise, resize

    high, wide = rows.grid(pictures.shape[-1], pictures.shape[-2])
    return normalise(resize(pictures, high * rows.patch, wide * rows.patch, normal.kernel), normal)


def chat(folder: Path) -> Chat:
    """The chat of a model folder, without torch."""
    read, cut = config(folder), rows(folder)
    image = read.integer("image_token_id", "image_token_index")
    return read_chat(folder, image, cut.tokens, read.longest(), spelled=cut.spelled)


def sizes(folder: Path) -> Sizes:
    """What the model of a folder costs, without torch; what `config.json` leaves out is as in the stock classes."""
    read, cut = config(folder), rows(folder)
    return sizes_of(read, vision_tower(read, matrices=3), cut.patches, cut.tokens, False)


def load(folder: Path, dtype: str, device: str) -> Pixtral:
    """The critic of a model folder, frozen and in evaluation mode. `dtype` as torch names it: float32, bfloat16."""
    from transformers import LlavaForConditionalGeneration

    from .pixels import normal

    model = stock_model(folder, LlavaForConditionalGeneration, dtype, device)
    return Pixtral(model, chat(folder), rows(folder), normal(*processor_of(folder)))


@final
class Pixtral(Reader):
    """A critic made of a stock model (with `sdpa` attention), a chat and its rows. It freezes nothing."""

    def __init__(self, model: Any, chat: Chat, rows: Rows, normal: Normal) -> None:
        super().__init__(model, chat, normal)
        self.rows = rows

    def pixel_values(self, pictures: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] → [B, 3, h, w], as the stock processor makes them."""
        return filled(pictures, self.rows, self.normal)

    def look(self, pictures: Sequence[Tensor]) -> Tensor:
        import torch

        model: Any = self.model.model
        features: list[Tensor] = []
        for values in [self.pixel_values(picture).to(model.dtype) for picture in pictures]:
            # the tower takes its pictures as one sequence with a mask of all against all: one at a time is cheaper
            seen = [model.get_image_features(one[None], return_dict=True).pooler_output[0] for one in values]
            features.append(torch.stack(seen))
        return torch.cat(features, 1)
