"""Interference: what adapters do to each other where they are applied together, as plain data and in words. Torch-free.

A control is an adapter's own goal, measured by pixels on its own recipe's held-out prompts. The matrix has a row for
each control, and a column for the bare generator, for every adapter alone, for all pairs and for all together. Rows
follow of what else its recipe measures there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from . import figures, files, run_folder
from . import lock as locks
from . import plan as plans
from .carrying import Ancestor
from .errors import InputError, Place, Problem
from .notes import percent
from .plan import Plan

FILE = run_folder.TOGETHER
_FELL = 0.05  # how much a share has to fall, beyond its interval, before it is told
_HELPS = 0.02  # how much more must be kept before another weight is called a help


@dataclass(frozen=True, slots=True)
class Control:
    """What one adapter is for; or what else its recipe measures, and it should leave alone."""

    adapter: str
    measure: str  # as the united plan calls it
    wanted: str  # in words
    aim: bool = True


@dataclass(frozen=True, slots=True)
class Column:
    """Adapters that are applied together; none: the bare generator."""

    adapters: tuple[str, ...]
    label: str


@dataclass(frozen=True, slots=True)
class Cell:
    """How often a control holds in the pictures of a column."""

    hits: tuple[bool, ...]  # the same pictures in every column of a row

    @property
    def share(self) -> float:
        """0 to 1."""
        return sum(self.hits) / len(self.hits)

    @property
    def interval(self) -> figures.Interval:
        """95 %."""
        return figures.wilson(sum(self.hits), len(self.hits))


@dataclass(frozen=True, slots=True)
class Strip:
    """One prompt from one noise, in every column."""

    prompt: str
    seed: int
    files: tuple[str, ...]  # below the folder
    hits: tuple[bool, ...]
    control: str  # the measure that is theirs


@dataclass(frozen=True, slots=True)
class Shared:
    """How much two adapters share in one matrix; `composing.Overlap` says what the numbers mean."""

    module: str
    reads: float
    reads_chance: float
    writes: float
    writes_chance: float
    cosine: float


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two adapters, matrix by matrix, for all matrices that both change."""

    one: str
    other: str
    matrices: tuple[Shared, ...]

    @property
    def cosine(self) -> float:
        """The mean over the matrices."""
        return sum(one.cosine for one in self.matrices) / max(1, len(self.matrices))


@dataclass(frozen=True, slots=True)
class Remedy:
    """Other weights for two that fight, and what both controls then come to, on validation prompts."""

    weights: tuple[float, float]  # of `Fight.adapter` and `Fight.by`
    kept: float  # of what each control has alone, the lesser of both
    before: float  # the same with the weights as they are


@dataclass(frozen=True, slots=True)
class Fight:
    """A control that falls where another adapter is applied beside its own."""

    adapter: str
    by: str  # the other one; empty where beside none alone, but in the whole
    measure: str
    alone: float  # share of pictures in which the control holds
    together: float  # the same beside the other one, or in the whole
    remedy: Remedy | None
    rank: int = 0  # that the whole is reduced to; 0: it is not
    steps: int = 0  # that the whole is polished by

    def text(self) -> str:
        """For people."""
        fell = f"{self.measure} falls from {percent(self.alone)} to {percent(self.together)}"
        if not self.by:
            causes = [f"rank {self.rank}"] * bool(self.rank) + ["polishing"] * bool(self.steps)
            why = f"It may be {' or '.join(causes)}" if causes else "Only all the others together do it"
            return f"{self.adapter} loses in the whole: {fell}. {why}."
        said = f"{self.adapter} and {self.by} fight: {fell}."
        if self.remedy is None:
            return f"{said} No other weight of the two that was tried helps."
        mine, its = self.remedy.weights
        kept = f"{percent(self.remedy.kept)} of what it reaches alone, not {percent(self.remedy.before)}"
        helps = f"Weights {mine:g} for {self.adapter} and {its:g} for {self.by} would help"
        return f"{said} {helps}: of both, the worse then keeps {kept} (on validation prompts)."


@dataclass(frozen=True, slots=True)
class Interference:
    """Everything that was found out about adapters side by side."""

    controls: tuple[Control, ...]
    columns: tuple[Column, ...]
    cells: tuple[tuple[Cell, ...], ...]  # by control, then by column
    strips: tuple[Strip, ...]
    pairings: tuple[Pairing, ...]
    fights: tuple[Fight, ...] = ()

    def rows(self, aim: bool) -> list[tuple[Control, Mapping[str, Cell]]]:
        """The matrix, cells by their column's label: of what adapters are for, or of what else is measured."""
        labels = [column.label for column in self.columns]
        rows = zip(self.controls, self.cells, strict=True)
        return [(control, dict(zip(labels, row, strict=True))) for control, row in rows if control.aim == aim]

    def data(self) -> dict[str, object]:
        """The matrix and the warnings as `recipe compose --json` has them."""
        rows, others = (
            {
                control.measure: {
                    label: {"share": cell.share, "interval": cell.interval} for label, cell in row.items()
                }
                for control, row in self.rows(aim)
            }
            for aim in (True, False)
        )
        overlap = {
            f"{pair.one} + {pair.other}": {
                one.module: {"reads": one.reads, "writes": one.writes, "cosine": one.cosine} for one in pair.matrices
            }
            for pair in self.pairings
        }
        return {"matrix": rows, "others": others, "overlap": overlap, "warnings": [one.text() for one in self.fights]}


def controls(name: str, plan: Plan, parents: Sequence[Ancestor] = ()) -> Iterator[str]:
    """The measures that say what an adapter is for: its goal's, or the first where it has none.

    `name` is the adapter's, which stands before them; of one that is composed itself, those of its `parents`.
    """
    if plan.goal_measure or not plan.composed.parents:
        listed = plan.order or [one.name for one in plan.measures]
        firsts = [one for one in listed if one in {measure.name for measure in plan.measures}][:1]
        yield from (f"{name}.{one}" for one in ([plan.goal_measure] if plan.goal_measure else firsts))
        return
    for one in parents:
        if one.inputs is not None:
            carried = plans.parse(locks.inputs_of(one.inputs_text, name).plan, name)
            yield from (f"{name}.{measure}" for measure in controls(one.name, carried, one.parents))


def fallen(alone: Cell, together: Cell) -> bool:
    """Whether a control holds less often together than alone, beyond chance: each picture against its own twin."""
    pairs = list(zip(alone.hits, together.hits, strict=True))
    gained = sum(now and not then for then, now in pairs)
    lost = sum(then and not now for then, now in pairs)
    return alone.share - together.share > _FELL and figures.paired(gained, lost, len(pairs))[1] < 0


def helps(remedy: Remedy) -> bool:
    """Whether other weights keep more than those that there are."""
    return remedy.kept > remedy.before + _HELPS


def write(found: Interference, folder: Path) -> None:
    """Keep it in a folder."""
    files.write(folder / FILE, TypeAdapter(Interference).dump_json(found, indent=1))


def read(folder: Path) -> Interference | None:
    """What a folder keeps; None where there is none, `InputError` where it cannot be read."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return TypeAdapter(Interference).validate_json(path.read_bytes())
    except ValidationError as error:
        hint = "`recipe compose` writes it anew"
        raise InputError([Problem(Place(str(path)), "", "cannot be read", hint)]) from error
