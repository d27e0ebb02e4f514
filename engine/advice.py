"""What would make a plan fit a device: settings of the recipe, those that change no number of the result first."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import capacity, estimate, generators, model_facts, processes
from .counting import size
from .plan import Critic, Plan
from .values import MOST_PICTURES

_FEWER = {"": ("8bit", "4bit"), "8bit": ("4bit",), "4bit": ()}  # bits that weights may be stored in yet


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that saves memory."""

    key: str  # of the recipe
    value: str  # as the recipe writes it
    note: str  # what it costs
    exact: bool  # whether the result stays what it was, but for rounding
    made: Callable[[Plan], Plan]


@dataclass(frozen=True, slots=True)
class Advice:
    """A setting, and what the plan needs with it."""

    key: str
    change: str  # the value, what it costs, and whether it is enough
    value: str
    together: bool  # with those before it in the list
    memory_bytes: int  # that the plan then needs
    fits: bool


def advice(plan: Plan, device: capacity.Device, needs: estimate.Estimate) -> Iterator[Advice]:
    """Settings that would make a plan fit: each that is enough alone, else several together; else another device.

    Nothing where it fits or nobody knows what the device holds. No setting is named that a run would refuse.
    """
    if device.memory_bytes is None or needs.memory_bytes <= device.memory_bytes:
        return
    room = device.memory_bytes
    alone = sorted(
        ((change, _bytes(change.made(plan), device)) for change in changes(plan)),
        key=lambda one: (not one[0].exact, one[1]),
    )
    if enough := [(change, less) for change, less in alone if less <= room]:
        yield from (_told(change, less, room, together=False) for change, less in enough)
        return
    now, least = plan, needs.memory_bytes
    for change, _ in alone:
        made = change.made(now)
        if taken(made) and (less := _bytes(made, device)) < least:
            together = now is not plan
            now, least = made, less
            yield _told(change, less, room, together)
        if least <= room:
            return
    words = f"a device with {size(least)} or more, above the framework's own"
    yield Advice("generator.device", words, "", now is not plan, least, True)


def _bytes(plan: Plan, device: capacity.Device) -> int:
    return estimate.estimate(plan, device).memory_bytes


def _told(change: Change, less: int, room: int, together: bool) -> Advice:
    enough = "fits" if less <= room else f"still needs {size(less)}"
    words = f"{change.value} ({change.note}): {'with the above ' if together else ''}{enough}"
    return Advice(change.key, words, change.value, together, less, less <= room)


def taken(plan: Plan) -> bool:
    """Whether the family of the plan's generator does all that the plan asks of it."""
    return not generators.refused(plan.generator)


def changes(plan: Plan) -> Iterator[Change]:
    """What there is to turn on or down in a plan, each of which alone a run takes."""
    yield from (change for change in _changes(plan) if taken(change.made(plan)))


def _changes(plan: Plan) -> Iterator[Change]:
    yield from _exact(plan)
    yield from _rounded(plan)
    replace, chosen, train = dataclasses.replace, plan.generator, plan.train
    # every process of a training takes a picture at least
    least, pictures = processes.started(), train.accumulate * train.batch
    if train.batch > least and not pictures % least and (more := pictures // least) <= MOST_PICTURES:
        note = f"with train.accumulate: {more} for the same loss"
        smaller = replace(train, batch=least, accumulate=more)
        yield Change("train.batch", str(least), note, False, lambda of: replace(of, train=smaller))
    if not chosen.tiling:
        yield _generator("tiling", "true", "pictures change a little where pieces meet", False, tiling=True)
    if (side := min(chosen.width, chosen.height)) >= 512:
        grain = model_facts.grid(chosen.model)
        width, height = (pixels // 2 // grain * grain for pixels in (chosen.width, chosen.height))
        note = f"{min(width, height)} pixels instead of {side}"
        value = f"{{width: {width}, height: {height}}}"
        yield _generator("size", value, note, False, width=width, height=height)


def _exact(plan: Plan) -> Iterator[Change]:
    """Settings that cost time alone."""
    chosen, slower = plan.generator, "slower, the same result"
    on = {"backbone": chosen.checkpoint_backbone, "decoder": chosen.checkpoint_decoder}
    if off := {f"checkpoint_{part}": True for part, already in on.items() if not already}:
        yield _generator("checkpointing", "true", slower, True, **off)
    if len(off) == len(on):
        for part in on:
            yield _generator("checkpointing", f"{{{part}: true}}", slower, True, **{f"checkpoint_{part}": True})
    if not chosen.slicing:
        yield _generator("slicing", "true", slower, True, slicing=True)
    if not chosen.offload:
        yield _generator("offload", "true", slower, True, offload=True)
    for member in plan.critics:
        if not member.checkpointing:
            yield _member("critics", member, "checkpointing", "true", slower, True, checkpointing=True)


def _rounded(plan: Plan) -> Iterator[Change]:
    """Fewer bits, where they are not there yet: of all numbers, or of the weights of those who are asked."""
    note = "rounds more coarsely"
    if plan.generator.dtype != "bfloat16":
        yield _generator("dtype", "bfloat16", note, False, dtype="bfloat16")
    for section, members in (("critics", plan.critics), ("judges", plan.judges)):
        for member in members:
            if member.dtype != "bfloat16":
                yield _member(section, member, "dtype", "bfloat16", note, False, dtype="bfloat16")
            for bits in _FEWER[member.quantize]:
                yield _member(section, member, "quantize", bits, "rounds its weights", False, quantize=bits)


def _generator(key: str, value: str, note: str, exact: bool, **fields: str | int) -> Change:
    def made(plan: Plan) -> Plan:
        return dataclasses.replace(plan, generator=dataclasses.replace(plan.generator, **fields))

    return Change(f"generator.{key}", value, note, exact, made)


def _member(section: str, member: Critic, key: str, value: str, note: str, exact: bool, **fields: str | bool) -> Change:
    def made(plan: Plan) -> Plan:
        members = plan.critics if section == "critics" else plan.judges
        some = tuple(dataclasses.replace(one, **fields) if one.name == member.name else one for one in members)
        return dataclasses.replace(plan, **{section: some})

    return Change(f"{section}.{member.name}.{key}", value, note, exact, made)
