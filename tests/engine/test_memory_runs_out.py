"""Memory that runs out, really, in a process that is held to little: the message names what would save most."""

from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
import sys
from pathlib import Path

import pico
import pytest
import torch
from control_recipes.engine import memory, probes
from control_recipes.engine.errors import WorkError


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return pico.flux_folder(folder / "flux"), pico.critic_folder(folder / "critic")


HELD = """
import resource, sys
from dataclasses import replace
from pathlib import Path
import pico
from control_recipes.engine import checkpoint, evaluate, training
from control_recipes.engine.errors import WorkError

flux, critic, folder = map(Path, sys.argv[1:])

def hold(mebibytes):
    kib = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmSize"))
    most = int(kib) * 1024 + mebibytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))

def told(work):
    try:
        work()
    except WorkError as error:
        print(error.message, "|", error.hint.replace(chr(10), " "))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)

generator = pico.generator(flux, width=64, height=64)
plan = pico.plan_of(generator, critic, steps=3, batch=2, save_every=1)
trained = training.train(plan, folder / "small")
wide = replace(plan, train=replace(plan.train, batch=64))
told(lambda: training.train(wide, folder / "wide", lambda step: hold(40) if step.step == 1 else None))
print((folder / "wide" / checkpoint.FILE).exists())
rows = plan.test_rows * 40
many = replace(plan, test_rows=rows)
told(lambda: evaluate.evaluate(many, trained.adapter, listen=lambda done: hold(2)))
hold(40)
told(lambda: training.train(wide, folder / "wide"))
resumed = training.train(wide, folder / "wide")
print(resumed.steps)
"""


def test_training_and_evaluation_name_what_would_save_most(models: tuple[Path, Path], tmp_path: Path):
    paths = [str(Path(pico.__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    held = {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    held["MALLOC_MMAP_THRESHOLD_"] = str(2**16)  # what is freed is given back, so that it counts once
    command = [sys.executable, "-c", HELD, *map(str, models), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **held})
    assert done.returncode == 0, done.stderr[-3000:]
    training, kept, evaluation, again, steps = done.stdout.splitlines()
    assert training.startswith("step 2: out of memory on cpu | it needs about ")
    assert "above the framework's own; what saves most: train.batch: 1 (with train.accumulate: 64" in training
    assert kept == "True"
    assert evaluation.startswith("evaluation: out of memory on cpu | it needs about ")
    assert "generator." in evaluation
    assert again.startswith("step 2: out of memory on cpu | ")
    assert steps == "3"


def plan_of(models: tuple[Path, Path], **changes: object):
    return pico.plan_of(pico.generator(models[0], width=256, height=256), models[1], **changes)


def test_the_largest_saving_comes_first(models: tuple[Path, Path]):
    told = memory.levers(plan_of(models, batch=16), "train")
    named = [part.split(":")[0] for part in told.partition("what saves most: ")[2].split("; ")]
    assert named[0] == "train.batch"
    assert len(named) == memory.SHOWN
    assert set(named) <= {
        "train.batch", "generator.checkpointing", "generator.dtype", "generator.slicing", "generator.tiling",
        "critics.eyes.checkpointing", "critics.eyes.dtype",
    }  # fmt: skip
    alone = memory.levers(plan_of(models, batch=1), "train")
    assert "train.batch" not in alone


def test_where_nothing_is_left_to_turn_down_it_says_how_much_is_needed(models: tuple[Path, Path]):
    chosen = pico.plan_of(pico.generator(models[0], dtype="bfloat16"), models[1], batch=1)
    generator = dataclasses.replace(
        chosen.generator, checkpoint_backbone=True, checkpoint_decoder=True, slicing=True, tiling=True
    )
    critics = tuple(dataclasses.replace(one, checkpointing=True) for one in chosen.critics)
    told = memory.levers(dataclasses.replace(chosen, generator=generator, critics=critics), "train")
    assert "no setting of the recipe saves much: a device with more than " in told


def test_where_the_configurations_do_not_say_the_usual_ones_are_named(models: tuple[Path, Path], tmp_path: Path):
    chosen = plan_of(models)
    model = dataclasses.replace(chosen.generator.model, folder=str(tmp_path))
    told = memory.levers(
        dataclasses.replace(chosen, generator=dataclasses.replace(chosen.generator, model=model)), "train"
    )
    assert told == "generator.checkpointing: true, a smaller train.batch and generator.dtype: bfloat16 save most"


@pytest.mark.parametrize(
    ("error", "out"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)  # fmt: skip
def test_what_running_out_of_memory_is(models: tuple[Path, Path], error: Exception, out: bool):
    assert memory.ran_out(error) == out
    with pytest.raises(WorkError if out else type(error)), memory.watched(plan_of(models), "train", "step 1"):
        raise error


def test_probes_that_do_not_fit_end_in_words(models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch):
    def paint(*given: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(probes, "_paint", paint)
    with pytest.raises(WorkError, match="painting the probes: out of memory on "):
        probes.compare(plan_of(models), Path("a.safetensors"), [])
