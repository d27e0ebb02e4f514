"""Composing adapters: several files become one, with a lock and a report of its own.

    DIR/NAME.safetensors  the adapter           DIR/evaluation.json   what was found out
    DIR/NAME.lock         its lock              DIR/images/           pictures of the report
    DIR/plan.json         what it is            DIR/report.html       what a person looks at
    DIR/included/         the recipes of the adapters that it is made of

The same adapters, weights and recipes to polish by give the same file, bit for bit.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from . import (
    adapter_files,
    assembling,
    beside,
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
    processes,
    run_folder,
    united,
)
from . import inputs as gathering
from . import lock as locks
from . import plan as plans
from .assembling import Assembled, Part, Texts
from .compositions import Composition, Reduction
from .console import Talk
from .errors import InputError, Place, Problem
from .interference import Interference
from .lock import Digests, Lock, Platform
from .notes import percent
from .plan import Composed, Model, Parent, Plan
from .running import Listener
from .values import LARGEST_SCALE, NAME, NAMED, POLISH_STEPS

if TYPE_CHECKING:
    from .composing import Adapter
    from .meeting import Meeting


def compose(
    adapters: Sequence[Path],
    name: str,
    out: Path | None = None,
    *,
    weights: Sequence[float] = (),
    rank: int = 0,
    tune: Sequence[Plan] = (),
    polish: Sequence[Plan] = (),
    steps: int = POLISH_STEPS,
    listener: Listener | None = None,
    allow_outside: bool = False,
) -> Composition:
    """Compose adapter files into `out`/NAME.safetensors, evaluate it on their recipes' held-out prompts, and lock it.

    `out` is runs/NAME where it is left out, weights are 1 each; with a `rank` above 0 the factors are reduced to it.
    With plans of some of the adapters' recipes to `tune` by, better weights are looked for, from those that are given,
    on these plans' validation prompts. With plans to `polish` by, `steps` of joint training on their questions follow,
    which go on where they were left. Companions of the generator are looked for as seen from here, elsewhere only with
    `allow_outside`.
    Raises `InputError`, with nothing written, where an adapter cannot be read to its last tensor or is made for another
    generator than the first, `WorkError` where memory runs out or a number is not finite, KeyboardInterrupt after the
    step during which the person pressed Ctrl-C.
    """
    started, told = time.monotonic(), Talk(quiet=True) if listener is None else listener
    folder = out or Path("runs", name)
    parts = parts_of(adapters, weights or (1.0,) * len(adapters), told, allow_outside)
    parts = _with_plans(_with_plans(parts, tune, "--tune"), polish, "--polish")
    _refuse_beside_others(parts)
    _refuse_unmeasured(tune)
    _refuse_name(name, folder)
    known = [(part.parent.name, part.plan) for part in parts if part.plan is not None]
    chosen = _polish(parts, polish, steps, told)
    whole, low = assembling.factors(parts, known[0][1].generator.model.family, rank)
    plan = _united(name, known, parts, whole, rank, chosen)
    processes.refuse_idle(plan)
    run_folder.refuse_foreign(None, plan, folder)
    tell_differences(known, told)
    models.fetch(plan, told.fetched)
    # which refuses what does not fit the generator, before anything is written
    together = assembling.meeting(plan, parts, whole, told)
    if tune:
        parts = _tuned(together, parts, {one.name for one in tune}, told)
        whole, low = assembling.factors(parts, plan.generator.model.family, rank)
        plan = _united(name, known, parts, whole, rank, chosen)
        together.settle({part.parent.name: part.parent.weight for part in parts}, whole)
    with run_folder.held(folder):
        assembling.clear(folder, plan)
        files.write(folder / run_folder.PLAN, run_folder.dumped(plan))
        assembling.keep_recipes(parts, folder)
        lock = folder / f"{name}.lock"
        place = _begun(folder, plan, lock, told)
        # paths are of the lock: where its parents lie is nothing that an adapter is made of
        texts = Texts(locks.text_of(locks.inputs(plan, hub=gathering.hub(plan, None))))
        made = assembling.assemble(plan, parts, whole, together, folder, texts, told)
        _lock(lock, plan, parts, made, place, told)
        return _composition(folder, lock, plan, low, made, started)


def _united(
    name: str,
    known: united.Parts,
    parts: Sequence[Part],
    whole: Adapter,
    rank: int,
    polish: united.Polish | None,
) -> Plan:
    """The plan of what is composed; `InputError` where it cannot be polished so."""
    longest = max(len(down) for down, _ in whole.values())
    composed = Composed(tuple(part.parent for part in parts), rank)
    try:
        return united.united(name, known, composed, longest, polish)
    except united.HeldOut as error:
        raise InputError([Problem(Place("--polish"), "", str(error), error.hint)]) from error


def _with_plans(parts: Sequence[Part], given: Sequence[Plan], option: str) -> list[Part]:
    """The adapters, those plans in the place of what they carry; `InputError` for one that is no adapter's of them."""
    recipes = {part.plan.name: part for part in parts if part.plan is not None}
    for plan in given:
        if plan.name not in recipes:
            hint = f"give the recipe of an adapter: {', '.join(recipes)}"
            raise InputError([Problem(Place(option), "", f"none of the adapters is of {plan.name}", hint)])
        part = recipes[plan.name]
        made_for.refuse_another(part.path, part.metadata, plan.generator.model)
        if why := beside.told(part.path, part.metadata, plan.generator):
            message = f"{part.path} {why}, unlike what {plan.name} says now"
            raise InputError([Problem(Place(option), "", message, "train it anew with `recipe run`")])
    named = {plan.name: plan for plan in given}
    return [replace(part, plan=named.get(part.plan.name, part.plan)) if part.plan else part for part in parts]


