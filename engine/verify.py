"""Verifying: whether a lock, its inputs and the adapter that came of them are what they were, to the bit.

The lock's own digest; the recipe, every file it names and every file of its models; the adapter's file and tensors;
probe pictures, painted again; and, where it is asked for, the training itself. No torch is imported before there is
something to paint.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from . import (
    adapter_files,
    carrying,
    digests,
    frozen,
    gallery,
    headers,
    lock_places,
    lockfile,
    made_for,
    models,
    parents,
)
from . import lock as locks
from . import recipe as reading
from .errors import InputError, Place, Problem, WorkError, words
from .gallery import Source
from .hub import Listen
from .lock import Lock, Outcome
from .plan import Plan
from .verification import Composed, Finding, Verification, became
from .verify_inputs import inputs

Say = Callable[[str], None]


def verify(
    file: Path,
    adapter: Path | None = None,
    retrain: bool = False,
    sets: Sequence[str] = (),
    allow_outside: bool = False,
    say: Say = lambda text: None,
    listen: Listen | None = None,
) -> Verification:
    """Verify a recipe against its lock, or a `.lock` with the recipe that it names, and say what was found.

    `adapter` is looked at instead of the one that the lock names; `retrain` trains again, in a folder of its own, with
    as many threads as the lock says. `listen` is told how far the weights of the hub have come. Raises `InputError`
    where there is no such file, or no lock of it.
    """
    if adapter is not None and adapter_files.is_folder(adapter):
        adapter = adapter_files.found(adapter)
    path, source = _placed(file, say)
    try:
        lock = locks.read(path)
    except InputError as error:
        cure = "bring it back with `git checkout`, or delete it and train anew: `recipe run` writes one"
        return Verification(path, adapter, (Finding("lock", False, f"{path} {error.problems[0].message}; {cure}"),))
    source = lock_places.of_lock(lock, path) if source is None else source
    folder = path.absolute().parent if source is None else source.path.absolute().parent
    if source is None and locks.plan_of(lock, str(path)).composed.parents:
        folder = Path.cwd()  # what was given on a command line is named as seen from where that was given
    found = [Finding("lock", True, f"{path} is what was written ({lockfile.digest(path.read_text('utf-8'))[:12]}…)")]
    found += inputs(lock, source, folder, sets, allow_outside)
    if lock.outcome is None:
        found.append(Finding("adapter", None, "the lock names none: nothing was trained since its inputs were written"))
        found += [] if adapter is None else _of_inputs(adapter, lock)
        if retrain:
            found.append(Finding("retrained", False, "not trained again: the lock has no tensors to compare with"))
        return Verification(path, adapter, tuple(found))
    chosen = adapter or Path(os.path.relpath(path.resolve().parent / lock.outcome.adapter))
    found += _adapter(chosen, lock.outcome, lock)
    made_of = _composed_of(lock, source, chosen, allow_outside)
    found += made_of.findings()
    planned = partial(_planned, partial(frozen.plan, lock, path, folder, allow_outside), listen)
    found += _work(lock, lock.outcome, planned, chosen, retrain, say, made_of)
    return Verification(path, chosen, tuple(found))


def _planned(plan: Callable[[], Plan], listen: Listen | None) -> Plan:
    """The lock's plan, its models with their weights on this machine."""
    found = plan()
    models.fetch(found, listen)
    return found


def _placed(file: Path, say: Say) -> tuple[Path, Source | None]:
    """The lock, and the recipe where it was the recipe that was given."""
    if file.suffix == ".lock":
        path, source = file, None
    else:
        source = gallery.find(str(file))
        if source.gallery:
            say(f"{file}: there is no such file here, so this is {source.path.name} of the gallery")
        path = lock_places.found(source)
        if not source.path.is_file():
            raise InputError([Problem(Place(str(file)), "", "there is no such file")])
    if not path.is_file():
        hint = "`recipe run` trains and writes one, `recipe lock` writes one without training"
        raise InputError([Problem(Place(str(path)), "", f"{lock_places.NO_LOCK} to verify against", hint)])
    return path, source


def _adapter(path: Path, outcome: Outcome, lock: Lock) -> Iterator[Finding]:
    if not path.exists():
        yield Finding("adapter", False, f"{path} is gone")
        return
    try:
        tensors = digests.tensors_sha256(path)
        metadata = headers.read(path).metadata
    except InputError as error:
        yield Finding("adapter", False, f"{path} {error.problems[0].message}")
        return
    file = models.sha256(path)
    if (file, tensors) == (outcome.adapter_sha256, outcome.tensors_sha256):
        yield Finding("adapter", True, f"{path} is as locked, file and tensors ({tensors[:12]}…)")
        return
    if tensors != outcome.tensors_sha256:
        yield Finding("adapter", False, f"{path} has other tensors: {became(outcome.tensors_sha256, tensors)}")
    else:
        what = f"{path} has the tensors of the lock, but another header"
        yield Finding("adapter", False, f"{what}: {became(outcome.adapter_sha256, file)}")
    yield from _of_another(path, metadata, lock)


