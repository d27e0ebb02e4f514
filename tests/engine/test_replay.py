"""Replay: what is painted when, from what a step starts, and the two estimates."""

from __future__ import annotations

from dataclasses import replace

import pico
import pytest
import torch
from control_recipes.engine import flow, generators, plan, replay, training
from control_recipes.engine import step as steps
from control_recipes.engine.values import EULER_STEP


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return pico.flux_folder(folder / "flux"), pico.critic_folder(folder / "critic")


def planned(models, *, sampler=1, buffer=5, refresh=2, sigma=(0.2, 0.9), **changes):
    flux, critic = models
    chosen = plan.Replay(buffer, refresh, sigma)
    return pico.plan_of(
        pico.generator(flux, steps=sampler), critic, backprop="replay", replay=chosen, save_every=2, **changes
    )


def test_a_whole_buffer_at_first_then_the_oldest_batch(models):
    settings = planned(models, batch=2).train
    assert [list(replay.due(settings, step)) for step in range(1, 6)] == [[0, 1, 2, 3, 4], [], [5, 6], [], [7, 8]]
    assert [replay.painted(settings, step) for step in range(1, 6)] == [5, 5, 7, 7, 9]


def test_a_step_starts_from_the_pictures_that_lie_in_the_buffer(models):
    chosen = planned(models, batch=2)
    lying = {number % 5: number for number in range(7)}  # after step 3: 5 and 6 took the places of 0 and 1
    found = replay.start(chosen, 3, 0)
    assert len(set(found.slots)) == 2
    assert found.rows == tuple(replay.row(chosen, lying[slot]) for slot in found.slots)
    drawn = {replay.start(chosen, 3, part).slots for part in range(9)}
    assert len(drawn) > 3


def test_every_row_is_painted_before_any_comes_again(models):
    chosen = planned(models)
    drawn = [replay.row(chosen, number) for number in range(12)]
    assert [sorted(drawn[start : start + 3]) for start in range(0, 12, 3)] == [[0, 1, 2]] * 4


def test_the_buffer_holds_what_the_sampler_ends_with(models):
    desk = steps.prepare(planned(models, sampler=2, batch=2))
    state = training._state(desk)
    steps.take(desk, state, 1)
    assert state.replay.shape == (5, 16, 16)
    first = state.replay.clone()
    steps.take(desk, state, 2)
    assert torch.equal(state.replay, first)
    steps.take(desk, state, 3)
    assert [torch.equal(now, then) for now, then in zip(state.replay, first, strict=True)] == [False] * 2 + [True] * 3


@pytest.mark.parametrize("estimate", ["clean", "noisy"])
def test_estimates_are_what_their_formulas_say(models, estimate):
    generator = generators.load(pico.generator(models[0], dtype="float64"))
    given = generator.condition(["a red ball", "a blue tree"], ["", ""])
    latents = flow.sample(generator, given, generator.noise([1, 2]), 2)
    settings = replace(planned(models).train, estimate=estimate)
    generator.backbone.requires_grad_(True)
    found = replay.estimate(generator, given, latents, settings, torch.Generator().manual_seed(3))
    assert found.sigma.shape == (2,)
    assert bool(((found.sigma >= 0.2) & (found.sigma <= 0.9)).all())
    # x̂0 = z − σ v, and one Euler step is z + (σ' − σ) v
    level = found.sigma.double().view(2, 1, 1)
    velocity = (found.z - found.denoised) / level
    wanted = found.denoised if estimate == "clean" else found.z - EULER_STEP * velocity
    torch.testing.assert_close(found.decoded, wanted, rtol=0, atol=1e-7)
    (pulled,) = torch.autograd.grad(found.decoded.sum(), next(generator.backbone.parameters()))
    assert pulled.abs().max() > 0
    # the ablation: less of the gradient comes through where what is decoded is mostly noise
    assert torch.equal(found.decoded, found.denoised) is (estimate == "clean")


def test_renoised_latents_have_the_level_they_say(models):
    generator = generators.load(pico.generator(models[0], dtype="float64"))
    latents = torch.full((2, 64, 16), 3.0, dtype=torch.float64)
    z = generator.renoised(latents, torch.tensor([0.25, 1.0]), torch.Generator().manual_seed(1))
    assert z[0].mean() == pytest.approx(0.75 * 3.0, abs=0.05)
    assert z[0].std() == pytest.approx(0.25, rel=0.1)
    assert z[1].mean() == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("estimate", ["clean", "noisy"])
def test_a_replayed_training_is_the_same_again_interrupted_or_not(tmp_path, models, estimate):
    chosen = planned(models, sampler=2, steps=4, estimate=estimate)
    whole = training.train(chosen, tmp_path / "whole")

    def stop(told):
        if told.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train(chosen, tmp_path / "parts", stop)
    parts = training.train(chosen, tmp_path / "parts")
    assert parts.tensors_sha256 == whole.tensors_sha256
    other = replace(chosen, train=replace(chosen.train, replay=plan.Replay(5, 3, (0.2, 0.9))))
    assert training.train(other, tmp_path / "other").tensors_sha256 != whole.tensors_sha256


def test_steps_lower_the_loss_of_what_they_start_from(models):
    desk = steps.prepare(planned(models, lr=2e-3, adapter=plan.Adapter(2, 40.0, "attention")))
    state = training._state(desk)
    losses = [steps.take(desk, state, 1).loss for _ in range(12)]
    assert losses[-1] < losses[0] - 0.01
