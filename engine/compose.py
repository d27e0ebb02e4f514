"""Composing adapters: several files become one, with a lock and a report of its own.

    DIR/NAME.safetensors  the adapter           DIR/evaluation.json   what was found out
    DIR/NAME.lock         its lock              DIR/images/           pictures of the report
    DIR/plan.json         what it is            DIR/report.html       what a person looks at
    DIR/included/         the recipes of the adapters that it is made of

The same adapters and weights give the same file, bit for bit. `composing.py` has the mathematics.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from . import (
    carrying,
    digests,
    files,
    frozen,
    headers,
    interference,
    locking,
    made_for,
    models,
    outcomes,
    platforms,
    united,
)
from . import inputs as gathering
from . import lock as locks
from . import plan as plans
from .compositions import Composition, Reduction
from .errors import InputError, Place, Problem
from .figures import Evaluation
from .interference import Interference
from .lock import Lock
from .notes import percent
from .plan import Composed, Model, Parent, Plan
from .run_folder import held, read_plan
from .running import Listener
from .values import LARGEST_SCALE, NAME

if TYPE_CHECKING:
    from torch import Tensor

    from .composing import Adapter, Reduced
    from .generators import Generator
    from .meeting import Meeting

STOPPED = "composed"  # why no step was trained
_TRAINED = re.compile(r"ss_(?!v2|output_name|network_|base_model|sd_model|guidance|resolution)")


@dataclass(frozen=True, slots=True)
class Part:
    """One adapter that is to be composed."""

    path: Path
    parent: Parent
    metadata: Mapping[str, str]
    plan: Plan | None  # that trained it, found on this machine; None for another tool's


def compose(
    adapters: Sequence[Path],
    name: str,
    out: Path | None = None,
    *,
    weights: Sequence[float] = (),
    rank: int = 0,
    tune: Sequence[Plan] = (),
    listener: Listener,
) -> Composition:
    """Compose adapter files into `out`/NAME.safetensors, evaluate it on their recipes' held-out prompts, and lock it.

    `out` is runs/NAME where it is left out, weights are 1 each; with a `rank` above 0 the factors are reduced to it.
    With plans of some of the adapters' recipes to `tune` by, better weights are looked for, from those that are given,
    on these plans' validation prompts.
    Raises `InputError`, with nothing written, where an adapter cannot be read to its last tensor or is made for another
    generator than the first, `WorkError` where memory runs out.
    """
    started = time.monotonic()
    folder = out or Path("runs", name)
    parts = _with_plans(parts_of(adapters, weights or (1.0,) * len(adapters), listener), tune)
    _refuse_name(name, folder)
    known = [(part.parent.name, part.plan) for part in parts if part.plan is not None]
    whole, low = factors(parts, known[0][1].generator.model.family, rank)
    plan = _united(name, known, parts, whole, rank)
    _tell_differences(known, listener)
    meeting = _meeting(plan, parts, whole)  # which refuses what does not fit the generator, before anything is written
    if tune:
        parts = _tuned(meeting, parts, {one.name for one in tune}, listener)
        whole, low = factors(parts, plan.generator.model.family, rank)
        plan = _united(name, known, parts, whole, rank)
        meeting.settle({part.parent.name: part.parent.weight for part in parts}, whole)
    with held(folder):
        _clear(folder)
        path = _saved(folder, plan, parts, whole, meeting.generator)
        found = _met(meeting, folder, listener)
        del meeting  # the generator is loaded anew to evaluate: two of them would not fit
        return _looked_at(folder, path, plan, parts, low, found, listener, started)


def _united(name: str, known: united.Parts, parts: Sequence[Part], whole: Adapter, rank: int) -> Plan:
    """The plan of what is composed."""
    longest = max(len(down) for down, _ in whole.values())
    targets = "all" if any(plan.adapter.targets == "all" for _, plan in known) else "attention"
    composed = Composed(tuple(part.parent for part in parts), rank)
    return united.united(name, known, plans.Adapter(longest, float(longest), targets), composed)


def _with_plans(parts: Sequence[Part], tune: Sequence[Plan]) -> list[Part]:
    """The adapters, those plans in the place of what they carry; `InputError` for one that is no adapter's of them."""
    recipes = {part.plan.name: part for part in parts if part.plan is not None}
    for plan in tune:
        if plan.name not in recipes:
            hint = f"give the recipe of an adapter: {', '.join(recipes)}"
            raise InputError([Problem(Place("--tune"), "", f"none of the adapters is of {plan.name}", hint)])
        part = recipes[plan.name]
        made_for.refuse_another(part.path, part.metadata, plan.generator.model)
        if not list(interference.controls(plan.name, plan)):
            hint = "weights are looked for by what pixels say: give the recipe a measure, and a goal"
            raise InputError([Problem(Place("--tune"), "", f"{plan.name} measures nothing", hint)])
    given = {plan.name: plan for plan in tune}
    return [replace(part, plan=given.get(part.plan.name, part.plan)) if part.plan else part for part in parts]


