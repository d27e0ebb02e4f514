"""One recipe's run in its folder: train, evaluate, lock, report, resumed where it was left and never done twice.

    DIR/recipe.yaml       as written            DIR/checkpoint/       to go on from
    DIR/included/         what it includes, each file under its path from the recipe
    DIR/plan.json         what was resolved     DIR/evaluation.json   what was found out
    DIR/metrics.jsonl     every step            DIR/images/           pictures of the report
    DIR/NAME.safetensors  the adapter           DIR/report.html       what a person looks at
    DIR/platform.json     what trained it
    DIR/result.json       written last: its presence says that the run is finished

Whether a run is finished is read from its folder alone. No torch is imported before there is something to train.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from . import digests, files, headers, jobs, locking, models, outcomes, platforms, results, unbuilt
from . import lock as locks
from . import plan as plans
from .counting import counted
from .errors import InputError, Place, Problem, WorkError, of_system, words
from .frozen import Thawed, below
from .gallery import Source
from .inputs import gathered
from .lock import Lock
from .plan import Plan
from .recipe import Recipe
from .results import Result

if TYPE_CHECKING:
    from .evaluate import Progress
    from .training import Step

RESULT = "result.json"
_PLAN = "plan.json"
_BUSY = ".busy"
_UNKNOWN = "# This was run from a lock, with --frozen, whose recipe has changed since.\n"
_MADE = ("metrics.jsonl", "evaluation.json", "report.html", platforms.FILE)


class Listener(Protocol):
    """Who is told how a run goes."""

    def say(self, text: str) -> None: ...

    def step(self, step: Step) -> None: ...

    def looked(self, progress: Progress) -> None: ...


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
) -> Result:
    """Bring a recipe's run to its end in `folder`, and write its lock, which says that the recipe is called `name`.

    `beside` is the lock of the recipe as it is written, where this run writes another. A finished run of the same plan
    is not done again unless `again`; an unfinished one goes on from its checkpoint; a run of another plan is renamed
    out of the way, and a lock that names its adapter follows it. Raises `InputError` where another process holds the
    folder, where it cannot be written or holds a recipe that no run has put there, `WorkError` where the work fails,
    KeyboardInterrupt after the step during which the person pressed Ctrl-C, or SIGTERM came.
    """
    unbuilt.refuse(plan, recipe.document)
    _refuse_foreign(recipe, folder)
    digest = plans.digest(plan)
    with held(folder):
        there = _digest_in(folder, listener)
        if there == digest and not again and (found := _finished(folder, plan, listener)):
            listener.say(f"{plan.name}: up to date in {folder}")
            _keep_plan(plan, folder)
            locking.restore(recipe, plan, folder, lock, name, listener.say)
            return _here(found, plan, folder, lock)
        locking.tell_changes(plan, lock, listener.say)
        if there in ("", digest):
            return _worked(recipe, plan, folder, lock, listener, again, fast, name)
        aside = _aside(folder)
        folder.rename(aside)
        listener.say(f"{folder} held a run of another plan: renamed {aside}")
        for one in dict.fromkeys((lock, beside or lock)):
            locking.follow(one, folder, aside, listener.say)
        # the old folder stays held: who opened its file before it was renamed must not take it for the new one's
        with held(folder):
            return _worked(recipe, plan, folder, lock, listener, again, fast, name)


def _worked(
    recipe: Recipe | Thawed,
    plan: Plan,
    folder: Path,
    lock: Path,
    listener: Listener,
    again: bool,
    fast: bool,
    name: str,
) -> Result:
    """`_run` in a folder that is held: whatever fails there, work has begun, and what was done is kept."""
    if again:
        _clear(folder, plan)
    kept = f"what was done is kept in {folder}"
    on = f"{kept}; once that is mended, {same_command(again)} goes on"
    try:
        _sweep(folder, lock, listener)
        return _run(recipe, plan, folder, lock, listener, fast, name)
    except OSError as error:
        raise WorkError(words(error), on) from error
    except WorkError as error:
        raise WorkError(error.message, f"{error.hint}; {kept}" if error.hint else kept) from error


def same_command(again: bool) -> str:
    """What goes on with a run that was stopped: --again would begin anew."""
    return "the same command without --again" if again else "the same command"


def _sweep(folder: Path, lock: Path, listener: Listener) -> None:
    """Delete what a killed run left half written."""
    below = [part for part in folder.glob("included/**") if part.is_dir()]
    swept = sum(map(files.sweep, [folder, folder / "checkpoint", folder / "images", *below]))
    if swept := swept + files.sweep(lock.parent, lock.name):
        listener.say(f"{folder}: deleted {counted(swept, 'file')} that a killed run left half written")


def _run(
    recipe: Recipe | Thawed,
    plan: Plan,
    folder: Path,
    lock: Path,
    listener: Listener,
    fast: bool,
    name: str,
) -> Result:
    from .evaluate import evaluate
    from .report import report
    from .training import train

    started = time.monotonic()
    _complete(plan)
    files.write(folder / _PLAN, _dumped(plan))  # first: it says that a recipe in this folder is a run's
    _keep(recipe, folder)
    included = {one.name: one.text for one in recipe.included}
    old = locks.read(lock) if lock.exists() else None
    inputs = gathered(recipe, plan, old)
    with platforms.deterministic(plan, fast):
        place = locking.begin(plan, folder, _done(folder), lock, old, fast, listener.say)
    carried = locks.text_of(inputs)
    trained = train(plan, folder, listener.step, recipe.text, included, say=listener.say, inputs=carried, fast=fast)
    found = evaluate(plan, trained.adapter, folder, listener.looked)
    made = trained.tensors_sha256, trained.steps, trained.stopped
    outcome = outcomes.outcome(trained.adapter, made, found, folder, lock)
    locks.write(Lock(inputs, place, outcome, name), lock)
    locking.tell_outcome(Lock(inputs, place, outcome), lock, old, listener.say)
    page = report(folder, plan, lock)
    result = results.result(
        recipe if isinstance(recipe, Recipe) else None,
        plan,
        found,
        adapter=trained.adapter.resolve(),
        lock=lock.resolve(),
        report=page.resolve(),
        steps=trained.steps,
        stopped=trained.stopped,
        seconds=trained.before + time.monotonic() - started,
    )
    files.write(folder / RESULT, (result.json() + "\n").encode())
    return result


def _keep(recipe: Recipe | Thawed, folder: Path) -> None:
    """Write the recipe and what it includes, word for word; an earlier run's may have included other files."""
    path, included = folder / "recipe.yaml", folder / "included"
    if not recipe.text and path.is_file() and models.sha256(path) == recipe.sha256:
        return  # more of it than this run knows: a file that it includes is gone elsewhere
    if included.exists():
        shutil.rmtree(included)
    for below_folder, text in _texts(recipe).items():
        files.write(folder / below_folder, text)


