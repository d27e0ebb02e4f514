"""What `recipe plan` says, for people and as data: counts, memory, time, and what would make it fit."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import beside, capacity, cards, estimate, one_picture, workload
from .advice import Advice, advice
from .costing import Costs
from .counting import counted, duration, size
from .errors import InputError
from .parts import Asset
from .plan import Critic, Generator, Plan, Row, canonical_pieces, digest

VERSION = 1  # of the JSON; a field may be added without another one
SHOWN = 3  # rows whose questions are printed
WIDTH = 100  # columns of a table
# fields of a generator, a critic or a judge that save memory
SAVING = ("offload", "slicing", "tiling", "checkpoint_backbone", "checkpoint_decoder", "quantize", "checkpointing")


@dataclass(frozen=True, slots=True)
class Outlook:
    """A plan looked ahead at."""

    work: workload.Workload
    device: capacity.Device
    needs: estimate.Estimate | None  # None where a model's configuration does not say enough
    unknown: str  # why there are no needs
    advice: tuple[Advice, ...]  # empty where it fits
    cards: tuple[cards.Card, ...]  # empty where there are no needs


def outlook(plan: Plan) -> Outlook:
    """Count a plan's work, and estimate what it needs of the device at hand."""
    work, device = workload.workload(plan), capacity.device(plan.generator.device)
    try:
        costs = Costs(plan)
        needs = estimate.estimate(plan, device, costs)
    except InputError as error:
        found = error.problems[0]
        return Outlook(work, device, None, f"{found.place.file}: {found.message}", (), ())
    fitting = tuple(cards.cards(plan, costs))
    return Outlook(work, device, needs, "", tuple(advice(plan, device, needs)), fitting)


def as_json(plan: Plan, seen: Outlook, measured: object = None) -> Iterator[str]:
    """One JSON object, piece by piece: docs/plan.md says what its fields are."""
    head = {
        "version": VERSION,
        "digest": digest(plan),
        "rows": {"train": len(plan.train_rows), "validate": len(plan.validate_rows), "test": len(plan.test_rows)},
        "work": dataclasses.asdict(seen.work),
        "device": dataclasses.asdict(seen.device),
        "estimate": dataclasses.asdict(seen.needs) if seen.needs else None,
        "unknown": seen.unknown,
        "fits": _fits(seen),
        "advice": [dataclasses.asdict(one) for one in seen.advice],
        "cards": [dataclasses.asdict(one) for one in seen.cards],
        "measured": measured,
    }
    yield json.dumps(head, ensure_ascii=False)[:-1] + ', "plan": '
    yield from canonical_pieces(plan)
    yield "}"


def _fits(seen: Outlook) -> bool | None:
    if seen.needs is None or seen.device.memory_bytes is None:
        return None
    return seen.needs.memory_bytes <= seen.device.memory_bytes


def text(plan: Plan, seen: Outlook) -> str:
    """What would run, for people."""
    generator, work = plan.generator, seen.work
    scales = ", ".join(f"{scale:g}" for scale in plan.evaluate.scales)
    lines = [
        f"{plan.name}  {digest(plan)}",
        f"  generator  {generator.model.address}, {generator.width} × {generator.height}, "
        f"{', '.join([counted(generator.steps, 'sampler step'), generator.dtype, *_saving(generator)])}",
        *_files("beside", plan.generator.companions),
        _prompts(plan),
        *_files("begins", plan.adapter.start),
        *_made_of(plan),
        *_trained(plan, work),
        f"  evaluation at {'scale' if len(plan.evaluate.scales) == 1 else 'scales'} {scales}, {_said(work.evaluation)}",
        *_members(plan, work),
        *_needs(seen, plan.train.steps > 0),
        "  questions  as the first prompts render them:",
        *(line for row in plan.train_rows[:SHOWN] for line in _questions(row, plan)),
        *_cards(seen),
    ]
    return "\n".join(lines)


def _saving(part: Generator | Critic) -> list[str]:
    """What is set of `SAVING`, each with its value where that is a word."""
    found = ((key, getattr(part, key, False)) for key in SAVING)
    return [key if value is True else f"{key} {value}" for key, value in found if value]


def _files(what: str, assets: Sequence[Asset]) -> Iterator[str]:
    """The adapters that the generator has in it, or the one that training starts with."""
    if found := beside.files(assets):
        yield f"  {what:<10} {'with ' if what == 'begins' else ''}{', '.join(map(beside.shown, found))}"


def _prompts(plan: Plan) -> str:
    if one_picture.is_meant(plan):
        return f"  picture    one, whose noise is optimised: seed {plan.train.seed} of “{one_picture.prompt(plan)}”"
    return (
        f"  prompts    {len(plan.train_rows):,} to train on, {len(plan.validate_rows):,} to look at on the way, "
        f"{len(plan.test_rows):,} held out"
    )


