"""The lock: beside the recipe, in git, what the plan resolved to, on what it ran, and what came out.

    inputs    the canonical plan, its digest, the digests of all files and models, and the overrides
    platform  threads, device, instruction set, versions, determinism; null until something ran
    outcome   the adapter's digests, steps, stopping reason, figures and probe pictures; null until something ran

Its text is made by `lockfile.py`. No torch is imported here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from . import files, lockfile, texts
from . import plan as plans
from .errors import InputError, Place, Problem

VERSION = lockfile.VERSION
LARGEST = 256 * 2**20  # bytes; as many prompts as a recipe may have, with all that is asked of each, take fewer
Digests = tuple[tuple[str, str], ...]  # (name, sha256), sorted by name


@dataclass(frozen=True, slots=True)
class LockedModel:
    """A model's files. Those of a hub model are known once they are on some machine; its commit is always."""

    address: str  # as the recipe writes it
    family: str
    revision: str  # a hub commit; empty for builtin models and folders
    files: Digests


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run depends on."""

    plan_sha256: str  # the plan's digest: staleness is decided by it alone
    plan: str  # canonical JSON
    recipe_sha256: str  # of the text; informational: a changed comment is not stale
    sets: tuple[str, ...]  # overrides, KEY=VALUE, in the order given
    included: Digests = ()  # what the recipe includes; informational as well
    files: Digests = ()  # prompts, pictures and adapters that the recipe names, as it names them
    models: tuple[LockedModel, ...] = ()  # sorted by address


@dataclass(frozen=True, slots=True)
class Platform:
    """Where it ran: the same plan on the same platform gives the same tensors, bit for bit."""

    device: str  # cpu, or the name of an accelerator
    instruction_set: str  # of the CPU, as torch calls it
    threads: int
    system: str  # Linux-x86_64
    python: str
    deterministic: bool  # the training computed the same bits every time: CUDA told to, or a CPU, which does
    versions: tuple[tuple[str, str], ...]  # (package, version), sorted
    processor: str = ""  # the CPU's own name and numbers; empty where they are not known
    flags: tuple[tuple[str, str], ...] = ()  # settings that decide about bits, sorted
    mixed: tuple[str, ...] = ()  # what was otherwise in earlier sessions of the same training, in words
    processes: int = 1  # that shared the pictures of a batch


@dataclass(frozen=True, slots=True)
class Probe:
    """One picture of the report that is painted again to verify the adapter."""

    file: str  # below the run folder
    sha256: str  # of its RGB bytes
    means: str = ""  # of 8 × 8 fields, RGB, row by row, two hexadecimal digits each; empty in locks of version 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out."""

    adapter: str  # path relative to the lock
    adapter_sha256: str  # of the whole file
    tensors_sha256: str
    steps: int
    stopped: str  # steps | p | judge | composed
    figures: tuple[tuple[str, float], ...]  # dotted name -> figure, sorted
    probes: tuple[Probe, ...]  # sorted by file


@dataclass(frozen=True, slots=True)
class Lock:
    """The whole lock."""

    inputs: Inputs
    platform: Platform | None = None
    outcome: Outcome | None = None
    recipe: str = ""  # its path relative to the lock, or gallery:FILE; empty where it is not known


def inputs(
    plan: plans.Plan,
    recipe_sha256: str = "",
    sets: tuple[str, ...] = (),
    included: Digests = (),
    files: Digests = (),
    hub: Sequence[LockedModel] = (),
) -> Inputs:
    """The lock's inputs for a plan; `hub` are the hub models whose files are known."""
    known = {(one.address, one.revision): one.files for one in hub}
    weights = tuple(
        LockedModel(address, one.family, one.revision, one.files or known.get((address, one.revision), ()))
        for address, one in sorted({model.address: model for model in models_of(plan)}.items())
    )
    return Inputs(plans.digest(plan), plans.canonical(plan), recipe_sha256, sets, included, files, weights)


