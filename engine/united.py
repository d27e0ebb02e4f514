"""United: the plans of several adapters as the one that they are evaluated by together. Free of torch.

questions, measures, drawings   called ADAPTER.NAME, and asked of the rows of their own adapter
critics, judges                 shared where model, settings and weight are the same; where only the name is,
                                ADAPTER.NAME, with a number behind it where that is taken too
generator, train, evaluate      the first one's; nothing is trained, unless it is polished; the companions of the
                                generator are those of all: whoever composes refuses others before
goal, expect                    the only one's goal; what one was to reach alone is not expected of all together

Polishing trains on the rows of some of them, as many of each, but not on prompts that another one holds out.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from .plan import Adapter, Ask, Composed, Critic, Plan, Row, Stop, Target, Train

Parts = Sequence[tuple[str, Plan]]  # by the adapter's name
_KINDS = ("critics", "judges")


@dataclass(frozen=True, slots=True)
class Polish:
    """A few steps of joint training, from what was composed."""

    parts: tuple[str, ...]  # the adapters on whose questions it trains
    steps: int
    batch: int = 0  # 0: the first of these adapters' own
    lr: float = 0.0  # the same


class HeldOut(ValueError):
    """An adapter cannot be polished: all that it would be trained on is held out."""

    hint = "give it more prompts to train on, or let fewer of them be held out"


def united(name: str, parts: Parts, composed: Composed, rank: int, polish: Polish | None = None) -> Plan:
    """The plan of an adapter composed of others; `parts` are the plans of those that are known, at least one.

    `rank` is the largest of its matrices. Raises `HeldOut` where an adapter has nothing to be polished on.
    """
    first = parts[0][1]
    members = _members(parts)
    goals = [(part, plan) for part, plan in parts if plan.goal_measure or plan.goal_question]
    goal = goals[0] if len(goals) == 1 else None
    rows = {kind: _rows(parts, kind) for kind in ("train_rows", "validate_rows", "test_rows")}
    drawings = [replace(one, key=f"{part}.{one.key}") for part, plan in parts for one in plan.drawings]
    measures = [replace(one, name=f"{part}.{one.name}") for part, plan in parts for one in plan.measures]
    questions = [
        replace(
            one,
            name=f"{part}.{one.name}",
            critics=tuple(sorted({members["critics", part, who].name for who in one.critics})),
        )
        for part, plan in parts
        for one in plan.questions
    ]
    train = _train(parts, polish)
    if polish is not None:
        rows["train_rows"] = _rows(_taught(parts, polish, train), "train_rows")
    return replace(
        first,
        name=name,
        critics=_sorted(members, "critics"),
        judges=_sorted(members, "judges"),
        drawings=tuple(sorted(drawings, key=lambda one: one.key)),
        questions=tuple(sorted(questions, key=lambda one: one.name)),
        measures=tuple(sorted(measures, key=lambda one: one.name)),
        order=tuple(f"{part}.{one}" for part, plan in parts for one in _order(plan)),
        train_rows=rows["train_rows"],
        validate_rows=rows["validate_rows"],
        test_rows=rows["test_rows"],
        goal_measure=f"{goal[0]}.{goal[1].goal_measure}" if goal and goal[1].goal_measure else "",
        goal_question=f"{goal[0]}.{goal[1].goal_question}" if goal and goal[1].goal_question else "",
        train=train,
        adapter=_adapter(parts, rank, polish),
        expect=(),
        composed=composed,
    )


def _train(parts: Parts, polish: Polish | None) -> Train:
    """No step; or those of polishing, otherwise as the first that is polished was trained.

    How gradients flow is kept where nothing is trained too: what is composed of this may be polished so.
    """
    learning = [plan for part, plan in parts if polish is None or part in polish.parts]
    first = learning[0].train
    off = replace(first, steps=0, stop=Stop((), 1), conflict=0, weights="fixed", optimize="adapter", ema=0.0)
    if polish is None:
        return off
    return replace(
        off,
        steps=polish.steps,
        batch=polish.batch or first.batch,
        lr=polish.lr or first.lr,
        warmup=min(first.warmup, polish.steps // 10),
        augment=replace(first.augment, flip=all(plan.train.augment.flip for plan in learning)),
    )


def _adapter(parts: Parts, rank: int, polish: Polish | None) -> Adapter:
    """Folded, so that alpha is the rank; while it is polished, the factors are as far apart as the first one's were."""
    targets = "all" if any(plan.adapter.targets == "all" for _, plan in parts) else "attention"
    # of parts that were trained in blocks it has those of all, and where one was not, whatever its files hold
    apart = all(plan.adapter.blocks for _, plan in parts)
    blocks = sorted({block for _, plan in parts for block in plan.adapter.blocks}) if apart else ()
    first = next(plan.adapter for part, plan in parts if polish is None or part in polish.parts)
    scale = 1.0 if polish is None else first.alpha / first.rank
    return Adapter(rank, scale * rank, targets, blocks=tuple(blocks))


def _taught(parts: Parts, polish: Polish, train: Train) -> Parts:
    """The plans that are polished by, each with as many rows to train on as the others: a step draws from all of them.

    What another one holds out is not trained on. Raises `HeldOut` where nothing else remains.
    """
    kept = {part: _own(part, plan, parts) for part, plan in parts if part in polish.parts}
    number = min(max(map(len, kept.values())), train.steps * train.batch * train.accumulate)
    drawn = {part: _so_many(rows, number, train.seed) for part, rows in kept.items()}
    return [(part, replace(plan, train_rows=drawn[part])) for part, plan in parts if part in drawn]