def _made_of(plan: Plan) -> Iterator[str]:
    """The adapters that are composed."""
    if plan.composed.parents:
        parents = " + ".join(f"{one.weight:g} × {one.name}" for one in plan.composed.parents)
        reduced = f", reduced to rank {plan.composed.rank}" if plan.composed.rank else ", exactly"
        yield f"  composed   {parents}{reduced}: rank {plan.adapter.rank}"


def _trained(plan: Plan, work: workload.Workload) -> Iterator[str]:
    steps = counted(plan.train.steps, "step")
    if not plan.composed.parents:
        yield f"  training   at most {steps}, {_said(work.training)}"
    elif plan.train.steps:
        yield f"  polishing  {steps}, {_said(work.training)}"
    if plan.train.steps:
        yield f"  looks      every {counted(plan.evaluate.every, 'step')}, {_said(work.looks)}"


def _said(part: workload.Part) -> str:
    passes = counted(part.generator, "forward pass", "forward passes")
    backward = f" and {part.backward:,} backward" if part.backward else ""
    kept = f" and {part.replayed:,} to start again from" if part.replayed else ""
    return (
        f"{counted(part.pictures, 'picture')}{kept}: {passes} of the generator{backward}, "
        f"{part.decoder:,} of its decoder"
    )


def _members(plan: Plan, work: workload.Workload) -> Iterator[str]:
    parts = (("training", work.training), ("looks", work.looks), ("evaluation", work.evaluation))
    for kind, members in (("critic", plan.critics), ("judge", plan.judges)):
        for member in members:
            told = [
                f"{part} {counted(asked.questions, 'question')} about {counted(asked.views, 'view')} "
                f"in {counted(asked.passes, 'pass', 'passes')}"
                for part, of in parts
                if (asked := of.critics.get(member.name)) is not None
            ]
            named = ", ".join([member.name, member.model.address, *_saving(member)])
            yield f"  {kind:<10} {named}: {'; '.join(told)}"


def _needs(seen: Outlook, trains: bool) -> Iterator[str]:
    needs, device = seen.needs, seen.device
    if needs is None:
        yield f"  memory     not known: {seen.unknown}"
        return
    stages = ", ".join(f"{stage.name} {size(stage.total)}" for stage in needs.stages)
    yield f"  memory     about {size(needs.memory_bytes)} above the framework's own ({stages})"
    there = f"{size(device.memory_bytes)}" if device.memory_bytes else "memory not known"
    yield f"  device     {device.name}, {there}" + (
        f", {counted(device.cores, 'core')}" if device.kind == "cpu" else ""
    )
    if _fits(seen) is False:
        several = any(one.together for one in seen.advice)
        yield f"  does not fit; what would help{', one after the other' if several else ''}:"
        yield from (f"    {one.key}: {one.change}" for one in seen.advice)
    low, high = (duration(seconds) for seconds in needs.seconds)
    least, most = (f"{one:.2g} s" if one < 10 else duration(one) for one in needs.step_seconds)
    if not trains:
        yield f"  time       {low} to {high}: from operations at assumed rates"
        return
    yield (
        f"  time       {low} to {high}, a step {least} to {most}: from operations at assumed rates; --measure finds out"
    )


def _cards(seen: Outlook) -> Iterator[str]:
    """A table: cards of the usual sizes, and what it takes to fit them."""
    if not seen.cards:
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="", title_style="")
    for head in ("card", "what fits it", "needs"):
        table.add_column(head)
    for group in cards.groups(seen.cards):
        settings = "\n".join(f"{one.key}: {one.value}" for one in group[0].settings) or "as it stands"
        said = settings if group[0].fits else f"none; most is saved by\n{settings}"
        sizes = ", ".join(str(card.gigabytes) for card in group)
        table.add_row(f"{sizes} GB", said, size(group[-1].needed_bytes))
    page = Console(file=io.StringIO(), width=WIDTH, color_system=None, highlight=False, markup=False, emoji=False)
    with page.capture() as shown:
        page.print(table)
    yield "  cards      everything on one of them; the least change that fits:"
    yield from (f"    {line}".rstrip() for line in shown.get().splitlines())
    card, here = (size(estimate.LIBRARIES[kind]) for kind in ("cuda", seen.device.kind))
    if card != here:
        yield f"    a card's own libraries are counted with {card}; above, for this device, with {here}"


def _questions(row: Row, plan: Plan) -> Iterator[str]:
    yield f"    “{row.prompt}”"
    kinds = {question.name: question for question in plan.questions}
    for ask in row.asks:
        question = kinds[ask.question]
        role = (
            "watched" if question.watch else f"held at {question.hold:g}" if question.hold else f"× {question.weight:g}"
        )
        against = f", not {' or '.join(ask.against)}" if ask.against else ""
        yield f"      {ask.question} ({role}): {ask.wordings[0]} → {' or '.join(ask.answers)}{against}"
