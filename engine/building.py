"""Building: a recipe's run, after the runs of everything that it composes, each in its own place with its own lock."""

from __future__ import annotations

from pathlib import Path

from . import digests, locking, running
from .carrying import parents as carried_parents
from .errors import InputError
from .headers import read as header
from .jobs import Job
from .results import Result
from .run_folder import Trained
from .running import Listener


def build(job: Job, listener: Listener, again: bool = False, fast: bool = False) -> Result:
    """Bring a recipe's run to its end. What it composes is trained where it is missing or stale, and else taken.

    `again` holds for the recipe itself, not for what it composes. Raises as `running.run`.
    """
    made = _parents(job, listener, fast, {})
    return running.run(
        job.recipe, job.plan, job.folder, job.target, listener, again, fast, job.name, beside=job.path, parents=made
    )


def _parents(job: Job, listener: Listener, fast: bool, built: dict[Path, Path]) -> tuple[Trained, ...]:
    """The adapters that a job composes, in its order; `built` has those that were brought up to date by now."""
    made = [(_adapter(one, listener, fast, built), one.plan) for one in job.parents]
    return tuple(Trained(path, plan, digests.tensors_sha256(path)) for path, plan in made)


def _adapter(job: Job, listener: Listener, fast: bool, built: dict[Path, Path]) -> Path:
    key = job.target.resolve()
    if key not in built:
        below = _parents(job, listener, fast, built)
        there = locking.adapter_of(job.path, job.plan)
        if there is not None and made_of(there) == tuple(one.tensors_sha256 for one in below):
            listener.say(f"{job.plan.name}: up to date, {there}")
            built[key] = there
        else:
            running.run(
                job.recipe, job.plan, job.folder, job.target, listener, False, fast, job.name, job.path, parents=below
            )
            built[key] = job.folder / f"{job.plan.name}.safetensors"
            listener.say(f"{job.plan.name}: ready, {built[key]}")
    return built[key]


def made_of(adapter: Path) -> tuple[str, ...]:
    """The digests of the tensors that an adapter was composed of; none of one that was trained, or cannot be read."""
    try:
        return tuple(one.tensors_sha256 for one in carried_parents(header(adapter).metadata))
    except (InputError, ValueError):
        return ()
