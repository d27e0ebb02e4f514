"""One recipe's run in its folder: train, evaluate, lock, report, resumed where it was left and never done twice.

    DIR/recipe.yaml       as written            DIR/checkpoint/       to go on from
    DIR/included/         what it includes, each file under its path from the recipe
    DIR/plan.json         what was resolved     DIR/evaluation.json   what was found out
    DIR/metrics.jsonl     every step            DIR/images/           pictures of the report
    DIR/NAME.safetensors  the adapter           DIR/report.html       what a person looks at
    DIR/result.json       written last: its presence says that the run is finished

Whether a run is finished is read from its folder alone. No torch is imported before there is something to train.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from . import files, headers, models, results, unbuilt
from . import lock as locks
from . import plan as plans
from .counting import counted
from .errors import CheckFailed, InputError, Place, Problem, WorkError, of_system, words
from .gallery import Source
from .plan import Plan
from .recipe import Recipe
from .results import Result

if TYPE_CHECKING:
    from .evaluate import Progress
    from .figures import Evaluation
    from .run import Step, Trained

RESULT = "result.json"
_BUSY = ".busy"
_CHANGES = 12  # that are listed when a lock is out of date
_MADE = ("metrics.jsonl", "evaluation.json", "report.html")


class Listener(Protocol):
    """Who is told how a run goes."""

    def say(self, text: str) -> None: ...

    def step(self, step: Step) -> None: ...

    def looked(self, progress: Progress) -> None: ...


def lock_path(source: Source, folder: Path) -> Path:
    """Where the lock of a recipe is: beside it, or in its run folder where that cannot be."""
    name = f"{source.path.stem}.lock"
    beside = source.path.parent
    return folder / name if source.gallery or not os.access(beside, os.W_OK) else beside / name


def own_lock(source: Source, folder: Path, recipe: Recipe, say: Callable[[str], None]) -> Path:
    """Where a run writes its lock. A trial, with overrides, never replaces that of the recipe as it is written."""
    path = lock_path(source, folder)
    if not recipe.sets or not path.exists() or locks.read(path).inputs.sets:
        return path
    own = folder / path.name
    if own.resolve() != path.resolve():
        say(f"{path}: left as it is, the lock of the recipe as written; with --set, this run's own is {own}")
    return own


def replayed(source: Source, out: Path | None, locked: bool) -> list[str]:
    """The overrides that a run repeats without being given any: with --locked, those that the lock recorded."""
    path = lock_path(source, out or Path("runs", source.path.stem))
    return list(locks.read(path).inputs.sets) if locked and path.exists() else []


def refuse_stale(sources: Sequence[Source], plans: Sequence[Plan], folders: Sequence[Path]) -> None:
    """Raises `CheckFailed` with everything that is stale of the recipes' locks."""
    lines: list[str] = []
    for source, plan, folder in zip(sources, plans, folders, strict=True):
        path = lock_path(source, folder)
        stale = locks.stale(locks.read(path), plan) if path.exists() else ["there is no lock"]
        lines += [f"{path}: {line}" for line in stale]
    if lines:
        raise CheckFailed("\n".join(lines))


def run(recipe: Recipe, plan: Plan, folder: Path, lock: Path, listener: Listener, again: bool = False) -> Result:
    """Bring a recipe's run to its end in `folder`, and write its lock.

    A finished run of the same plan is not done again unless `again`; an unfinished one goes on from its checkpoint; a
    run of another plan is renamed out of the way. Raises `InputError` where another process holds the folder or it
    cannot be written, `WorkError` where the work fails, KeyboardInterrupt after the step during which the person
    pressed Ctrl-C.
    """
    unbuilt.refuse(plan, recipe.document)
    digest = plans.digest(plan)
    with held(folder):
        there = _digest_in(folder, listener)
        if there == digest and not again and (found := _finished(folder, listener)):
            listener.say(f"{plan.name}: up to date in {folder}")
            return found
        _tell_changes(plan, lock, listener)
        if there in ("", digest):
            return _worked(recipe, plan, folder, lock, listener, again)
        aside = _aside(folder)
        folder.rename(aside)
        listener.say(f"{folder} held a run of another plan: renamed {aside}")
        # the old folder stays held: who opened its file before it was renamed must not take it for the new one's
        with held(folder):
            return _worked(recipe, plan, folder, lock, listener, again)


