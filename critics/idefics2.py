"""The Idefics2 family: a picture, and its quarters where the processor cuts them, each made into so many latents.

It packs, and it is shown several pictures at once as it is shown one. The stock processor surrounds smaller parts with
padding that the model masks out; here each part is looked at without, which is the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, final

from .chat import Chat, integer, read_chat, refuse
from .configs import Config, processor_of, read_config, sides, vision_tower
from .configs import sizes as sizes_of
from .costs import Sizes
from .reading import Reader, stock_model

if TYPE_CHECKING:
    from torch import Tensor

    from .pixels import Normal

AROUND = "<fake_token_around_image>"


@dataclass(frozen=True, slots=True)
class Parts:
    """How a picture becomes parts; sizes in pixels, (height, width) each."""

    patch: int
    shortest: int
    longest: int
    splits: bool  # whether its quarters come before the whole
    each: int  # tokens of a part

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """The size after resizing: the longer side cut down, then the shorter one not too short."""
        aspect = width / height
        if width >= height and width > self.longest:
            width, height = self.longest, int(self.longest / aspect)
        elif height > width and height > self.longest:
            width, height = int(self.longest * aspect), self.longest
        return max(height, self.shortest), max(width, self.shortest)

    def boxes(self, width: int, height: int) -> list[tuple[int, int, int, int]]:
        """(top, left, bottom, right) of every part."""
        y, x = height // 2, width // 2
        quarters = [(0, 0, y, x), (0, x, y, width), (y, 0, height, x), (y, x, height, width)]
        return [*(quarters if self.splits else []), (0, 0, height, width)]

    def sizes(self, width: int, height: int) -> list[tuple[int, int]]:
        """The size of every part after resizing."""
        return [
            self.resized(right - left, bottom - top) for top, left, bottom, right in self.boxes(width, height)
        ]  # fmt: skip

    def count(self, width: int, height: int) -> int:
        """Parts that the vision tower sees of a picture."""
        return 5 if self.splits else 1

    def patches(self, width: int, height: int) -> int:
        """Patches that the vision tower sees of a picture, all parts together."""
        return sum((rows // self.patch) * (columns // self.patch) for rows, columns in self.sizes(width, height))

    def tokens(self, width: int, height: int) -> int:
        """Tokens that the language model reads for a picture, those between its parts included."""
        return (self.each + 1) * self.count(width, height) - 1

    def spelled(self, width: int, height: int) -> str:
        """What the stock processor writes for a picture, without the token before and the one behind."""
        return AROUND.join(["<image>" * self.each] * self.count(width, height))


def written(text: str) -> str:
    """The chat as the stock processor has it: a token around each picture, one between two, a space behind the last."""
    text = text.replace("<image>", f"{AROUND}<image>{AROUND}").replace(AROUND * 2, AROUND)
    return re.sub(rf"{AROUND}(?=[^\s<])", f"{AROUND} ", text)


def config(folder: Path) -> Config:
    """`config.json` and what it leaves out."""
    return read_config(folder, "mistral", "idefics2_vision")


def perceiver(read: Config) -> dict[str, int]:
    """The resampler's sizes; what `config.json` leaves out is as in the stock class."""
    usual = {
        "resampler_n_latents": 64, "resampler_depth": 3, "resampler_n_heads": 16, "resampler_head_dim": 96,
        "num_key_value_heads": 4, "hidden_size": 4096,
    }  # fmt: skip
    found = read.whole.get("perceiver_config")
    said = {**usual, **(cast(dict[str, object], found) if isinstance(found, dict) else {})}
    return {name: integer(read.path, said, name) for name in usual}


