"""Meeting: adapters painted alone, in pairs and all together, and what their controls then come to.

The factors of all lie side by side in one adapter, once; a weight of 0 takes one of them out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from . import adapter as adapters
from . import composing, measures, memory, painting, stage, visuals
from .composing import Adapter
from .evaluate import Progress
from .interference import Cell, Column, Control, Fight, Interference, Pairing, Remedy, Shared, Strip, fallen, helps
from .painting import Pair
from .plan import Plan
from .workload import LOOK_SEEDS

_SHOWN = 3  # prompts of each control whose pictures are kept
_TRIED = ((1.0, 0.75), (1.0, 0.5), (1.0, 0.25), (1.25, 1.0), (1.25, 0.75), (1.5, 1.0), (0.75, 1.0), (0.75, 1.25))
Listen = Callable[[Progress], None]
_Hits = dict[str, list[bool]]  # by measure


@dataclass(frozen=True, slots=True)
class Member:
    """An adapter that meets others."""

    name: str
    weight: float
    factors: Adapter
    controls: tuple[str, ...]  # measures of the united plan


@final
class Meeting:
    """The members on their generator, with the prompts of their controls encoded."""

    def __init__(self, plan: Plan, members: Sequence[Member], whole: Adapter) -> None:
        """`whole` is what comes of all of them, perhaps of a lower rank. `InputError` where a factor fits nowhere."""
        self.members = list(members)
        self.wanted = [name for one in members for name in one.controls]
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
        self, pairs: Sequence[Pair], columns: Sequence[Adapter | None], listen: Listen = lambda progress: None
    ) -> Iterator[tuple[Sequence[Pair], list[Tensor]]]:
        """Batches of pictures [B, 3, H, W], for each column; None is the bare generator, and the first of them."""
        given = self.stage.met
        if given is None:
            return
        with torch.inference_mode(), memory.watched(self.plan, "evaluate", "painting adapters side by side"):
            for _, batch in painting.batches(pairs, self.plan):
                pictures: list[Tensor] = []
                for column in columns:
                    scale = 0.0 if column is None else 1.0
                    self._set(column or self._base)
                    made = painting.painted(self.stage.generator, self._lora, given, batch, (scale,), self.plan)
                    pictures.append(made[scale])
                yield batch, pictures

    def _set(self, adapter: Adapter) -> None:
        prefix = f"{self.stage.generator.lora_prefix}."
        for name, weight in self._lora.weights().items():
            module, side = name[:-7], name[-1]
            weight.data.copy_(adapter[f"{prefix}{module}"]["AB".index(side)])

    def looked(self, pairs: Sequence[Pair], pictures: Tensor, bare: Tensor) -> dict[str, dict[int, bool]]:
        """By measure, which of these pictures satisfy it, by their place in the batch."""
        kinds = {measure.name: measures.KINDS[measure.kind] for measure in self.plan.measures}
        rows = [self.plan.test_rows[pair.row] for pair in pairs]
        found: dict[str, dict[int, bool]] = {}
        for name in self.wanted:
            targets = {
                place: dict(target.parameters)
                for place, row in enumerate(rows)
                for target in row.targets
                if target.measure == name
            }
            if targets:
                there = list(targets)
                prompts = tuple(rows[place].prompt for place in there)
                batch = measures.Batch(pictures[there], bare[there], prompts)
                satisfied = kinds[name].measure(batch, list(targets.values())).satisfied
                found[name] = {place: bool(one) for place, one in zip(there, satisfied, strict=True)}
        return found

    def hits(self, pairs: Sequence[Pair], columns: Sequence[Adapter]) -> list[_Hits]:
        """By column and measure, which pictures satisfy it."""
        found: list[_Hits] = [{name: [] for name in self.wanted} for _ in columns]
        for batch, (bare, *pictures) in self.painted(pairs, [None, *columns]):
            for one, made in zip(found, pictures, strict=True):
                for name, seen in self.looked(batch, made, bare).items():
                    one[name] += seen.values()
        return found

    def columns(self) -> list[tuple[Column, Adapter | None]]:
        """The bare generator, each alone, all pairs, and what comes of all."""
        weights = {one.name: one.weight for one in self.members}
        names = list(weights)
        some = [(name,) for name in names] + ([*itertools.combinations(names, 2)] if len(names) > 2 else [])
        found: list[tuple[Column, Adapter | None]] = [(Column((), "bare"), None)]
        for one in some:
            found.append((Column(one, " + ".join(one)), self.weighted({name: weights[name] for name in one})))
        return [*found, (Column(tuple(names), "all"), self._whole)]


def meet(meeting: Meeting, folder: Path, listen: Listen = lambda progress: None) -> Interference:
    """Paint all columns on held-out prompts, look at the controls, and keep some pictures below `folder`/images."""
    columns, pairs = meeting.columns(), meeting.pairs(True)
    cells: dict[str, list[list[bool]]] = {name: [[] for _ in columns] for name in meeting.wanted}
    strips: list[Strip] = []
    left = dict.fromkeys(meeting.wanted, _SHOWN)
    done = 0
    for batch, pictures in meeting.painted(pairs, [adapter for _, adapter in columns]):
        seen = [meeting.looked(batch, made, pictures[0]) for made in pictures]
        for name in seen[0]:
            for column, one in enumerate(seen):
                cells[name][column] += one[name].values()
            for place in sorted(seen[0][name]):
                pair = batch[place]
                if left[name] and pair.seed == meeting.plan.evaluate.seeds[0] + pair.row * len(
                    meeting.plan.evaluate.seeds
                ):
                    left[name] -= 1
                    hits = tuple(one[name][place] for one in seen)
                    strips.append(_strip(meeting, pair, place, pictures, hits, name, folder))
        done += len(batch)
        listen(Progress(done, len(pairs), 0.0))
    rows = tuple(
        Control(member.name, name, _wanted(meeting.plan, name))
        for member in meeting.members
        for name in member.controls
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
    if len(meeting.members) < 2:
        return
    at = {column.adapters: place for place, column in enumerate(found.columns)}
    names = [one.name for one in meeting.members]
    for control, row in zip(found.controls, found.cells, strict=True):
        alone = row[at[control.adapter,]]
        together = {
            other: row[at[tuple(one for one in names if one in (control.adapter, other))]]
            for other in names
            if other != control.adapter
        }
        worst = min(together, key=lambda other: together[other].share)
        if fallen(alone, together[worst]):
            remedy = _remedy(meeting, control, worst)
            yield Fight(control.adapter, worst, control.measure, alone.share, together[worst].share, remedy)
        elif fallen(alone, row[-1]):
            yield Fight(control.adapter, "", control.measure, alone.share, row[-1].share, None)


def _remedy(meeting: Meeting, control: Control, other: str) -> Remedy | None:
    """The weights tried on validation prompts that leave most of both controls; None where none helps."""
    weights = {one.name: one.weight for one in meeting.members}
    mine, its = weights[control.adapter], weights[other]
    pairs = meeting.pairs(False)
    theirs = next(one for one in meeting.members if one.name == other).controls
    alone = [{control.adapter: mine}, {other: its}]
    tried = [(mine, its), *((round(mine * a, 4), round(its * b, 4)) for a, b in _TRIED)]
    columns = [*alone, *({control.adapter: a, other: b} for a, b in tried)]
    hits = meeting.hits(pairs, [meeting.weighted(one) for one in columns])
    if not hits[0][control.measure]:
        return None  # its recipe holds no prompts back
    goals = [(control.measure, hits[0]), *((name, hits[1]) for name in theirs if hits[1][name])]

    def kept(found: _Hits) -> float:
        """Of what each control has alone, the least."""
        return min(sum(found[name]) / max(1, sum(own[name])) for name, own in goals)

    best = max(range(len(tried)), key=lambda place: (kept(hits[2 + place]), -place))
    remedy = Remedy(tried[best], kept(hits[2 + best]), kept(hits[2]))
    return remedy if helps(remedy) else None
