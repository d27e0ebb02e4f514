"""Training: a plan becomes an adapter, step by step, resumable bit for bit."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import BinaryIO

import torch

from . import adapter, checkpoint, interrupt, looks, platforms
from . import lock as locks
from . import step as steps
from .checkpoint import Progress, State
from .errors import WorkError
from .plan import Plan, digest

METRICS = "metrics.jsonl"
Listen = Callable[["Step"], None]


@dataclass(frozen=True, slots=True)
class Step:
    """What `train` tells after every step."""

    step: int  # from 1
    steps: int
    loss: float  # nats, stay included
    p: tuple[tuple[str, float], ...]  # question -> mean over pictures and critics, sorted
    look: tuple[tuple[str, str, float], ...]  # question, critic or judge, p on the validation rows; empty between looks
    seconds_left: float  # at the pace of this session, were all steps needed


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training left behind."""

    adapter: Path
    tensors_sha256: str
    steps: int  # done
    kept: int  # the step whose weights were saved: the best look's where the plan stops by p, otherwise the last
    stopped: str  # steps | p | judge
    seconds: float  # of all sessions together


def train(
    plan: Plan,
    folder: Path,
    listen: Listen = lambda step: None,
    recipe_text: str = "",
    included: Mapping[str, str] = MappingProxyType({}),
    inputs: str = "",
    fast: bool = False,
) -> Trained:
    """Train the plan's adapter in a run folder, from its checkpoint where there is one, and save NAME.safetensors.

    The adapter carries `recipe_text`, the texts of the files `included`, by name, and the lock's `inputs` as text.
    Same plan and platform, same tensors, interrupted or not, unless it is to be `fast` on CUDA. Writes metrics.jsonl
    and checkpoint/. Ctrl-C stops after the current step with a checkpoint. Raises `InputError` for models that cannot
    do what the plan asks, `WorkError` where a number stops being finite or the checkpoint is of another plan.
    """
    with platforms.deterministic(plan, fast):
        desk = steps.prepare(plan)
        state = _state(desk)
        checkpoint.restore(folder, state)
        if not state.progress.stopped:
            _loop(desk, state, folder, listen)
        inputs = inputs or locks.text_of(locks.inputs(plan))
        return _finish(desk, state, folder, recipe_text, included, inputs)


def _state(desk: steps.Desk) -> State:
    weights, settings = desk.lora.weights(), desk.plan.train
    optimizer = torch.optim.AdamW(weights.values(), lr=settings.lr, weight_decay=0.0)
    average = {name: weight.detach().clone() for name, weight in weights.items()} if settings.ema else {}
    return State(weights, optimizer, Progress(digest(desk.plan)), average)


def _loop(desk: steps.Desk, state: State, folder: Path, listen: Callable[[Step], None]) -> None:
    settings, before, started = desk.plan.train, state.progress, time.monotonic()
    with _metrics(folder / METRICS, before.metrics_bytes) as file, interrupt.deferred() as interrupted:
        while not state.progress.stopped:
            step, clock = state.progress.step + 1, time.monotonic()
            done = steps.take(desk, state, step)
            _write(file, _line(step, done, time.monotonic() - clock))
            last = step == settings.steps
            found = steps.look(desk, state, step) if last or step % desk.plan.evaluate.every == 0 else {}
            if found:
                _write(file, {"step": step, "look": looks.as_json(found)})
            spent = time.monotonic() - started
            state.progress = dataclasses.replace(
                state.progress,
                step=step,
                stopped=state.progress.stopped or ("steps" if last else ""),
                seconds=before.seconds + spent,
                metrics_bytes=file.tell(),
            )
            pace = spent / (step - before.step)
            try:
                listen(_told(step, settings.steps, done, found, pace))
            except KeyboardInterrupt:
                _save(folder, state, file)
                raise
            if state.progress.stopped or interrupted() or step % settings.save_every == 0:
                _save(folder, state, file)
            if interrupted() and not state.progress.stopped:
                raise KeyboardInterrupt


def _finish(
    desk: steps.Desk, state: State, folder: Path, recipe_text: str, included: Mapping[str, str], inputs: str
) -> Trained:
    plan, progress = desk.plan, state.progress
    for name, weight in (state.best or state.average).items():
        state.weights[name].data.copy_(weight)
    tensors = adapter.tensors(desk.lora)
    path = folder / f"{plan.name}.safetensors"
    metadata = adapter.metadata(desk.generator, plan, inputs, recipe_text, tensors, included, progress.step)
    adapter.save(path, tensors, metadata)
    kept = progress.kept if state.best else progress.step
    sha256 = adapter.tensors_sha256(tensors)
    return Trained(path, sha256, progress.step, kept, progress.stopped, progress.seconds)


def _save(folder: Path, state: State, file: BinaryIO) -> None:
    # the lines first: a checkpoint never counts bytes that a lost power took
    file.flush()
    os.fsync(file.fileno())
    checkpoint.save(folder, state)


@contextmanager
def _metrics(path: Path, size: int) -> Generator[BinaryIO]:
    """The metrics file, opened to append after its first `size` bytes: what a lost session wrote later is cut off."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if file.tell() < size:
            raise WorkError(f"{path}: lines that the checkpoint counts on are missing; train anew")
        file.truncate(size)
        file.seek(size)
        yield file


def _write(file: BinaryIO, line: Mapping[str, object]) -> None:
    file.write(json.dumps(line).encode() + b"\n")
    file.flush()


def _line(step: int, done: steps.Done, seconds: float) -> dict[str, object]:
    return {
        "step": step,
        "loss": done.loss,
        "stay": done.stay,
        "grad_norm": done.grad_norm,
        "lr": done.lr,
        "seconds": seconds,
        "questions": looks.as_json(done.beliefs),
    }


def _told(step: int, of: int, done: steps.Done, found: looks.Beliefs, pace: float) -> Step:
    by_question: dict[str, list[float]] = {}
    for (question, _), belief in done.beliefs.items():
        by_question.setdefault(question, []).append(belief.p)
    p = tuple((question, fmean(values)) for question, values in by_question.items())
    look = tuple((question, critic, belief.p) for (question, critic), belief in found.items())
    return Step(step, of, done.loss, p, look, pace * (of - step))
