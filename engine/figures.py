"""What an evaluation found, as plain frozen data: shares with their intervals, beliefs, verdicts and pictures.

Free of torch, so that the report and the command line read a finished run without loading it.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from . import files
from .errors import InputError, Place, Problem

Interval = tuple[float, float]

_Z95 = 1.959963984540054  # standard normal quantile of 0.975


@dataclass(frozen=True, slots=True)
class Share:
    """How a critic or judge answered one question over many pictures."""

    right: float  # fraction of pictures where the answer beats its opposite; without one, where p >= 0.5
    p: float  # mean over pictures of exp(-nats per answer token)


@dataclass(frozen=True, slots=True)
class Belief:
    """One question put to one critic or judge, before and after."""

    question: str
    critic: str
    judge: bool
    before: Share
    after: Share
    pictures: int


@dataclass(frozen=True, slots=True)
class AtScale:
    """What one measure says of the pictures at one scale of the adapter."""

    scale: float
    share: float  # fraction of pictures that satisfy the measure
    score: float  # mean of what was measured, in the measure's own unit


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure over the held-out pictures; `change` counts each picture against its own bare twin."""

    name: str
    kind: str
    wanted: str  # in words: what satisfies it
    unit: str  # of the scores, in words
    pictures: int
    before: float
    after: float
    before_interval: Interval
    interval: Interval  # of after
    change_interval: Interval  # of after - before
    scales: tuple[AtScale, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the recipe's `expect`."""

    name: str
    judge: str  # empty for a measure
    wanted: str
    got: float
    met: bool


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture on disk and what the measures say of it."""

    scale: float
    file: str  # relative to the run folder
    satisfied: tuple[tuple[str, bool], ...]  # by measure
    scores: tuple[tuple[str, float], ...]  # by measure


@dataclass(frozen=True, slots=True)
class Strip:
    """The same prompt and seed at each scale, bare first."""

    prompt: str
    seed: int
    missed: bool  # shown because it still fails, not because it stands in the fixed grid
    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything `evaluate` found out about one adapter, on prompts it was never trained on."""

    plan: str  # the plan's digest
    tensors_sha256: str
    scale: float  # at which "after" was looked at
    rows: int
    seeds: int
    beliefs: tuple[Belief, ...]
    measures: tuple[Measured, ...]
    expect: tuple[Verdict, ...]
    strips: tuple[Strip, ...]
    seconds: float

    def measured(self, name: str) -> Measured | None:
        """What a measure found, if there is one of this name."""
        return next((measure for measure in self.measures if measure.name == name), None)

    @property
    def met(self) -> bool:
        """Whether every expectation holds; true when there are none."""
        return all(verdict.met for verdict in self.expect)


def wilson(hits: int, of: int) -> Interval:
    """The 95 % interval of a proportion (Wilson 1927); (0, 1) where nothing was counted."""
    if of == 0:
        return 0.0, 1.0
    share, square = hits / of, _Z95 * _Z95
    centre = (share + square / (2 * of)) / (1 + square / of)
    half = _Z95 * math.sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    # at the ends the bound is the end itself, which rounding would miss by a hair
    return (max(0.0, centre - half) if hits else 0.0), (min(1.0, centre + half) if hits < of else 1.0)


def paired(gained: int, lost: int, of: int) -> Interval:
    """The 95 % interval of a change in a proportion, on pairs (Agresti and Min 2005: half a pair added each)."""
    if of == 0:
        return -1.0, 1.0
    up, down, pairs = gained + 0.5, lost + 0.5, of + 2
    change = (up - down) / pairs
    half = _Z95 * math.sqrt(max(0.0, up + down - (up - down) ** 2 / pairs)) / pairs
    return max(-1.0, change - half), min(1.0, change + half)


def write(evaluation: Evaluation, path: Path) -> None:
    """Write an evaluation as JSON, replacing the file as a whole."""
    text = json.dumps(asdict(evaluation), indent=1, ensure_ascii=False, allow_nan=False)
    files.write(path, (text + "\n").encode())


def read(path: Path) -> Evaluation:
    """Read an evaluation that `write` wrote. Raises `InputError` where the file is none, FileNotFoundError."""
    try:
        return TypeAdapter(Evaluation).validate_json(path.read_bytes())
    except ValidationError as error:
        hint = "delete it and result.json beside it: then `recipe run` evaluates again, without training"
        message = f"is no evaluation that can be read: {error.errors()[0]['msg']}"
        raise InputError([Problem(Place(str(path)), "", message, hint)]) from error