def models_of(plan: plans.Plan) -> list[plans.Model]:
    """Every model of a plan, the generator's first."""
    return [plan.generator.model, *(member.model for member in (*plan.critics, *plan.judges))]


def plan_of(lock: Lock, file: str = "lock") -> plans.Plan:
    """The plan that a lock holds; where things lie on this machine it does not say. `file` is what messages call it."""
    return plans.parse(lock.inputs.plan, file)


def revisions(lock: Lock | None) -> dict[str, str]:
    """The commits that a lock holds hub models at, by the address that the recipe writes."""
    return {} if lock is None else {one.address: one.revision for one in lock.inputs.models if one.revision}


def write(lock: Lock, path: Path) -> None:
    """Write a lock, replacing the file as a whole."""
    files.write(path, _text(lock).encode())


def digest(lock: Lock) -> str:
    """The lock's own digest, as it stands in its file."""
    return lockfile.digest(_text(lock))


def read(path: Path) -> Lock:
    """Read a lock; `InputError` where it is none, cannot be read, was edited by hand, or is of a later version."""
    text = texts.load(path, LARGEST)[0].replace("\r\n", "\n")  # as git may check it out
    try:
        return TypeAdapter(Lock).validate_python(lockfile.flat(*lockfile.parse(text)))
    except ValidationError as error:
        raise _refuse(path, f"lacks what a lock holds: {error.errors()[0]['msg']}") from error
    except ValueError as error:
        raise _refuse(path, str(error)) from error


def there(path: Path) -> Lock | None:
    """What `read` gives; None where there is no lock."""
    return read(path) if path.exists() else None


def text_of(inputs: Inputs) -> str:
    """The inputs as an adapter carries them: JSON with sorted keys, no space in it."""
    return lockfile.compact(lockfile.inputs(asdict(inputs)))


def inputs_of(text: str, file: str) -> Inputs:
    """The inputs that an adapter's `text` holds; of before there were any, its plan alone. `InputError` otherwise."""
    try:
        return TypeAdapter(Inputs).validate_python(lockfile.flat_inputs(text))
    except ValidationError as error:
        raise _carried(file, error.errors()[0]["msg"]) from error
    except ValueError as error:
        raise _carried(file, str(error)) from error


def stale(lock: Lock, plan: plans.Plan) -> list[str]:
    """What changed from the lock's plan to this one, in the words of `recipe diff`; empty where nothing did."""
    if lock.inputs.plan_sha256 == plans.digest(plan):
        return []
    from .differences import between, lines  # a lock that is fresh needs no words

    try:
        was = plans.parse(lock.inputs.plan)
    except InputError:
        return ["it was written by another version of this program, which planned otherwise"]
    return lines(between(was, plan))


def renewed(old: Lock | None, fresh: Inputs, recipe: str = "") -> Lock:
    """The lock for these inputs without training: an outcome that does not belong to them is dropped."""
    if old is not None and old.inputs.plan_sha256 == fresh.plan_sha256:
        return Lock(fresh, old.platform, old.outcome, recipe or old.recipe)
    return Lock(fresh, recipe=recipe)


def relative(path: Path, lock: Path) -> str:
    """A path as seen from a lock's folder, with forward slashes; a link counts as what it is called."""
    return Path(os.path.relpath(path.parent.resolve() / path.name, lock.resolve().parent)).as_posix()


def _text(lock: Lock) -> str:
    return lockfile.text(lockfile.body(asdict(lock)))


def _refuse(path: Path, message: str) -> InputError:
    hint = "delete it, and `recipe lock` or `recipe run` writes it anew from the recipe"
    return InputError([Problem(Place(str(path)), "lock", message, hint)])


def _carried(file: str, message: str) -> InputError:
    return InputError([Problem(Place(file), "control_recipes.inputs", f"holds no inputs of a lock: {message}")])
