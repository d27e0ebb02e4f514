"""The Qwen2.5-VL family: pictures of any size as a grid of merged patches, positions in time, height and width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, final

from .chat import Chat, integer, read_chat, read_json, refuse, section
from .configs import processor_of
from .costs import Sizes, Tower
from .reading import Reader, stock_model

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Qwen2_5_VLForConditionalGeneration

    from .pixels import Normal


@dataclass(frozen=True, slots=True)
class Grid:
    """How a picture becomes patches; sizes in pixels, `least` and `most` are areas in pixels."""

    patch: int
    merge: int  # patches on each side that make one token
    temporal: int  # a still picture is repeated this often
    least: int
    most: int

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(height, width) after resizing: whole merged patches, an area within bounds (`smart_resize`)."""
        if max(height, width) / min(height, width) > 200:
            said = f"a picture of {width} × {height} is too long: sides may differ by a factor of 200"
            raise refuse("preprocessor_config.json", said)
        unit = self.patch * self.merge
        rows, columns = round(height / unit) * unit, round(width / unit) * unit
        if rows * columns > self.most:
            beta = math.sqrt(height * width / self.most)
            rows = max(unit, math.floor(height / beta / unit) * unit)
            columns = max(unit, math.floor(width / beta / unit) * unit)
        elif rows * columns < self.least:
            beta = math.sqrt(self.least / (height * width))
            rows, columns = math.ceil(height * beta / unit) * unit, math.ceil(width * beta / unit) * unit
        return rows, columns

    def patches(self, width: int, height: int) -> tuple[int, int]:
        """(rows, columns) of patches, before they are merged."""
        rows, columns = self.size(width, height)
        return rows // self.patch, columns // self.patch

    def tokens(self, width: int, height: int) -> int:
        """Tokens that the language model reads for a picture of that size."""
        rows, columns = self.patches(width, height)
        return rows * columns // self.merge**2


def grid(folder: Path) -> Grid:
    """Reads `preprocessor_config.json`; what it leaves out is as in the stock processor."""
    path, data = processor_of(folder)
    size = data.get("size") or {}
    if not isinstance(size, dict):
        raise refuse(path, "`size` is no object")
    found: dict[str, object] = {
        "patch_size": 14, "merge_size": 2, "temporal_patch_size": 2,
        "shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 1280,
    }  # fmt: skip
    found |= {**data, **cast(dict[str, object], size)}
    least = integer(path, found, "min_pixels" if found.get("min_pixels") is not None else "shortest_edge")
    most = integer(path, found, "max_pixels" if found.get("max_pixels") is not None else "longest_edge")
    patch, merge = integer(path, found, "patch_size"), integer(path, found, "merge_size")
    read = Grid(patch, merge, integer(path, found, "temporal_patch_size"), least, most)
    if min(read.patch, read.merge, read.temporal, read.most) < 1:
        raise refuse(path, "sizes of patches and pictures must be greater than 0")
    return read


def chat(folder: Path) -> Chat:
    """The chat of a model folder, without torch."""
    path = folder / "config.json"
    config = read_json(path)
    # older folders write the text's part at the top; what is left out is as in the stock class
    text = section(path, config, "text_config") if "text_config" in config else config
    longest = integer(path, {"max_position_embeddings": 32768, **text}, "max_position_embeddings")
    return read_chat(folder, integer(path, config, "image_token_id"), grid(folder).tokens, longest)


def sizes(folder: Path) -> Sizes:
    """What the model of a folder costs, without torch; what `config.json` leaves out is as in the stock class."""
    path = folder / "config.json"
    config = read_json(path)
    text = section(path, config, "text_config") if "text_config" in config else config
    vision = section(path, config, "vision_config")
    width, heads = integer(path, text, "hidden_size"), integer(path, text, "num_attention_heads")
    shared = integer(path, {"num_key_value_heads": heads, **text}, "num_key_value_heads") / heads
    depth, hidden = integer(path, text, "num_hidden_layers"), integer(path, text, "intermediate_size")
    seen = {"depth": 32, "hidden_size": 3584, "intermediate_size": 3420, **vision}
    cut = grid(folder)

    def patches(width: int, height: int) -> int:
        rows, columns = cut.patches(width, height)
        return rows * columns

    return Sizes(
        vision=Tower(
            integer(path, seen, "depth"), integer(path, seen, "hidden_size"), integer(path, seen, "intermediate_size"),
            matrices=3, narrow=1.0, kept_width=6.4, kept_hidden=3.5, masked=False,
        ),
        text=Tower(depth, width, hidden, matrices=3, narrow=shared, kept_width=6.0, kept_hidden=3.0, masked=True),
        vocabulary=integer(path, {"vocab_size": 152064, **text}, "vocab_size"),
        tied=config.get("tie_word_embeddings", text.get("tie_word_embeddings")) is True,
        patches=patches,
        tokens=cut.tokens,
    )  # fmt: skip