def _tuned(meeting: Meeting, parts: Sequence[Part], tune: set[str], listener: Listener) -> list[Part]:
    """The adapters at the weights that were found for them."""
    from .tuning import tuned

    asked = {part.parent.name for part in parts if part.plan is not None and part.plan.name in tune}
    controls = [name for one in meeting.members if one.name in asked for name in one.controls]
    try:
        weights, (before, after) = tuned(meeting, controls)
    except ValueError as error:
        raise InputError([Problem(Place("--tune"), "", str(error), "give its recipe `prompts.validate`")]) from error
    found = ", ".join(f"{name} {weight:g}" for name, weight in weights.items())
    listener.say(f"tuned: {found}; the worst control holds in {percent(before)} before, {percent(after)} now")
    return [replace(part, parent=replace(part.parent, weight=weights[part.parent.name])) for part in parts]


def again(plan: Plan, adapters: Sequence[Path]) -> dict[str, Tensor]:
    """The tensors of a composed adapter, from the files of its plan's parents in their order."""
    from . import composing

    parents = plan.composed.parents
    parts = [Part(path, parent, {}, None) for path, parent in zip(adapters, parents, strict=True)]
    return composing.tensors(factors(parts, plan.generator.model.family, plan.composed.rank)[0])


# --- what is composed ---


def parts_of(adapters: Sequence[Path], weights: Sequence[float], listener: Listener) -> list[Part]:
    """The adapters with what they say of themselves; `InputError` where they cannot be composed."""
    if len(weights) != len(adapters):
        message = f"{len(weights)} weights for {len(adapters)} adapters"
        raise InputError([Problem(Place("--weights"), "", message, "give one for each, as in --weights 1,0.8")])
    if strange := next((one for one in weights if not abs(one) <= LARGEST_SCALE), None):
        message = f"must be numbers from -{LARGEST_SCALE} to {LARGEST_SCALE}, found {strange}"
        raise InputError([Problem(Place("--weights"), "", message)])
    read = [(path, headers.of_adapter(path).metadata) for path in adapters]
    first = next((one for one in read if "control_recipes.inputs" in one[1]), None)
    if first is None:
        hint = "at least one of them has to be one that `recipe run` wrote"
        raise InputError([Problem(Place(str(adapters[0])), "", "does not say which generator it is for", hint)])
    model = plan_of(*first).generator.model
    taken: list[str] = []
    parts: list[Part] = []
    for (path, metadata), weight in zip(read, weights, strict=True):
        made_for.refuse_another(path, metadata, model)
        carried = _carried(path, metadata, model, listener)
        taken.append(_free(carried.name if carried else re.sub(r"[^A-Za-z0-9_-]", "_", path.stem) or "_", taken))
        sha256 = made_for.carried(path, metadata).plan_sha256 if carried else ""
        parent = Parent(taken[-1], float(weight), digests.tensors_sha256(path), sha256)
        parts.append(Part(path, parent, metadata, carried))
    return parts


def plan_of(path: Path, metadata: Mapping[str, str]) -> Plan:
    """The plan that an adapter carries, its generator found on this machine."""
    plan = plans.parse(made_for.carried(path, metadata).plan, str(path))
    generator = plan.generator
    model = models.locate(generator.model.address, Path(), Place(str(path)), revision=generator.model.revision)
    return replace(plan, generator=replace(generator, model=model))


def _carried(path: Path, metadata: Mapping[str, str], model: Model, listener: Listener) -> Plan | None:
    """The plan of an adapter with all its models found; what of it cannot be drawn is left out, and told."""
    if "control_recipes.inputs" not in metadata:
        listener.say(f"{path}: another tool's, of which no measure or question is known")
        return None
    plan = plans.parse(made_for.carried(path, metadata).plan, str(path))
    if not re.fullmatch(NAME, plan.name):
        raise InputError([Problem(Place(str(path)), "", "is called in a way that no recipe can be called")])
    plan, gone = united.without_assets(replace(plan, adapter=replace(plan.adapter, start=())))
    if gone:
        listener.say(f"{path}: carries no pictures, so {', '.join(gone)} cannot be asked")
    plan = replace(plan, generator=replace(plan.generator, model=model, companions=()))
    return frozen.found(plan, path, Path())


