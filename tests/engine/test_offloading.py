"""Parts that take turns on a device: the same bits as with all of them there, and nobody there who is not at work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pico
import pico_sd
import pytest
import torch
from control_recipes.critics.quantizing import Quantized
from control_recipes.engine import evaluate, generators, one_picture, plan, training, workload
from control_recipes.engine import step as steps
from torch import nn

# the processor under a name that torch takes for another device: what comes to it is a copy, and can be told apart
DEVICE = "cpu:0"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "flux": pico.flux_folder(folder / "flux"),
        "sd": pico_sd.sd_folder(folder / "sd"),
        "critic": pico.critic_folder(folder / "critic"),
    }


def planned(folders: dict[str, Path], family: str, offload: bool, **changes: Any) -> plan.Plan:
    """Two critics and a judge, and a picture that is kept near the bare generator's."""
    guidance = 3.0 if family == "sd" else 0.0
    chosen = pico.generator(folders[family], family=family, steps=2, guidance=guidance)
    bits = changes.pop("quantize", "")
    switches = {name: changes.pop(name) for name in list(changes) if hasattr(chosen, name)}
    chosen = replace(chosen, offload=offload, device=DEVICE, **switches)
    small = pico.plan_of(chosen, folders["critic"], **{"batch": 2, "steps": 2} | changes)
    names = ("eyes", "more")
    if one_picture.is_meant(small):
        first = small.train_rows[:1]
        small = one_picture.of(replace(small, train_rows=first, validate_rows=first, test_rows=first))
    return replace(
        small,
        critics=tuple(replace(small.critics[0], name=name, device=DEVICE, quantize=bits) for name in names),
        judges=tuple(replace(one, device=DEVICE) for one in small.judges),
        questions=tuple(replace(one, critics=names) for one in small.questions),
    )


def trained(chosen: plan.Plan) -> tuple[steps.Desk, dict[str, torch.Tensor]]:
    """What two steps and a look leave of the adapter, with its last gradients."""
    desk = steps.prepare(chosen)
    state = training._state(desk)
    for step in (1, 2):
        steps.take(desk, state, step)
    steps.look(desk, state, 2)
    left = {name: weight.detach().clone() for name, weight in state.weights.items()}
    return desk, left | {f"{name}, gradient": weight.grad.clone() for name, weight in state.weights.items()}


CHANGES = [
    ("flux", {}),
    ("flux", {"checkpoint_backbone": True, "checkpoint_decoder": True, "accumulate": 2}),
    ("flux", {"optimize": "latents", "stay": 0.0}),
    ("sd", {"slicing": True, "ema": 0.5, "quantize": "4bit"}),
]


@pytest.mark.parametrize(("family", "changes"), CHANGES)
def test_turns_change_no_bit_of_a_training(folders: dict[str, Path], family: str, changes: dict[str, Any]):
    (_, at_once), (desk, in_turns) = (trained(planned(folders, family, taken, **changes)) for taken in (False, True))
    assert set(at_once) == set(in_turns)
    assert all(torch.equal(at_once[name], in_turns[name]) for name in at_once)
    assert any(value.abs().max() > 0 for name, value in at_once.items() if name.endswith("gradient"))
    critic: Any = desk.panel._seats[0][2]
    assert any(isinstance(part, Quantized) for part in critic.model.modules()) == ("quantize" in changes)


def test_turns_change_no_bit_of_an_evaluation(folders: dict[str, Path], tmp_path: Path):
    adapter = training.train(planned(folders, "flux", False), tmp_path / "run").adapter
    said = []
    for taken in (False, True):
        folder = tmp_path / str(taken)
        found = evaluate.evaluate(planned(folders, "flux", taken), adapter, folder)
        said.append((found.beliefs, {one.name: one.read_bytes() for one in (folder / "images").iterdir()}))
    assert said[0] == said[1]
    assert len(said[0][1]) > 3


def away(part: nn.Module, homes: dict[int, int]) -> bool:
    """Whether a part's frozen tensors lie elsewhere than in main memory; all of them or none."""
    found = {tensor.data_ptr() != homes[id(tensor)] for tensor in part.parameters() if id(tensor) in homes}
    (one,) = found
    return one


