"""Where locks lie: the one that the commands of a recipe read, and the one that a run writes.

                              read                                  written
    a recipe                  beside it                             beside it
    of the gallery            in `--out`, else in runs/NAME         in the run folder
    in a folder that cannot   in the run folder, unless that is a   in the run folder
      be written              trial's and there is one beside it
    a trial, with overrides   as above                              as above, while there is none but of a trial;
                                                                    else in its own run folder

No torch is imported here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from . import gallery
from . import lock as locks
from . import recipe as reading
from .errors import InputError, Place, Problem
from .gallery import Source
from .lock import Lock

NO_LOCK = "there is no lock"
_GALLERY = "gallery:"  # before the file of a gallery recipe, in a lock that does not lie beside it


def found(source: Source, out: Path | None = None) -> Path:
    """The lock that counts for a recipe whose runs go to `out`, or to runs/NAME; it need not be there."""
    beside = source.path.with_suffix(".lock")
    if not source.gallery and _writable(beside):
        return beside
    folders = [*([out] if out else []), Path("runs", _name(source))]
    own = next((path for folder in folders if (path := folder / beside.name).exists()), folders[0] / beside.name)
    if source.gallery or not beside.exists():
        return own
    return own if own.exists() and not _of_trial(own) else beside


def read(source: Source, path: Path) -> Lock | None:
    """What the lock at `path` holds; None where there is none.

    `InputError` where it cannot be read, or is the lock of another recipe that is there too: recipes that differ in
    what follows the last dot of their names would share it.
    """
    held = locks.there(path)
    if held is None or source.gallery or not held.recipe or held.recipe.startswith(_GALLERY):
        return held
    other = path.resolve().parent / held.recipe
    if other.with_suffix(".lock").name == path.name and other.is_file() and not other.samefile(source.path):
        hint = "rename one of the two recipes: a lock is called as its recipe, with .lock at the end"
        raise InputError([Problem(Place(str(path)), "", f"is the lock of {held.recipe}, which is there too", hint)])
    return held


def revisions(source: Source) -> dict[str, str]:
    """The commits that a recipe's lock holds hub models at; none where there is no lock that can be read."""
    try:
        return locks.revisions(locks.there(found(source)))
    except InputError:
        return {}


def written(
    source: Source, path: Path, old: Lock | None, folder: Path, sets: Sequence[str], say: Callable[[str], None]
) -> Path:
    """Where a run in `folder` writes the lock of a recipe whose own, `old`, is at `path`."""
    own = folder / path.name
    home = own if source.gallery or not _writable(path) else path
    if home != path and not source.gallery:
        say(f"{path}: cannot be written, so the lock is {home}")
    if old is not None and old.inputs.sets:
        if sets and tuple(sets) != old.inputs.sets:
            say(f"{home}: was the lock of the trial with {shown(old.inputs.sets)}, and will be this one's")
        return home
    if not sets:
        return home
    if old is None:
        as_written = "once `recipe run` or `recipe lock` without --set has written one"
        say(f"{home}: will be the lock of this trial, {shown(sets)}; {as_written}, trials leave it alone")
        return home
    if own.resolve() != path.resolve():
        say(f"{path}: left as it is, the lock of the recipe as written; with --set, this run's own is {own}")
    else:
        say(f"{path}: the lock of the recipe as written goes with its run; with --set, another takes its place")
    return own


def shown(sets: Sequence[str]) -> str:
    """Overrides as they are given on the command line."""
    return " ".join(f"--set {one}" for one in sets)


def named(source: Source, lock: Path) -> str:
    """A recipe as its lock names it."""
    return f"{_GALLERY}{source.path.name}" if source.gallery else locks.relative(source.path, lock)


def of_lock(lock: Lock, path: Path) -> Source | None:
    """The recipe that a lock says it is of, or that lies beside it; None where there is none."""
    if lock.recipe.startswith(_GALLERY):
        shipped = gallery.FOLDER / lock.recipe.removeprefix(_GALLERY)
        return Source(shipped, True) if shipped in gallery.recipes() else None
    folder = path.resolve().parent
    beside = [folder / lock.recipe] if lock.recipe else [folder / f"{path.stem}{end}" for end in (".yaml", ".yml")]
    return next((Source(Path(os.path.relpath(one)), False) for one in beside if one.is_file()), None)


def _writable(lock: Path) -> bool:
    return os.access(lock.parent, os.W_OK)


def _of_trial(lock: Path) -> bool:
    try:
        return bool(locks.read(lock).inputs.sets)
    except InputError:
        return False


def _name(source: Source) -> str:
    """What a recipe calls itself; its file's stem, which is the same for the gallery's, where it cannot be read."""
    try:
        return source.path.stem if source.gallery else reading.read(source.path, (), True).schema.name
    except InputError:
        return source.path.stem
