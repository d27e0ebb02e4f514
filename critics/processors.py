"""Image processors that a model without a family here may have: how each shows a picture, without torch but to compute.

A word in `KNOWN` is a stock class of image processors, without what its name ends in for the way it computes; beside
it stands the stock processor that writes such a picture's tokens into the chat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import squares
from .chat import integer, read_json, refuse
from .configs import Config, Json, processor_of
from .internvl import Canvas, tiled
from .llava import cut, square
from .pixtral import Rows, filled, longest

if TYPE_CHECKING:
    from torch import Tensor

    from .pixels import Normal

PATCH = "<|IMG_PATCH|>"


@dataclass(frozen=True, slots=True)
class Shown:
    """How a picture of some width and height (pixels) becomes what a model takes."""

    tokens: Callable[[int, int], int]  # that the language model reads for it, within a few
    patches: Callable[[int, int], int]  # that the vision tower sees, all pieces together
    pieces: Callable[[int, int], int] | None  # that it is cut into
    spelled: Callable[[int, int], str] | None  # what is written for it; None: one token again and again
    values: Callable[[Tensor, Normal], Tensor]  # pictures [B, 3, H, W] → [B, …], as the stock processor makes them
    inputs: Callable[[Sequence[Tensor]], Mapping[str, Any]]  # values of each picture, of one view → the model's own
    written: Callable[[str], str] | None = None  # the chat with the token that features stand in the place of
    gates: bool = False  # whether the vision tower's feed-forward part is gated


def kind_of(folder: Path) -> str:
    """The class of a folder's image processor, without what its name ends in for the way it computes."""
    name = str(processor_of(folder)[1].get("image_processor_type", ""))
    return name.removesuffix("Pil").removesuffix("Fast")


def read(folder: Path, config: Config) -> Shown:
    """How the processor of a folder shows pictures; `InputError` where it is none of `KNOWN`."""
    path, data = processor_of(folder)
    kind, joint = kind_of(folder), _joint(folder)
    if kind not in KNOWN:
        raise refuse(path, f"the image processor {kind!r} is not supported", f"{', '.join(KNOWN)} are")
    writes, reader = KNOWN[kind]
    said = joint.get("processor_class") or data.get("processor_class") or writes
    if said != writes:
        raise refuse(path, f"the processor {said!r} is not supported: with {kind}, {writes} is")
    return reader(folder, config, path, data, joint)


def _joint(folder: Path) -> Json:
    path = folder / "processor_config.json"
    return read_json(path) if path.is_file() else {}


def _joined(values: Sequence[Tensor]) -> Mapping[str, Any]:
    import torch

    return {"pixel_values": torch.cat(list(values))}


def _clip(folder: Path, config: Config, path: Path, data: Json, joint: Json) -> Shown:
    """A square out of the middle."""
    seen = square(folder)

    def patches(width: int, height: int) -> int:
        return seen.tokens(width, height) + 1  # the class token

    return Shown(seen.tokens, patches, None, None, lambda pictures, normal: cut(pictures, seen, normal), _joined)


def _tiles(folder: Path, config: Config, path: Path, data: Json, joint: Json) -> Shown:
    """Tiles and a small whole, each behind a word of its own; these are always cut, whatever the folder says."""
    squares.refuse_other(config, path, data, usual=384)
    said = {"img_size": 364, "patch_size": 28, "downsample_factor": 1, **joint}
    size, patch, fewer = (integer(path, said, name) for name in ("img_size", "patch_size", "downsample_factor"))
    each = (size // (patch * fewer)) ** 2
    factor = integer(config.path, {"downsample_factor": 2, **config.whole}, "downsample_factor")
    if each != (config.side() // config.patch() // factor) ** 2:
        raise refuse(path, f"the processor writes {each} tokens for a tile, which the model makes no such number of")
    usual = {"min_patches": 1, "max_patches": 12, **data}
    least, most = (integer(path, usual, name) for name in ("min_patches", "max_patches"))
    canvas = Canvas(config.side(), least, most, each)

    def spelled(width: int, height: int) -> str:
        rows, columns = canvas.grid(width, height)
        tiles = range(1, rows * columns + 1) if rows * columns > 1 else ()
        parts = "".join(f"TILE_{tile}{PATCH * each}" for tile in tiles)
        return f"<|START_OF_IMG|>{parts}TILE_GLOBAL{PATCH * each}<|END_OF_IMG|>"

    def patches(width: int, height: int) -> int:
        return canvas.count(width, height) * (canvas.side // config.patch()) ** 2

    return Shown(
        tokens=lambda width, height: canvas.count(width, height) * (each + 1) + 2,
        patches=patches,
        pieces=canvas.count,
        spelled=spelled,
        values=lambda pictures, normal: tiled(pictures, canvas, normal),
        inputs=lambda values: _joined([one.flatten(0, 1) for one in values]),
        written=lambda text: text.replace("<image>", PATCH),
    )


def _rows(folder: Path, config: Config, path: Path, data: Json, joint: Json) -> Shown:
    """A picture of any size, row by row; several patches make a token where the model merges them."""
    said = {"patch_size": 16, "spatial_merge_size": 1, **joint}
    patch, merge = (integer(path, said, name) for name in ("patch_size", "spatial_merge_size"))
    own = integer(config.path, {"spatial_merge_size": merge, **config.whole}, "spatial_merge_size")
    if (patch, merge) != (config.patch(), own):
        raise refuse(path, f"the processor's patches of {patch} × {merge} pixels are not the model's")
    rows = Rows(patch * merge, longest(path, data))

    def inputs(values: Sequence[Tensor]) -> Mapping[str, Any]:
        import torch

        sizes = [list(one.shape[-2:]) for one in values]
        high, wide = (max(size[at] for size in sizes) for at in (0, 1))
        filled_up = [torch.nn.functional.pad(one, (0, wide - one.shape[-1], 0, high - one.shape[-2])) for one in values]
        return {"pixel_values": torch.cat(filled_up), "image_sizes": torch.tensor(sizes, device=values[0].device)}

    return Shown(
        tokens=rows.tokens,
        patches=lambda width, height: merge**2 * rows.patches(width, height),
        pieces=None,
        spelled=rows.spelled,
        values=lambda pictures, normal: filled(pictures, rows, normal),
        inputs=inputs,
        gates=True,
    )


# of image processors -> the processor around it, and what reads a folder
KNOWN: Mapping[str, tuple[str, Callable[[Path, Config, Path, Json, Json], Shown]]] = {
    "CLIPImageProcessor": ("LlavaProcessor", _clip),
    "GotOcr2ImageProcessor": ("AyaVisionProcessor", _tiles),
    "PixtralImageProcessor": ("PixtralProcessor", _rows),
}
