"""The loop that trains every model of the world: seeded step by step, resumable, with progress."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Course:
    """How long and how fast a model learns."""

    steps: int
    lr: float
    warmup: int = 100
    seed: int = 0
    save_every: int = 200
    clip: float = 1.0
    floor: float = 0.0  # of the rate at the end, as a share of `lr`
    stop: int = 0  # the step to stop at, before the rate has fallen all the way; 0: `steps`

    @property
    def last(self) -> int:
        """How many steps are taken."""
        return self.stop or self.steps

    def rate(self, step: int) -> float:
        """The learning rate of a step: a linear rise, then a cosine fall."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.lr * (self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * done)))


def stream(seed: int, step: int) -> torch.Generator:
    """The random numbers of one step, the same whether or not the training was interrupted before it."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised by Newton and Schulz, in float32 (torch's own computes in bfloat16, which CPUs emulate).

    Source: K. Jordan et al., "Muon: An optimizer for hidden layers", 2024; the rate is scaled as Liu et al. 2025
    (arXiv 2502.16982) so that updates are as large as Adam's.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        shapes: dict[tuple[int, ...], list[nn.Parameter]] = {}
        for parameter in parameters:
            shapes.setdefault(tuple(parameter.shape), []).append(parameter)
        super().__init__([{"params": group} for group in shapes.values()], {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        for group in self.param_groups:
            updates: list[Tensor] = []
            for parameter in group["params"]:
                momentum = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
                momentum.lerp_(parameter.grad, 1 - group["momentum"])
                updates.append(parameter.grad.lerp(momentum, group["momentum"]))
            stacked = torch.stack(updates).flatten(2)  # a filter counts as one row
            scale = 0.2 * max(stacked.shape[1:]) ** 0.5
            for parameter, update in zip(group["params"], _orthogonal(stacked), strict=True):
                parameter.mul_(1 - 0.01 * group["lr"]).add_(update.view_as(parameter), alpha=-group["lr"] * scale)


def _orthogonal(matrices: Tensor) -> Tensor:
    """The orthogonal factors of matrices [K, m, n], roughly: five steps of a quintic iteration."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if tall else x


def _optimizers(model: nn.Module, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for matrices and filters inside blocks, Adam for the rest (embeddings, convolutions, norms, heads)."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            inner = parameter.ndim in (2, 4) and ("block" in name or "layers." in name)
            (matrices if inner else others).append(parameter)
    found: list[torch.optim.Optimizer] = []
    if matrices:
        found.append(Muon(matrices, lr=lr))
    if others:
        found.append(torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.98), weight_decay=0.0))
    return found


def _pack(model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for number, optimizer in enumerate(optimizers):
        for index, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                tensors[f"optimizer.{number}.{index}.{key}"] = torch.as_tensor(value)
    return {name: value.detach().clone().contiguous() for name, value in tensors.items()}


def _unpack(tensors: dict[str, Tensor], optimizers: Sequence[torch.optim.Optimizer]) -> None:
    for number, optimizer in enumerate(optimizers):
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith(f"optimizer.{number}."):
                _, _, index, key = name.split(".", 3)
                state.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def load_weights(model: nn.Module, state: Path) -> None:
    """Load the weights of a state that `run` saved."""
    model.load_state_dict({name[6:]: value for name, value in load_file(state).items() if name.startswith("model.")})


def run(
    model: nn.Module, loss: Callable[[int, torch.Generator], Tensor], course: Course, folder: Path, report: Report
) -> float:
    """Train `model` in place on `loss(step, random numbers)`; the minutes it took, over all its interruptions.

    State lies in `folder`; a training that was killed goes on from the last save and ends with the same weights. A
    folder whose training is finished trains no more: the model gets its weights.
    """
    state = folder / "state.safetensors"
    optimizers = _optimizers(model, course.lr)
    first, spent = 0, 0.0
    if state.exists():
        load_weights(model, state)
        _unpack(load_file(state), optimizers)
        first, spent = _progress(state)
        report(f"resumed at step {first}")
    model.train()
    began, mean = time.monotonic(), math.nan
    for step in range(first, course.last):
        value = _take(model, optimizers, loss(step, stream(course.seed, step)), course, step)
        mean = value if math.isnan(mean) else 0.98 * mean + 0.02 * value
        done = step + 1
        seconds = time.monotonic() - began
        if done % 50 == 0 or done == course.last:
            left = seconds / (done - first) * (course.last - done)
            report(f"step {done}/{course.last}  loss {mean:.4f}  {left / 60:.1f} min left")
        if done % course.save_every == 0 or done == course.last:
            _save(state, _pack(model, optimizers), done, spent + seconds)
    model.eval()
    return (spent + time.monotonic() - began) / 60


def _take(
    model: nn.Module, optimizers: Sequence[torch.optim.Optimizer], loss: Tensor, course: Course, step: int
) -> float:
    """Update the weights once; the loss as a number."""
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(model.parameters(), course.clip)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = course.rate(step)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return loss.item()


def _save(state: Path, tensors: dict[str, Tensor], step: int, seconds: float) -> None:
    """Replace the state in one move, progress in its header: whenever the process dies, one whole state is there."""
    state.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, state.with_suffix(".new"), {"step": str(step), "seconds": str(seconds)})
    state.with_suffix(".new").replace(state)


def _progress(state: Path) -> tuple[int, float]:
    """Steps done, and the seconds they took."""
    with safe_open(state, "pt") as file:
        said: dict[str, str] | None = file.metadata()
    # states of before the header held them have a note beside them
    noted = said or json.loads(state.with_suffix(".json").read_text(encoding="utf-8"))
    return int(noted["step"]), float(noted["seconds"])