def _texts(recipe: Recipe | Thawed) -> dict[Path, bytes]:
    """What a run folder holds of the recipe, by the path below it."""
    included = {Path("included", below(one.name)): one.text.encode() for one in recipe.included}
    return {Path("recipe.yaml"): (recipe.text or _UNKNOWN).encode(), **included}


def _kept(folder: Path) -> list[Path]:
    """The recipe's texts that a folder holds, below it."""
    found = [folder / "recipe.yaml", *sorted((folder / "included").rglob("*"))]
    return [path.relative_to(folder) for path in found if path.is_file() or path.is_symlink()]


def _refuse_foreign(recipe: Recipe | Thawed, folder: Path) -> None:
    """Raises `InputError` where a folder that is no run's holds another recipe, which this run would replace."""
    if (folder / _PLAN).exists() or _digest_of_checkpoint(folder):
        return
    wanted = _texts(recipe)
    for path in _kept(folder):
        if path not in wanted or (folder / path).read_bytes() != wanted[path]:
            hint = "move it away, or give this run a folder of its own with --out"
            message = "would be replaced, and lies in a folder that is no run's"
            raise InputError([Problem(Place(str(folder / path)), "", message, hint)])


def _complete(plan: Plan) -> None:
    """Fetch the weights of hub models that are not on this machine yet: resolving needed their configuration only."""
    for model in {plan.generator.model, *(member.model for member in (*plan.critics, *plan.judges))}:
        models.complete(model)


