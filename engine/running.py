"""One recipe's run in its folder: train, evaluate, lock, report, resumed where it was left and never done twice.

Whether a run is finished is read from its folder alone (`run_folder`). No torch is imported before there is something
to train.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from . import (
    adapter_files,
    assembling,
    beside,
    digests,
    figures,
    files,
    headers,
    lock_places,
    locking,
    made_for,
    models,
    one_picture,
    outcomes,
    platforms,
    results,
    run_folder,
)
from . import lock as locks
from . import plan as plans
from .assembling import Assembled, Texts
from .errors import InputError, Place, Problem, WorkError, words
from .frozen import Thawed
from .gallery import Source
from .inputs import gathered
from .lock import Lock
from .plan import Plan
from .recipe import Recipe
from .results import Result
from .run_folder import COMPOSED, EVALUATION, PLAN, REPORT, RESULT, Trained

if TYPE_CHECKING:
    from .evaluate import Progress
    from .hub import Fetched
    from .training import Step


class Listener(Protocol):
    """Who is told how a run goes."""

    def say(self, text: str) -> None: ...

    def step(self, step: Step) -> None: ...

    def looked(self, progress: Progress) -> None: ...

    def fetched(self, fetched: Fetched) -> None: ...


def run(
    recipe: Recipe | Thawed,
    plan: Plan,
    folder: Path,
    lock: Path,
    listener: Listener,
    again: bool = False,
    fast: bool = False,
    name: str = "",
    beside: Path | None = None,
    parents: Sequence[Trained] = (),
) -> Result:
    """Bring a recipe's run to its end in `folder`, and write its lock, which says that the recipe is called `name`.

    What composes adapters takes those of its `parents`, in the plan's order, and is finished as long as they are the
    same. `beside` is the lock of the recipe as it is written, where this run writes another. A finished run of the same
    plan is not done again unless `again`; an unfinished one goes on from its checkpoint; one of another plan is renamed
    out of the way, and a lock that names its adapter follows it. Raises `InputError` where another process holds the
    folder, where it cannot be written or holds a recipe that no run has put there, `WorkError` where the work fails,
    KeyboardInterrupt after the step during which the person pressed Ctrl-C, or SIGTERM came.
    """
    if one_picture.is_meant(plan):
        listener.say(one_picture.told(plan, recipe.document))
    run_folder.refuse_foreign(recipe, plan, folder)
    digest = plans.digest(plan)
    with run_folder.held(folder):
        there = run_folder.digest_in(folder, listener.say)
        again = again or _composed_otherwise(folder, plan, parents, there == digest, listener)
        if there == digest and not again and (found := _finished(folder, plan, listener)):
            listener.say(f"{plan.name}: up to date in {folder}")
            run_folder.keep_plan(plan, folder)
            locking.restore(recipe, plan, folder, lock, name, listener.say)
            return _here(found, plan, folder, lock)
        _refuse_given(plan)
        locking.tell_changes(plan, lock, listener.say)
        if not again:
            locking.tell_elsewhere(plan, beside or lock, folder, listener.say)
        if there in ("", digest):
            return _worked(recipe, plan, folder, lock, listener, again, fast, name, parents)
        aside = run_folder.aside(folder, recipe)
        # before it is renamed: killed in between, the next run takes the same name, and what locks say comes true
        for one in dict.fromkeys((lock, beside or lock, *_locks_of(folder))):
            locking.follow(one, folder, aside, listener.say)
        folder.rename(aside)
        listener.say(f"{folder} held a run of another plan: renamed {aside}")
        # the old folder stays held: who opened its file before it was renamed must not take it for the new one's
        with run_folder.held(folder):
            return _worked(recipe, plan, folder, lock, listener, again, fast, name, parents)


def _refuse_given(plan: Plan) -> None:
    """Raises where an adapter that the plan names is none of its generator: before an older run makes room for it."""
    if plan.adapter.start or plan.generator.companions:
        from . import given

        given.refuse(plan)


def _worked(
    recipe: Recipe | Thawed,
    plan: Plan,
    folder: Path,
    lock: Path,
    listener: Listener,
    again: bool,
    fast: bool,
    name: str,
    parents: Sequence[Trained],
) -> Result:
    """`_run` in a folder that is held: whatever fails there, work has begun, and what was done is kept."""
    if again:
        run_folder.clear(folder, plan)
    kept = f"what was done is kept in {folder}"
    on = f"{kept}; once that is mended, {same_command(again)} goes on"
    try:
        run_folder.sweep(folder, lock, listener.say)
        return _run(recipe, plan, folder, lock, listener, fast, name, parents)
    except OSError as error:
        raise WorkError(words(error), on) from error
    except WorkError as error:
        raise WorkError(error.message, f"{error.hint}; {kept}" if error.hint else kept) from error


def same_command(again: bool) -> str:
    """What goes on with a run that was stopped: --again would begin anew."""
    return "the same command without --again" if again else "the same command"


def _run(
    recipe: Recipe | Thawed,
    plan: Plan,
    folder: Path,
    lock: Path,
    listener: Listener,
    fast: bool,
    name: str,
    parents: Sequence[Trained],
) -> Result:
    from .report import report

    started = time.monotonic()
    models.fetch(plan, listener.fetched)
    files.write(folder / PLAN, run_folder.dumped(plan))  # first: it says that a recipe in this folder is a run's
    run_folder.keep_recipe(recipe, folder)
    included = {one.name: one.text for one in recipe.included}
    old = locks.there(lock)
    inputs = gathered(recipe, plan, old)
    with platforms.deterministic(plan, fast):
        place = locking.begin(plan, folder, run_folder.done(folder), lock, old, fast, listener.say)
    carried = locks.text_of(inputs)
    texts = Texts(carried, recipe.text, included)
    put_together = _composed if plan.composed.parents else _trained
    came = put_together(plan, folder, texts, listener, fast, parents)
    made = came.found.tensors_sha256, came.steps, came.stopped
    outcome = outcomes.outcome(came.adapter, made, came.found, folder, lock)
    locks.write(Lock(inputs, place, outcome, name), lock)
    locking.tell_outcome(Lock(inputs, place, outcome), lock, old, listener.say)
    page = report(folder, plan, lock)
    result = results.result(
        recipe if isinstance(recipe, Recipe) else None,
        plan,
        came.found,
        adapter=came.adapter.resolve(),
        lock=lock.resolve(),
        report=page.resolve(),
        steps=came.steps,
        stopped=came.stopped,
        seconds=came.before + time.monotonic() - started,
    )
    files.write(folder / RESULT, (result.json() + "\n").encode())
    return result


def _trained(
    plan: Plan, folder: Path, texts: Texts, listener: Listener, fast: bool, parents: Sequence[Trained]
) -> Assembled:
    from .evaluate import evaluate
    from .training import train

    said, carried = listener.say, texts.inputs
    trained = train(plan, folder, listener.step, texts.recipe, texts.included, say=said, inputs=carried, fast=fast)
    found = evaluate(plan, trained.adapter, folder, listener.looked)
    return Assembled(trained.adapter, found, None, trained.steps, trained.stopped, trained.before)


def _composed(
    plan: Plan, folder: Path, texts: Texts, listener: Listener, fast: bool, parents: Sequence[Trained]
) -> Assembled:
    files.write(folder / COMPOSED, json.dumps(_digests(parents)).encode())
    parts = assembling.parts_of_runs(plan, parents)
    whole, low = assembling.factors(parts, plan.generator.model.family, plan.composed.rank)
    if low is not None:
        listener.say(f"{plan.name}: {low.text()}")
    assembling.keep_recipes(parts, folder)
    together = assembling.meeting(plan, parts, whole, listener)
    return assembling.assemble(plan, parts, whole, together, folder, texts, listener, fast)


def _composed_otherwise(folder: Path, plan: Plan, parents: Sequence[Trained], begun: bool, listener: Listener) -> bool:
    """Whether a folder's run of this plan was composed of other adapters than there are now, which is said."""
    before = run_folder.composed_of(folder)
    if not plan.composed.parents or not begun or not before or before == _digests(parents):
        return False
    listener.say(f"{plan.name}: what it is composed of was trained again since, so it is composed anew")
    return True


