"""Jobs: what `recipe run` is to do with one recipe, of which its lock has a say.

keep     the lock's revisions stay; what the recipe changed is resolved afresh, and the lock is written anew
upgrade  every revision is resolved afresh, and the lock is written anew
locked   as keep, but nothing is done unless the lock is up to date
frozen   the lock's plan, whatever the recipe says by now
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from . import frozen, lock_places
from . import lock as locks
from . import plan as plans
from .errors import CheckFailed, InputError, Place, Problem
from .gallery import Source
from .inputs import causes, gathered
from .lock import Lock
from .plan import Plan
from .recipe import Recipe
from .resolve import resolve
from .schema_composing import ComposingSchema

Mode = Literal["keep", "upgrade", "locked", "frozen"]
Read = Callable[[Source, Sequence[str]], Recipe]  # reads a recipe, with overrides
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """One run to be done."""

    recipe: Recipe | frozen.Thawed
    plan: Plan
    folder: Path
    path: Path  # of the recipe's lock
    old: Lock | None  # what that lock holds so far
    name: str  # of the recipe, as the lock it writes says it
    target: Path  # the lock it writes: its own, where a trial leaves the recipe's alone
    parents: tuple[Job, ...] = ()  # what it composes, in its order


def job(
    source: Source,
    out: Path | None,
    sets: Sequence[str],
    mode: Mode,
    read: Read,
    outside: bool,
    say: Say,
) -> Job:
    """What a run of this recipe is to do. Raises `InputError` for what is wrong with the recipe or its lock."""
    return _job(source, out, sets, _Order(mode, read, outside, say, {}))


@dataclass(frozen=True, slots=True)
class _Order:
    """What is the same for a job and for all that it composes."""

    mode: Mode
    read: Read
    outside: bool
    say: Say
    made: dict[Path, Job]  # of what is composed, by the recipe's file: each is read once, whoever composes it


def _job(source: Source, out: Path | None, sets: Sequence[str], order: _Order) -> Job:
    path = lock_places.found(source, out)
    old = lock_places.read(source, path)
    if order.mode == "frozen":
        return _frozen(source, out, path, old, order)
    given = sets or (old.inputs.sets if order.mode == "locked" and old is not None else ())
    recipe = order.read(source, given)
    plan = resolve(recipe, {} if order.mode == "upgrade" else locks.revisions(old))
    folder = out or Path("runs", plan.name)
    target = lock_places.written(source, path, old, folder, recipe.sets, order.say)
    below = _parents(recipe, source, order)
    return Job(recipe, plan, folder, path, old, lock_places.named(source, target), target, below)


def everything(todo: Sequence[Job]) -> list[Job]:
    """These jobs and all that they compose, each once, in the order in which they are done."""
    found: dict[Path, Job] = {}
    for one in todo:
        _after_its_parents(one, found)
    return list(found.values())


def _after_its_parents(one: Job, found: dict[Path, Job]) -> None:
    key = one.target.resolve()
    if key not in found:
        for each in one.parents:
            _after_its_parents(each, found)
        found[key] = one


def _parents(recipe: Recipe, source: Source, order: _Order) -> tuple[Job, ...]:
    """Jobs for what a recipe composes, in runs/NAME each, as it is written."""
    if not isinstance(recipe.schema, ComposingSchema):
        return ()
    found: list[Job] = []
    for written in recipe.schema.compose.recipes:
        path = Path(recipe.file).parent / written
        key = path.parent.resolve() / path.name  # a link has a lock of its own
        if key not in order.made:
            order.made[key] = _job(Source(path, source.gallery), None, (), order)
        found.append(order.made[key])
    return tuple(found)


def _frozen(source: Source, out: Path | None, path: Path, old: Lock | None, order: _Order) -> Job:
    if old is None:
        hint = "`recipe lock` writes one from the recipe as it is now"
        raise InputError([Problem(Place(str(path)), "", f"{lock_places.NO_LOCK} to run from", hint)])
    folder = out or Path("runs", plans.parse(old.inputs.plan, str(path)).name)
    target = lock_places.written(source, path, old, folder, (), order.say)
    try:
        recipe = order.read(source, old.inputs.sets)
        plan = resolve(recipe, locks.revisions(old))
    except InputError as error:
        said = error.problems[0].said
        order.say(f"{path}: the recipe cannot be resolved any more ({said}); this is the plan of the lock")
    else:
        if plans.digest(plan) == old.inputs.plan_sha256:
            below = _parents(recipe, source, order)
            return Job(recipe, plan, folder, path, old, lock_places.named(source, target), target, below)
        order.say(f"{path}: the recipe says something else by now; this is the plan of the lock")
    plan = frozen.plan(old, path, source.path.absolute().parent, order.outside)
    if plan.composed.parents:
        hint = "bring back the recipe, and those that it composes, as they were when it was written"
        message = "composes adapters, which takes the recipes that it was written for"
        raise InputError([Problem(Place(str(path)), "", message, hint)])
    thawed = frozen.thawed(old, source.path, folder)
    return Job(thawed, plan, folder, path, old, lock_places.named(source, target), target)


@dataclass(frozen=True, slots=True)
class ToLock:
    """One lock to be written, or looked at."""

    recipe: Recipe
    plan: Plan
    path: Path
    old: Lock | None
    name: str
    stale: list[str]

    @property
    def told(self) -> list[str]:
        """What is to be said where a lock that there was is written anew."""
        if self.old is None:
            return []
        dropped = ["its outcome belonged to the plan before, and is dropped"] if self.stale and self.old.outcome else []
        return [f"{self.path}: {line}" for line in (*self.stale, *dropped)]


def to_lock(source: Source, sets: Sequence[str], check: bool, upgrade: bool, read: Read, say: Say) -> ToLock:
    """What `recipe lock` is to do with one recipe; to `check` it is read with the overrides that were locked."""
    path = lock_places.found(source)
    old = lock_places.read(source, path)
    given = sets if sets or not check or old is None else old.inputs.sets
    if given and not sets:
        say(f"{path}: with {lock_places.shown(given)}, as it was locked")
    recipe = read(source, given)
    plan = resolve(recipe, {} if upgrade else locks.revisions(old))
    target = path if check else lock_places.written(source, path, old, Path("runs", plan.name), (), say)
    return ToLock(recipe, plan, target, old, lock_places.named(source, target), stale(old, recipe, plan))


def write(one: ToLock) -> bool:
    """Write the inputs of a lock; an outcome that belongs to them stays. Whether that changed anything."""
    fresh = locks.renewed(one.old, gathered(one.recipe, one.plan, one.old), one.name)
    before = one.path.read_bytes() if one.path.exists() else b""
    locks.write(fresh, one.path)
    return one.path.read_bytes() != before


def refuse_stale(jobs: Sequence[Job]) -> None:
    """Raises `CheckFailed` with everything that is stale of the recipes' locks."""
    found = [Problem(Place(str(one.path)), "", line) for one in jobs for line in stale(one.old, one.recipe, one.plan)]
    if found:
        raise CheckFailed(found, "nothing was run: with --locked a lock has to be up to date")


def stale(old: Lock | None, recipe: Recipe | frozen.Thawed, plan: Plan) -> list[str]:
    """What is stale of a lock, and because of what; that there is none is stale as well."""
    if old is None:
        return [lock_places.NO_LOCK]
    told = locks.stale(old, plan)
    return told + causes(recipe, plan, old.inputs) if told and isinstance(recipe, Recipe) else told
