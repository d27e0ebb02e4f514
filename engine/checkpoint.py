"""Checkpoints: what a training needs to go on as if nothing had happened, in one file that is whole or not there.

    checkpoint/state.safetensors      the last one            each sealed by a digest of all it holds, so that a byte
    checkpoint/previous.safetensors   the one before          that changed since is noticed and the other one is taken

Random numbers need no state of their own: `streams` derives every one of them from the plan's seed and the step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import cast

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from . import adapter, files
from .conflict import Balance
from .errors import InputError, WorkError

FILE = Path("checkpoint", "state.safetensors")
PREVIOUS = Path("checkpoint", "previous.safetensors")
REPLAY = "replay"
_OTHER_VERSION = "was written by another version of this program"
MOMENTS = ("exp_avg", "exp_avg_sq")  # AdamW's, by torch's names


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training has come: everything of a checkpoint that is no tensor."""

    plan: str  # the plan's digest
    step: int = 0  # steps done
    seconds: float = 0.0  # spent so far, all sessions together
    metrics_bytes: int = 0  # of metrics.jsonl that belong to the steps done
    metrics_sha256: str = ""  # of those bytes
    satisfied: int = 0  # looks in a row that met every threshold
    best: float = -1.0  # smallest distance of p above its threshold at the best look
    kept: int = 0  # the step of the best look; 0: none yet
    stopped: str = ""  # why the training ended: steps | p | judge; empty while it goes on
    balance: tuple[Balance, ...] = ()  # what balancing remembers, by question; empty: weights are as they are written


@dataclass(slots=True)
class State:
    """What training changes: the adapter's weights, the moments, the average, the best look's weights, a replay."""

    weights: Mapping[str, nn.Parameter]
    optimizer: torch.optim.AdamW
    progress: Progress
    average: dict[str, Tensor] = field(default_factory=dict[str, Tensor])  # empty: none is kept
    best: dict[str, Tensor] = field(default_factory=dict[str, Tensor])  # empty: no look so far
    replay: Tensor = field(default_factory=lambda: torch.zeros(0))  # latents [K, …]; empty: none are kept


class _Unsound(ValueError):
    """A checkpoint that cannot be gone on from: why."""


def save(folder: Path, state: State) -> None:
    """Write the checkpoint of a run folder; the one before is kept beside it. Raises `OSError`."""
    tensors: dict[str, Tensor] = {}
    for name, weight in state.weights.items():
        tensors[f"weight/{name}"] = weight
        for moment in MOMENTS if state.optimizer.state else ():
            tensors[f"{moment}/{name}"] = state.optimizer.state[weight][moment]
    tensors |= {f"average/{name}": value for name, value in state.average.items()}
    tensors |= {f"best/{name}": value for name, value in state.best.items()}
    tensors |= {REPLAY: state.replay} if len(state.replay) else {}
    progress = json.dumps(asdict(state.progress), sort_keys=True)
    metadata = {"progress": progress, "sha256": _seal(tensors, progress)}
    adapter.save(folder / FILE, tensors, metadata, keep=folder / PREVIOUS)


def restore(
    folder: Path,
    state: State,
    fits: Callable[[Progress], bool] = lambda progress: True,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Bring `state`, fresh from the same plan, to where the run folder's newest sound checkpoint left off.

    One that was damaged, or that does not fit, is told to `say` and passed over; where none is left, `state` stays as
    it is. Raises `WorkError` where a checkpoint belongs to another plan, `OSError` where one cannot be read at all:
    that says nothing of what it holds, and training anew would write over it.
    """
    for path in (folder / FILE, folder / PREVIOUS):
        if not path.is_file():
            continue
        try:
            tensors, progress = _read(path)
            if progress.plan != state.progress.plan:
                raise WorkError(f"{path}: is a checkpoint of another plan, {progress.plan[:12]}")
            if not fits(progress):
                raise _Unsound("the steps that it counts on are not in metrics.jsonl any more")
            _put(tensors, progress, state)
            return
        except _Unsound as error:
            say(f"{path}: {error}; it is passed over")


def _seal(tensors: Mapping[str, Tensor], progress: str) -> str:
    return hashlib.sha256(f"{adapter.tensors_sha256(tensors)} {progress}".encode()).hexdigest()


def _read(path: Path) -> tuple[dict[str, Tensor], Progress]:
    try:
        tensors, metadata = adapter.load(path)
        progress = metadata["progress"]
        if metadata["sha256"] != _seal(tensors, progress):
            raise _Unsound("is damaged: it is not what was written")
        found: object = json.loads(progress)
        if not isinstance(found, dict) or set(cast(dict[str, object], found)) != {one.name for one in fields(Progress)}:
            raise _Unsound(_OTHER_VERSION)
        return tensors, TypeAdapter(Progress).validate_json(progress, strict=True)
    except (InputError, KeyError) as error:
        if isinstance(refused := error.__cause__, OSError):
            with files.named(path):
                raise refused from None
        raise _Unsound("is damaged: it cannot be read") from error
    except ValidationError as error:
        raise _Unsound(_OTHER_VERSION) from error


def _put(tensors: Mapping[str, Tensor], progress: Progress, state: State) -> None:
    if any(f"weight/{name}" not in tensors for name in state.weights):
        raise _Unsound(_OTHER_VERSION)
    state.progress = progress
    for name, weight in state.weights.items():
        weight.data.copy_(tensors[f"weight/{name}"])
        if f"{MOMENTS[0]}/{name}" in tensors:
            moments = {moment: tensors[f"{moment}/{name}"].to(weight.device) for moment in MOMENTS}
            state.optimizer.state[weight] = {"step": torch.tensor(float(progress.step)), **moments}
    state.average = _named(tensors, "average/", state)
    state.best = _named(tensors, "best/", state)
    state.replay = tensors.get(REPLAY, state.replay)


def _named(tensors: Mapping[str, Tensor], head: str, state: State) -> dict[str, Tensor]:
    found = {name.removeprefix(head): value for name, value in tensors.items() if name.startswith(head)}
    return {name: value.to(state.weights[name].device) for name, value in found.items()}
