"""What `recipe plan` says, for people and as data: counts, memory, time, and what would make it fit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass

from . import capacity, estimate, workload
from .counting import counted
from .errors import InputError
from .plan import Plan, Row, canonical_pieces, digest

VERSION = 1  # of the JSON; a field may be added without another one
SHOWN = 3  # rows whose questions are printed


@dataclass(frozen=True, slots=True)
class Outlook:
    """A plan looked ahead at."""

    work: workload.Workload
    device: capacity.Device
    needs: estimate.Estimate | None  # None where a model's configuration does not say enough
    unknown: str  # why there are no needs
    advice: tuple[tuple[str, str], ...]  # recipe key, what to do with it; empty where it fits


def outlook(plan: Plan) -> Outlook:
    """Count a plan's work, and estimate what it needs of the device at hand."""
    work, device = workload.workload(plan), capacity.device(plan.generator.device)
    try:
        needs = estimate.estimate(plan, device)
    except InputError as error:
        found = error.problems[0]
        return Outlook(work, device, None, f"{found.place.file}: {found.message}", ())
    return Outlook(work, device, needs, "", tuple(advice(plan, device, needs)))


def advice(plan: Plan, device: capacity.Device, needs: estimate.Estimate) -> Iterator[tuple[str, str]]:
    """Settings that would make a plan fit, the one that helps most first; nothing where it fits or nobody knows."""
    if device.memory_bytes is None or needs.memory_bytes <= device.memory_bytes:
        return
    room, found = device.memory_bytes, list[tuple[int, str, str]]()
    for key, words, changed in _changes(plan):
        less = estimate.estimate(changed, device).memory_bytes
        if less < needs.memory_bytes:
            enough = "fits" if less <= room else f"needs {size(less)}, still too much alone"
            found.append((less, key, f"{words}: {enough}"))
    for _, key, words in sorted(found):
        yield key, words
    if not any(less <= room for less, _, _ in found):
        yield "generator.device", f"a device with {size(needs.memory_bytes)} or more, above the framework's own"


def _changes(plan: Plan) -> Iterator[tuple[str, str, Plan]]:
    """Plans with one setting less greedy: key, what is done to it, and the plan it makes."""
    replace = dataclasses.replace
    if plan.generator.dtype != "bfloat16":
        yield "generator.dtype", "bfloat16", replace(plan, generator=replace(plan.generator, dtype="bfloat16"))
    for section, members in (("critics", plan.critics), ("judges", plan.judges)):
        for member in members:
            if member.dtype != "bfloat16":
                smaller = tuple(replace(one, dtype="bfloat16") if one == member else one for one in members)
                yield f"{section}.{member.name}.dtype", "bfloat16", replace(plan, **{section: smaller})
    if plan.train.batch > 1:
        batches = replace(plan.train, batch=1, accumulate=plan.train.accumulate * plan.train.batch)
        words = f"1, with train.accumulate {batches.accumulate} for the same loss"
        yield "train.batch", words, replace(plan, train=batches)
    if (side := min(plan.generator.width, plan.generator.height)) >= 512:
        half = replace(plan.generator, width=plan.generator.width // 2, height=plan.generator.height // 2)
        yield "generator.size", f"half of it ({side // 2} pixels)", replace(plan, generator=half)


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
        "advice": [{"key": key, "change": change} for key, change in seen.advice],
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
        f"{counted(generator.steps, 'sampler step')}, {generator.dtype}",
        f"  prompts    {len(plan.train_rows)} to train on, {len(plan.validate_rows)} to look at on the way, "
        f"{len(plan.test_rows)} held out",
        f"  training   at most {plan.train.steps} steps, {_said(work.training)}",
        f"  looks      every {plan.evaluate.every} steps, {_said(work.looks)}",
        f"  evaluation at scales {scales}, {_said(work.evaluation)}",
        *_members(plan, work),
        *_needs(seen),
        "  questions  as the first prompts render them:",
        *(line for row in plan.train_rows[:SHOWN] for line in _questions(row, plan)),
    ]
    return "\n".join(lines)


def _said(part: workload.Part) -> str:
    backward = f" and {part.backward} backward" if part.backward else ""
    return (
        f"{part.pictures} pictures: {part.generator} forward passes of the generator{backward}, {part.decoder} decodes"
    )


def _members(plan: Plan, work: workload.Workload) -> Iterator[str]:
    parts = (("training", work.training), ("looks", work.looks), ("evaluation", work.evaluation))
    for kind, members in (("critic", plan.critics), ("judge", plan.judges)):
        for member in members:
            told = [
                f"{part} {asked.views} views, {asked.questions} questions in {asked.passes} passes"
                for part, of in parts
                if (asked := of.critics.get(member.name)) is not None
            ]
            yield f"  {kind:<10} {member.name}, {member.model.address}: {'; '.join(told)}"


def _needs(seen: Outlook) -> Iterator[str]:
    needs, device = seen.needs, seen.device
    if needs is None:
        yield f"  memory     not known: {seen.unknown}"
        return
    stages = ", ".join(f"{stage.name} {size(stage.total)}" for stage in needs.stages)
    yield f"  memory     about {size(needs.memory_bytes)} above the framework's own ({stages})"
    there = f"{size(device.memory_bytes)}" if device.memory_bytes else "memory not known"
    yield f"  device     {device.name}, {there}" + (f", {device.cores} cores" if device.kind == "cpu" else "")
    if _fits(seen) is False:
        yield "  does not fit; what would help:"
        yield from (f"    {key}: {change}" for key, change in seen.advice)
    low, high = needs.seconds
    yield (
        f"  time       {duration(low)} to {duration(high)}, a step {needs.step_seconds[0]:.2g} to "
        f"{needs.step_seconds[1]:.2g} s: from operations at assumed rates; --measure finds out"
    )


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


def size(count: float) -> str:
    """Bytes in words."""
    return f"{count / 2**30:.1f} GiB" if count >= 0.995 * 2**30 else f"{count / 2**20:.0f} MiB"


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
