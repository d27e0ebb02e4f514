"""Latents: the noise of one picture, optimised in an adapter's place, and the file that holds it.

z moves from z₀, which its seed gives, to z₁; at scale s the sampler starts from z₀ + s (z₁ − z₀): 0 the picture as it
was, 1 as optimised. What is optimised and saved is z₁ / d, d the standard deviation of the generator's noise: of 1 in
every family, and what stock pipelines take as `latents`, which they multiply by d themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import final

from torch import Tensor, nn

from . import adapter, beside, devices, one_picture
from .errors import InputError, Place, Problem
from .generators import Generator
from .headers import LATENTS
from .plan import Plan


@final
class Noise:
    """The noise of one picture, at a scale."""

    def __init__(self, moved: Tensor, deviation: float) -> None:
        """Take z₁ / d [1, …], in the dtype that it is to be trained in; a copy is kept."""
        self._deviation, self._scale = deviation, 1.0
        self._moved = nn.Parameter(moved.clone())

    def scale(self, value: float) -> None:
        """Start from z₀ + s (z₁ − z₀): at 0 bitwise from z₀, at 1 from z₁. Holds until it is set again."""
        self._scale = value

    def start(self, noise: Tensor) -> Tensor:
        """What the sampler starts from [1, …] in the generator's dtype, of z₀; differentiable in what is optimised."""
        if len(noise) != 1:
            raise ValueError(f"there is the noise of one picture, and not of {len(noise)}")
        if self._scale == 0:
            return noise
        moved = self._moved * self._deviation
        if self._scale == 1:
            return moved.to(noise.dtype)
        start = noise.to(moved.dtype)
        return (start + self._scale * (moved - start)).to(noise.dtype)

    def weights(self) -> dict[str, nn.Parameter]:
        """What is optimised, under its name in a checkpoint."""
        return {LATENTS: self._moved}


Learned = adapter.Lora | Noise


def begin(generator: Generator, plan: Plan) -> Noise:
    """The noise of the plan's picture as its seed gives it."""
    start, deviation = generator.noise([plan.train.seed]), generator.deviation
    return Noise(start.to(devices.precise(start.dtype)) / deviation, deviation)


def installed(generator: Generator, plan: Plan, path: Path, tensors: Mapping[str, Tensor]) -> Learned:
    """What a plan trained, from the tensors of its file at `path`, at scale 1.

    Raises `InputError` where the file holds something else, or what does not fit the generator.
    """
    if not one_picture.is_meant(plan):
        return adapter.install(generator, tensors, file=str(path))
    one_picture.refuse_another(path, tensors)
    start, moved = generator.noise([plan.train.seed]), tensors[LATENTS]
    if moved.shape != start.shape or not moved.is_floating_point():
        found = f"{str(moved.dtype).removeprefix('torch.')} {list(moved.shape)}"
        message = f"must be noise of shape {list(start.shape)} for this generator, found {found}"
        raise InputError([Problem(Place(str(path)), LATENTS, message)])
    return Noise(moved.to(start.device, devices.precise(start.dtype)), generator.deviation)


def tensors(learned: Learned) -> dict[str, Tensor]:
    """What is saved of it: copies on the CPU."""
    if isinstance(learned, adapter.Lora):
        return adapter.tensors(learned)
    return {name: weight.detach().cpu().clone() for name, weight in learned.weights().items()}


def metadata(
    plan: Plan,
    inputs: str,
    recipe: str,
    tensors: Mapping[str, Tensor],
    included: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """The header of the file: as `adapter.metadata` our own entries, and which picture it is of."""
    return {
        **adapter.own_metadata(inputs, recipe, tensors, included),
        "control_recipes.prompt": one_picture.prompt(plan),
        "control_recipes.seed": str(plan.train.seed),
        **beside.metadata(plan.generator),
    }
