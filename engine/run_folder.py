"""The run folder: whose it is, what of it is a run's own, and who holds it. No torch is imported here.

    DIR/recipe.yaml       as written            DIR/checkpoint/       to go on from
    DIR/included/         what it includes, each file under its path from the recipe
    DIR/plan.json         what was resolved     DIR/evaluation.json   what was found out
    DIR/metrics.jsonl     every step            DIR/images/           pictures of the report
    DIR/NAME.safetensors  the adapter           DIR/report.html       what a person looks at
    DIR/platform.json     what trained it       DIR/.busy             by which it is held, and known as a run's
    DIR/result.json       written last: its presence says that the run is finished
    DIR/composed.json     of what it is composed, if it is, by the digests of their tensors
    DIR/interference.json what they do to each other

Files of other names may lie there too: they are left alone.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from . import files, headers, models, platforms
from . import plan as plans
from .counting import counted
from .errors import InputError, Place, Problem, WorkError, of_system, words
from .frozen import Thawed, below
from .plan import Plan
from .recipe import Recipe

PLAN, RESULT, EVALUATION, REPORT = "plan.json", "result.json", "evaluation.json", "report.html"
TOGETHER, COMPOSED = "interference.json", "composed.json"  # of what is composed
_BUSY = ".busy"
_UNKNOWN = "# This was run from a lock, with --frozen, whose recipe has changed since.\n"
_MADE = ("metrics.jsonl", EVALUATION, REPORT, platforms.FILE)
# what a run writes into folders of its own
_PATTERNS = ("checkpoint/state.safetensors", "checkpoint/previous.safetensors", "images/row*_seed*_scale*.png")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """An adapter that is composed, and the plan that it came of."""

    path: Path
    plan: Plan
    tensors_sha256: str


def refuse_foreign(recipe: Recipe | Thawed | None, plan: Plan, folder: Path) -> None:
    """Raises `InputError` where a folder that is no run's holds what this run would replace.

    Without a recipe it is a lock of its own that it writes there as well.
    """
    if (folder / _BUSY).exists() or _is_planned(folder) or digest_of_checkpoint(folder):
        return
    wanted = {} if recipe is None else _texts(recipe)
    strange = [path for path in _kept(folder) if path not in wanted or (folder / path).read_bytes() != wanted[path]]
    made = [PLAN, RESULT, *_MADE, "checkpoint", "images", f"{plan.name}.safetensors"]
    made += [TOGETHER, COMPOSED] if plan.composed.parents else []
    made += [] if recipe is not None else [f"{plan.name}.lock"]
    strange += [Path(name) for name in made if (folder / name).exists()]
    if strange:
        hint = "move it away, or give this run a folder of its own with --out"
        message = "would be replaced, and lies in a folder that is no run's"
        raise InputError([Problem(Place(str(folder / strange[0])), "", message, hint)])


def _is_planned(folder: Path) -> bool:
    try:
        return bool(read_plan(folder))
    except InputError:
        return False


def keep_recipe(recipe: Recipe | Thawed, folder: Path) -> None:
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


def digest_in(folder: Path, say: Say) -> str:
    """The digest of the plan that a folder's run is of, its checkpoint's first; empty where there is none."""
    path, trained = folder / PLAN, digest_of_checkpoint(folder)
    if not path.exists():
        return trained
    try:
        planned = plans.digest(_plan_in(path))
    except InputError:
        say(f"{path}: cannot be read{', so the checkpoint says which plan it is of' if trained else ''}")
        return trained or "a plan of another version"
    return trained or planned


def keep_plan(plan: Plan, folder: Path) -> None:
    """Write the plan of a finished run again where it is gone or damaged."""
    try:
        read_plan(folder)
    except InputError:
        files.write(folder / PLAN, dumped(plan))


def dumped(plan: Plan) -> bytes:
    """What a run folder's plan.json holds."""
    return f"{plans.dump(plan)}\n".encode()


def digest_of_checkpoint(folder: Path) -> str:
    """The digest of the plan that a folder's checkpoints are of; empty where none can be read."""
    return next((plan for plan, _ in _checkpoints(folder)), "")


def done(folder: Path) -> int:
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


def aside(folder: Path, recipe: Recipe | Thawed) -> Path:
    """A free name for a folder that holds a run of another plan.

    `InputError` where the person is in that folder, or the recipe lies there.
    """
    inside = "you are in it" if Path.cwd().is_relative_to(folder.resolve()) else ""
    if isinstance(recipe, Recipe) and recipe.folder.resolve().is_relative_to(folder.resolve()):
        inside = inside or "the recipe lies in it"
    if inside:
        hint = "give this run a folder of its own with --out"
        raise InputError([Problem(Place(str(folder)), "", f"holds a run of another plan, and {inside}", hint)])
    number = 1
    while (free := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    return free


def clear(folder: Path, plan: Plan) -> None:
    """Forget a run, so that it is trained anew; files that are none of a run's own are left alone."""
    try:
        # first what says that it is finished, then what it would go on from: killed in between, nothing half is left
        (folder / RESULT).unlink(missing_ok=True)
        made = [path for pattern in _PATTERNS for path in sorted(folder.glob(pattern))]
        for path in (*made, *(folder / name for name in (*_MADE, TOGETHER, COMPOSED, f"{plan.name}.safetensors"))):
            path.unlink(missing_ok=True)
    except OSError as error:
        message = f"{folder}: cannot be cleared: {words(error)}"
        raise WorkError(message, "once that is mended, the same command trains anew") from error


def composed_of(folder: Path) -> list[str]:
    """The digests of the tensors that a folder's run is composed of; none where it does not say."""
    try:
        found: object = json.loads((folder / COMPOSED).read_bytes())
    except (OSError, ValueError):
        return []
    return [str(one) for one in cast(list[object], found)] if isinstance(found, list) else []


def sweep(folder: Path, lock: Path, say: Say) -> None:
    """Delete what a killed run left half written."""
    below = [part for part in folder.glob("included/**") if part.is_dir()]
    swept = sum(map(files.sweep, [folder, folder / "checkpoint", folder / "images", *below]))
    if swept := swept + files.sweep(lock.parent, lock.name):
        say(f"{folder}: deleted {counted(swept, 'file')} that a killed run left half written")


def read_plan(folder: Path) -> Plan:
    """The plan of a run folder; `InputError` where it holds no run."""
    path = folder / PLAN
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