def _digests(parents: Sequence[Trained]) -> list[str]:
    return [one.tensors_sha256 for one in parents]


def _finished(folder: Path, plan: Plan, listener: Listener) -> Result | None:
    """What a finished run of a plan came to; None where there is none, said where a file is not what it left."""
    path, adapter = folder / RESULT, folder / f"{plan.name}.safetensors"
    if not path.exists():
        return None
    try:
        found = results.read(path)
    except ValueError:
        why = f"{path}: cannot be read"
    else:
        if not (why := _unlike(found, path, plan, adapter)):
            return found
    listener.say(f"{why}, so the run is taken for unfinished")
    return None


def _here(found: Result, plan: Plan, folder: Path, lock: Path) -> Result:
    """A finished run's result, its files where they lie now: the folder may have been renamed since."""
    page, adapter = folder / REPORT, folder / f"{plan.name}.safetensors"
    files_now = {"adapter": str(adapter.resolve()), "lock": str(lock.resolve())}
    return replace(found, **files_now, report=str(page.resolve()) if page.exists() else None)


def _unlike(found: Result, path: Path, plan: Plan, adapter: Path) -> str:
    """What of a finished run is not what its result says, or is gone, in words."""
    if found.digest != plans.digest(plan):
        return f"{path}: is of another plan"
    gone = [one for one in (adapter, *_shown(adapter.parent)) if not one.is_file()]
    if gone:
        return f"{gone[0]}: is gone"
    try:
        same = digests.tensors_sha256(adapter) == found.tensors_sha256
    except InputError:
        same = False
    return "" if same else f"{adapter}: is not what this run trained"


