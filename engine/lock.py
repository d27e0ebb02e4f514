"""The lock: beside the recipe, in git, what the plan resolved to, on what it ran, and what came out.

    inputs    the canonical plan, its digest, the digests of the recipe and of what it includes, and the overrides
    platform  threads, device, instruction set, versions, determinism; null until something ran
    outcome   the adapter's digests, steps, stopping reason, figures and probe pictures; null until something ran

A text of sorted JSON, one value a line, so that `git diff` shows what changed. No torch is imported here.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from pydantic import TypeAdapter, ValidationError

from . import files
from . import plan as plans
from .errors import InputError, Place, Problem

VERSION = 1

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run depends on."""

    plan_sha256: str  # the plan's digest: staleness is decided by it alone
    plan: str  # canonical JSON; written to the file as an object
    recipe_sha256: str  # of the text; informational: a changed comment is not stale
    sets: tuple[str, ...]  # overrides, KEY=VALUE, in the order given
    included: tuple[tuple[str, str], ...] = ()  # (file, sha256) of what the recipe includes; informational as well


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out."""

    adapter: str  # path relative to the lock
    adapter_sha256: str  # of the whole file
    tensors_sha256: str
    steps: int
    stopped: str  # steps | p | judge
    figures: tuple[tuple[str, float], ...]  # dotted name -> figure, sorted
    probes: tuple[tuple[str, str], ...]  # (picture, sha256 of its RGB bytes), sorted


@dataclass(frozen=True, slots=True)
class Lock:
    """The whole lock."""

    inputs: Inputs
    platform: Platform | None = None
    outcome: Outcome | None = None


def inputs(
    plan: plans.Plan, recipe_sha256: str, sets: tuple[str, ...] = (), included: tuple[tuple[str, str], ...] = ()
) -> Inputs:
    """The lock's inputs for a plan."""
    return Inputs(plans.digest(plan), plans.canonical(plan), recipe_sha256, sets, included)


def write(lock: Lock, path: Path) -> None:
    """Write a lock as sorted JSON with a digest of its own, replacing the file as a whole."""
    body = _body(lock)
    text = json.dumps(body | {"digest": _digest(body)}, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    files.write(path, (text + "\n").encode())


def digest(lock: Lock) -> str:
    """The lock's own digest, as it stands in its file."""
    return _digest(_body(lock))


def read(path: Path) -> Lock:
    """Read a lock; `InputError` where it is none, was edited by hand, or is of a later version."""
    try:
        data: Json = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _refuse(path, "lock", f"is no lock: {error}") from error
    if not isinstance(data, dict):
        raise _refuse(path, "lock", "is no lock: an object is expected")
    if data.get("lock") != VERSION:
        raise _refuse(path, "lock", f"version {VERSION} is expected, found {data.get('lock')!r}")
    body = {key: value for key, value in data.items() if key != "digest"}
    if data.get("digest") != _digest(body):
        raise _refuse(path, "digest", "does not match what the lock holds: it was edited or cut short")
    try:
        entries = cast(dict[str, Json], body["inputs"])
        flat = body | {"inputs": entries | {"plan": _canonical(entries["plan"])}}
        return TypeAdapter(Lock).validate_python({key: flat[key] for key in ("inputs", "platform", "outcome")})
    except (ValidationError, KeyError, TypeError) as error:
        raise _refuse(path, "lock", f"lacks what a lock holds: {error}") from error


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


def renewed(old: Lock | None, fresh: Inputs) -> Lock:
    """The lock for these inputs without training: an outcome that does not belong to them is dropped."""
    if old is not None and old.inputs.plan_sha256 == fresh.plan_sha256:
        return Lock(fresh, old.platform, old.outcome)
    return Lock(fresh)


def platform_here(device: str) -> Platform:
    """The platform that a training of this process runs on, torch loaded; `device` as a plan writes it."""
    import platform as machine
    from importlib import metadata

    import torch

    from .devices import device as chosen

    place = chosen(device)
    packages = ("control-recipes", "diffusers", "numpy", "peft", "pillow", "tokenizers", "torch", "transformers")
    return Platform(
        device=torch.cuda.get_device_name(place) if place.type == "cuda" else place.type,
        instruction_set=torch.backends.cpu.get_cpu_capability(),
        threads=torch.get_num_threads(),
        system=f"{machine.system()}-{machine.machine()}",
        python=machine.python_version(),
        deterministic=True,  # `run.train` sees to it
        versions=tuple((name, metadata.version(name)) for name in packages),
    )


def relative(path: Path, lock: Path) -> str:
    """A path as seen from a lock's folder, with forward slashes."""
    return Path(os.path.relpath(path.resolve(), lock.resolve().parent)).as_posix()


def _body(lock: Lock) -> dict[str, Json]:
    entries: dict[str, Json] = json.loads(json.dumps(asdict(lock)))
    written = cast(dict[str, Json], entries["inputs"])
    written["plan"] = json.loads(lock.inputs.plan)
    entries["lock"] = VERSION
    return entries


def _canonical(data: Json) -> str:
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _digest(body: Mapping[str, Json]) -> str:
    return hashlib.sha256(_canonical(dict(body)).encode()).hexdigest()


def _refuse(path: Path, key: str, message: str) -> InputError:
    hint = "delete it, and `recipe lock` or `recipe run` writes it anew from the recipe"
    return InputError([Problem(Place(str(path)), key, message, hint)])
