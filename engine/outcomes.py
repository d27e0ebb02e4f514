"""Outcomes: what a finished training and its evaluation came to, as the lock records it. No torch is imported here."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from . import digests, figures, models, results
from . import lock as locks
from .errors import InputError, Place, Problem
from .lock import Outcome, Probe
from .plan import Plan

if TYPE_CHECKING:
    from PIL import Image

    from .figures import Evaluation

FIELDS = 8  # across, and down: of the means that a probe is compared by on another platform
_PROBES = 4


def of_finished(folder: Path, result: Path, plan: Plan, lock: Path) -> Outcome:
    """The outcome of a finished run, read from its folder; `InputError` where its adapter is another by now."""
    told, path = results.read(result), folder / f"{plan.name}.safetensors"
    if not path.is_file() or digests.tensors_sha256(path) != told.tensors_sha256:
        message = "is not what this run trained" if path.is_file() else "is gone, which this run trained"
        hint = "train it anew with `recipe run … --again`"
        raise InputError([Problem(Place(str(path)), "", message, hint)])
    made = told.tensors_sha256, told.steps or 0, told.stopped or ""
    return outcome(path, made, figures.read(folder / "evaluation.json"), folder, lock)


def outcome(adapter: Path, made: tuple[str, int, str], found: Evaluation, folder: Path, lock: Path) -> Outcome:
    """What came out: the adapter as it lies there, digest of its tensors, steps, why they ended, and what was found."""
    tensors_sha256, steps, stopped = made
    shares = {
        f"measures.{m.name}.{when}": share
        for m in found.measures
        for when, share in (("before", m.before), ("after", m.after))
    }
    right = {f"questions.{b.question}.{b.critic}.right": b.after.right for b in found.beliefs}
    shown = [strip.shots[-1].file for strip in found.strips if not strip.missed][:_PROBES]
    return Outcome(
        adapter=locks.relative(adapter, lock),
        adapter_sha256=models.sha256(adapter),
        tensors_sha256=tensors_sha256,
        steps=steps,
        stopped=stopped,
        figures=tuple(sorted((shares | right).items())),
        probes=tuple(_probe(folder, file) for file in sorted(shown)),
    )


def _probe(folder: Path, file: str) -> Probe:
    from PIL import Image

    with Image.open(folder / file) as picture:
        return probe(file, picture.convert("RGB"))


def probe(file: str, picture: Image.Image) -> Probe:
    """A picture as a lock knows it: by its RGB bytes, which no PNG encoder changes, and by means of 8 × 8 fields."""
    from PIL import Image

    means = picture.resize((FIELDS, FIELDS), Image.Resampling.BOX).tobytes().hex()
    return Probe(file, hashlib.sha256(picture.tobytes()).hexdigest(), means)