def _own(part: str, plan: Plan, parts: Parts) -> tuple[Row, ...]:
    held = {prompt for _, its in parts for prompt in _held(its)}
    kept = tuple(row for row in plan.train_rows if row.prompt not in held)
    lost = sorted({_owner(row, plan) for row in plan.train_rows} - {_owner(row, plan) for row in kept})
    if lost:
        who = ".".join(filter(None, (part, lost[0])))
        raise HeldOut(f"{who} has nothing left to train on: every prompt of its training is held out by a recipe")
    return kept


def _held(plan: Plan) -> set[str]:
    """Prompts that a recipe holds out: it looks at them, and does not train on them itself."""
    trained = {(_owner(row, plan), row.prompt) for row in plan.train_rows}
    looked = {(_owner(row, plan), row.prompt) for row in (*plan.validate_rows, *plan.test_rows)}
    return {prompt for _, prompt in looked - trained}


def _owner(row: Row, plan: Plan) -> str:
    """The adapter whose row it is, of a plan that composes several; nothing where it is the plan's own."""
    names = (*(ask.question for ask in row.asks), *(one.measure for one in row.targets))
    return names[0].rpartition(".")[0] if plan.composed.parents and names else ""


def _so_many(rows: tuple[Row, ...], number: int, seed: int) -> tuple[Row, ...]:
    """So many of the rows, in their order: drawn where there are more, and over again where there are fewer."""
    if len(rows) > number:
        return tuple(rows[at] for at in sorted(random.Random(seed).sample(range(len(rows)), number)))
    return tuple(itertools.islice(itertools.cycle(rows), number))


def without_assets(plan: Plan) -> tuple[Plan, tuple[str, ...]]:
    """A plan without what cannot be drawn from it alone, pictures; and the questions that are asked no more."""
    missing = {one.key for one in plan.drawings if one.asset}
    gone = sorted({a.question for a in _asks(plan) if missing & {*a.see}} - {""})
    if not missing:
        return plan, ()

    def rows(some: tuple[Row, ...]) -> tuple[Row, ...]:
        return tuple(replace(row, asks=tuple(ask for ask in row.asks if ask.question not in gone)) for row in some)

    made = replace(
        plan,
        drawings=tuple(one for one in plan.drawings if not one.asset),
        questions=tuple(one for one in plan.questions if one.name not in gone),
        train_rows=rows(plan.train_rows),
        validate_rows=rows(plan.validate_rows),
        test_rows=rows(plan.test_rows),
        goal_question="" if plan.goal_question in gone else plan.goal_question,
    )
    return made, tuple(gone)


def _asks(plan: Plan) -> list[Ask]:
    return [ask for row in (*plan.train_rows, *plan.validate_rows, *plan.test_rows) for ask in row.asks]


def _order(plan: Plan) -> tuple[str, ...]:
    return plan.order or (*(one.name for one in plan.questions), *(one.name for one in plan.measures))


def _members(parts: Parts) -> dict[tuple[str, str, str], Critic]:
    """(kind, adapter, name there) -> the member as it is called here.

    Weights are kept where nothing is trained too: what is composed of this may be polished by them.
    """
    found: dict[tuple[str, str, str], Critic] = {}
    for kind in _KINDS:
        for part, plan in parts:
            members: tuple[Critic, ...] = getattr(plan, kind)
            for one in members:
                alike = (other for (its, _, _), other in found.items() if its == kind and _same(other, one))
                taken = {other.name for other in found.values()}
                name = free(f"{part}.{one.name}", taken) if one.name in taken else one.name
                new = replace(one, name=name)
                found[kind, part, one.name] = next(alike, new)
    return found


def free(name: str, taken: Collection[str]) -> str:
    """The name, or with the first number behind it, from 2, under which it is not taken."""
    numbered = (f"{name}_{number}" for number in itertools.count(2))
    return next(one for one in itertools.chain((name,), numbered) if one not in taken)


def _same(one: Critic, other: Critic) -> bool:
    return replace(one, name="") == replace(other, name="")


def _sorted(members: Mapping[tuple[str, str, str], Critic], kind: str) -> tuple[Critic, ...]:
    return tuple(sorted({one for (its, _, _), one in members.items() if its == kind}, key=lambda one: one.name))


def _rows(parts: Parts, kind: str) -> tuple[Row, ...]:
    """The rows of all, one adapter's after the other's, each with what is asked and measured of it there."""
    made: list[Row] = []
    for part, plan in parts:
        asks: dict[int, Ask] = {}  # what rows share, they share afterwards
        targets: dict[int, Target] = {}
        rows: tuple[Row, ...] = getattr(plan, kind)
        for row in rows:
            for ask in row.asks:
                see = tuple(f"{part}.{key}" for key in ask.see)
                asks.setdefault(id(ask), replace(ask, question=f"{part}.{ask.question}", see=see))
            for one in row.targets:
                targets.setdefault(id(one), replace(one, measure=f"{part}.{one.measure}"))
            made.append(
                replace(
                    row,
                    asks=tuple(asks[id(ask)] for ask in row.asks),
                    targets=tuple(targets[id(one)] for one in row.targets),
                )
            )
    return tuple(made)
