"""Probes: held-out pictures painted again from an adapter, and compared with what the lock has of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from . import adapter as adapters
from . import latents, memory, outcomes, painting, stage, visuals
from .lock import Probe
from .plan import Plan

# Measured on pictures of 64 × 64, float32, between 1, 2 and 4 threads and between SSE, AVX2 and AVX-512: no mean moved
# by more than 1. An adapter of the gallery moved each picture's farthest mean by at least 23.
TOLERANCE = 4  # of 255, of each mean


@dataclass(frozen=True, slots=True)
class Compared:
    """One probe, painted again."""

    file: str
    same: bool  # bit for bit
    distance: int | None  # largest difference of a mean, of 255; None where the lock has no means

    @property
    def near(self) -> bool:
        """Whether it is the same picture within the tolerance."""
        return self.same or (self.distance is not None and self.distance <= TOLERANCE)


def compare(plan: Plan, adapter: Path, locked: Sequence[Probe]) -> list[Compared]:
    """Paint the probes of a lock again, in the batches that they were painted in, and compare.

    Raises `InputError` where the file is no adapter of the plan's generator, `WorkError` where memory runs out.
    """
    with memory.watched(plan, "evaluate", "painting the probes"):
        made = _paint(plan, adapter, {one.file for one in locked})
    return [_compared(one, made) for one in locked]


def _compared(locked: Probe, made: Mapping[str, Probe]) -> Compared:
    if (now := made.get(locked.file)) is None:
        return Compared(locked.file, False, None)
    return Compared(locked.file, now.sha256 == locked.sha256, _distance(locked.means, now.means))


def _distance(was: str, now: str) -> int | None:
    if not was or len(was) != len(now):
        return None
    return max(abs(old - new) for old, new in zip(bytes.fromhex(was), bytes.fromhex(now), strict=True))


def _paint(plan: Plan, adapter: Path, wanted: set[str]) -> dict[str, Probe]:
    tensors, _ = adapters.load(adapter)
    generator = stage.loaded(plan)
    conditioning = painting.conditioned(generator, plan)
    learned = latents.installed(generator, plan, adapter, tensors)
    scales = sorted({1.0, *plan.evaluate.scales})
    found: dict[str, Probe] = {}
    with torch.inference_mode():
        for _, batch in painting.batches(painting.pairs(plan), plan):
            files = {(at, scale): pair.file(scale) for at, pair in enumerate(batch) for scale in scales}
            some = sorted({scale for (_, scale), file in files.items() if file in wanted})
            if some:
                painted = painting.painted(generator, learned, conditioning, batch, some, plan)
                found |= {
                    file: outcomes.probe(file, _picture(painted[scale][at]))
                    for (at, scale), file in files.items()
                    if file in wanted
                }
    return found


def _picture(pixels: torch.Tensor) -> Image.Image:
    return Image.fromarray(visuals.eight_bits(pixels.permute(1, 2, 0).cpu().numpy()))
