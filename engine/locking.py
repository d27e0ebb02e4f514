"""Locking: what a run says of the lock that it will write, and how the lock of a finished run is written again."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from . import lock as locks
from . import models, outcomes, platforms
from . import plan as plans
from .errors import InputError
from .frozen import Thawed
from .inputs import gathered
from .lock import Lock, Platform
from .plan import Plan
from .recipe import Recipe
from .run_folder import RESULT

_CHANGES = 12  # that are listed when a lock is out of date

Say = Callable[[str], None]


def tell_changes(plan: Plan, lock: Path, say: Say) -> None:
    """Say what differs from the lock that this run will rewrite; `InputError`, before any work, where it is none."""
    old = locks.there(lock)
    changes = [] if old is None else locks.stale(old, plan)
    for line in changes[:_CHANGES]:
        say(f"{lock}: {line}")
    if len(changes) > _CHANGES:
        say(f"{lock}: and {len(changes) - _CHANGES} changes more")


def tell_elsewhere(plan: Plan, lock: Path, folder: Path, say: Say) -> None:
    """Say where a finished run of this plan lies already, if the lock names its adapter in another folder."""
    old = locks.there(lock)
    if old is None or old.outcome is None or not _same(old, plan):
        return
    there = (lock.resolve().parent / old.outcome.adapter).parent
    if there.resolve() != folder.resolve() and (there / RESULT).is_file() and _names(old, lock):
        shown = os.path.relpath(there)
        say(f"{shown} holds a finished run of this very plan: with --out {shown} nothing would be trained again")


def begin(plan: Plan, folder: Path, done: int, lock: Path, old: Lock | None, fast: bool, say: Say) -> Platform:
    """Note what trains, from a checkpoint of `done` steps; say what of it would change the tensors.

    Against the lock, and against earlier sessions.
    """
    place = platforms.begun(folder, platforms.here(plan, fast), done)
    if fast and place.deterministic:
        say("--fast: changes nothing here, a CPU computes the same bits every time anyway")
    if place.mixed:
        what = "this training began on another platform"
        say(f"{folder}: {what} ({'; '.join(place.mixed)}): its tensors may be those of neither")
    told = platforms.differences(old.platform, place) if old is not None and old.platform else ()
    if told and _same(old, plan):
        say(f"{lock}: was made on another platform ({'; '.join(told)}): the tensors may differ in their last bits")
    return place


def tell_outcome(now: Lock, lock: Path, old: Lock | None, say: Say) -> None:
    """Say whether the tensors are those that the lock had for the same plan."""
    if old is None or old.outcome is None or now.outcome is None or now.platform is None:
        return
    if old.inputs.plan_sha256 != now.inputs.plan_sha256:
        return
    elsewhere = old.platform is None or bool(platforms.differences(old.platform, now.platform))
    if old.outcome.tensors_sha256 == now.outcome.tensors_sha256:
        say(f"{lock}: the same tensors as before, bit for bit")
    elif not (now.platform.deterministic and (old.platform is None or old.platform.deterministic)):
        say(f"{lock}: other tensors than before: --fast promises nothing about bits")
    elif elsewhere or now.platform.mixed:
        say(f"{lock}: other tensors than before, from another platform")
    else:
        say(f"{lock}: OTHER tensors than before, though plan and platform are the same")


def restore(recipe: Recipe | Thawed, plan: Plan, folder: Path, lock: Path, name: str, say: Say) -> None:
    """Write the lock of a finished run again where it is gone, is of another plan, or says nothing of an outcome."""
    old = locks.there(lock)
    if old is not None and _same(old, plan) and _names(old, lock):
        return
    tell_changes(plan, lock, say)
    outcome = outcomes.of_finished(folder, folder / RESULT, plan, lock)
    locks.write(Lock(gathered(recipe, plan, old), platforms.of_run(folder), outcome, name), lock)
    say(f"{lock}: written again, from {folder}")


def follow(lock: Path, folder: Path, aside: Path, say: Say) -> None:
    """Let a lock name its adapter where that will lie, if it lies in a run folder that is to be renamed `aside`.

    A lock that cannot be read is left as it is.
    """
    try:
        old = locks.read(lock)
    except (InputError, OSError):
        return
    if old.outcome is None:
        return
    named = (lock.resolve().parent / old.outcome.adapter).resolve()
    if folder.is_symlink() or not named.is_relative_to(folder.resolve()):
        return
    moved = locks.relative(aside / named.relative_to(folder.resolve()), lock)
    locks.write(replace(old, outcome=replace(old.outcome, adapter=moved)), lock)
    say(f"{lock}: its adapter is {moved} now")


def adapter_of(lock: Path, plan: Plan) -> Path | None:
    """The adapter that a lock names, as seen from here, if it came of this plan and is there unchanged."""
    old = locks.there(lock)
    if old is None or old.outcome is None or not _same(old, plan) or not _names(old, lock):
        return None
    return Path(os.path.relpath(lock.resolve().parent / old.outcome.adapter))


def _names(lock: Lock, path: Path) -> bool:
    """Whether the adapter that a lock names is there, and is that one."""
    if lock.outcome is None:
        return False
    adapter = path.resolve().parent / lock.outcome.adapter
    return adapter.is_file() and models.sha256(adapter) == lock.outcome.adapter_sha256


def _same(old: Lock | None, plan: Plan) -> bool:
    """Whether a lock says what came of this plan."""
    return old is not None and old.outcome is not None and old.inputs.plan_sha256 == plans.digest(plan)
