"""A lock's plan, made to run again: its models and files found on this machine, each as the lock has it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from . import models, paths
from . import plan as plans
from .errors import InputError, Place, Problem
from .lock import Digests, Lock
from .plan import Asset, Critic, Drawing, Model, Plan
from .reuse import Included


@dataclass(frozen=True, slots=True)
class Thawed:
    """What stands in for a recipe where a lock's plan is run: of its text only what is still as it was locked."""

    text: str  # empty where the recipe has changed since
    sha256: str
    sets: tuple[str, ...]
    included: tuple[Included, ...]
    digests: Digests
    document: None = None


def thawed(lock: Lock, recipe: Path, run: Path) -> Thawed:
    """The recipe of a lock, from its file or from the run folder where one of them still is what was locked."""
    inputs = lock.inputs
    text = _first((recipe, run / "recipe.yaml"), inputs.recipe_sha256)
    included = [
        Included(name, _first((recipe.parent / name, run / "included" / below(name)), sha256), sha256)
        for name, sha256 in inputs.included
    ]
    whole = bool(text) and all(one.text for one in included)
    kept = tuple(included) if whole else ()
    return Thawed(text if whole else "", inputs.recipe_sha256, inputs.sets, kept, inputs.included)


def below(name: str) -> PurePosixPath:
    """Where a run folder keeps an included file: under its own path, `up` for each folder that it lies above."""
    return PurePosixPath(*("up" if part == ".." else part for part in PurePosixPath(name).parts if part != "/"))


def _first(paths: tuple[Path, ...], sha256: str) -> str:
    """The text of the first of these files that has this digest; empty where none has."""
    return next((found for path in paths if (found := _text(path, sha256))), "")


def _text(path: Path, sha256: str) -> str:
    """The text of a file that has this digest; empty for any other."""
    try:
        data = path.read_bytes()
    except OSError:
        return ""
    return data.decode() if hashlib.sha256(data).hexdigest() == sha256 else ""


def plan(lock: Lock, file: Path, folder: Path, allow_outside: bool = False) -> Plan:
    """The plan of the lock in `file`, whose models and assets lie as seen from the recipe's `folder`.

    Raises `InputError` with everything that is not on this machine, or is not what the lock has.
    """
    return found(plans.parse(lock.inputs.plan, str(file)), file, folder, allow_outside)


def found(locked: Plan, file: Path, folder: Path, allow_outside: bool = False) -> Plan:
    """A plan that `file` holds, its models and assets found as seen from `folder`; `InputError` as `plan`."""
    problems = list[Problem]()
    desk = _Desk(file, folder, allow_outside, problems)
    made = replace(
        locked,
        generator=replace(
            locked.generator,
            model=desk.model(locked.generator.model),
            companions=tuple(desk.asset(one) for one in locked.generator.companions),
        ),
        critics=desk.members(locked.critics),
        judges=desk.members(locked.judges),
        drawings=tuple(desk.drawing(one) for one in locked.drawings),
        adapter=replace(locked.adapter, start=tuple(desk.asset(one) for one in locked.adapter.start)),
        order=(*(one.name for one in locked.questions), *(one.name for one in locked.measures)),
    )
    if problems:
        raise InputError(dict.fromkeys(problems))
    return made


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where the things of a plan are looked for, and what was wrong with them."""

    file: Path
    folder: Path
    allow_outside: bool
    problems: list[Problem]

    def members(self, members: tuple[Critic, ...]) -> tuple[Critic, ...]:
        return tuple(replace(one, model=self.model(one.model)) for one in members)

    def model(self, locked: Model) -> Model:
        try:
            found = models.locate(locked.address, self.folder, Place(str(self.file)), revision=locked.revision)
        except InputError as error:
            self.problems.extend(error.problems)
            return locked
        for line in _changes(locked, found):
            self._refuse(f"{locked.address} {line}", "bring it back as it was, or run the recipe without --frozen")
        return found

    def asset(self, locked: Asset) -> Asset:
        return replace(locked, source=self._found(locked.name, locked.sha256))

    def drawing(self, locked: Drawing) -> Drawing:
        return replace(locked, source=self._found(locked.asset, locked.sha256)) if locked.asset else locked

    def _found(self, name: str, sha256: str) -> str:
        try:
            path = paths.inside(self.folder, name, self.allow_outside)
        except paths.Refused as error:
            self._refuse(f"{error.message}", error.hint)
            return ""
        if models.sha256(path) != sha256:
            self._refuse(f"{name} holds something else now", "bring it back as it was")
        return str(path)

    def _refuse(self, message: str, hint: str) -> None:
        self.problems.append(Problem(Place(str(self.file)), "", message, hint))


def _changes(locked: Model, found: Model) -> Iterator[str]:
    """What is another model about a model, in words."""
    if locked.family != found.family:
        yield f"is of the family {found.family}, not {locked.family}"
    elif locked.files != found.files:
        names = sorted({name for name, _ in set(locked.files) ^ set(found.files)})
        yield f"holds other files: {', '.join(names[:3])}{' and more' if len(names) > 3 else ''}"
