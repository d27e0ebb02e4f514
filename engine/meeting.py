"""Meeting: adapters painted alone, in pairs and all together, and what their controls then come to.

The factors of all lie side by side in one adapter, once; a weight of 0 takes one of them out.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from . import adapter as adapters
from . import composing, measures, memory, painting, stage, visuals
from .composing import Adapter
from .evaluate import Listen, Progress
from .interference import Cell, Column, Control, Fight, Interference, Pairing, Remedy, Shared, Strip, fallen, helps
from .painting import Pair
from .plan import Plan
from .united import free
from .workload import LOOK_SEEDS

_SHOWN = 3  # prompts of each control whose pictures are kept
_TRIED = ((1.0, 0.75), (1.0, 0.5), (1.0, 0.25), (1.25, 1.0), (1.25, 0.75), (1.5, 1.0), (0.75, 1.0), (0.75, 1.25))
_Hits = dict[str, list[bool]]  # by measure


def _unheard(_: Progress) -> None: ...


@dataclass(frozen=True, slots=True)
class Member:
    """An adapter that meets others."""

    name: str
    weight: float
    factors: Adapter
    controls: tuple[str, ...]  # measures of the united plan
    others: tuple[str, ...] = ()  # what else its recipe measures, as the united plan calls it


@final
class Meeting:
    """The members on their generator, with the prompts of their controls encoded."""

    def __init__(self, plan: Plan, members: Sequence[Member], whole: Adapter, listen: Listen = _unheard) -> None:
        """`whole` is what comes of all of them, perhaps of a lower rank. `InputError` where a factor fits nowhere."""
        self.members, self._listen = list(members), listen
        self.aims = [name for one in members for name in one.controls]
        self.wanted = [*self.aims, *(name for one in members for name in one.others)]
        rows = [row for row in (*plan.test_rows, *plan.validate_rows) if self._asked(row.targets)]
        seeds = plan.evaluate.seeds[:LOOK_SEEDS]
        self.plan = replace(plan, test_rows=tuple(rows), evaluate=replace(plan.evaluate, seeds=seeds))
        self.held_out = sum(1 for row in plan.test_rows if self._asked(row.targets))
        with memory.watched(plan, "evaluate", "loading the generator"):
            self.stage = stage.set_up(plan, self.plan)
            self._base = composing.beside([one.factors for one in members], [1.0] * len(members))
            self._lora = adapters.install(self.stage.generator, composing.tensors(self._base))
        self._whole = self._padded(whole)

    def enter(self) -> None:
        """Put the members on the generator."""
        self._lora = adapters.install(self.stage.generator, composing.tensors(self._base))

    def leave(self) -> None:
        """Leave the generator bare, for others."""
        adapters.eject(self._lora)

    def _asked(self, targets: Sequence[object]) -> bool:
        return any(getattr(target, "measure", "") in self.wanted for target in targets)

    def _padded(self, adapter: Adapter) -> Adapter:
        """The same product by factors of the base's rank: the rest is zeros."""
        found: dict[str, composing.Factors] = {}
        for name, (down, up) in self._base.items():
            low, high = torch.zeros_like(down), torch.zeros_like(up)
            if name in adapter:
                rank = len(adapter[name][0])
                low[:rank], high[:, :rank] = adapter[name]
            found[name] = low, high
        return found

    def settle(self, weights: Mapping[str, float], whole: Adapter) -> None:
        """Take other weights for the members, and what comes of them."""
        self.members = [replace(one, weight=weights[one.name]) for one in self.members]
        self._whole = self._padded(whole)

    def weighted(self, weights: Mapping[str, float]) -> Adapter:
        """The members at these weights, by name; those that are not named are taken out."""
        adapters_of = [one.factors for one in self.members]
        return composing.beside(adapters_of, [weights.get(one.name, 0.0) for one in self.members])

    def together(self, weights: Mapping[str, float]) -> Adapter:
        """What comes of all members at these weights, of the rank that the plan reduces them to, if any."""
        made, rank = self.weighted(weights), self.plan.composed.rank
        return self._padded(composing.reduced(made, rank).adapter) if rank else made

    def pairs(self, held_out: bool) -> list[Pair]:
        """The prompts and seeds of held-out prompts, or of validation prompts."""
        return [pair for pair in painting.pairs(self.plan) if (pair.row < self.held_out) == held_out]

    def painted(
        self, pairs: Sequence[Pair], columns: Sequence[Adapter | None], what: str
    ) -> Iterator[tuple[Sequence[Pair], list[Tensor]]]:
        """Batches of pictures [B, 3, H, W] in [0, 1], for each column; None is the bare generator. `what` is told."""
        given, started = self.stage.met, time.monotonic()
        if given is None:
            return
        with torch.inference_mode(), memory.watched(self.plan, "evaluate", "painting adapters side by side"):
            for start, batch in painting.batches(pairs, self.plan):
                pictures: list[Tensor] = []
                for column in columns:
                    scale = 0.0 if column is None else 1.0
                    self._set(column or self._base)
                    made = painting.painted(self.stage.generator, self._lora, given, batch, (scale,), self.plan)
                    pictures.append(made[scale])
                yield batch, pictures
                self._listen(Progress(start + len(batch), len(pairs), time.monotonic() - started, what))

    def _set(self, adapter: Adapter) -> None:
        prefix = f"{self.stage.generator.lora_prefix}."
        for name, weight in self._lora.weights().items():
            module, side = name[:-7], name[-1]
            weight.data.copy_(adapter[f"{prefix}{module}"]["AB".index(side)])

    def looked(
        self, pairs: Sequence[Pair], pictures: Tensor, bare: Tensor, names: Sequence[str]
    ) -> dict[str, dict[int, bool]]:
        """By measure, which of these pictures [B, 3, H, W] satisfy it, by their place in the batch."""
        kinds = {measure.name: measures.KINDS[measure.kind] for measure in self.plan.measures}
        rows = [self.plan.test_rows[pair.row] for pair in pairs]
        batch = measures.Batch(pictures, bare, tuple(row.prompt for row in rows))
        found: dict[str, dict[int, bool]] = {}
        for name in names:
            targets = {
                place: dict(target.parameters)
                for place, row in enumerate(rows)
                for target in row.targets
                if target.measure == name
            }
            if targets:
                there = list(targets)
                satisfied = kinds[name].measure(batch.some(there), list(targets.values())).satisfied
                found[name] = {place: bool(one) for place, one in zip(there, satisfied, strict=True)}
        return found

    def hits(self, pairs: Sequence[Pair], columns: Sequence[Adapter]) -> list[_Hits]:
        """By column and control, which pictures satisfy it."""
        found: list[_Hits] = [{name: [] for name in self.aims} for _ in columns]
        for batch, (bare, *pictures) in self.painted(pairs, [None, *columns], "trying weights"):
            for one, made in zip(found, pictures, strict=True):
                for name, seen in self.looked(batch, made, bare, self.aims).items():
                    one[name] += seen.values()
        return found

    @property
    def is_sum(self) -> bool:
        """Whether what comes of all is their sum: nothing was reduced to a lower rank, and nothing polished."""
        return not self.plan.composed.rank and not self.plan.train.steps

    def columns(self) -> list[tuple[Column, Adapter | None]]:
        """The bare generator, each alone, all pairs, and what comes of all, which a pair is that is left out then."""
        weights = {one.name: one.weight for one in self.members}
        names = list(weights)
        pairs = [] if len(names) == 2 and self.is_sum else itertools.combinations(names, 2)
        found: list[tuple[Column, Adapter | None]] = [(Column((), free("bare", names)), None)]
        for one in [*((name,) for name in names), *pairs]:
            found.append((Column(one, " + ".join(one)), self.weighted({name: weights[name] for name in one})))
        return [*found, (Column(tuple(names), free("all", names)), self._whole)]


