"""Ranks: how many directions the matrices of an adapter's file have, by where there is anything but zeros. No torch.

A fused layer holds those of its parts one behind the other, as `fusing` joins and cuts them; what tools fill factors up
with, so that all have one rank, is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from . import factor_names, generators, headers
from .headers import Header

_Filled = NDArray[np.bool_]  # of a factor, where it is anything but zero
_Pair = tuple[_Filled, _Filled]  # A [R, in] and B [out, R]


def rank(path: Path, family: str) -> int:
    """The highest rank of the layers of diffusers that a file's matrices are, for a family of generators.

    What is no pair of factors counts for nothing: who takes the file refuses it. Raises `InputError` where it is none.
    """
    header, names = headers.read(path), generators.names_of(family)
    found = 0
    with path.open("rb") as file:
        for module, (down, up) in _pairs(file, header):
            original = factor_names.original(module)
            parts = names.parts(original, len(up), down.shape[1]) if original else {}
            cut = _cut((down, up), parts) if parts else [(down, up)]
            found = max(found, *(int((below.any(1) | above.any(0)).sum()) for below, above in cut))
    return found


def _pairs(file: BinaryIO, header: Header) -> Iterator[tuple[str, _Pair]]:
    """Every matrix by the name that the file gives it."""
    for module, keys in factor_names.matrices(header.shapes).items():
        shapes = [header.shapes[keys[side]] for side in "AB" if side in keys]
        paired = [len(shape) for shape in shapes] == [2, 2] and shapes[0][0] == shapes[1][1]
        if paired and all(map(math.prod, shapes)) and all(_whole(header, keys[side]) for side in "AB"):
            down, up = (_filled(file, header, keys[side]) for side in "AB")
            yield module, (down, up)


def _whole(header: Header, key: str) -> bool:
    """Whether each number of a tensor has bytes of its own."""
    start, end = header.places[key]
    return (end - start) % math.prod(header.shapes[key]) == 0


def _filled(file: BinaryIO, header: Header, key: str) -> _Filled:
    start, end = header.places[key]
    file.seek(start)
    numbers = np.frombuffer(file.read(end - start), np.uint8).reshape(*header.shapes[key], -1)
    # the sign, in the last byte as all are little-endian, makes nothing of a zero
    return numbers[..., :-1].any(-1) | (numbers[..., -1] & 0x7F != 0)


def _cut(pair: _Pair, parts: Mapping[str, tuple[int, int]]) -> list[_Pair]:
    """The parts of a layer, as `fusing.cut` has them."""
    down, up = pair
    rows = [up[np.arange(start, end) % len(up)] for start, end in parts.values()]
    rank, rest = divmod(len(down), len(parts))
    blocks = [slice(at * rank, (at + 1) * rank) for at in range(len(parts))]
    beside = (
        mine[:, : block.start].any() or mine[:, block.stop :].any() for mine, block in zip(rows, blocks, strict=True)
    )
    if rest or len(parts) == 1 or any(beside):
        return [(down, mine) for mine in rows]
    return [(down[block], mine[:, block]) for mine, block in zip(rows, blocks, strict=True)]
