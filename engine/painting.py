"""Painting held-out pictures: which prompt goes with which seed, in what batches, and under which name each is kept.

The last bits of a picture depend on the batch that it is painted in, so whoever paints one again does it here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from . import flow, generators, platforms
from .generators import Conditioning, Generator
from .latents import Learned
from .plan import Plan
from .workload import at_once

_STRIPS = 12  # prompts in the fixed grid


@dataclass(frozen=True, slots=True)
class Pair:
    """One held-out prompt with one seed, and whether it stands in the fixed grid."""

    row: int
    seed: int
    fixed: bool

    def file(self, scale: float) -> str:
        """Where a run folder keeps its picture."""
        return f"images/row{self.row:03d}_seed{self.seed}_scale{scale:g}.png"


def pairs(plan: Plan) -> list[Pair]:
    """Every row with as many noises as there are seeds; the grid takes prompts evenly from the list, and walks through
    the seeds. Row r adds r times their number to each: no two pictures share a noise, and each counts for itself.
    """
    rows, seeds = len(plan.test_rows), plan.evaluate.seeds
    shown = min(_STRIPS, rows * len(seeds))
    fixed = {(i * rows // shown, seeds[i % len(seeds)]) for i in range(shown)}
    return [Pair(row, seed + row * len(seeds), (row, seed) in fixed) for row in range(rows) for seed in seeds]


def batches(found: Sequence[Pair], plan: Plan) -> Iterator[tuple[int, Sequence[Pair]]]:
    """The pairs in batches, each with the number of its first."""
    size = at_once(plan)
    for start in range(0, len(found), size):
        yield start, found[start : start + size]


def conditioned(generator: Generator, plan: Plan) -> Conditioning:
    """The prompts of all test rows, encoded; the generator's encoders are let go."""
    conditioning = encoded(generator, plan)
    generator.release_encoders()
    return conditioning


def encoded(generator: Generator, plan: Plan) -> Conditioning:
    """The prompts of all test rows, encoded."""
    with platforms.deterministic(plan):
        return generators.encoded(generator, plan.generator, [row.prompt for row in plan.test_rows])


def painted(
    generator: Generator,
    learned: Learned,
    conditioning: Conditioning,
    batch: Sequence[Pair],
    scales: Sequence[float],
    plan: Plan,
) -> dict[float, Tensor]:
    """The pictures [B, 3, H, W] in [0, 1] of a batch at each scale, all from the same noise: every time the same bits.

    What looks at them need not be: some of its sums have no other way on CUDA.
    """
    noise = generator.noise([pair.seed for pair in batch])
    given = conditioning.rows([pair.row for pair in batch])
    made: dict[float, Tensor] = {}
    for scale in scales:
        learned.scale(scale)
        streams = flow.paths(noise, [pair.seed for pair in batch])
        with platforms.deterministic(plan):
            made[scale] = generator.image(
                flow.sample(generator, given, learned.start(noise), plan.generator.steps, streams)
            ).float()
    return made