def parts(folder: Path) -> Parts:
    """Reads the processor's file and `config.json`."""
    read, (path, data) = config(folder), processor_of(folder)
    size = sides(path, data, "size", {"shortest_edge": 378, "longest_edge": 980})
    if not {"shortest_edge", "longest_edge"} <= set(size):
        raise refuse(path, "`size` needs `shortest_edge` and `longest_edge`")
    splits = data.get("do_image_splitting", False) is True
    latents = perceiver(read)["resampler_n_latents"]
    return Parts(read.patch(), size["shortest_edge"], size["longest_edge"], splits, latents)


def chat(folder: Path) -> Chat:
    """The chat of a model folder, without torch."""
    read, cut = config(folder), parts(folder)
    image = integer(read.path, {"image_token_id": 32001, **read.whole}, "image_token_id")
    return read_chat(folder, image, cut.tokens, read.longest(), written=written, spelled=cut.spelled)


def sizes(folder: Path) -> Sizes:
    """What the model of a folder costs, without torch; what `config.json` leaves out is as in the stock classes."""
    read, cut, sampler = config(folder), parts(folder), perceiver(config(folder))
    width, hidden = sampler["hidden_size"], integer(read.path, read.text, "intermediate_size")
    heads = 2 * sampler["resampler_n_heads"] + 2 * sampler["num_key_value_heads"]
    layer = heads * sampler["resampler_head_dim"] * width + 3 * 4 * width**2
    projection = hidden * (2 * integer(read.path, read.vision, "hidden_size") + width)
    beside = sampler["resampler_depth"] * layer + projection
    return sizes_of(read, vision_tower(read), cut.patches, cut.tokens, False, beside, cut.count)


def load(folder: Path, dtype: str, device: str) -> Idefics2:
    """The critic of a model folder, frozen and in evaluation mode. `dtype` as torch names it: float32, bfloat16."""
    from transformers import Idefics2ForConditionalGeneration

    from .pixels import normal

    path, data = processor_of(folder)
    usual = {"resample": 2, "image_mean": (0.5,) * 3, "image_std": (0.5,) * 3}
    model = stock_model(folder, Idefics2ForConditionalGeneration, dtype, device)
    return Idefics2(model, chat(folder), parts(folder), normal(path, {**usual, **data}))


@final
class Idefics2(Reader):
    """A critic made of a stock model (with `sdpa` attention), a chat and its parts. It freezes nothing."""

    def __init__(self, model: Any, chat: Chat, parts: Parts, normal: Normal) -> None:
        super().__init__(model, chat, normal)
        self.parts = parts

    @property
    def text(self) -> Any:
        return self.model.model.text_model

    def seen(self, pictures: Tensor) -> list[Tensor]:
        """Pictures [B, 3, H, W] → their parts, [B, 3, h, w] each, quarters before the whole."""
        from .pixels import normalise, resize

        height, width = pictures.shape[-2:]
        cut = zip(self.parts.boxes(width, height), self.parts.sizes(width, height), strict=True)
        return [
            normalise(resize(pictures[..., top:bottom, left:right], *size, self.normal.kernel), self.normal)
            for (top, left, bottom, right), size in cut
        ]

    def pixel_values(self, pictures: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] → [B, N, 3, h, w] as the stock processor has them, smaller parts padded."""
        import torch

        seen = self.seen(pictures)
        rows, columns = (max(part.shape[side] for part in seen) for side in (-2, -1))
        pad = torch.nn.functional.pad
        return torch.stack([pad(one, (0, columns - one.shape[-1], 0, rows - one.shape[-2])) for one in seen], 1)

    def look(self, pictures: Sequence[Tensor]) -> Tensor:
        import torch

        model: Any = self.model.model
        patch = self.parts.patch
        features: list[Tensor] = []
        for part in [part for picture in pictures for part in self.seen(picture)]:
            hidden = model.vision_model(part.to(model.dtype)).last_hidden_state
            patches = (part.shape[-2] // patch) * (part.shape[-1] // patch)
            whole = torch.ones(len(part), patches, dtype=torch.bool, device=part.device)
            features.append(model.connector(hidden, attention_mask=whole))
        return torch.cat(features, 1)
