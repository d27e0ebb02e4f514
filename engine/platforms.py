"""Platforms: what of a machine and its packages decides about the last bits, what differs, and settings that pin them.

No torch is imported before one of the functions needs it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from . import files, processes
from .errors import InputError, Place, Problem
from .lock import Platform
from .plan import Plan

if TYPE_CHECKING:
    pass

FILE = "platform.json"  # of a run folder: one platform for each session of its training, the last one last
PACKAGES = ("control-recipes", "diffusers", "numpy", "peft", "pillow", "tokenizers", "torch", "transformers")
_UNSET, _UNKNOWN = "unset", "not known"
_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_ENVIRONMENT = ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA")
_NUMBERS = {"cpu family": "family", "model": "model"}
_ARM = {"CPU implementer": "implementer", "CPU variant": "variant", "CPU part": "part"}


def here(plan: Plan, fast: bool = False) -> Platform:
    """The platform that a plan runs on in this process; `InputError` where it lacks a device of it.

    Processes share a training alone: what composes without any is the first one's own work.
    """
    import platform as machine
    from importlib import metadata

    import torch

    from . import devices

    places = [devices.found(word) for word in _words(plan)]
    names = [torch.cuda.get_device_name(one) if one.type == "cuda" else one.type for one in places]
    cuda = any(one.type == "cuda" for one in places)
    return Platform(
        device=", ".join(dict.fromkeys(names)),
        instruction_set=torch.backends.cpu.get_cpu_capability(),
        threads=torch.get_num_threads(),
        system=f"{machine.system()}-{machine.machine()}",
        python=machine.python_version(),
        deterministic=not (cuda and fast),
        versions=tuple((name, metadata.version(name)) for name in PACKAGES),
        processor=_processor(),
        flags=tuple(sorted(_flags(cuda).items())),
        processes=processes.count() if plan.train.steps else 1,
    )


def differences(was: Platform, now: Platform) -> tuple[str, ...]:
    """What differs and may change the last bits, in words; a processor that is not known is another one."""
    pairs: list[tuple[str, object, object]] = [
        (words, getattr(was, name), getattr(now, name))
        for name, words in (
            ("device", "device"),
            ("processor", "processor"),
            ("instruction_set", "instruction set"),
            ("threads", "threads"),
            ("processes", "processes"),
            ("system", "system"),
        )
    ]
    for table in ("flags", "versions"):
        before, after = dict(getattr(was, table)), dict(getattr(now, table))
        if before and after:
            pairs += [(name, before.get(name, _UNSET), after.get(name, _UNSET)) for name in sorted({*before, *after})]
    unknown = ("processor", "", "")  # two that nobody knows are hardly ever the same one
    told = [
        f"{what} {old or _UNKNOWN}, here {new or _UNKNOWN}"
        for what, old, new in pairs
        if old != new or (what, old, new) == unknown
    ]
    if was.deterministic != now.deterministic:
        told.append("made with --fast, here without" if now.deterministic else "made without --fast, here with it")
    return tuple(told)


@dataclass(frozen=True, slots=True)
class _Session(Platform):
    """One session of a training: where it ran, and how many steps were done before."""

    done: int = 0


def begun(folder: Path, now: Platform, done: int) -> Platform:
    """Note in a run folder that a session of its training begins, from the checkpoint of so many steps.

    The platform, and what was otherwise in earlier sessions; one that did no step that is still there does not count.
    """
    path = folder / FILE
    earlier = [one for one in (_sessions(path) if done and path.exists() else ()) if one.done < done]
    sessions = (*earlier, _Session(**asdict(now), done=done))
    files.write(path, f"{json.dumps([asdict(one) for one in sessions])}\n".encode())
    return _together(sessions)


def of_run(folder: Path) -> Platform | None:
    """The platform that a run folder's training ran on, as its sessions noted it; None where none did."""
    path = folder / FILE
    return _together(_sessions(path)) if path.exists() else None


def _sessions(path: Path) -> tuple[_Session, ...]:
    """What a run folder notes, one session at least; `InputError` where that was damaged."""
    try:
        if found := TypeAdapter(tuple[_Session, ...]).validate_json(path.read_bytes()):
            return found
        why = "names no session"
    except ValueError:
        why = "cannot be read"
    hint = "delete it: then nothing is known any more of what this training ran on before"
    raise InputError([Problem(Place(str(path)), "", why, hint)])


def _together(sessions: Sequence[_Session]) -> Platform:
    last = Platform(**{one.name: getattr(sessions[-1], one.name) for one in fields(Platform)})
    told = [line for one in sessions[:-1] for line in differences(one, last)]
    return replace(last, mixed=tuple(dict.fromkeys(told)), deterministic=all(one.deterministic for one in sessions))


def _words(plan: Plan) -> list[str]:
    """Where a plan says that it computes, the generator's device first."""
    return list(dict.fromkeys(one.device for one in (plan.generator, *plan.critics, *plan.judges)))


@contextmanager
def deterministic(plan: Plan, fast: bool = False) -> Generator[None]:
    """Inside, CUDA computes the same bits every time, unless `fast`.

    A CPU does so anyway, with the same number of threads: there it changes nothing and costs nothing.
    """
    import torch

    from . import devices

    if fast or all(devices.device(word).type != "cuda" for word in _words(plan)):
        yield
        return
    os.environ.setdefault(_WORKSPACE, ":4096:8")  # read when CUDA starts
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


@contextmanager
def threads(number: int) -> Generator[None]:
    """Inside, torch computes with so many threads; 0 leaves them as they are."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _flags(cuda: bool) -> dict[str, str]:
    """Settings of torch, and of the libraries below it, as they stand now; those that are not set are left out."""
    import torch

    found = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    found["float32_matmul_precision"] = torch.get_float32_matmul_precision()
    if cuda:
        found[_WORKSPACE] = os.environ.get(_WORKSPACE, _UNSET)
        found["deterministic_algorithms"] = str(torch.are_deterministic_algorithms_enabled()).lower()
        found["cudnn_benchmark"] = str(torch.backends.cudnn.benchmark).lower()
        found["cuda"], found["cudnn"] = str(torch.version.cuda), str(torch.backends.cudnn.version())
    return found


def _processor() -> str:
    """The CPU's own name, and its numbers, since some machines give all their names alike; empty where none is said.

    With the same instructions another one sums in another order: libraries go by its caches and its maker.
    """
    try:
        return _told(Path("/proc/cpuinfo").read_text("utf-8", "replace"))
    except OSError:
        return _asked()


def _told(text: str) -> str:
    """The processor that the text of Linux's /proc/cpuinfo tells: x86 has a name and numbers, ARM numbers of cores."""
    cores = [dict(re.findall(r"^([^:\t\n]+?)\s*: (.+)$", block, re.MULTILINE)) for block in text.split("\n\n")]
    arms = {_numbers(core, _ARM) for core in cores}  # of a processor of two kinds of cores both
    names = (cores[0].get("model name", ""), _numbers(cores[0], _NUMBERS), *sorted(arms), cores[-1].get("Model", ""))
    return ", ".join(part for part in names if part)


def _numbers(core: Mapping[str, str], keys: Mapping[str, str]) -> str:
    return " ".join(f"{what} {core[key]}" for key, what in keys.items() if key in core)


def _asked() -> str:
    """The processor that macOS, or a BSD, tells when it is asked."""
    for key in ("machdep.cpu.brand_string", "hw.model"):
        try:
            found = subprocess.run(["/usr/sbin/sysctl", "-n", key], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.SubprocessError):
            return ""
        if found.returncode == 0 and found.stdout.strip():
            return found.stdout.strip()
    return ""
