"""What a plan really takes on this machine: a few steps, one look and a batch of the evaluation, timed and weighed.

The only part of `recipe plan` that loads torch and weights; nothing of what it trains is kept.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch

from . import counting, devices, evaluate, models, planning, training, workload
from .hub import Listen
from .plan import Plan, Stop
from .quiet import quiet

STEPS = 6  # the first is warm-up, and paints what a replay starts from


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found, and what the whole run comes to by it."""

    framework_bytes: int  # of the process with every library loaded, before any weight
    memory_bytes: int  # above those, at most
    step_seconds: float
    look_seconds: float
    batch_seconds: float  # of the evaluation
    load_seconds: float  # libraries and models loaded, prompts encoded, and the first step's warm-up, for training
    seconds: float  # of the whole run, were every step needed
    estimated_bytes: int  # what the configurations alone said
    estimated_seconds: tuple[float, float]

    def text(self) -> str:
        """For people, beside the estimates."""
        low, high = (counting.duration(seconds) for seconds in self.estimated_seconds)
        return "\n".join(
            [
                "  measured   here, now, with whatever else this machine does:",
                f"    memory     {counting.size(self.memory_bytes)} above the framework's "
                f"{counting.size(self.framework_bytes)}; estimated {counting.size(self.estimated_bytes)}",
                f"    a step     {self.step_seconds:.3g} s; a look {self.look_seconds:.3g} s; "
                f"a batch of the evaluation {self.batch_seconds:.3g} s",
                f"    in all     about {counting.duration(self.seconds)}; estimated {low} to {high}",
            ]
        )


def calibrate(plan: Plan, seen: planning.Outlook, listen: Listen | None = None) -> Measured:
    """Run a little of a plan, once the weights of its models are here; `listen` is told how far a download has come.

    Raises `InputError` and `WorkError` as training and evaluation do.
    """
    models.fetch(plan, listen)
    started = time.monotonic()
    with quiet():
        _load_libraries(plan)
    framework, libraries = _resident(), time.monotonic() - started
    with tempfile.TemporaryDirectory(prefix="recipe-plan-") as scratch:
        paces = _trained(plan, Path(scratch))
        batch, evaluated = _evaluated(plan, paces.adapter)
    work = workload.workload(plan)
    looks = max(1, -(-plan.train.steps // plan.evaluate.every))
    batches = -(-len(plan.test_rows) * len(plan.evaluate.seeds) // workload.at_once(plan))
    load = libraries + paces.load + paces.first
    trained = plan.train.steps * paces.step + looks * paces.look + _painted(plan, paces.first) + paces.finish
    whole = load + trained + max(evaluated, evaluated + (batches - 2) * batch)
    needs = seen.needs
    return Measured(
        framework_bytes=framework,
        memory_bytes=_peak(plan) - (0 if _on_card(plan) else framework),
        step_seconds=paces.step,
        look_seconds=paces.look if work.looks.pictures else 0.0,
        batch_seconds=batch,
        load_seconds=load,
        seconds=whole,
        estimated_bytes=needs.memory_bytes if needs else 0,
        estimated_seconds=needs.seconds if needs else (0.0, 0.0),
    )


@dataclass(frozen=True, slots=True)
class _Paces:
    """Seconds of the parts of a training, and the adapter that came of it."""

    load: float  # models loaded, prompts encoded
    first: float  # what the first step takes more than the others
    step: float
    look: float
    finish: float  # the checkpoint and the adapter saved
    adapter: Path


def _trained(plan: Plan, folder: Path) -> _Paces:
    # a replay's buffer is painted before the first step, and not again in so few
    seldom = dataclasses.replace(plan.train.replay, refresh=STEPS)
    few = dataclasses.replace(plan.train, steps=STEPS, stop=Stop((), 1), save_every=10 * STEPS, replay=seldom)
    short = dataclasses.replace(plan, train=few, evaluate=dataclasses.replace(plan.evaluate, every=STEPS))
    started = time.monotonic()
    heard: list[float] = []
    trained = training.train(short, folder, lambda step: heard.append(time.monotonic()))
    lines = [json.loads(line) for line in (folder / training.METRICS).read_text(encoding="utf-8").splitlines()]
    steps = [float(line["seconds"]) for line in lines if "loss" in line]
    step = sum(steps[1:]) / len(steps[1:])
    return _Paces(
        load=max(0.0, heard[0] - started - steps[0]),
        first=max(0.0, steps[0] - step),
        step=step,
        look=max(0.0, heard[-1] - heard[-2] - steps[-1]),
        finish=time.monotonic() - heard[-1],
        adapter=trained.adapter,
    )


def _painted(plan: Plan, first: float) -> float:
    """Seconds of the batches that a replay paints later, by what the first step took to paint its whole buffer."""
    replay, batch = plan.train.replay, plan.train.batch
    if not replay.buffer:
        return 0.0
    return first * ((plan.train.steps - 1) // replay.refresh) / -(-replay.buffer // batch)


def _evaluated(plan: Plan, adapter: Path) -> tuple[float, float]:
    """Seconds of a batch of the evaluation, and of loading and two batches (or all, where there are fewer)."""
    seeds: Sequence[int] = plan.evaluate.seeds
    rows = max(1, -(-2 * workload.at_once(plan) // len(seeds)))
    if rows == 1:
        seeds = seeds[: 2 * workload.at_once(plan)]
    short = dataclasses.replace(
        plan,
        test_rows=plan.test_rows[:rows],
        evaluate=dataclasses.replace(plan.evaluate, seeds=tuple(seeds)),
    )
    heard: list[evaluate.Progress] = []
    evaluate.evaluate(short, adapter, listen=heard.append)
    batch = heard[1].seconds - heard[0].seconds if len(heard) > 1 else heard[0].seconds
    return batch, heard[-1].seconds


def _load_libraries(plan: Plan) -> None:
    """Import the classes that the models' own files name, as loading them would."""
    for member in (plan.generator, *plan.critics, *plan.judges):
        folder = Path(member.model.folder)
        for file in ("model_index.json", "config.json"):
            if (folder / file).is_file():
                _import(cast(dict[str, object], json.loads((folder / file).read_text(encoding="utf-8"))))
    importlib.import_module("peft")


def _import(index: dict[str, object]) -> None:
    named = [value for value in index.values() if isinstance(value, list) and len(cast(list[object], value)) == 2]
    pairs = [(str(one[0]), str(one[1])) for one in cast(list[list[object]], named)]
    pairs += [("diffusers", str(index.get("_class_name", "")))]
    listed = index.get("architectures")
    pairs += [("transformers", str(one)) for one in cast(list[object], listed if isinstance(listed, list) else [])]
    for library, name in pairs:
        if library in ("diffusers", "transformers"):
            getattr(importlib.import_module(library), name, None)


def _on_card(plan: Plan) -> bool:
    return devices.device(plan.generator.device).type == "cuda"


def _peak(plan: Plan) -> int:
    """Bytes: of the card, what torch held at most; of a processor, what the process did."""
    if _on_card(plan):
        return int(torch.cuda.max_memory_reserved(devices.device(plan.generator.device)))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def _resident() -> int:
    """Bytes of this process now."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:  # not every system has it; before any weight the peak is about as good
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else 1024 * most
