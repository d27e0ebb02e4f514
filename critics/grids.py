"""A picture as a grid of merged patches, any size: Qwen's processors without torch, and a critic of such grids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .chat import Chat, integer, refuse
from .configs import processor_of
from .reading import Reader

if TYPE_CHECKING:
    from torch import Tensor

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

    def count(self, width: int, height: int) -> int:
        """Patches that the vision tower sees of a picture."""
        rows, columns = self.patches(width, height)
        return rows * columns

    def tokens(self, width: int, height: int) -> int:
        """Tokens that the language model reads for a picture of that size."""
        return self.count(width, height) // self.merge**2


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


def patched(pictures: Tensor, grid: Grid, normal: Normal) -> Tensor:
    """Pictures [B, 3, H, W] → patches [B, N, C · temporal · patch²] in the stock processor's order."""
    from .pixels import normalise, resize

    patch, merge, temporal = grid.patch, grid.merge, grid.temporal
    height, width = grid.size(pictures.shape[-1], pictures.shape[-2])
    values = normalise(resize(pictures, height, width, normal.kernel), normal)
    batch, rows, columns = len(values), height // patch // merge, width // patch // merge
    values = values.reshape(batch, 3, rows, merge, patch, columns, merge, patch).permute(0, 2, 5, 3, 6, 1, 4, 7)
    values = values.unsqueeze(6).expand(*values.shape[:6], temporal, patch, patch)
    return values.reshape(batch, rows * columns * merge**2, 3 * temporal * patch**2)


class Gridded(Reader):
    """A critic made of a stock model (with `sdpa` attention), a chat and its picture grid. It freezes nothing."""

    def __init__(self, model: Any, chat: Chat, grid: Grid, normal: Normal) -> None:
        super().__init__(model, chat, normal)
        self.grid = grid

    def pixel_values(self, pictures: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] → patches [B, N, C · temporal · patch²] in the stock processor's order."""
        return patched(pictures, self.grid, self.normal)

    def positions(self, head: Tensor, sizes: Sequence[tuple[int, int]]) -> tuple[Tensor, int]:
        import torch

        grids = torch.tensor([(1, *self.grid.patches(width, height)) for height, width in sizes])
        kinds = (head == self.chat.image_id).int()[None]
        positions, _ = self.model.model.get_rope_index(head[None], kinds, image_grid_thw=grids)
        return positions[:, 0], int(positions.max()) + 1
