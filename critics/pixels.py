"""Pictures on their way to a critic, differentiable: overlays, resizing and normalising as the stock processors do.

Pictures are [B, 3, H, W] in [0, 1]. Resizing is a matrix product from each side: its backward is deterministic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .chat import refuse

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Normal:
    """What a processor does to values: which filter resizes, and the mean and deviation taken out."""

    kernel: int  # Pillow's number: 1 Lanczos, 2 bilinear, 3 bicubic
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


def normal(path: Path, data: Mapping[str, object]) -> Normal:
    """Reads a `preprocessor_config.json` (from `path`); `InputError` for a step that is not reproduced here."""
    for name in ("do_resize", "do_rescale", "do_normalize"):
        if data.get(name, True) is not True:
            raise refuse(path, f"`{name}: false` is not supported")
    if abs(float(cast(float, data.get("rescale_factor", 1 / 255))) * 255 - 1) > 1e-6:
        raise refuse(path, "`rescale_factor` other than 1/255 is not supported")
    kernel = data.get("resample", 3)
    if kernel not in KERNELS:
        raise refuse(path, f"`resample: {kernel}` is not supported", "1 (Lanczos), 2 (bilinear) and 3 (bicubic) are")
    # the defaults of the stock processors, OpenAI CLIP's
    mean = cast(Sequence[float], data.get("image_mean", (0.48145466, 0.4578275, 0.40821073)))
    deviation = cast(Sequence[float], data.get("image_std", (0.26862954, 0.26130258, 0.27577711)))
    return Normal(cast(int, kernel), tuple(mean), tuple(deviation))


def normalise(pictures: Tensor, how: Normal) -> Tensor:
    """(x − mean) / deviation, channel by channel."""
    mean = pictures.new_tensor(how.mean)[:, None, None]
    return (pictures - mean) / pictures.new_tensor(how.deviation)[:, None, None]


def overlay(pictures: Tensor, layers: Tensor) -> Tensor:
    """Lays RGBA `layers` [B, 4, H, W] (straight alpha, in [0, 1]) over pictures [B, 3, H, W]: α c + (1 − α) x."""
    alpha = layers[:, 3:]
    return pictures + alpha * (layers[:, :3] - pictures)


def resize(pictures: Tensor, height: int, width: int, kernel: int) -> Tensor:
    """Resizes [B, 3, H, W] as Pillow 13 does: antialiased, one side after the other, clipped to [0, 1] after each.

    Pillow rounds to 8 bits after each side, this does not: the two differ by up to 1.3/255. The clip passes gradients
    straight through, so that white and black areas still learn.
    """
    rows, columns = pictures.shape[-2:]
    # Pillow's order, which shows where the clip cuts; before version 13 columns always came first
    rows_first = rows > height and rows - height > 2 * (columns - width)
    if rows_first:
        pictures = _clip(_weights(pictures, rows, height, kernel) @ pictures)
    if columns != width:
        pictures = _clip(pictures @ _weights(pictures, columns, width, kernel).T)
    if rows != height and not rows_first:
        pictures = _clip(_weights(pictures, rows, height, kernel) @ pictures)
    return pictures


def crop(pictures: Tensor, height: int, width: int) -> Tensor:
    """Cuts the middle [B, 3, height, width] out; where the picture is smaller, zeros surround it."""
    rows, columns = pictures.shape[-2:]
    above, left = max(0, ceil((height - rows) / 2)), max(0, ceil((width - columns) / 2))
    padding = (left, max(0, width - columns - left), above, max(0, height - rows - above))
    if any(padding):
        pictures = torch.nn.functional.pad(pictures, padding)
    top, start = (max(rows, height) - height) // 2, (max(columns, width) - width) // 2
    return pictures[..., top : top + height, start : start + width]


def _clip(pictures: Tensor) -> Tensor:
    return pictures + (pictures.clamp(0, 1) - pictures).detach()


def _weights(like: Tensor, size: int, target: int, kernel: int) -> Tensor:
    return torch.from_numpy(resampling(size, target, kernel)).to(like)  # pyright: ignore[reportUnknownMemberType]


@lru_cache(maxsize=64)
def resampling(size: int, target: int, kernel: int) -> Floats:
    """The matrix [target, size] that resizes one side, with Pillow's kernels (`Resample.c`, precompute_coeffs)."""
    shape, reach = KERNELS[kernel]
    step = size / target
    scale = max(step, 1.0)  # shrinking widens the kernel: antialiasing
    centre = (np.arange(target) + 0.5) * step
    low = np.maximum(np.trunc(centre - reach * scale + 0.5), 0)[:, None]
    high = np.minimum(np.trunc(centre + reach * scale + 0.5), size)[:, None]
    pixel = np.arange(size)[None, :]
    weights = shape((pixel + 0.5 - centre[:, None]) / scale) * ((pixel >= low) & (pixel < high))
    return weights / weights.sum(axis=1, keepdims=True)


def _bicubic(x: Floats) -> Floats:
    x, a = np.abs(x), -0.5
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _bilinear(x: Floats) -> Floats:
    return np.maximum(1 - np.abs(x), 0.0)


def _lanczos(x: Floats) -> Floats:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


KERNELS: Mapping[int, tuple[Callable[[Floats], Floats], float]] = {
    1: (_lanczos, 3.0),
    2: (_bilinear, 1.0),
    3: (_bicubic, 2.0),
}
