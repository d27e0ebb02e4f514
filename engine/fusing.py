"""Fusing: layers of diffusers as the one layer that they are in another tool's model, and the way back.

The parts of a fused layer read the same input, and each has rows of its own of the output: with A_j [R_j, in] and
B_j [out_j, R_j] the whole has [A_1; …; A_n] and the block-diagonal matrix of the B_j, as in convert_flux_lora.py of
sd-scripts. All parts get one rank, or readers do not see the blocks; one that is not there is a block of zeros. All of
this is exact.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import torch
from torch import Tensor

from .composing import Adapter, Factors
from .generators import Names
from .generators.layouts import Layout

Places = Mapping[str, tuple[int, int]]  # of the parts of a layer: where its rows start and end
_PROBE = 5040  # rows of which whole shares, however many parts there are, are whole numbers


def laid_out(adapter: Adapter, names: Names, layout: Layout) -> dict[str, Tensor]:
    """The tensors of an adapter's file in a layout. Raises ValueError for a layer that has no place in it."""
    plain = {module.removeprefix(f"{names.PREFIX}."): pair for module, pair in adapter.items()}
    layers = _fused(plain, names) if layout.original else plain
    if layout.one_rank:
        most = max(len(down) for down, _ in layers.values())
        layers = {name: _of_rank(pair, most) for name, pair in layers.items()}
    found: dict[str, Tensor] = {}
    for name, (down, up) in sorted(layers.items()):
        key = layout.head + (name.replace(".", "_") if layout.head.endswith("_") else name)
        found |= {f"{key}{layout.ends[0]}": down.contiguous(), f"{key}{layout.ends[1]}": up.contiguous()}
        if layout.alpha:  # in float32 whatever the factors are: bfloat16 has no 257
            found[f"{key}.alpha"] = torch.tensor(float(len(down)))
    return found


def _fused(adapter: Adapter, names: Names) -> dict[str, Factors]:
    """The original's layers."""
    parts: dict[str, dict[str, Factors]] = {}
    for module, pair in adapter.items():
        original = names.original(module)
        if not original:
            raise ValueError(f"{module} has no name there")
        parts.setdefault(original, {})[module] = pair
    return {original: _joined(there, _places(names, original, there)) for original, there in parts.items()}


def _joined(there: Adapter, places: Places) -> Factors:
    """One layer, of the parts that are there."""
    rank = max(len(down) for down, _ in there.values())
    kind = functools.reduce(torch.promote_types, (value.dtype for pair in there.values() for value in pair))
    rows = sum(end - start for start, end in places.values())
    down = torch.zeros(rank * len(places), next(iter(there.values()))[0].shape[1], dtype=kind)
    up = torch.zeros(rows, rank * len(places), dtype=kind)
    for at, (module, (start, end)) in enumerate(places.items()):
        if module in there:
            below, above = there[module]
            columns = slice(at * rank, at * rank + len(below))
            down[columns] = below
            up[torch.arange(start, end) % rows, columns] = above.to(kind)
    return down, up


def _places(names: Names, original: str, there: Adapter) -> Places:
    """Where the rows of each part lie; those of a part that is not there follow from those of one that is."""
    known = {module: len(up) for module, (_, up) in there.items()}
    widths = {down.shape[1] for down, _ in there.values()}
    found = functools.partial(names.parts, original.replace(".", "_"), width=max(widths))
    places = found(rows=sum(known.values()))
    if known.keys() < places.keys():
        module, rows = next(iter(known.items()))
        start, end = found(rows=_PROBE * rows)[module]
        if found(rows=2 * _PROBE * rows)[module] != (2 * start, 2 * end):
            raise ValueError(f"{original} is only there in part, and the rest's size is not known")
        places = found(rows=_PROBE * rows * rows // (end - start))
    cut = {module: end - start for module, (start, end) in places.items() if module in known}
    if len(widths) > 1 or cut != known:
        raise ValueError(f"{', '.join(known)} do not fit into one layer")
    return places


def _of_rank(pair: Factors, rank: int) -> Factors:
    """The same product, of a higher rank."""
    down, up = pair
    more = rank - len(down)
    pad = torch.nn.functional.pad
    return pad(down, (0, 0, 0, more)), pad(up, (0, more))


def cut(factors: Factors, places: Places) -> dict[str, Factors]:
    """The parts of a layer, whose rows are all taken: each with its own rank where it was joined as above, or with all.

    Parts of a joined layer that are zeros alone are left out: they were not there.
    """
    down, up = factors
    rank, rest = divmod(len(down), len(places))
    rows = {
        name: torch.roll(up, -start, 0)[: end - start] if end > len(up) else up[start:end]
        for name, (start, end) in places.items()
    }
    blocks = {name: slice(at * rank, (at + 1) * rank) for at, name in enumerate(places)}
    if rest or len(places) == 1 or any(_beside(rows[name], block) for name, block in blocks.items()):
        return {name: (down, mine) for name, mine in rows.items()}
    parts = {name: (down[block], rows[name][:, block]) for name, block in blocks.items()}
    return {name: pair for name, pair in parts.items() if any(bool(value.any()) for value in pair)}


def _beside(rows: Tensor, columns: slice) -> bool:
    """Whether there is anything outside of these columns."""
    return bool(rows[:, : columns.start].any() or rows[:, columns.stop :].any())