def load(folder: Path, dtype: str, device: str) -> Qwen:
    """The critic of a model folder, frozen and in evaluation mode. `dtype` as torch names it: float32, bfloat16."""
    from transformers import Qwen2_5_VLForConditionalGeneration

    from .pixels import normal

    model = stock_model(folder, Qwen2_5_VLForConditionalGeneration, dtype, device)
    return Qwen(model, chat(folder), grid(folder), normal(*processor_of(folder)))


@final
class Qwen(Reader):
    """A critic made of a stock model (with `sdpa` attention), a chat and its picture grid. It freezes nothing."""

    def __init__(self, model: Qwen2_5_VLForConditionalGeneration, chat: Chat, grid: Grid, normal: Normal) -> None:
        super().__init__(model, chat, normal)
        self.grid = grid

    def pixel_values(self, pictures: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] → patches [B, N, C · temporal · patch²] in the stock processor's order."""
        from .pixels import normalise, resize

        patch, merge, temporal = self.grid.patch, self.grid.merge, self.grid.temporal
        height, width = self.grid.size(pictures.shape[-1], pictures.shape[-2])
        values = normalise(resize(pictures, height, width, self.normal.kernel), self.normal)
        batch, rows, columns = len(values), height // patch // merge, width // patch // merge
        values = values.reshape(batch, 3, rows, merge, patch, columns, merge, patch).permute(0, 2, 5, 3, 6, 1, 4, 7)
        values = values.unsqueeze(6).expand(*values.shape[:6], temporal, patch, patch)
        return values.reshape(batch, rows * columns * merge**2, 3 * temporal * patch**2)

    def look(self, pictures: Sequence[Tensor]) -> Tensor:
        import torch

        visual: Any = self.model.model.visual
        values = torch.cat([self.pixel_values(picture) for picture in pictures], 1)
        grids = tuple((1, *self.grid.patches(picture.shape[-1], picture.shape[-2])) for picture in pictures)
        facts = _vision_facts(grids * len(values), self.grid, int(visual.window_size), values.device)
        features: Tensor = visual(values.flatten(0, 1).to(visual.dtype), **facts).pooler_output
        return features.view(len(values), -1, features.shape[-1])

    def positions(self, head: Tensor, sizes: Sequence[tuple[int, int]]) -> tuple[Tensor, int]:
        import torch

        model: Any = self.model.model
        grids = torch.tensor([(1, *self.grid.patches(width, height)) for height, width in sizes])
        kinds = (head == self.chat.image_id).int()[None]
        positions, _ = model.get_rope_index(head[None], kinds, image_grid_thw=grids)
        return positions[:, 0], int(positions.max()) + 1

    def read(self, embeddings: Tensor, positions: Tensor, visible: Tensor | None, cache: Any = None) -> Tensor:
        return self.text(
            inputs_embeds=embeddings,
            position_ids=positions,
            attention_mask=visible,
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state


@lru_cache(maxsize=32)
def _vision_facts(grids: tuple[tuple[int, int, int], ...], grid: Grid, window: int, device: Any) -> dict[str, Any]:
    """What the vision tower works out from the grids alone: it loops over pictures, so that keeping it pays."""
    import torch
    from transformers import vision_utils as utils

    with torch.inference_mode(False):  # what an evaluation asks first, a training may ask for again
        sizes = torch.tensor(grids, device=device)
        index, windows = utils.get_vision_window_index(sizes, grid.merge, window, grid.patch)
        return {
            "grid_thw": sizes,
            "position_ids": utils.get_vision_position_ids(sizes, grid.merge),
            "cu_seqlens": utils.get_vision_cu_seqlens(sizes),
            "window_index": index,
            "cu_window_seqlens": windows,
        }
