"""Starting: an adapter begins with the factors of another one, of whichever tool, and loses nothing of it.

Of a matrix of rank r, trained at rank R ≥ r, A is its rows and R − r fresh ones, B its columns and as many zeros: the
product is what it was, and all R directions learn. alpha / R is taken out of B, as it is put back when it is saved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from . import adapter, beside, companions, foreign, headers
from .adapter import Lora
from .composing import Factors
from .counting import counted
from .errors import InputError, Place, Problem
from .generators import Generator
from .plan import Plan
from .streams import derived

KEY = "adapter.start"
_SHOWN = 3  # names of matrices in a message


def begin(generator: Generator, plan: Plan, say: Callable[[str], None] = lambda text: None) -> Lora:
    """The plan's adapter on its generator, at scale 1: a fresh one, or with what it is to start with in its place.

    `say` is told which matrices start at zero because the file has none. Raises `InputError` where the file has what
    the recipe would not train, a higher rank than the recipe, or what is not understood; `WorkError` where it changed.
    """
    linear = companions.linear_of(generator)
    lora = adapter.inject(generator, plan.adapter, derived(plan.train.seed, "adapter"))
    for file in beside.files(plan.adapter.start):
        head = f"{generator.lora_prefix}."
        read = foreign.of_plan(beside.group(plan.adapter.start, file), plan.generator.model)
        place = Place(foreign.shown(file))
        companions.refuse_unfitting(read, linear, generator.lora_prefix, place, KEY)
        _refuse(read, generator, lora, plan, place)
        given = {name.removeprefix(head): factors for name, factors in read.items()}
        _take(lora, given, plan.adapter.alpha / plan.adapter.rank)
        for text in (*_lacking(lora, given), *_elsewhere(Path(foreign.shown(file)), plan)):
            say(f"{foreign.shown(file)}: {text}")
    return lora


def _take(lora: Lora, given: Mapping[str, Factors], scale: float) -> None:
    weights = lora.weights()
    for name, (down, up) in given.items():
        weights[f"{name}.lora_A"].data[: len(down)] = down
        weights[f"{name}.lora_B"].data[:, : len(down)] = up.to(weights[f"{name}.lora_B"].dtype) / scale


def _refuse(read: Mapping[str, Factors], generator: Generator, lora: Lora, plan: Plan, place: Place) -> None:
    """Raises `InputError` where something of the file would be lost."""
    head = f"{generator.lora_prefix}."
    left_out = [name for name in read if name.removeprefix(head) not in lora.layers]
    if left_out:
        message = f"`targets: {plan.adapter.targets}` would lose {_told(left_out)} that the file has"
        raise InputError([Problem(place, KEY, message, _cure(left_out, generator, plan))])
    rank = max(len(down) for down, _ in read.values())
    if rank > plan.adapter.rank:
        message = f"is of rank {rank}, of which `rank: {plan.adapter.rank}` would lose some"
        raise InputError([Problem(place, KEY, message, f"write `adapter: {{rank: {rank}}}`, or more")])


def _cure(left_out: list[str], generator: Generator, plan: Plan) -> str:
    """What to write where the recipe's targets are too few."""
    apart = "keep the file as it is, beside the adapter: `generator: {with: [FILE]}`"
    every = tuple(f".{suffix}" for suffix in generator.lora_targets["all"])
    if plan.adapter.targets != "all" and all(name.endswith(every) for name in left_out):
        return f"write `adapter: {{targets: all}}`; or {apart}"
    return f"no adapter of this program takes them; {apart}"


def _lacking(lora: Lora, given: Mapping[str, Factors]) -> Iterator[str]:
    if zero := [name for name in lora.layers if name not in given]:
        yield f"has not all that is trained: {_told(zero)} of {len(lora.layers)} start at zero"


def _elsewhere(path: Path, plan: Plan) -> Iterator[str]:
    """That it was trained beside other companions than those of the plan."""
    if unlike := beside.told(path, headers.read(path).metadata, plan.generator):
        yield f"{unlike}: what it did there it may not do here"


def _told(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{counted(len(names), 'matrix', 'matrices')} ({shown}{more})"
