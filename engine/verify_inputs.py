"""Verifying a lock's inputs: the recipe, every file that it names, and every file of its models, by their digests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from . import lock as locks
from . import models, paths
from . import plan as plans
from .counting import counted
from .errors import InputError
from .gallery import Source
from .lock import Digests, Inputs, Lock, LockedModel
from .recipe import Recipe, read
from .resolve import resolve
from .verification import Finding, all_well, became

SAME_PLAN = "text changed, same plan"


def inputs(
    lock: Lock, source: Source | None, folder: Path, sets: Sequence[str], allow_outside: bool
) -> Iterator[Finding]:
    """What is found of a lock's inputs; `folder` is where the recipe's paths start."""
    found = list(_recipe(lock, source, sets, allow_outside))
    same = all(one.ok is not False for one in found)
    yield from found
    yield from _files(lock.inputs, folder, same, allow_outside)
    yield from _models(lock.inputs, folder)


def _recipe(lock: Lock, source: Source | None, sets: Sequence[str], allow_outside: bool) -> Iterator[Finding]:
    if source is None and (parents := locks.plan_of(lock).composed.parents):
        made_of = ", ".join(f"{one.name} × {one.weight:g}" for one in parents)
        yield Finding("recipe", None, f"it has none: {made_of} were composed")
        return
    if source is None:
        gone = f"there is no {lock.recipe}" if lock.recipe else "no recipe lies beside the lock"
        yield Finding("recipe", None, f"{gone}: what the lock names is looked for beside the lock")
        return
    try:
        recipe = read(source.path, sets or lock.inputs.sets, allow_outside)
        plan = resolve(recipe, locks.revisions(lock))
    except InputError as error:
        for problem in error.problems:
            yield Finding("recipe", False, problem.said + (f" ({problem.hint})" if problem.hint else ""))
        return
    name = f"{source.path.name} of the gallery" if source.gallery else str(source.path)
    if plans.digest(plan) == lock.inputs.plan_sha256:
        yield Finding("recipe", True, f"{name}: {'as locked' if _same_text(recipe, lock) else SAME_PLAN}")
    else:
        for line in locks.stale(lock, plan):
            yield Finding("recipe", False, f"{name}: another plan: {line}")


def _same_text(recipe: Recipe, lock: Lock) -> bool:
    return (recipe.sha256, recipe.digests) == (lock.inputs.recipe_sha256, lock.inputs.included)


def _files(inputs: Inputs, folder: Path, same_plan: bool, allow_outside: bool) -> list[Finding]:
    """Files that the recipe names. An included one may change in its text alone, as the recipe itself may."""
    found = [
        Finding("files", True, f"{name}: {SAME_PLAN}") if same_plan and changed else Finding("files", False, line)
        for name, changed, line in _changes(inputs.included, folder, allow_outside)
    ]
    found += [Finding("files", False, line) for _, _, line in _changes(inputs.files, folder, allow_outside)]
    number = len(inputs.included) + len(inputs.files)
    return all_well("files", found, f"{counted(number, 'file')} as locked" if number else "it names none")


def _changes(digests: Digests, folder: Path, allow_outside: bool) -> Iterator[tuple[str, bool, str]]:
    """Name, whether it is there but changed, and what to say, of every file that is not as locked."""
    for name, sha256 in digests:
        try:
            now = models.sha256(paths.inside(folder, name, allow_outside))
        except paths.Refused as error:
            yield name, False, f"{name}: {error.message}"
        except OSError as error:
            yield name, False, f"{name}: cannot be read: {error.strerror}"
        else:
            if now != sha256:
                yield name, True, f"{name}: changed: {became(sha256, now)}"


def _models(inputs: Inputs, folder: Path) -> list[Finding]:
    found = [one for weights in inputs.models for one in _model(weights, folder)]
    number = sum(len(one.files) for one in inputs.models)
    said = f"{counted(number, 'file')} of {counted(len(inputs.models), 'model')} as locked"
    return all_well("models", (one for one in found if one.ok is False), said) + [
        one for one in found if one.ok is None
    ]


def _model(weights: LockedModel, folder: Path) -> Iterator[Finding]:
    try:
        here = dict(models.present(models.fetched(weights.address, folder, weights.revision)))
    except (OSError, ValueError) as error:
        yield Finding("models", False, f"{weights.address}: {error}")
        return
    locked = dict(weights.files)
    for name, sha256 in weights.files:
        if name not in here:
            yield Finding("models", False, f"{weights.address}: {name} is gone")
        elif here[name] != sha256:
            yield Finding("models", False, f"{weights.address}: {name} changed: {became(sha256, here[name])}")
    new = [name for name in here if name not in locked]
    for name in [] if weights.revision else new:
        yield Finding("models", False, f"{weights.address}: {name} is new")
    if weights.revision and new:
        said = f"{counted(len(new), 'file')} of it the lock does not know: {', '.join(new[:3])}"
        yield Finding("models", None, f"{weights.address} {weights.revision[:12]}: {said}")
