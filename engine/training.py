"""Training: a plan becomes an adapter, step by step, resumable bit for bit."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from types import MappingProxyType

import torch
from torch import Tensor

from . import adapter, checkpoint, interrupt, journal, latents, looks, memory, one_picture, orders, platforms, processes
from . import lock as locks
from . import step as steps
from .checkpoint import Progress, State
from .counting import counted
from .plan import Plan, digest
from .stage import Stage

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
    before: float = field(compare=False)  # of them, in earlier sessions


def train(
    plan: Plan,
    folder: Path,
    listen: Listen = lambda step: None,
    recipe_text: str = "",
    included: Mapping[str, str] = MappingProxyType({}),
    say: Callable[[str], None] = lambda text: None,
    inputs: str = "",
    fast: bool = False,
    begin: Mapping[str, Tensor] | None = None,
    on: Stage | None = None,
) -> Trained:
    """Train the plan's adapter in a run folder, from its checkpoint where there is one, and save NAME.safetensors.

    The adapter carries `recipe_text`, the texts of the files `included`, by name, and the lock's `inputs` as text;
    `say` is told where training goes on, and which checkpoints it could not go on from. Same plan and platform, same
    tensors, interrupted or not, unless it is to be `fast` on CUDA. It begins with a fresh adapter, with the plan's own
    start, or with the tensors to `begin` with; what stands `on` a stage is not loaded again, and is bare again
    afterwards. Writes metrics.jsonl and checkpoint/. Ctrl-C or SIGTERM stops after the current step with a checkpoint.
    Raises `InputError` for models that cannot do what the plan asks, `WorkError` where a number stops being finite or
    the checkpoint is of another plan, `OSError` where the folder cannot be written.
    """
    processes.refuse_idle(plan)
    with platforms.deterministic(plan, fast):
        orders.prepare(plan, begin, fast)
        desk = processes.agreed(lambda: steps.load(plan, begin, on, say))
        state = _state(desk)
        _restore(folder, state, plan, say)
        before = state.progress.seconds
        if not state.progress.stopped:
            processes.tell(orders.Begin(state.replay.cpu()))
            _loop(desk, state, folder, listen)
        processes.tell(orders.End())
        inputs = inputs or locks.text_of(locks.inputs(plan))
        trained = _finish(desk, state, folder, recipe_text, included, inputs, before)
        if isinstance(desk.learned, adapter.Lora):
            adapter.eject(desk.learned)
        return trained


def _state(desk: steps.Desk) -> State:
    weights, settings = desk.learned.weights(), desk.plan.train
    optimizer = torch.optim.AdamW(weights.values(), lr=settings.lr, weight_decay=0.0)
    average = {name: weight.detach().clone() for name, weight in weights.items()} if settings.ema else {}
    return State(weights, optimizer, Progress(digest(desk.plan)), average)


def _restore(folder: Path, state: State, plan: Plan, say: Callable[[str], None]) -> None:
    """Go back to the newest checkpoint whose lines are all there, and tell from which step training goes on."""
    metrics, passed_over = folder / METRICS, list[str]()

    def fits(progress: Progress) -> bool:
        return journal.holds(metrics, progress.metrics_bytes, progress.metrics_sha256)

    checkpoint.restore(folder, state, fits, passed_over.append)
    for text in passed_over:
        say(text)
    done = state.progress
    if done.stopped:
        say(f"{plan.name}: training is done already, {counted(done.step, 'step')}")
    elif done.step:
        say(f"{plan.name}: goes on after step {done.step} of {plan.train.steps}")
    elif passed_over:
        say(f"{plan.name}: no sound checkpoint is left, so training starts again")


def _loop(desk: steps.Desk, state: State, folder: Path, listen: Callable[[Step], None]) -> None:
    settings, before, started = desk.plan.train, state.progress, time.monotonic()
    with journal.opened(folder / METRICS, before.metrics_bytes) as lines, interrupt.deferred() as interrupted:
        while not state.progress.stopped:
            step, clock = state.progress.step + 1, time.monotonic()
            with memory.watched(desk.plan, "train", f"step {step}"):
                done = steps.take(desk, state, step)
            lines.write(_line(step, done, time.monotonic() - clock))
            last = step == settings.steps
            found: looks.Beliefs = {}
            if last or step % desk.plan.evaluate.every == 0:
                with memory.watched(desk.plan, "look", f"step {step}, look"):
                    found = steps.look(desk, state, step)
            if found:
                lines.write({"step": step, "look": looks.as_json(found)})
            spent = time.monotonic() - started
            state.progress = dataclasses.replace(
                state.progress,
                step=step,
                stopped=state.progress.stopped or ("steps" if last else ""),
                seconds=before.seconds + spent,
                metrics_bytes=lines.size,
                metrics_sha256=lines.sha256,
            )
            pace = spent / (step - before.step)
            try:
                listen(_told(step, settings.steps, done, found, pace))
            except KeyboardInterrupt:
                _save(folder, state, lines)
                raise
            if state.progress.stopped or interrupted() or step % settings.save_every == 0:
                _save(folder, state, lines)
            if stop := interrupted():
                raise stop


def _finish(
    desk: steps.Desk,
    state: State,
    folder: Path,
    recipe_text: str,
    included: Mapping[str, str],
    inputs: str,
    before: float,
) -> Trained:
    plan, progress = desk.plan, state.progress
    for name, weight in (state.best or state.average).items():
        state.weights[name].data.copy_(weight)
    tensors = latents.tensors(desk.learned)
    path = folder / f"{plan.name}.safetensors"
    if one_picture.is_meant(plan):
        metadata = latents.metadata(plan, inputs, recipe_text, tensors, included)
    else:
        metadata = adapter.metadata(desk.generator, plan, inputs, recipe_text, tensors, included, progress.step)
    adapter.save(path, tensors, adapter.fitted(metadata))
    kept = progress.kept if state.best else progress.step
    sha256 = adapter.tensors_sha256(tensors)
    return Trained(path, sha256, progress.step, kept, progress.stopped, progress.seconds, before)


def _save(folder: Path, state: State, lines: journal.Journal) -> None:
    lines.keep()
    checkpoint.save(folder, state)


def _line(step: int, done: steps.Done, seconds: float) -> dict[str, object]:
    return {
        "step": step,
        "loss": done.loss,
        "stay": done.stay,
        "grad_norm": done.grad_norm,
        "lr": done.lr,
        "seconds": seconds,
        "questions": looks.as_json(done.beliefs),
        **({"conflict": done.conflict.as_json()} if done.conflict else {}),
    }


def _told(step: int, of: int, done: steps.Done, found: looks.Beliefs, pace: float) -> Step:
    by_question: dict[str, list[float]] = {}
    for (question, _), belief in done.beliefs.items():
        by_question.setdefault(question, []).append(belief.p)
    p = tuple((question, fmean(values)) for question, values in by_question.items())
    look = tuple((question, critic, belief.p) for (question, critic), belief in found.items())
    return Step(step, of, done.loss, p, look, pace * (of - step))