@contextmanager
def held(folder: Path) -> Generator[None]:
    """Hold a run folder, made where there is none, by an operating-system lock, which a killed process lets go of.

    Raises `InputError` where another holds it, or where it cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        files.make(folder)
        busy = FileLock(folder / _BUSY)
        busy.acquire(timeout=0)
    except OSError as error:
        if not isinstance(error, Timeout):
            raise of_system(error) from error
        hint = "wait for it, or give this run a folder of its own with --out"
        raise InputError([Problem(Place(str(folder)), "", "is in use by another run", hint)]) from error
    try:
        yield
    finally:
        busy.release()


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
    page, adapter = folder / "report.html", folder / f"{plan.name}.safetensors"
    files_now = {"adapter": str(adapter.resolve()), "lock": str(lock.resolve())}
    return replace(found, **files_now, report=str(page.resolve()) if page.exists() else None)


def _unlike(found: Result, path: Path, plan: Plan, adapter: Path) -> str:
    """What of a finished run is not what its result says, in words."""
    if found.digest != plans.digest(plan):
        return f"{path}: is of another plan"
    if not adapter.is_file():
        return f"{adapter}: is gone"
    try:
        same = digests.tensors_sha256(adapter) == found.tensors_sha256
    except InputError:
        same = False
    return "" if same else f"{adapter}: is not what this run trained"


def _digest_in(folder: Path, listener: Listener) -> str:
    """The digest of the plan that a folder's run is of, its checkpoint's first; empty where there is none."""
    path, trained = folder / _PLAN, _digest_of_checkpoint(folder)
    if not path.exists():
        return trained
    try:
        planned = plans.digest(_plan_in(path))
    except InputError:
        listener.say(f"{path}: cannot be read{', so the checkpoint says which plan it is of' if trained else ''}")
        return trained or "a plan of another version"
    return trained or planned


def _keep_plan(plan: Plan, folder: Path) -> None:
    """Write the plan of a finished run again where it is gone or damaged."""
    try:
        read_plan(folder)
    except InputError:
        files.write(folder / _PLAN, _dumped(plan))


def _dumped(plan: Plan) -> bytes:
    return f"{plans.dump(plan)}\n".encode()


def _digest_of_checkpoint(folder: Path) -> str:
    """The digest of the plan that a folder's checkpoints are of; empty where none can be read."""
    return next((plan for plan, _ in _checkpoints(folder)), "")


def _done(folder: Path) -> int:
    """How many steps a folder's checkpoints hold; 0 where none can be read."""
    return max((step for _, step in _checkpoints(folder)), default=0)


def _checkpoints(folder: Path) -> Iterator[tuple[str, int]]:
    """Plan and steps of a folder's checkpoints, by their headers; those that cannot be read are passed over."""
    for path in sorted((folder / "checkpoint").glob("*.safetensors")):
        try:
            progress = json.loads(headers.read(path).metadata["progress"])
            yield str(progress["plan"]), int(progress["step"])
        except (InputError, ValueError, LookupError, TypeError):
            continue


def _aside(folder: Path) -> Path:
    """A free name for a folder that holds a run of another plan; `InputError` where the person is in that folder."""
    if Path.cwd().is_relative_to(folder.resolve()):
        hint = "give this run a folder of its own with --out"
        raise InputError([Problem(Place(str(folder)), "", "holds a run of another plan, and you are in it", hint)])
    number = 1
    while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    return aside


