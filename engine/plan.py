"""The plan: a recipe with nothing left open, as plain data, and its digest, the identity of a run.

A field that was added to the language later has a default, which always means "off", as in the plans of before. Where
a plan holds just that, `canonical` leaves the field out: plans that do not use it keep their digest, their locks stay
fresh, and plans of before are still read. A new field therefore never gets a default that does something.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from .errors import InputError, Place, Problem

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Model:
    """A model named by what it holds. `folder` is where it lies here; it is no part of the digest."""

    address: str  # as written: builtin:generator, org/name@revision, ./folder
    family: str  # a word of the families' table: flux, qwen2_5_vl, llava
    revision: str  # a hub commit; empty for builtin models and folders
    files: tuple[tuple[str, str], ...]  # (relative path, sha256), sorted by path
    folder: str


@dataclass(frozen=True, slots=True)
class Asset:
    """A file named by what it holds. `source` is where it lies here; it is no part of the digest."""

    name: str  # as written, relative to the recipe
    sha256: str
    source: str


@dataclass(frozen=True, slots=True)
class Generator:
    model: Model
    steps: int  # N sampler steps, >= 1
    width: int  # pixels
    height: int  # pixels
    guidance: float
    negative: str
    dtype: str  # float32 | bfloat16 | float64
    device: str  # auto | cpu | cuda | cuda:N
    text_length: int  # tokens that the sequence encoder pads to; 0 where the family has none
    companions: tuple[Asset, ...] = ()  # fixed adapters beside the one that is trained
    offload: bool = False  # parts wait in main memory until they are needed
    slicing: bool = False  # the decoder takes one picture at a time
    tiling: bool = False  # the decoder takes a picture piece by piece: not exact
    checkpoint_backbone: bool = False  # recomputed in the backward pass, not kept
    checkpoint_decoder: bool = False


@dataclass(frozen=True, slots=True)
class Critic:
    """A critic or a judge. A judge's weight is 0: it is never in a loss."""

    name: str
    model: Model
    weight: float
    dtype: str
    device: str
    checkpointing: bool = False  # recomputed in the backward pass, not kept
    quantize: str = ""  # 8bit | 4bit; empty: as they are


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
    so on in turn); sharpness at_least, relative_to; drift at_most.
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
    kind: str  # a word of the measures' table: horizon_row, factors, sharpness, drift


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
    start: tuple[Asset, ...] = ()  # the one adapter that training begins with; empty: a fresh one


@dataclass(frozen=True, slots=True)
class Evaluate:
    seeds: tuple[int, ...]
    scales: tuple[float, ...]
    every: int  # steps between looks at the validation rows


@dataclass(frozen=True, slots=True)
class Expectation:
    name: str  # of a measure or a question
    judge: str  # empty for a measure
    bound: str  # at_least | at_most
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


# where things lie on this machine, and in what order a person likes to see them
_LEFT_OUT: dict[type, set[str]] = {Model: {"folder"}, Asset: {"source"}, Drawing: {"source"}, Plan: {"order"}}

T = TypeVar("T")


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
    return _pieces(plan, whole=False)


def dump(plan: Plan) -> str:
    """The whole plan as JSON with sorted keys: what a run folder keeps as plan.json."""
    return "".join(_pieces(plan, whole=True))


def parse(text: str, file: str = "plan.json") -> Plan:
    """The plan that `canonical` or `dump` wrote; what `canonical` leaves out comes back empty.

    Raises InputError for anything else.
    """
    try:
        return _made(Plan, json.loads(text), "")
    except (ValueError, RecursionError) as error:
        raise InputError([Problem(Place(file), "", f"is no plan: {error}")]) from error


_ROWS = ("test_rows", "train_rows", "validate_rows")
_SHARED = ("asks", "targets")  # of a row: rows that agree in them hold the same ones


def _pieces(plan: Plan, whole: bool) -> Iterator[str]:
    shared: dict[int, str] = {}  # by identity: what a row shares lives as long as the plan
    for at, name in enumerate(_names(Plan, whole)):
        yield f'{"," if at else "{"}"{name}":'
        if name in _ROWS:
            rows = cast(tuple[Row, ...], getattr(plan, name))
            yield "["
            yield from (f"{',' if number else ''}{_row(row, shared)}" for number, row in enumerate(rows))
            yield "]"
        else:
            yield _text(_plain(getattr(plan, name), whole))
    yield "}"


def _row(row: Row, shared: dict[int, str]) -> str:
    found: list[str] = []
    for name in _names(Row, True):
        value: tuple[object, ...] | str = getattr(row, name)
        if name in _SHARED:
            for one in value:
                if id(one) not in shared:
                    shared[id(one)] = _text({key: getattr(one, key) for key in _names(type(one), True)})
            found.append(f'"{name}":[{",".join([shared[id(one)] for one in value])}]')
        else:
            found.append(f'"{name}":{_text(value)}')
    return f"{{{','.join(found)}}}"


@cache
def _names(kind: type[Any], whole: bool) -> tuple[str, ...]:
    """The keys of one of the dataclasses above, sorted."""
    left_out: set[str] = set() if whole else _LEFT_OUT.get(kind, set())
    return tuple(sorted(one.name for one in fields(kind) if one.name not in left_out))


_text = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def _plain(value: object, whole: bool) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            one.name: _plain(getattr(value, one.name), whole) for one in fields(value) if whole or _counts(value, one)
        }
    if isinstance(value, tuple):
        return [_plain(item, whole) for item in cast(tuple[object, ...], value)]
    return value


def _counts(value: object, one: Field[Any]) -> bool:
    """Whether a field is part of a plan's identity."""
    return one.name not in _LEFT_OUT.get(type(value), set()) and getattr(value, one.name) != one.default


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _made(kind: type[T], data: object, key: str) -> T:
    """A dataclass from its mapping, strictly: nothing unknown, nothing missing, every type as declared."""
    if not isinstance(data, dict):
        raise ValueError(f"{key or 'the whole'} must be an object")
    found = cast(dict[str, object], data)
    hints, left_out = _hints(kind), _LEFT_OUT.get(kind, set())
    if unknown := set(found) - set(hints):
        raise ValueError(f"{key}.{min(unknown)} is not known".lstrip("."))
    off = {one.name for one in fields(cast(Any, kind)) if one.default is not MISSING}
    if missing := set(hints) - set(found) - left_out - off:
        raise ValueError(f"{key}.{min(missing)} is missing".lstrip("."))
    values = {name: _value(hints[name], found[name], f"{key}.{name}".lstrip(".")) for name in hints if name in found}
    empty = {name: () if get_origin(hints[name]) is tuple else "" for name in left_out - set(found)}
    return kind(**values, **empty)


def _value(hint: Any, data: object, key: str) -> object:
    if is_dataclass(hint):
        return _made(cast(type[Any], hint), data, key)
    if get_origin(hint) in (Union, UnionType):
        choices = get_args(hint)
        if isinstance(data, list):
            return _value(next(choice for choice in choices if get_origin(choice) is tuple), data, key)
        if type(data) in choices:
            return data
    elif get_origin(hint) is tuple and isinstance(data, list):
        items, kinds = cast(list[object], data), get_args(hint)
        kinds = (kinds[0],) * len(items) if kinds[-1] is Ellipsis else kinds
        if len(kinds) == len(items):
            return tuple(
                _value(one, item, f"{key}.{at}") for at, (one, item) in enumerate(zip(kinds, items, strict=True))
            )
    elif type(data) is hint:
        return data
    raise ValueError(f"{key} has another type than {hint}")
