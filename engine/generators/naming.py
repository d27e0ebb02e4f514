"""Layers by one table both ways: what original checkpoints call them, and the layers of diffusers that each holds.

Free of torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

# the original's blocks -> those of diffusers, with the original's layers -> those of diffusers, in the order of rows
Blocks = Mapping[str, tuple[str, Mapping[str, Sequence[str]]]]
_EVEN: Mapping[str, int] = MappingProxyType({})


def parts(blocks: Blocks, original: str, rows: int, shares: Mapping[str, int] = _EVEN) -> dict[str, tuple[int, int]]:
    """The layers of diffusers that an original one of so many rows holds, each with its own; empty for an unknown name.

    The original is named with `_` for `.`. A layer has as many rows as another, or `shares` times as many.
    """
    for theirs, (ours, layers) in blocks.items():
        for layer, names in layers.items():
            if found := re.fullmatch(rf"{theirs}_(\d+)_{layer.replace('.', '_')}", original):
                taken = [shares.get(name, 1) for name in names]
                edges = [rows * sum(taken[:at]) // sum(taken) for at in range(len(names) + 1)]
                head = f"{ours}.{found[1]}."
                return {f"{head}{name}": place for name, place in zip(names, pairwise(edges), strict=True)}
    return {}


def original(blocks: Blocks, module: str) -> str:
    """The original layer that a layer of diffusers is, or is a part of, with `.`; empty for an unknown name."""
    block, _, rest = module.partition(".")
    number, _, name = rest.partition(".")
    for theirs, (ours, layers) in blocks.items():
        for layer, names in layers.items():
            if ours == block and name in names:
                return f"{theirs}.{number}.{layer}"
    return ""