def meet(meeting: Meeting, folder: Path) -> Interference:
    """Paint all columns on held-out prompts, look at the controls, and keep some pictures below `folder`/images."""
    columns, pairs = meeting.columns(), meeting.pairs(True)
    cells: dict[str, list[list[bool]]] = {name: [[] for _ in columns] for name in meeting.wanted}
    strips: list[Strip] = []
    left = dict.fromkeys(meeting.aims, _SHOWN)
    for batch, pictures in meeting.painted(pairs, [adapter for _, adapter in columns], "side by side"):
        seen = [meeting.looked(batch, made, pictures[0], meeting.wanted) for made in pictures]
        for name in seen[0]:
            for column, one in enumerate(seen):
                cells[name][column] += one[name].values()
            for place in sorted(seen[0][name]):
                pair = batch[place]
                if left.get(name) and pair.seed == meeting.plan.evaluate.seeds[0] + pair.row * len(
                    meeting.plan.evaluate.seeds
                ):
                    left[name] -= 1
                    hits = tuple(one[name][place] for one in seen)
                    strips.append(_strip(meeting, pair, place, pictures, hits, name, folder))
    rows = tuple(
        Control(member.name, name, _wanted(meeting.plan, name), aim)
        for aim in (True, False)
        for member in meeting.members
        for name in (member.controls if aim else member.others)
        if cells[name][0]
    )
    table = tuple(tuple(Cell(tuple(hits)) for hits in cells[row.measure]) for row in rows)
    found = Interference(rows, tuple(column for column, _ in columns), table, tuple(strips), _pairings(meeting))
    return replace(found, fights=tuple(_fights(meeting, found)))


