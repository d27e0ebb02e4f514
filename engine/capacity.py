"""What the device at hand holds, and whether it is there: asked of the system and `nvidia-smi`, never of torch."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from glob import glob

from .document import Document
from .document import Path as KeyPath
from .errors import InputError, Place, Problem, no_device
from .plan import Plan

# what a driver makes of a card, be it one that `nvidia-smi` does not know
_DRIVERS = ("/dev/nvidia[0-9]*", "/dev/nvhost-gpu", "/dev/nvgpu*", "/dev/kfd", "/dev/dxg")


@dataclass(frozen=True, slots=True)
class Device:
    """Where a model would run."""

    kind: str  # cpu | cuda
    name: str
    memory_bytes: int | None  # in all; None where nothing says
    free_bytes: int | None  # of it, now
    cores: int  # of the processor


def device(word: str) -> Device:
    """The device that `auto`, `cpu`, `cuda` or `cuda:N` means here."""
    gpus = _gpus() if word != "cpu" else []
    if word == "auto" and not gpus:
        word = "cpu"
    if word == "cpu":
        return Device("cpu", platform.machine() or "cpu", *_memory(), cores())
    number = int(word.partition(":")[2] or 0)
    if number < len(gpus):
        return Device("cuda", *gpus[number], cores())
    return Device("cuda", word, None, None, cores())


def refuse_missing(plan: Plan, document: Document | None = None) -> None:
    """Raises `InputError`, at its place in the recipe, for every device of a plan that this machine has not.

    Where nothing but torch could say, it is not refused here: `devices.found` is asked before a model goes there.
    """
    asked = [(path, word) for path, word in _devices(plan) if word.startswith("cuda")]
    number = _cards() if asked else None
    if number is None:
        return
    missing = [(path, word) for path, word in asked if int(word.partition(":")[2] or 0) >= number]
    if missing:
        places = {path: Place(plan.name) if document is None else document.place(path) for path, _ in missing}
        raise InputError(
            Problem(places[path], ".".join(map(str, path)), *no_device(word, number)) for path, word in missing
        )


def _devices(plan: Plan) -> Iterator[tuple[KeyPath, str]]:
    yield ("generator", "device"), plan.generator.device
    for part, members in (("critics", plan.critics), ("judges", plan.judges)):
        yield from (((part, member.name, "device"), member.device) for member in members)


def _cards() -> int | None:
    """How many CUDA cards there are; None where there is a driver, and no `nvidia-smi` that counts."""
    if gpus := _gpus():
        return len(gpus)
    return None if any(map(glob, _DRIVERS)) else 0


def cores() -> int:
    """Of the processor, as many as this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> tuple[int | None, int | None]:
    """All and available bytes of the machine, or of the control group that this process is held to."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        whole, free = page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    except (OSError, ValueError):
        return None, None
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):  # what is cached may be had too
            free = 1024 * int(line.split()[1])
    for line in _lines("/sys/fs/cgroup/memory.max"):
        if line.strip().isdigit():
            whole, free = min(whole, int(line)), min(free, int(line))
    return whole, free


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            return file.readlines()
    except (OSError, UnicodeDecodeError):
        return []


def _gpus() -> list[tuple[str, int, int]]:
    """Name, all and free bytes of each card."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    asked = [tool, "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return read_gpus(said)


def read_gpus(said: str) -> list[tuple[str, int, int]]:
    """What `nvidia-smi` says, a card a line: name, MiB in all, MiB free. Lines of another form are left out."""
    found: list[tuple[str, int, int]] = []
    for line in said.splitlines():
        cells = [cell.strip() for cell in line.rsplit(",", 2)]
        if len(cells) == 3 and cells[1].isdigit() and cells[2].isdigit():
            found.append((cells[0], int(cells[1]) * 2**20, int(cells[2]) * 2**20))
    return found