def _refuse_beside_others(parts: Sequence[Part]) -> None:
    """Raises `InputError` for an adapter that was trained beside other companions than the first that says so."""
    known = [(part.path, part.plan.generator) for part in parts if part.plan is not None]
    for path, generator in known[1:]:
        if why := beside.unlike(generator, known[0][1]):
            message = f"{why}, unlike {known[0][0]}"
            raise InputError([Problem(Place(str(path)), "", message, beside.HINT)])


def _refuse_unmeasured(tune: Sequence[Plan]) -> None:
    for plan in tune:
        if not list(interference.controls(plan.name, plan)):
            hint = "weights are looked for by what pixels say: give the recipe a measure, and a goal"
            raise InputError([Problem(Place("--tune"), "", f"{plan.name} measures nothing", hint)])


def _polish(parts: Sequence[Part], given: Sequence[Plan], steps: int, listener: Listener) -> united.Polish | None:
    """How the adapters are polished by these plans; those without are told."""
    if not given:
        return None
    names = {plan.name for plan in given}
    taught = tuple(part.parent.name for part in parts if part.plan is not None and part.plan.name in names)
    for part in parts:
        if part.parent.name not in taught:
            listener.say(f"{part.parent.name}: polished by no recipe of its own, so nothing holds on to what it does")
    return united.Polish(taught, steps)


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


# --- what is composed ---


def parts_of(
    adapters: Sequence[Path], weights: Sequence[float], listener: Listener, allow_outside: bool = False
) -> list[Part]:
    """The adapters with what they say of themselves; `InputError` where they cannot be composed."""
    if len(weights) != len(adapters):
        message = f"{len(weights)} weights for {len(adapters)} adapters"
        raise InputError([Problem(Place("--weights"), "", message, "give one for each, as in --weights 1,0.8")])
    if strange := next((one for one in weights if not abs(one) <= LARGEST_SCALE), None):
        message = f"must be numbers from -{LARGEST_SCALE} to {LARGEST_SCALE}, found {strange}"
        raise InputError([Problem(Place("--weights"), "", message)])
    read = [(path, headers.of_adapter(path).metadata) for path in map(adapter_files.found, adapters)]
    first = next((one for one in read if "control_recipes.inputs" in one[1]), None)
    if first is None:
        hint = "at least one of them has to be one that `recipe run` wrote"
        raise InputError([Problem(Place(str(adapters[0])), "", "does not say which generator it is for", hint)])
    model = plan_of(*first).generator.model
    taken: list[str] = []
    parts: list[Part] = []
    for (path, metadata), weight in zip(read, weights, strict=True):
        made_for.refuse_another(path, metadata, model)
        digests.refuse_damaged(path, metadata)
        carried = _carried(path, metadata, model, listener, allow_outside)
        name = carried.name if carried else re.sub(r"[^A-Za-z0-9_-]", "_", adapter_files.called(path)) or "_"
        taken.append(united.free(name, taken))
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


