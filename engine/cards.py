"""Which settings make a plan fit cards of the usual sizes: for each the least change that does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from . import estimate
from .advice import Change, changes, taken
from .capacity import Device
from .costing import Costs
from .plan import Plan

GIGABYTES = (12, 16, 24, 48, 80)
USABLE = 0.95  # of what a card is called after: the driver keeps some, and so does error correction
# the last word of a key and its value, what costs time alone first; one step holds for all parts that have the key
STEPS = (
    ("checkpointing", "true"),
    ("slicing", "true"),
    ("offload", "true"),
    ("quantize", "8bit"),
    ("quantize", "4bit"),
    ("dtype", "bfloat16"),
    ("batch", "1"),
)
_RECOMPUTED = ("generator.checkpointing", "{backbone: true}")  # where the whole of it cannot be had


@dataclass(frozen=True, slots=True)
class Setting:
    """A line of the recipe."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Card:
    """A size of card, and what a plan needs there."""

    gigabytes: int  # as cards are sold
    memory_bytes: int  # of it, for a plan
    fits: bool
    settings: tuple[Setting, ...]  # none where the plan fits as it stands; all that help where it does not fit
    needed_bytes: int  # with them


def cards(plan: Plan, costs: Costs) -> list[Card]:
    """Every size, all parts on one card.

    Settings are added in the order of `STEPS` until it fits; those that it fits without are taken out again, the last
    first.
    """
    return [_card(plan, costs, size) for size in GIGABYTES]


def _card(plan: Plan, costs: Costs, size: int) -> Card:
    device = Device("cuda", f"{size} GB", round(USABLE * size * 2**30), None, 1)
    room = device.memory_bytes or 0
    chosen = _enough(plan, costs, device, room)
    for change in reversed(chosen):
        fewer = [one for one in chosen if one is not change]
        if _bytes(plan, fewer, costs, device) <= max(room, _bytes(plan, chosen, costs, device)):
            chosen = fewer
    needed = _bytes(plan, chosen, costs, device)
    return Card(size, room, needed <= room, tuple(Setting(one.key, one.value) for one in chosen), needed)


def _enough(plan: Plan, costs: Costs, device: Device, room: int) -> list[Change]:
    """The changes of as many steps as it takes to fit, or of all of them."""
    found, chosen = list(changes(plan)), list[Change]()
    for word, value in STEPS:
        if _bytes(plan, chosen, costs, device) <= room:
            break
        step = _step(found, word, value)
        # a key has one value: the later takes the place of the earlier
        further = [one for one in chosen if one.key not in {new.key for new in step}] + step
        chosen = further if taken(_made(plan, further)) else chosen
    return chosen


def _step(found: Sequence[Change], word: str, value: str) -> list[Change]:
    """The changes of one step; of a generator that is recomputed in part alone, that part."""
    step = [one for one in found if one.key.rpartition(".")[2] == word and one.value == value]
    if (word, value) == STEPS[0] and not any(one.key == _RECOMPUTED[0] for one in step):
        step += [one for one in found if (one.key, one.value) == _RECOMPUTED]
    return step


def _made(plan: Plan, chosen: Sequence[Change]) -> Plan:
    return reduce(lambda made, change: change.made(made), chosen, plan)


def _bytes(plan: Plan, chosen: Sequence[Change], costs: Costs, device: Device) -> int:
    return max(stage.total for stage in estimate.stages(_made(plan, chosen), costs, device))


def groups(found: Sequence[Card]) -> list[list[Card]]:
    """The same, neighbours together that need the same settings."""
    made: list[list[Card]] = []
    for card in found:
        if made and (made[-1][0].fits, made[-1][0].settings) == (card.fits, card.settings):
            made[-1].append(card)
        else:
            made.append([card])
    return made