def watched(chosen: plan.Plan, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[str, ...]]]:
    """Who works in an encoding, a step and a look, and who is on the device meanwhile: one entry for each change."""
    homes: dict[int, int] = {}
    parts: dict[str, nn.Module] = {}
    log: list[tuple[str, tuple[str, ...]]] = []

    def add(name: str, part: nn.Module, works: nn.Module) -> None:
        homes.update({id(tensor): tensor.data_ptr() for tensor in part.parameters()})
        parts[name] = part
        # as soon as it works: in a backward pass, it need not come to its end
        hook = works.register_forward_hook if works is part else works.register_forward_pre_hook
        hook(lambda *_: entry(name))

    def entry(name: str) -> None:
        there = tuple(one for one, part in parts.items() if away(part, homes))
        if log[-1:] != [(name, there)]:
            log.append((name, there))

    load = generators.load

    def loaded(of: plan.Generator) -> Any:
        generator: Any = load(of)
        pipeline = generator._pipeline
        for name in ("text_encoder", "text_encoder_2"):
            add(name, getattr(pipeline, name), getattr(pipeline, name))
        add("backbone", generator.backbone, generator.backbone.transformer_blocks[0])
        add("decoder", pipeline.vae, pipeline.vae.decoder)
        return generator

    monkeypatch.setattr(generators, "load", loaded)
    desk = steps.prepare(chosen)
    del parts["text_encoder"], parts["text_encoder_2"]  # which are let go
    for member, _, critic in desk.panel._seats:
        add(member.name, critic.model, critic.model.model.language_model)
    state = training._state(desk)
    steps.take(desk, state, 1)
    steps.look(desk, state, 1)
    return log


def test_nobody_is_there_who_is_not_at_work(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    encoders = ("text_encoder", "text_encoder_2")
    log = watched(planned(folders, "flux", True), monkeypatch)
    assert [name for name, _ in log] == [
        *encoders,
        *("backbone", "decoder", "eyes", "more", "backbone", "decoder", "backbone"),  # a step: forward, `stay`, back
        *("decoder", "eyes", "more"),  # the look, which the backbone begins
    ]
    assert all(there == (encoders if name in encoders else (name,)) for name, there in log)


def test_without_turns_everybody_stays_where_it_is(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    log = watched(planned(folders, "flux", False), monkeypatch)
    assert {there for _, there in log} == {()}
    assert [name for name, _ in log].count("backbone") == 2  # a step; what it is kept near, and the look


def test_a_critic_on_a_device_of_its_own_does_not_move(folders: dict[str, Path]):
    chosen = planned(folders, "flux", True)
    there = replace(chosen, critics=tuple(replace(one, device="cuda:1") for one in chosen.critics))
    turns = steps.prepare(chosen).generator.turns
    assert turns.meet(torch.device(DEVICE))
    assert not turns.meet(torch.device(there.critics[0].device))
    assert not turns.meet(torch.device("cpu", 1))
    before = turns.there
    turns.take(nn.Linear(1, 1))
    assert turns.there is before


@pytest.mark.parametrize("switches", [{}, {"checkpoint_backbone": True, "checkpoint_decoder": True}])
def test_what_runs_again_is_counted_by_the_plan(folders: dict[str, Path], switches: dict[str, Any]):
    chosen = planned(folders, "flux", True, **switches)
    chosen = replace(chosen, generator=replace(chosen.generator, steps=1))
    work = workload.workload(chosen).training
    desk = steps.prepare(chosen)
    runs = {"backbone": 0, "decoder": 0}
    # the first layer inside a block: in a backward pass, a block need not come to its end
    for name, part in (
        ("backbone", desk.generator.backbone.transformer_blocks[0].norm1),
        ("decoder", desk.generator._vae.decoder.up_blocks[0].resnets[0].norm1),
    ):
        part.register_forward_pre_hook(lambda *_, name=name: runs.__setitem__(name, runs[name] + 1))
    state = training._state(desk)
    for step in (1, 2):
        steps.take(desk, state, step)
    assert runs == {"backbone": work.generator, "decoder": work.decoder}
