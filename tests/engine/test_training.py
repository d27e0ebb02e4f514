"""Training: what it writes, that it learns, and that nothing but the plan decides its result."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pico
import pytest
import torch
from control_recipes.engine import adapter, checkpoint, lock, plan, training
from control_recipes.engine import step as steps
from control_recipes.engine.errors import WorkError


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return pico.flux_folder(folder / "flux"), pico.critic_folder(folder / "critic")


def planned(models, *, sampler=1, dtype="float32", **changes):
    flux, critic = models
    return pico.plan_of(pico.generator(flux, steps=sampler, dtype=dtype), critic, **changes)


def lines(folder: Path):
    return [json.loads(line) for line in (folder / training.METRICS).read_text().splitlines()]


def timeless(folder: Path):
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines(folder)]


def test_training_writes_an_adapter_that_carries_its_recipe(tmp_path, models):
    chosen = planned(models)
    heard: list[training.Step] = []
    trained = training.train(chosen, tmp_path, heard.append, "recipe: 1\n")
    assert (trained.steps, trained.kept, trained.stopped) == (4, 4, "steps")
    assert trained.adapter == tmp_path / "pico.safetensors"
    tensors, metadata = adapter.load(trained.adapter)
    assert adapter.tensors_sha256(tensors) == trained.tensors_sha256 == metadata["control_recipes.tensors_sha256"]
    assert metadata["control_recipes.recipe"] == "recipe: 1\n"
    inputs = lock.inputs_of(metadata["control_recipes.inputs"], "x")
    assert (inputs.plan, inputs.plan_sha256) == (plan.canonical(chosen), plan.digest(chosen))
    assert (metadata["control_recipes.rank"], metadata["control_recipes.alpha"]) == ("2", "4.0")
    assert str(tmp_path) not in json.dumps(metadata)
    assert any(value.abs().max() > 0 for name, value in tensors.items() if "lora_B" in name)
    assert [(one.step, one.steps) for one in heard] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [name for name, _ in heard[0].p] == ["aligned", "there", "what"]
    assert [bool(one.look) for one in heard] == [False, True, False, True]
    assert heard[-1].seconds_left == 0


def test_metrics_are_one_object_a_step_and_one_a_look(tmp_path, models):
    training.train(planned(models), tmp_path)
    found = lines(tmp_path)
    assert [("look" in line, line["step"]) for line in found] == [
        (False, 1), (False, 2), (True, 2), (False, 3), (False, 4), (True, 4)
    ]  # fmt: skip
    assert set(found[0]) == {"step", "loss", "stay", "grad_norm", "lr", "seconds", "questions"}
    assert set(found[0]["questions"]["aligned"]["eyes"]) == {"p", "nats"}
    assert set(found[2]["look"]) == {"aligned", "there", "what"}


def test_steps_lower_the_loss_of_the_pictures_they_see(models):
    desk = steps.prepare(planned(models, lr=2e-3, adapter=plan.Adapter(2, 40.0, "attention")))
    state = training._state(desk)
    losses = [steps.take(desk, state, 1).loss for _ in range(15)]
    assert losses[-1] < losses[0] - 0.05


@pytest.mark.parametrize("sampler", [1, 3])
def test_same_plan_same_tensors(tmp_path, models, sampler):
    augmented = plan.Augment(0.5, 0.02, 2, False)
    chosen = planned(models, sampler=sampler, augment=augmented, accumulate=2, ema=0.5, warmup=3)
    torch.manual_seed(1)
    first = training.train(chosen, tmp_path / "one")
    torch.manual_seed(2)
    second = training.train(chosen, tmp_path / "two")
    assert first.tensors_sha256 == second.tensors_sha256
    assert first.adapter.read_bytes() == second.adapter.read_bytes()
    assert timeless(tmp_path / "one") == timeless(tmp_path / "two")
    other = dataclasses.replace(chosen, train=dataclasses.replace(chosen.train, seed=101))
    assert training.train(other, tmp_path / "three").tensors_sha256 != first.tensors_sha256


class PowerCutError(Exception):
    """What no code catches."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, PowerCutError])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_interrupted_and_resumed_is_as_if_nothing_had_happened(tmp_path, models, error, at):
    chosen = planned(models, steps=5, sampler=2, ema=0.5, stop=plan.Stop((("eyes", "aligned", 2.0),), 1))
    whole = training.train(chosen, tmp_path / "whole")

    def stop(told: training.Step) -> None:
        if told.step == at:
            raise error

    with pytest.raises(error):
        training.train(chosen, tmp_path / "parts", stop)
    heard: list[training.Step] = []
    parts = training.train(chosen, tmp_path / "parts", heard.append)
    # Ctrl-C keeps the step it came in; a power cut goes back to the last checkpoint, every second step
    assert heard[0].step == (at if error is KeyboardInterrupt else (at - 1) // 2 * 2) + 1
    assert parts.tensors_sha256 == whole.tensors_sha256
    assert parts.kept == whole.kept
    assert timeless(tmp_path / "parts") == timeless(tmp_path / "whole")


@pytest.mark.parametrize(
    ("schedule", "wanted"),
    [
        ("constant", [0.5, 1, 1, 1, 1, 1]),
        ("linear", [0.5, 1, 1, 0.75, 0.5, 0.25]),
        ("cosine", [0.5, 1, 1, 0.853553, 0.5, 0.146447]),
    ],
)
def test_the_rate_rises_and_then_follows_its_schedule(tmp_path, models, schedule, wanted):
    chosen = planned(models, steps=6, warmup=2, schedule=schedule, lr=1e-3)
    training.train(chosen, tmp_path)
    told = [line["lr"] for line in lines(tmp_path) if "look" not in line]
    assert told == pytest.approx([1e-3 * share for share in wanted], rel=1e-5)


def test_a_finished_training_is_not_done_again(tmp_path, models):
    first = training.train(planned(models), tmp_path)
    heard: list[training.Step] = []
    assert training.train(planned(models), tmp_path, heard.append) == first
    assert not heard


def test_a_checkpoint_of_another_plan_is_refused(tmp_path, models):
    training.train(planned(models), tmp_path)
    with pytest.raises(WorkError, match="another plan"):
        training.train(planned(models, lr=2e-3), tmp_path)


SIGNALLED = """
import os, signal, sys
from pathlib import Path
import pico
from control_recipes.engine import training
flux, critic, folder, number = sys.argv[1:]
def listen(told):
    print(told.step, flush=True)
    if told.step == 1:
        os.kill(os.getpid(), int(number))
training.train(pico.plan_of(pico.generator(Path(flux)), Path(critic)), Path(folder), listen)
"""


def test_ctrl_c_finishes_the_step_and_saves(tmp_path, models):
    command = [sys.executable, "-c", SIGNALLED, *map(str, models), str(tmp_path / "parts"), str(int(signal.SIGINT))]
    paths = [str(Path(pico.__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, check=False
    )
    assert "KeyboardInterrupt" in done.stderr
    assert done.stdout.split() == ["1"]
    _, metadata = adapter.load(tmp_path / "parts" / checkpoint.FILE)
    assert json.loads(metadata["progress"])["step"] == 1


def test_ctrl_c_during_the_last_step_is_heard_and_nothing_is_lost(tmp_path, models):
    def stop(told: training.Step) -> None:
        if told.step == told.steps:
            os.kill(os.getpid(), signal.SIGINT)

    chosen = planned(models, steps=2)
    with pytest.raises(KeyboardInterrupt):
        training.train(chosen, tmp_path / "parts", stop)
    said: list[str] = []
    parts = training.train(chosen, tmp_path / "parts", say=said.append)
    assert any("training is done already" in line for line in said)
    assert parts.tensors_sha256 == training.train(chosen, tmp_path / "whole").tensors_sha256


@pytest.mark.parametrize(("who", "stopped"), [("", "p"), ("eyes", "p"), ("second", "judge")])
def test_training_stops_when_enough_looks_in_a_row_are_good(tmp_path, models, who, stopped):
    chosen = planned(models, steps=20, stop=plan.Stop(((who, "aligned", 0.0),), 2))
    trained = training.train(chosen, tmp_path)
    assert (trained.steps, trained.stopped) == (4, stopped)
    assert trained.kept in (2, 4)
    looked = [line["look"]["aligned"] for line in lines(tmp_path) if "look" in line]
    assert ("second" in looked[0]) == (who == "second")


def test_the_best_look_is_what_is_kept(tmp_path, models):
    chosen = planned(models, steps=12, lr=0.1, stop=plan.Stop((("", "aligned", 0.9999),), 1))
    trained = training.train(chosen, tmp_path)
    looked = {line["step"]: line["look"]["aligned"]["eyes"]["p"] for line in lines(tmp_path) if "look" in line}
    assert trained.stopped == "steps"
    assert trained.kept == max(looked, key=looked.__getitem__)
    last = training.train(planned(models, steps=trained.kept, lr=0.1, save_every=50), tmp_path / "last")
    assert last.tensors_sha256 == trained.tensors_sha256


def test_what_is_not_finite_is_named(tmp_path, models):
    flux, critic = models
    from transformers import Qwen2_5_VLForConditionalGeneration

    broken = tmp_path / "broken"
    broken.mkdir()
    for file in critic.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(critic)
    model.model.language_model.norm.weight.data.fill_(float("nan"))
    model.save_pretrained(broken)
    with pytest.raises(WorkError, match=r"step 1: critic eyes, question aligned: .* nan"):
        training.train(planned((flux, broken)), tmp_path / "run")


def test_accumulated_batches_are_the_rows_of_one_larger(models):
    apart = planned(models, batch=2, accumulate=2)
    together = planned(models, batch=4)
    assert steps._places(apart, 0) + steps._places(apart, 1) == steps._places(together, 0)


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_other_dtypes_train_weights_of_at_least_float32(tmp_path, models, dtype):
    trained = training.train(planned(models, dtype=dtype, steps=2), tmp_path)
    tensors, _ = adapter.load(trained.adapter)
    wanted = torch.float64 if dtype == "float64" else torch.float32
    assert {value.dtype for value in tensors.values()} == {wanted}
    assert any(value.abs().max() > 0 for name, value in tensors.items() if "lora_B" in name)


def test_every_row_comes_once_before_any_comes_again(models):
    chosen = planned(models, batch=2)
    drawn = [place for batch in range(6) for place in steps._places(chosen, batch)]
    assert [sorted(drawn[start : start + 3]) for start in range(0, 12, 3)] == [[0, 1, 2]] * 4
    assert len({tuple(drawn[start : start + 3]) for start in range(0, 12, 3)}) > 1