def _shown(folder: Path) -> list[Path]:
    """The evaluation of a run, and the pictures that it names."""
    path = folder / EVALUATION
    try:
        return [path, *(folder / shot.file for strip in figures.read(path).strips for shot in strip.shots)]
    except (InputError, OSError):
        return [path]


def _locks_of(folder: Path) -> list[Path]:
    """The lock that the finished run of a folder wrote, unless it lies in there."""
    try:
        known = results.read(folder / RESULT).lock
    except (ValueError, OSError):
        return []
    return [] if known is None or Path(known).is_relative_to(folder.resolve()) else [Path(known)]


def report_again(folder: Path) -> Path:
    """Write the report of a run folder anew; `InputError` where it holds no finished run."""
    from .report import report

    plan = run_folder.read_plan(folder)
    if not (folder / EVALUATION).exists():
        hint = "`recipe run` goes on from where it was left"
        raise InputError([Problem(Place(str(folder)), "", "this run is not finished: nothing was evaluated yet", hint)])
    return report(folder, plan, _lock_of(folder, plan))


def _lock_of(folder: Path, plan: Plan) -> Path | None:
    """The lock that a finished run wrote: in its folder, where it lies there still, even if that was moved."""
    path = folder / RESULT
    if plan.composed.parents and not path.exists():
        return folder / f"{plan.name}.lock"
    if not path.exists():
        return None
    try:
        known = results.read(path).lock
    except ValueError as error:
        hint = "delete it: then `recipe run` finds out anew what the run came to, without training"
        raise InputError([Problem(Place(str(path)), "", "cannot be read", hint)]) from error
    if known is None:
        return None
    beside = folder / Path(known).name
    return beside if beside.exists() else Path(known)


def evaluate(
    read: Callable[[list[str]], Recipe],
    source: Source,
    sets: list[str] | None,
    adapter: Path | None,
    scale: float,
    listener: Listener,
) -> Result:
    """Put a recipe's tests to an adapter, by default the one that its lock names; nothing is written.

    Without overrides of its own the recipe is read with those that the lock recorded. Raises `InputError` where there
    is neither an adapter nor a lock that names one.
    """
    from .resolve import resolve

    started, chosen = time.monotonic(), adapter is not None
    adapter = adapter_files.found(adapter) if adapter is not None else None  # soon: the rest is read for nothing else
    path = lock_places.found(source)
    locked = lock_places.read(source, path)
    if locked is not None and locked.inputs.sets and not sets:
        listener.say(f"{path}: with {lock_places.shown(locked.inputs.sets)}, as it was run")
    recipe = read(sets or ([] if locked is None else list(locked.inputs.sets)))
    plan = resolve(recipe, locks.revisions(locked))
    outcome = locked.outcome if locked is not None else None
    if adapter is None and outcome is not None:
        adapter = Path(os.path.relpath(path.resolve().parent / outcome.adapter))
    if adapter is None or not adapter.exists():
        hint = "give one with --adapter, or train it with `recipe run`"
        found = f"there is no adapter {adapter}" if adapter else "there is no adapter: no lock names one"
        raise InputError([Problem(Place(str(source.path)), "", found, hint)])
    # which is torch-free: what is none is refused soon
    if one_picture.is_meant(plan):
        one_picture.refuse_another(adapter, headers.read(adapter).shapes)
    header = headers.read(adapter) if one_picture.is_meant(plan) else headers.of_adapter(adapter)
    made_for.refuse_another(adapter, header.metadata, plan.generator.model)
    if unlike := beside.told(adapter, header.metadata, plan.generator):
        listener.say(f"warning: {adapter} {unlike}: its figures are of another generator")
    if outcome is not None and not chosen and models.sha256(adapter) != outcome.adapter_sha256:
        hint = "give the one you mean with --adapter, bring it back, or train it anew with `recipe run --again`"
        why = f"is not what it was when {path} was written"
        raise InputError([Problem(Place(str(adapter)), "", why, hint)])
    listener.say(f"evaluating {adapter}")
    from .evaluate import evaluate as measure

    models.fetch(plan, listener.fetched)
    found = measure(plan, adapter, None, listener.looked, scale)
    # another adapter than the lock's is none of which it says anything
    its = outcome if outcome is not None and outcome.tensors_sha256 == found.tensors_sha256 else None
    return results.result(
        recipe,
        plan,
        found,
        adapter=adapter,
        lock=path if its else None,
        report=None,
        steps=its.steps if its else None,
        stopped=its.stopped if its else None,
        seconds=time.monotonic() - started,
    )
