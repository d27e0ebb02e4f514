"""Companions: fixed adapters that are part of a frozen generator, merged into its weights when it is loaded.

W' = W + Σ w B A, each companion at its weight w, summed in at least float32 on the CPU, then rounded once to the
model's dtype. A pass then costs what it costs without them, nothing more is kept for the gradient, and the layer below
the adapter that is trained is the companions' own: at scale 0 its bits are those of the generator with them. In float32
a weight is off by half a unit in its last place, 2⁻²⁴ of itself; in bfloat16 by 2⁻⁸, which is what stock `fuse_lora`
comes to as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import adapter, beside, composing, devices, given
from .composing import Factors
from .generators import Generator
from .parts import Generator as Chosen


def merge(generator: Generator, chosen: Chosen) -> None:
    """Add what the plan's companions do to the weights of the backbone.

    Raises `InputError` where one is no adapter of this generator, or not understood to its last tensor, `WorkError`
    where its file is not the plan's any more.
    """
    read: list[Mapping[str, Factors]] = []
    files = beside.companions(chosen)
    for file in files:
        group = beside.group(chosen.companions, file)
        read.append(given.read(group, chosen.model, adapter.layers(generator), given.WITH))
    if not read:
        return
    linear = adapter.linear_layers(generator)
    for name, (down, up) in composing.beside(read, [file.weight for file in files]).items():
        layer = linear[name]
        weight = layer.weight.data
        kind = devices.precise(weight.dtype)
        whole = weight.to("cpu", kind) + up.to(kind) @ down.to(kind)
        # a tensor of its own: what was loaded may be the file itself, mapped into memory
        layer.weight.data = whole.to(weight.device, weight.dtype)
