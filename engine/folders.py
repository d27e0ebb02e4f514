"""Run folders: who holds one, what run it is of, whether that is finished, and what a killed process left in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from . import files, headers, results
from . import plan as plans
from .counting import counted
from .errors import InputError, Place, Problem, of_system
from .plan import Plan
from .results import Result

RESULT = "result.json"
BUSY = ".busy"
MADE = ("metrics.jsonl", "evaluation.json", "report.html")  # by a run, beside what is told apart below
Say = Callable[[str], None]


def sweep(folder: Path, lock: Path, say: Say) -> None:
    """Delete what a killed run left half written, in its folder and of its lock, and say how much there was."""
    below = [part for part in folder.glob("included/**") if part.is_dir()]
    swept = sum(map(files.sweep, [folder, folder / "checkpoint", folder / "images", *below]))
    if swept := swept + files.sweep(lock.parent, lock.name):
        say(f"{folder}: deleted {counted(swept, 'file')} that a killed run left half written")


@contextmanager
def held(folder: Path) -> Generator[None]:
    """Hold a run folder, made where there is none, by an operating-system lock, which a killed process lets go of.

    Raises `InputError` where another holds it, or where it cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        files.make(folder)
        busy = FileLock(folder / BUSY)
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


def finished(folder: Path, say: Say) -> Result | None:
    """What a finished run in a folder came to; None, said where a file was damaged, where there is none."""
    path = folder / RESULT
    if not path.exists():
        return None
    try:
        return results.read(path)
    except ValueError:
        say(f"{path}: cannot be read, so the run is taken for unfinished")
        return None


def digest_in(folder: Path, say: Say) -> str:
    """The digest of the plan that a folder's run is of; empty where there is no run."""
    path = folder / "plan.json"
    if not path.exists():
        return ""
    try:
        return plans.digest(_plan_in(path))
    except InputError:
        digest = _digest_of_checkpoint(folder)
        say(f"{path}: cannot be read{', so the checkpoint says which plan it is of' if digest else ''}")
        return digest or "a plan of another version"


def _digest_of_checkpoint(folder: Path) -> str:
    """The digest of the plan that a folder's checkpoints are of; empty where none can be read."""
    for path in sorted((folder / "checkpoint").glob("*.safetensors")):
        try:
            return str(json.loads(headers.read(path).metadata["progress"])["plan"])
        except (InputError, ValueError, LookupError, TypeError):
            continue
    return ""


def aside(folder: Path) -> Path:
    """A free name for a folder that holds a run of another plan; `InputError` where the person is in that folder."""
    if Path.cwd().is_relative_to(folder.resolve()):
        hint = "give this run a folder of its own with --out"
        raise InputError([Problem(Place(str(folder)), "", "holds a run of another plan, and you are in it", hint)])
    number = 1
    while (free := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    return free


def clear(folder: Path, plan: Plan) -> None:
    """Forget a run, so that it is trained anew; files that are none of a run's own are left alone."""
    # first what says that it is finished, then what it would go on from: killed in between, nothing half is left
    (folder / RESULT).unlink(missing_ok=True)
    for name in ("checkpoint", "images"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (*MADE, f"{plan.name}.safetensors"):
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