def _worked(recipe: Recipe, plan: Plan, folder: Path, lock: Path, listener: Listener, again: bool) -> Result:
    """`_run` in a folder that is held: whatever fails there, work has begun, and what was done is kept."""
    kept = f"what was done is kept in {folder}"
    try:
        _sweep(folder, lock, listener)
        return _run(recipe, plan, folder, lock, listener, again)
    except OSError as error:
        raise WorkError(words(error), f"{kept}; once that is mended, the same command goes on") from error
    except WorkError as error:
        raise WorkError(error.message, f"{error.hint}; {kept}" if error.hint else kept) from error


def _sweep(folder: Path, lock: Path, listener: Listener) -> None:
    """Delete what a killed run left half written."""
    below = [part for part in folder.glob("included/**") if part.is_dir()]
    swept = sum(map(files.sweep, [folder, folder / "checkpoint", folder / "images", *below]))
    if swept := swept + files.sweep(lock.parent, lock.name):
        listener.say(f"{folder}: deleted {counted(swept, 'file')} that a killed run left half written")


def _run(recipe: Recipe, plan: Plan, folder: Path, lock: Path, listener: Listener, again: bool) -> Result:
    from .evaluate import evaluate
    from .report import report
    from .run import train

    started = time.monotonic()
    if again:
        _clear(folder, plan)
    _complete(plan)
    _keep(recipe, folder)
    files.write(folder / "plan.json", (plans.dump(plan) + "\n").encode())
    included = {one.name: one.text for one in recipe.included}
    trained = train(plan, folder, listener.step, recipe.text, included, listener.say)
    found = evaluate(plan, trained.adapter, folder, listener.looked)
    locks.write(_locked(recipe, plan, trained, found, folder, lock), lock)
    page = report(folder, plan, lock)
    result = results.result(
        recipe,
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


def shown_sets(sets: Iterable[str]) -> str:
    """Overrides as they are given on the command line."""
    return " ".join(f"--set {one}" for one in sets)


def _keep(recipe: Recipe, folder: Path) -> None:
    """Write the recipe and what it includes, word for word; an earlier run's may have included other files."""
    files.write(folder / "recipe.yaml", recipe.text.encode())
    shutil.rmtree(folder / "included", ignore_errors=True)
    for one in recipe.included:
        files.write(folder / "included" / below(one.name), one.text.encode())


def below(name: str) -> PurePosixPath:
    """Where a run folder keeps an included file: under its own path, `up` for each folder that it lies above."""
    return PurePosixPath(*("up" if part == ".." else part for part in PurePosixPath(name).parts if part != "/"))


def _tell_changes(plan: Plan, lock: Path, listener: Listener) -> None:
    """Say what differs from the lock that this run will rewrite; `InputError`, before any work, where it is none."""
    changes = locks.stale(locks.read(lock), plan) if lock.exists() else []
    for line in changes[:_CHANGES]:
        listener.say(f"{lock}: {line}")
    if len(changes) > _CHANGES:
        listener.say(f"{lock}: and {len(changes) - _CHANGES} changes more")


def _complete(plan: Plan) -> None:
    """Fetch the weights of hub models that are not on this machine yet: resolving needed their configuration only."""
    for model in {plan.generator.model, *(member.model for member in (*plan.critics, *plan.judges))}:
        models.complete(model)


def _locked(recipe: Recipe, plan: Plan, trained: Trained, found: Evaluation, folder: Path, lock: Path) -> locks.Lock:
    shares = {
        f"measures.{m.name}.{when}": share
        for m in found.measures
        for when, share in (("before", m.before), ("after", m.after))
    }
    right = {f"questions.{b.question}.{b.critic}.right": b.after.right for b in found.beliefs}
    probes = [strip.shots[-1].file for strip in found.strips if not strip.missed][:4]
    outcome = locks.Outcome(
        adapter=locks.relative(trained.adapter, lock),
        adapter_sha256=models.sha256(trained.adapter),
        tensors_sha256=trained.tensors_sha256,
        steps=trained.steps,
        stopped=trained.stopped,
        figures=tuple(sorted((shares | right).items())),
        probes=tuple(sorted((file, _pixels_sha256(folder / file)) for file in probes)),
    )
    inputs = locks.inputs(plan, recipe.sha256, recipe.sets, recipe.digests)
    return locks.Lock(inputs, locks.platform_here(plan.generator.device), outcome)


def _pixels_sha256(path: Path) -> str:
    """Of the picture's RGB bytes: another PNG encoder changes nothing."""
    from PIL import Image

    with Image.open(path) as picture:
        return hashlib.sha256(picture.convert("RGB").tobytes()).hexdigest()


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


def _finished(folder: Path, listener: Listener) -> Result | None:
    """What a finished run in a folder came to; None, said where a file was damaged, where there is none."""
    path = folder / RESULT
    if not path.exists():
        return None
    try:
        return results.read(path)
    except ValueError:
        listener.say(f"{path}: cannot be read, so the run is taken for unfinished")
        return None


def _digest_in(folder: Path, listener: Listener) -> str:
    """The digest of the plan that a folder's run is of; empty where there is no run."""
    path = folder / "plan.json"
    if not path.exists():
        return ""
    try:
        return plans.digest(_plan_in(path))
    except InputError:
        digest = _digest_of_checkpoint(folder)
        listener.say(f"{path}: cannot be read{', so the checkpoint says which plan it is of' if digest else ''}")
        return digest or "a plan of another version"


def _digest_of_checkpoint(folder: Path) -> str:
    """The digest of the plan that a folder's checkpoints are of; empty where none can be read."""
    for path in sorted((folder / "checkpoint").glob("*.safetensors")):
        try:
            return str(json.loads(headers.read(path).metadata["progress"])["plan"])
        except (InputError, ValueError, LookupError, TypeError):
            continue
    return ""


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
    # first what says that it is finished, then what it would go on from: killed in between, nothing half is left
    (folder / RESULT).unlink(missing_ok=True)
    for name in ("checkpoint", "images"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (*_MADE, f"{plan.name}.safetensors"):
        (folder / name).unlink(missing_ok=True)


def read_plan(folder: Path) -> Plan:
    """The plan of a run folder; `InputError` where it holds no run."""
    path = folder / "plan.json"
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
    known = results.read(folder / RESULT).lock if (folder / RESULT).exists() else None
    return report(folder, plan, Path(known) if known else None)


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
    path = lock_path(source, Path("runs", source.path.stem))
    locked = locks.read(path) if path.exists() else None
    if locked is not None and locked.inputs.sets and not sets:
        listener.say(f"{path}: with {shown_sets(locked.inputs.sets)}, as it was run")
    recipe = read(sets or ([] if locked is None else list(locked.inputs.sets)))
    plan = resolve(recipe)
    unbuilt.refuse(plan, recipe.document)
    outcome = locked.outcome if locked is not None else None
    chosen = adapter is not None
    if adapter is None and outcome is not None:
        adapter = Path(os.path.relpath(path.absolute().parent / outcome.adapter))
    if adapter is None or not adapter.is_file():
        hint = "give one with --adapter, or train it with `recipe run`"
        found = f"there is no adapter {adapter}" if adapter else "there is no adapter: no lock names one"
        raise InputError([Problem(Place(str(source.path)), "", found, hint)])
    if outcome is not None and not chosen and models.sha256(adapter) != outcome.adapter_sha256:
        hint = "another run took its place: give the one you mean with --adapter, or train it anew with `recipe run`"
        raise InputError([Problem(Place(str(adapter)), "", f"is not the adapter that {path} names", hint)])
    headers.of_adapter(adapter)  # which is torch-free: what is none is refused soon
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