def _free(name: str, taken: Sequence[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _refuse_name(name: str, folder: Path) -> None:
    if not re.fullmatch(NAME, name):
        message = f"must be letters, digits, _ and -, beginning with a letter or _, found {name!r}"
        raise InputError([Problem(Place("--name"), "", message)])
    if (folder / "plan.json").exists() and not read_plan(folder).composed.parents:
        hint = "give another folder with --out, or another --name"
        raise InputError([Problem(Place(str(folder)), "", "holds the run of a recipe", hint)])


def _tell_differences(known: Sequence[tuple[str, Plan]], listener: Listener) -> None:
    """Say where adapters were trained to be used otherwise: the first one's settings hold."""
    name, first = known[0]
    for other, plan in known[1:]:
        for key in ("steps", "width", "height", "guidance", "negative", "dtype"):
            was, now = getattr(first.generator, key), getattr(plan.generator, key)
            if was != now:
                listener.say(f"generator.{key}: {name} has {was}, {other} has {now}; {name}'s holds")


# --- what comes of it ---


def factors(parts: Sequence[Part], family: str, rank: int) -> tuple[Adapter, Reduced | None]:
    """The factors of the adapters as one, of that rank unless it is 0; `InputError` where they cannot be one."""
    from . import composing, foreign

    read = [foreign.read(part.path, family)[0] for part in parts]
    try:
        whole = composing.exact(read, [part.parent.weight for part in parts])
    except ValueError as error:
        raise InputError([Problem(Place("adapters"), "", str(error))]) from error
    if not rank:
        return whole, None
    low = composing.reduced(whole, rank)
    return low.adapter, low


def _meeting(plan: Plan, parts: Sequence[Part], whole: Adapter) -> Meeting:
    """The adapters on their generator; `InputError` where one does not fit it."""
    from . import foreign, meeting

    family = plan.generator.model.family
    members = [
        meeting.Member(
            part.parent.name,
            part.parent.weight,
            foreign.read(part.path, family)[0],
            tuple(interference.controls(part.parent.name, part.plan, _ancestor(part).parents)) if part.plan else (),
        )
        for part in parts
    ]
    return meeting.Meeting(plan, members, whole)


def _met(meeting: Meeting, folder: Path, listener: Listener) -> Interference:
    from .meeting import meet

    found = meet(meeting, folder, listener.looked)
    interference.write(found, folder)
    for fight in found.fights:
        listener.say(f"warning: {fight.text()}")
    return found


def _clear(folder: Path) -> None:
    for name in ("images", "included"):
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)


def _saved(folder: Path, plan: Plan, parts: Sequence[Part], whole: Adapter, generator: Generator) -> Path:
    """Write the adapter, with all that its parents carry."""
    from . import adapter as adapters
    from . import composing

    tensors = composing.tensors(whole)
    # paths are of the lock: where its parents lie is nothing that an adapter is made of
    inputs = locks.text_of(locks.inputs(plan, hub=gathering.hub(plan, None)))
    own = adapters.metadata(generator, plan, inputs, "", tensors)
    merged = ", ".join(f"{part.parent.name} × {part.parent.weight:g}" for part in parts)
    told = {name: text for name, text in own.items() if not _TRAINED.match(name)}
    told |= {"modelspec.merged_from": merged, carrying.KEY: carrying.text([_ancestor(part) for part in parts])}
    path = folder / f"{plan.name}.safetensors"
    adapters.save(path, tensors, adapters.fitted(told))
    return path


def _ancestor(part: Part) -> carrying.Ancestor:
    try:
        return carrying.ancestor(part.parent, part.metadata)
    except (ValueError, RecursionError) as error:
        raise InputError([Problem(Place(str(part.path)), "", "does not say well what it was made from")]) from error


def _looked_at(
    folder: Path,
    path: Path,
    plan: Plan,
    parts: Sequence[Part],
    low: Reduced | None,
    together: Interference,
    listener: Listener,
    started: float,
) -> Composition:
    """Evaluate what was composed, lock it and report on it."""
    from .evaluate import evaluate
    from .report import report

    files.write(folder / "plan.json", f"{plans.dump(plan)}\n".encode())
    for part in parts:
        if recipe := part.metadata.get("control_recipes.recipe", ""):
            files.write(folder / "included" / f"{part.parent.name}.yaml", recipe.encode())
    found = evaluate(plan, path, folder, listener.looked)
    lock = folder / f"{plan.name}.lock"
    _lock(lock, path, plan, parts, found, listener)
    page = report(folder, plan, lock)
    return Composition(
        name=plan.name,
        digest=plans.digest(plan),
        adapter=path.resolve(),
        tensors_sha256=found.tensors_sha256,
        lock=lock.resolve(),
        report=page.resolve(),
        parents=plan.composed.parents,
        rank=plan.adapter.rank,
        reduction=low
        and Reduction(low.lost, low.enough, tuple((one.module, one.lost, one.enough) for one in low.matrices)),
        measures=tuple((one.name, one.before, one.after) for one in found.measures),
        together=together,
        seconds=time.monotonic() - started,
    )


def _lock(path: Path, adapter: Path, plan: Plan, parts: Sequence[Part], found: Evaluation, listener: Listener) -> None:
    named = tuple(sorted((str(part.path), models.sha256(part.path)) for part in parts))
    try:
        old = locks.there(path)
    except InputError:
        old = None  # it is written anew anyway
    inputs = locks.inputs(plan, files=named, hub=gathering.hub(plan, None))
    with platforms.deterministic(plan):
        place = platforms.here(plan)
    made = found.tensors_sha256, 0, STOPPED
    new = Lock(inputs, place, outcomes.outcome(adapter, made, found, adapter.parent, path))
    locks.write(new, path)
    locking.tell_outcome(new, path, old, listener.say)