def _clear(folder: Path, plan: Plan) -> None:
    """Forget a run, so that it is trained anew; files that are none of a run's own are left alone."""
    try:
        # first what says that it is finished, then what it would go on from: killed in between, nothing half is left
        (folder / RESULT).unlink(missing_ok=True)
        for path in (folder / "checkpoint", folder / "images"):
            if path.exists():
                shutil.rmtree(path)
        for name in (*_MADE, f"{plan.name}.safetensors"):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        message = f"{folder}: cannot be cleared: {words(error)}"
        raise WorkError(message, "once that is mended, the same command trains anew") from error


def read_plan(folder: Path) -> Plan:
    """The plan of a run folder; `InputError` where it holds no run."""
    path = folder / _PLAN
    if not path.is_file():
        hint = "a run folder is what `recipe run` writes, runs/NAME"
        raise InputError([Problem(Place(str(folder)), "", "is no run folder: it holds no plan.json", hint)])
    return _plan_in(path)


def _plan_in(path: Path) -> Plan:
    """The plan of a plan.json; `InputError` where it is none."""
    try:
        return plans.parse(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise InputError([Problem(Place(str(path)), "", f"is no plan: {error}")]) from error


def report_again(folder: Path) -> Path:
    """Write the report of a run folder anew; `InputError` where it holds no finished run."""
    from .report import report

    plan = read_plan(folder)
    if not (folder / "evaluation.json").exists():
        hint = "`recipe run` goes on from where it was left"
        raise InputError([Problem(Place(str(folder)), "", "this run is not finished: nothing was evaluated yet", hint)])
    return report(folder, plan, _lock_of(folder, plan))


def _lock_of(folder: Path, plan: Plan) -> Path | None:
    """The lock that a finished run wrote: in its folder, where it lies there still, even if that was moved."""
    if plan.composed.parents:
        return folder / f"{plan.name}.lock"
    path = folder / RESULT
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

    started = time.monotonic()
    path = jobs.lock_path(source)
    locked = locks.read(path) if path.exists() else None
    if locked is not None and locked.inputs.sets and not sets:
        listener.say(f"{path}: with {jobs.shown_sets(locked.inputs.sets)}, as it was run")
    recipe = read(sets or ([] if locked is None else list(locked.inputs.sets)))
    plan = resolve(recipe, locks.revisions(locked))
    unbuilt.refuse(plan, recipe.document)
    outcome = locked.outcome if locked is not None else None
    chosen = adapter is not None
    if adapter is None and outcome is not None:
        adapter = Path(os.path.relpath(path.resolve().parent / outcome.adapter))
    if adapter is None or not adapter.exists():
        hint = "give one with --adapter, or train it with `recipe run`"
        found = f"there is no adapter {adapter}" if adapter else "there is no adapter: no lock names one"
        raise InputError([Problem(Place(str(source.path)), "", found, hint)])
    headers.of_adapter(adapter)  # which is torch-free: what is none is refused soon
    if outcome is not None and not chosen and models.sha256(adapter) != outcome.adapter_sha256:
        hint = "give the one you mean with --adapter, bring it back, or train it anew with `recipe run --again`"
        why = f"is not what it was when {path} was written"
        raise InputError([Problem(Place(str(adapter)), "", why, hint)])
    listener.say(f"evaluating {adapter}")
    from .evaluate import evaluate as measure

    _complete(plan)
    found = measure(plan, adapter, None, listener.looked, scale)
    same = outcome is not None and outcome.tensors_sha256 == found.tensors_sha256
    return results.result(
        recipe,
        plan,
        found,
        adapter=adapter,
        lock=path if locked is not None else None,
        report=None,
        steps=outcome.steps if outcome is not None and same else None,
        stopped=outcome.stopped if outcome is not None and same else None,
        seconds=time.monotonic() - started,
    )
