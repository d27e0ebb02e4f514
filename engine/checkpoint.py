"""Checkpoints: what a training needs to go on as if nothing had happened, in one file that is whole or not there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from . import adapter
from .errors import WorkError

FILE = Path("checkpoint", "state.safetensors")
REPLAY = "replay"
MOMENTS = ("exp_avg", "exp_avg_sq")  # AdamW's, by torch's names


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training has come: everything of a checkpoint that is no tensor."""

    plan: str  # the plan's digest
    step: int = 0  # steps done
    seconds: float = 0.0  # spent so far, all sessions together
    metrics_bytes: int = 0  # of metrics.jsonl that belong to the steps done
    satisfied: int = 0  # looks in a row that met every threshold
    best: float = -1.0  # smallest distance of p above its threshold at the best look
    kept: int = 0  # the step of the best look; 0: none yet
    stopped: str = ""  # why the training ended: steps | p | judge; empty while it goes on


@dataclass(slots=True)
class State:
    """What training changes: the adapter's weights, the moments, the average, the best look's weights, a replay."""

    weights: Mapping[str, nn.Parameter]
    optimizer: torch.optim.AdamW
    progress: Progress
    average: dict[str, Tensor] = field(default_factory=dict[str, Tensor])  # empty: none is kept
    best: dict[str, Tensor] = field(default_factory=dict[str, Tensor])  # empty: no look so far
    replay: Tensor = field(default_factory=lambda: torch.zeros(0))  # latents [K, …]; empty: none are kept


def save(folder: Path, state: State) -> None:
    """Write the checkpoint of a run folder, replacing the one before."""
    tensors: dict[str, Tensor] = {}
    for name, weight in state.weights.items():
        tensors[f"weight/{name}"] = weight
        for moment in MOMENTS if state.optimizer.state else ():
            tensors[f"{moment}/{name}"] = state.optimizer.state[weight][moment]
    tensors |= {f"average/{name}": value for name, value in state.average.items()}
    tensors |= {f"best/{name}": value for name, value in state.best.items()}
    tensors |= {REPLAY: state.replay} if len(state.replay) else {}
    adapter.save(folder / FILE, tensors, {"progress": json.dumps(asdict(state.progress), sort_keys=True)})


def restore(folder: Path, state: State) -> None:
    """Bring `state`, fresh from the same plan, to where the run folder's checkpoint left off; none there: leave it.

    Raises `WorkError` where the checkpoint belongs to another plan.
    """
    if not (folder / FILE).is_file():
        return
    tensors, metadata = adapter.load(folder / FILE)
    progress = Progress(**json.loads(metadata["progress"]))
    if progress.plan != state.progress.plan:
        raise WorkError(f"{folder / FILE}: is a checkpoint of another plan, {progress.plan[:12]}")
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