def _carried(
    path: Path, metadata: Mapping[str, str], model: Model, listener: Listener, allow_outside: bool
) -> Plan | None:
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
    plan = replace(plan, generator=replace(plan.generator, model=model))
    return frozen.found(plan, path, Path(), allow_outside)


def _refuse_name(name: str, folder: Path) -> None:
    if not re.fullmatch(NAME, name):
        raise InputError([Problem(Place("--name"), "", f"{NAMED}, found {name!r}")])
    if (folder / run_folder.PLAN).exists() and (
        (folder / "recipe.yaml").exists() or not run_folder.read_plan(folder).composed.parents
    ):
        hint = "give another folder with --out, or another --name"
        raise InputError([Problem(Place(str(folder)), "", "holds the run of a recipe", hint)])


def tell_differences(known: Sequence[tuple[str, Plan]], listener: Listener) -> None:
    """Say where adapters were trained to be used otherwise: the first one's settings hold."""
    name, first = known[0]
    for other, plan in known[1:]:
        for key in ("steps", "width", "height", "guidance", "negative", "dtype"):
            was, now = getattr(first.generator, key), getattr(plan.generator, key)
            if was != now:
                listener.say(f"generator.{key}: {name} has {was}, {other} has {now}; {name}'s holds")


# --- what comes of it ---


def _begun(folder: Path, plan: Plan, lock: Path, listener: Listener) -> Platform:
    """On what it is made; polishing may have begun on another platform."""
    with platforms.deterministic(plan):
        if plan.train.steps:
            return locking.begin(plan, folder, run_folder.done(folder), lock, _there(lock), False, listener.say)
        return platforms.here(plan)


def _there(lock: Path) -> Lock | None:
    try:
        return locks.there(lock)
    except InputError:
        return None  # it is written anew anyway


def _composition(
    folder: Path, lock: Path, plan: Plan, low: Reduction | None, made: Assembled, started: float
) -> Composition:
    """Report on what was composed."""
    from .report import report

    page = report(folder, plan, lock)
    return Composition(
        name=plan.name,
        digest=plans.digest(plan),
        adapter=made.adapter.resolve(),
        tensors_sha256=made.found.tensors_sha256,
        lock=lock.resolve(),
        report=page.resolve(),
        parents=plan.composed.parents,
        rank=plan.adapter.rank,
        reduction=low,
        steps=made.steps,
        measures=tuple((one.name, one.before, one.after) for one in made.found.measures),
        together=made.together or Interference((), (), (), (), ()),
        seconds=time.monotonic() - started,
    )


def _lock(path: Path, plan: Plan, parts: Sequence[Part], made: Assembled, place: Platform, listener: Listener) -> None:
    found = {str(part.path): models.sha256(part.path) for part in parts}
    named: Digests = tuple(sorted((found | {one.name: one.sha256 for one in gathering.assets(plan)}).items()))
    inputs = locks.inputs(plan, files=named, hub=gathering.hub(plan, None))
    told = made.found.tensors_sha256, made.steps, made.stopped
    old = _there(path)
    new = Lock(inputs, place, outcomes.outcome(made.adapter, told, made.found, made.adapter.parent, path))
    locks.write(new, path)
    locking.tell_outcome(new, path, old, listener.say)