def _composed_of(lock: Lock, source: Source | None, adapter: Path, allow_outside: bool) -> Composed:
    """What the lock's adapter was composed of, and where that lies by now; nothing of one that was trained."""
    listed = locks.plan_of(lock).composed.parents
    if not listed or not adapter.is_file():
        return Composed({}, {})
    try:
        carried = {one.name: one.tensors_sha256 for one in carrying.parents(headers.read(adapter).metadata)}
    except (InputError, ValueError):
        carried = {}
    wanted = {one.name: one.tensors_sha256 or carried.get(one.name, "") for one in listed}
    return Composed(wanted, dict(_lying(lock, source, allow_outside)))


def _lying(lock: Lock, source: Source | None, allow_outside: bool) -> Iterator[tuple[str, Path]]:
    """Adapters by the digest of their tensors: those that the lock names, and those that the parents' locks name."""
    named = [Path(name) for name, _ in lock.inputs.files]
    if source is not None:
        try:
            recipe = reading.read(source.path, lock.inputs.sets, allow_outside)
            beside = [lock_places.found(Source(one.path, source.gallery)) for one in parents.there(recipe)]
            outcomes = [(path, held.outcome) for path in beside if (held := locks.there(path)) and held.outcome]
            named += [Path(os.path.relpath(path.resolve().parent / one.adapter)) for path, one in outcomes]
        except InputError:
            pass  # which is told of the recipe
    for path in named:
        if path.suffix == ".safetensors" and path.is_file():
            try:
                yield digests.tensors_sha256(path), path
            except InputError:
                continue


def _of_inputs(path: Path, lock: Lock) -> Iterator[Finding]:
    """What can be said of an adapter where a lock has no outcome: whether it was made from the lock's inputs."""
    if not path.is_file():
        yield Finding("adapter", False, f"{path}: there is no such file")
        return
    try:
        same = made_for.carried(path, headers.read(path).metadata).plan_sha256 == lock.inputs.plan_sha256
    except InputError as error:
        yield Finding("adapter", False, f"{path} {error.problems[0].message}")
        return
    if same:
        said = "says that it was made from this plan; the lock has no digest of its tensors to hold against that"
        yield Finding("adapter", None, f"{path} {said}")
    else:
        yield Finding("adapter", False, f"{path} was made from another plan: `recipe diff` says what differs")


def _of_another(path: Path, metadata: dict[str, str], lock: Lock) -> Iterator[Finding]:
    """What an adapter that is not the lock's says of itself."""
    try:
        carried = made_for.carried(path, metadata)
        model = locks.plan_of(lock).generator.model
        if why := made_for.another(carried, model):
            yield Finding("adapter", False, f"{path} {why}")
        elif carried.plan_sha256 != lock.inputs.plan_sha256:
            yield Finding("adapter", None, f"{path} was made from another plan: `recipe diff` says what differs")
    except InputError as error:
        yield Finding("adapter", None, f"{path} {error.problems[0].message}")


def _work(
    lock: Lock,
    outcome: Outcome,
    planned: Callable[[], Plan],
    adapter: Path,
    retrain: bool,
    say: Say,
    made_of: Composed,
) -> Iterator[Finding]:
    """What takes the models themselves: pictures, and the training. What cannot be done of it hides nothing else."""
    from . import verify_work

    try:
        if adapter.is_file() and digests.tensors_sha256(adapter) == outcome.tensors_sha256:
            yield from verify_work.probes(lock, outcome, planned(), adapter, say)
        else:
            yield Finding("probes", None, f"not painted: {'another' if adapter.is_file() else 'there is no'} adapter")
    except (InputError, WorkError, OSError) as error:
        yield Finding("probes", None if isinstance(error, InputError) else False, f"not painted: {_why(error)}")
    if not retrain:
        return
    try:
        yield from verify_work.retrained(lock, outcome, planned(), adapter, say, made_of)
    except (InputError, WorkError, OSError) as error:
        yield Finding("retrained", False, f"not trained again: {_why(error)}")


def _why(error: InputError | WorkError | OSError) -> str:
    if isinstance(error, OSError):
        return words(error)
    return error.problems[0].message if isinstance(error, InputError) else error.message
