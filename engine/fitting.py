"""Fitting: whether the factors of an adapter are of a generator's layers, by names and shapes alone. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import costing, generators
from .errors import InputError, Place, Problem, cut
from .parts import Model

if TYPE_CHECKING:
    from .composing import Factors

Layers = Mapping[str, tuple[int, int]]  # by the name in an adapter's file, how many numbers each reads and writes
_LISTED = 3  # problems


def stored(model: Model) -> Layers:
    """The matrices of a generator's backbone, linear layers and whatever else is one, by the headers of its weights.

    None where these are not on this machine.
    """
    part = generators.names_of(model.family).PREFIX
    matrices = {name: shape for name, shape in costing.shapes(model, part).items() if len(shape) == 2}
    return {f"{part}.{name.removesuffix('.weight')}": (shape[1], shape[0]) for name, shape in matrices.items()}


def refuse(factors: Mapping[str, Factors], layers: Layers, place: Place, key: str = "") -> None:
    """Raises `InputError`, at `place` and `key`, for every factor that is of no layer, or of another's shape."""
    problems = list[Problem]()
    for name, (down, up) in factors.items():
        layer, found = layers.get(name), (down.shape[1], up.shape[0])
        if layer is None:
            message = f"{cut(name)} fits no linear layer of this generator"
            problems.append(Problem(place, key, message, "give an adapter of this generator"))
        elif layer != found:
            message = f"{cut(name)} has the wrong shape: {found[0]} → {found[1]}, not {layer[0]} → {layer[1]}"
            problems.append(Problem(place, key, message, "give an adapter of this generator, of its very size"))
    if problems:
        raise InputError(problems[:_LISTED], max(0, len(problems) - _LISTED))
