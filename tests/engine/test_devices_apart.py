"""Parts on devices of their own: every tensor is brought over where it must be, and no bit changes for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apart
import pico
import pytest
import torch
from control_recipes.engine import devices as words
from control_recipes.engine import evaluate, plan, training
from control_recipes.engine import step as steps

HERE, THERE = "cpu", "cpu:0"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return pico.flux_folder(folder / "flux"), pico.critic_folder(folder / "critic")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with pico.one_thread():
        yield


def planned(models: tuple[Path, Path], generator: str, critics: tuple[str, str]) -> plan.Plan:
    """Two critics and a judge beside the generator, each with a device, a step of two pictures, and all that draws."""
    chosen = replace(pico.generator(models[0], steps=2), device=generator)
    augment = plan.Augment(0.5, 0.02, 2, True)
    small = pico.plan_of(chosen, models[1], batch=2, steps=1, augment=augment, conflict=1, weights="balanced")
    pairs = zip(("eyes", "more"), critics, strict=True)
    return replace(
        small,
        critics=tuple(replace(small.critics[0], name=name, device=device) for name, device in pairs),
        judges=(replace(small.judges[0], device=critics[0]),),
        questions=tuple(replace(one, critics=("eyes", "more"), flips=True) for one in small.questions),
    )


def gradients(chosen: plan.Plan) -> tuple[steps.Desk, dict[str, torch.Tensor]]:
    """What a step and a look leave on the factors of the adapter."""
    desk = steps.prepare(chosen)
    state = training._state(desk)
    steps.take(desk, state, 1)
    steps.look(desk, state, 1)
    found = {name: weight.grad for name, weight in state.weights.items() if weight.grad is not None}
    return desk, found


PLACES = [(HERE, (THERE, THERE)), (THERE, (HERE, HERE)), (HERE, (HERE, THERE))]


@pytest.mark.parametrize(("generator", "critics"), PLACES)
def test_a_step_crosses_from_device_to_device(models: tuple[Path, Path], generator: str, critics: tuple[str, str]):
    _, alone = gradients(planned(models, HERE, (HERE, HERE)))
    with apart.devices() as of:
        desk, found = gradients(planned(models, generator, critics))
        lies = [of(next(critic.model.parameters())) for _, _, critic in desk.panel._seats]
        assert lies == [torch.device(one) for one in critics]
        assert of(next(desk.generator.backbone.parameters())) == torch.device(generator)
    assert found.keys() == alone.keys()
    assert all(torch.equal(found[name], alone[name]) for name in alone)
    assert any(bool(value.abs().max() > 0) for value in found.values())


def test_an_evaluation_crosses_too(models: tuple[Path, Path], tmp_path: Path):
    chosen = planned(models, HERE, (HERE, HERE))
    adapter = training.train(chosen, tmp_path / "run").adapter
    said = [evaluate.evaluate(chosen, adapter).beliefs]
    for generator, critics in PLACES[:2]:
        with apart.devices():
            said.append(evaluate.evaluate(planned(models, generator, critics), adapter).beliefs)
    assert said[0] == said[1] == said[2]


@pytest.mark.parametrize(("generator", "critics"), PLACES[:2])
def test_pictures_that_are_not_brought_over_are_noticed(
    models: tuple[Path, Path], generator: str, critics: tuple[str, str], monkeypatch: pytest.MonkeyPatch
):
    with apart.devices():
        desk = steps.prepare(planned(models, generator, critics))
        monkeypatch.setattr(words, "device", lambda word: torch.device(generator))
        with pytest.raises(apart.Mixed):
            steps.take(desk, training._state(desk), 1)
