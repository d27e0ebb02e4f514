"""Starting: an adapter begins with the factors of another one, of whichever tool, and loses nothing of it.

Of a matrix of rank r, trained at rank R ≥ r, A is its rows and R − r fresh ones, B its columns and as many zeros: the
product is what it was, and all R directions learn. alpha / R is taken out of B, as it is put back when it is saved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from . import adapter, beside, foreign, given, headers, models
from .adapter import Lora
from .composing import Factors
from .counting import counted
from .errors import InputError, Place, Problem
from .generators import Generator
from .plan import Adapter, Plan
from .streams import derived

_SHOWN = 3  # names of matrices in a message


def begin(generator: Generator, plan: Plan, say: Callable[[str], None] = lambda text: None) -> Lora:
    """The plan's adapter on its generator, at scale 1: a fresh one, or with what it is to start with in its place.

    `say` is told which matrices start at zero because the file has none. Raises `InputError` where the file has what
    the recipe would not train, a higher rank than the recipe, or what is not understood; `WorkError` where it changed.
    """
    factors: dict[str, Factors] = {}
    for file in beside.files(plan.adapter.start):
        place, group = foreign.shown(file), beside.group(plan.adapter.start, file)
        factors = _alive(given.read(group, plan.generator.model, adapter.layers(generator), given.START))
        _refuse(factors, generator, plan, Place(place))
        for text in (*_lacking(factors, generator, plan), *_elsewhere(Path(place), plan)):
            say(f"{place}: {text}")
    lora = adapter.inject(generator, plan.adapter, derived(plan.train.seed, "adapter"))
    _take(lora, factors, plan.adapter.alpha / plan.adapter.rank)
    return lora


def _alive(factors: Mapping[str, Factors]) -> dict[str, Factors]:
    """Without directions that are zeros in both factors, with which tools fill them up: no gradient would move them."""
    found: dict[str, Factors] = {}
    for name, (down, up) in factors.items():
        there = down.any(1) | up.any(0)
        if bool(there.any()):
            found[name] = down[there], up[:, there]
    return found


def _take(lora: Lora, factors: Mapping[str, Factors], scale: float) -> None:
    weights = lora.weights()
    for module, (down, up) in factors.items():
        name = module.removeprefix(f"{lora.prefix}.")
        weights[f"{name}.lora_A"].data[: len(down)] = down
        weights[f"{name}.lora_B"].data[:, : len(down)] = up.to(weights[f"{name}.lora_B"].dtype) / scale


def _refuse(factors: Mapping[str, Factors], generator: Generator, plan: Plan, place: Place) -> None:
    """Raises `InputError` where something of the file would be lost."""
    chosen = plan.adapter
    if left_out := sorted(factors.keys() - _trained(generator, chosen.targets, chosen.blocks)):
        written = f"`targets: {chosen.targets}`" + (f" of `blocks: [{', '.join(chosen.blocks)}]`" * bool(chosen.blocks))
        message = f"{written} would lose {_told(left_out)} that the file has"
        raise InputError([Problem(place, given.START, message, _cure(left_out, generator, chosen))])
    rank = max((len(down) for down, _ in factors.values()), default=0)
    if rank > plan.adapter.rank:
        message = f"is of rank {rank}, of which `rank: {plan.adapter.rank}` would lose some"
        raise InputError([Problem(place, given.START, message, f"write `adapter: {{rank: {rank}}}`, or more")])


def _cure(left_out: list[str], generator: Generator, chosen: Adapter) -> str:
    """What to write where the recipe's targets or blocks are too few."""
    apart = "keep the file as it is, beside the adapter: `generator: {with: [FILE]}`"
    if chosen.blocks and _trained(generator, chosen.targets).issuperset(left_out):
        return f"leave `adapter.blocks` out; or {apart}"
    if chosen.targets != "all" and _trained(generator, "all", chosen.blocks).issuperset(left_out):
        return f"write `adapter: {{targets: all}}`; or {apart}"
    if _trained(generator, "all").issuperset(left_out):
        return f"write `adapter: {{targets: all}}` and no `blocks`; or {apart}"
    return f"no adapter of this program takes them; {apart}"


def _trained(generator: Generator, targets: str, blocks: Sequence[str] = ()) -> set[str]:
    """The matrices of these targets in these blocks, by their names in a file."""
    return {f"{generator.lora_prefix}.{name}" for name in adapter.targeted(generator, targets, blocks)}


def _lacking(factors: Mapping[str, Factors], generator: Generator, plan: Plan) -> Iterator[str]:
    trained = _trained(generator, plan.adapter.targets, plan.adapter.blocks)
    if zero := sorted(trained - factors.keys()):
        yield f"has not all that is trained: {_told(zero)} of {len(trained)} start at zero"


def _elsewhere(path: Path, plan: Plan) -> Iterator[str]:
    """That it was trained beside other companions than those of the plan, or is one of them."""
    if models.sha256(path) in {one.sha256 for one in plan.generator.companions}:
        yield "is a companion of the generator as well: what it does, it does twice"
    if unlike := beside.told(path, headers.read(path).metadata, plan.generator):
        yield f"{unlike}: what it did there it may not do here"


def _told(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{counted(len(names), 'matrix', 'matrices')} ({shown}{more})"