def _strip(
    meeting: Meeting,
    pair: Pair,
    place: int,
    pictures: Sequence[Tensor],
    hits: tuple[bool, ...],
    name: str,
    folder: Path,
) -> Strip:
    names: list[str] = []
    for column, made in enumerate(pictures):
        names.append(f"images/together{pair.row:03d}_seed{pair.seed}_column{column}.png")
        visuals.save(made[place].permute(1, 2, 0).cpu().numpy(), folder / names[-1])
    return Strip(meeting.plan.test_rows[pair.row].prompt, pair.seed, tuple(names), hits, name)


def _wanted(plan: Plan, measure: str) -> str:
    kind = next(one.kind for one in plan.measures if one.name == measure)
    targets = [dict(one.parameters) for row in plan.test_rows for one in row.targets if one.measure == measure]
    wanted = {measures.KINDS[kind].wanted(target) for target in targets}
    return wanted.pop() if len(wanted) == 1 else "as each row asks"


def _pairings(meeting: Meeting) -> tuple[Pairing, ...]:
    return tuple(
        Pairing(
            one.name,
            other.name,
            tuple(Shared(**asdict(each)) for each in composing.overlaps(one.factors, other.factors)),
        )
        for one, other in itertools.combinations(meeting.members, 2)
    )


# --- who fights whom, and what would help ---


def _fights(meeting: Meeting, found: Interference) -> Iterator[Fight]:
    """For every control that falls, the other adapter beside which it falls most; all of them where no one does it."""
    names = [one.name for one in meeting.members]
    for control, row in zip(found.controls, found.cells, strict=True):
        if not control.aim:
            continue
        alike = zip(found.columns, row, strict=True)  # of two columns of the same adapters, the last is not their sum
        at = {column.adapters: cell for column, cell in reversed([*alike])}
        alone, whole = at[control.adapter,], row[-1]
        others = [name for name in names if name != control.adapter]
        beside = {other: at[tuple(one for one in names if one in (control.adapter, other))] for other in others}
        worst = min(others, key=lambda other: beside[other].share, default="")
        if worst and fallen(alone, beside[worst]):
            remedy = _remedy(meeting, control, worst)
            yield Fight(control.adapter, worst, control.measure, alone.share, beside[worst].share, remedy)
        elif fallen(alone, whole):
            made = meeting.plan.composed.rank, meeting.plan.train.steps
            yield Fight(control.adapter, "", control.measure, alone.share, whole.share, None, *made)


def _remedy(meeting: Meeting, control: Control, other: str) -> Remedy | None:
    """The weights tried on validation prompts that leave most of both controls; None where none helps.

    A control that holds in none of these pictures alone has nothing to keep; without the one that fell nothing is said.
    """
    weights = {one.name: one.weight for one in meeting.members}
    mine, its = weights[control.adapter], weights[other]
    theirs = next(one for one in meeting.members if one.name == other).controls
    tried = [(mine, its), *((round(mine * a, 4), round(its * b, 4)) for a, b in _TRIED)]
    columns = [{control.adapter: mine}, {other: its}, *({control.adapter: a, other: b} for a, b in tried)]
    my_hits, its_hits, *hits = meeting.hits(meeting.pairs(False), [meeting.weighted(one) for one in columns])
    alone = {control.measure: sum(my_hits[control.measure]), **{name: sum(its_hits[name]) for name in theirs}}
    if not alone[control.measure]:
        return None
    kept = [min(sum(found[name]) / number for name, number in alone.items() if number) for found in hits]
    best = max(range(len(tried)), key=lambda place: (kept[place], -place))
    remedy = Remedy(tried[best], kept[best], kept[0])
    return remedy if helps(remedy) else None
