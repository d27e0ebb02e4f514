"""The plan: a recipe with nothing left open, as plain data, and its digest, the identity of a run.

A field that was added to the language later has a default, which always means "off", as in the plans of before. Where
a plan holds just that, `canonical` leaves the field out: plans that do not use it keep their digest, their locks stay
fresh, and plans of before are still read. A new field therefore never gets a default that does something.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from . import canonical as form
from .errors import InputError, Place, Problem
from .parts import Asset, Companion, Critic, Generator, Model

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Drawing:
    """One visual prompt, every number rendered. Two rows that render alike share one drawing.

    Parameters by kind; positions and sizes are fractions of the picture from the top left, colours `#rrggbbaa`:
        line       y (or x, for an upright one): its middle; thickness, of the height (of the width for x); color
        points     points: name, x and y of each in turn; radius, of the shorter side; color
        region     x, y: two pairs (from, to); color
        palette    palette: a colour after the other, from the left; at: top | bottom; height
        image      at: top | bottom; height; opacity; the asset is stretched over the whole width
        text       text; at: x and y of its middle; height; color
        reference  nothing; the asset is a picture of its own
    """

    key: str  # name of the visual, plus `#digest8` where rows differ
    kind: str  # line | points | region | palette | image | text | reference
    parameters: tuple[tuple[str, Scalar | tuple[Scalar, ...]], ...]  # sorted by name; fractions of the picture
    asset: str  # relative path of the picture it needs, or empty
    sha256: str  # of the asset, or empty
    source: str  # absolute path of the asset here; no part of the digest


@dataclass(frozen=True, slots=True)
class Ask:
    """One question rendered for one row."""

    question: str  # its name
    wordings: tuple[str, ...]  # suffix appended; one is drawn each step
    answers: tuple[str, ...]  # accepted answers, at least one
    against: tuple[str, ...]  # opposites; empty for plain likelihood
    see: tuple[str, ...]  # keys of drawings, in the order written; empty: the bare picture


@dataclass(frozen=True, slots=True)
class Target:
    """One measure rendered for one row.

    Parameters by kind: horizon_row near, within; factors keep (a tuple of factors) and is (a factor, its word, and
    so on in turn); palette_distance swatches (a tuple of #rrggbbaa), within; sharpness at_least, relative_to; drift
    at_most.
    """

    measure: str  # its name
    parameters: tuple[tuple[str, Scalar | tuple[Scalar, ...]], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt with its variables, and what is asked and measured of its pictures."""

    prompt: str
    variables: tuple[tuple[str, Scalar], ...]
    asks: tuple[Ask, ...]  # sorted by question; a question that renders to nothing is left out
    targets: tuple[Target, ...]  # sorted by measure


@dataclass(frozen=True, slots=True)
class Question:
    """What of a question does not depend on the row."""

    name: str
    weight: float
    hold: float  # p*; 0 where the question is no hold
    watch: bool
    critics: tuple[str, ...]  # sorted names
    flips: bool = False  # its answer is the same for the mirrored picture


@dataclass(frozen=True, slots=True)
class Measure:
    name: str
    kind: str  # a word of the measures' table: horizon_row, factors, palette_distance, sharpness, drift


@dataclass(frozen=True, slots=True)
class Augment:
    blur: float  # largest standard deviation, pixels; 0: none
    noise: float  # standard deviation, of [0, 1]
    shift: int  # largest shift, pixels
    flip: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """Thresholds of mean p on the validation rows; empty: never before `steps`."""

    by: tuple[tuple[str, str, float], ...]  # (critic or judge name, question, threshold); critic "" means every critic
    patience: int  # looks in a row, at least 1


@dataclass(frozen=True, slots=True)
class Replay:
    """Finished latents that training starts from again; a buffer of 0: none are kept."""

    buffer: int = 0  # latents kept
    refresh: int = 0  # steps after which the oldest batch of them is painted anew
    sigma: tuple[float, float] = (0.0, 0.0)  # lowest and highest noise level, drawn uniformly


@dataclass(frozen=True, slots=True)
class Train:
    steps: int
    batch: int
    accumulate: int
    lr: float
    warmup: int  # steps
    schedule: str  # constant | linear | cosine
    optimizer: str  # adamw
    clip: float  # largest gradient norm
    seed: int
    estimate: str  # clean | noisy
    backprop: str  # random_step | replay
    augment: Augment
    stop: Stop
    ema: float  # decay; 0: none
    save_every: int  # steps
    stay: float  # weight
    replay: Replay = Replay()
    weights: str = "fixed"  # fixed | balanced
    conflict: int = 0  # steps between looks at how the questions' gradients lie; 0: never
    optimize: str = "adapter"  # adapter | latents


@dataclass(frozen=True, slots=True)
class Adapter:
    rank: int
    alpha: float
    targets: str  # attention | all
    start: tuple[Asset, ...] = ()  # the one that training begins with, behind peft's its settings; empty: a fresh one
    blocks: tuple[str, ...] = ()  # names of the backbone's parts whose layers are taken, sorted; empty: every part's


@dataclass(frozen=True, slots=True)
class Parent:
    """An adapter that a composed one is made of."""

    name: str  # of its recipe; of another tool's, of its file
    weight: float
    tensors_sha256: str
    plan_sha256: str  # of the plan that trained it; empty where that is not known


@dataclass(frozen=True, slots=True)
class Composed:
    """What an adapter is put together from; without parents it is trained."""

    parents: tuple[Parent, ...] = ()  # in the order that their factors lie side by side
    rank: int = 0  # that they are reduced to; 0: theirs add up


@dataclass(frozen=True, slots=True)
class Evaluate:
    seeds: tuple[int, ...]
    scales: tuple[float, ...]
    every: int  # steps between looks at the validation rows


@dataclass(frozen=True, slots=True)
class Expectation:
    name: str  # of a measure or a question
    judge: str  # empty for a measure
    bound: str  # at_least | at_most | gain: over the bare generator
    value: float


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run depends on. Tuples of named things are sorted by name; nothing is optional."""

    version: int
    name: str
    generator: Generator
    critics: tuple[Critic, ...]
    judges: tuple[Critic, ...]
    drawings: tuple[Drawing, ...]
    questions: tuple[Question, ...]
    measures: tuple[Measure, ...]
    order: tuple[str, ...]  # names of questions, then measures, as the recipe writes them; no part of the digest
    train_rows: tuple[Row, ...]
    validate_rows: tuple[Row, ...]
    test_rows: tuple[Row, ...]
    goal_measure: str  # empty where there is none
    goal_question: str
    train: Train
    adapter: Adapter
    evaluate: Evaluate
    expect: tuple[Expectation, ...]
    composed: Composed = Composed()
    # name and sha256 of the files that the prompts were read from, sorted; no part of the digest: the rows are
    prompt_files: tuple[tuple[str, str], ...] = ()


_FORM = form.Form(
    # where things lie on this machine, and in what order a person likes to see them
    left_out={
        Model: {"folder"},
        Asset: {"source"},
        Companion: {"source"},
        Drawing: {"source"},
        Plan: {"order", "prompt_files"},
    },
    rows=("test_rows", "train_rows", "validate_rows"),
    shared=("asks", "targets"),
    pairs=("variables",),
)


def digest(plan: Plan) -> str:
    """The identity of a run: sha256 of the canonical plan, in hexadecimal."""
    whole = hashlib.sha256()
    for piece in canonical_pieces(plan):
        whole.update(piece.encode())
    return whole.hexdigest()


def canonical(plan: Plan) -> str:
    """The plan as JSON with sorted keys, without what is no part of its identity."""
    return "".join(canonical_pieces(plan))


def canonical_pieces(plan: Plan) -> Iterator[str]:
    """`canonical` bit by bit: of 100,000 rows the whole text is larger than anything else in memory."""
    return form.pieces(plan, _FORM, whole=False)


def dump(plan: Plan) -> str:
    """The whole plan as JSON with sorted keys: what a run folder keeps as plan.json."""
    return "".join(form.pieces(plan, _FORM, whole=True))


def parse(text: str, file: str = "plan.json") -> Plan:
    """The plan that `canonical` or `dump` wrote; what `canonical` leaves out comes back empty.

    Raises InputError for anything else.
    """
    try:
        return form.parse(Plan, text, _FORM)
    except (ValueError, RecursionError) as error:
        raise InputError([Problem(Place(file), "", f"is no plan: {error}")]) from error
