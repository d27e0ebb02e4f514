"""The gradient end to end: from answers' log-probabilities through critic, decoder and generator to LoRA weights."""

from __future__ import annotations

import pico
import pytest
import torch
from control_recipes.engine import plan, training
from control_recipes.engine import step as steps
from torch.optim import AdamW


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return pico.flux_folder(folder / "flux"), pico.critic_folder(folder / "critic")


def prepared(models, **changes):
    """A desk in float64 with an adapter that is no longer zero, and its state."""
    flux, critic = models
    sampler, contrast = changes.pop("sampler", 1), changes.pop("contrast", 0.4)
    lora = plan.Adapter(2, 40.0, "attention")
    chosen = pico.plan_of(
        pico.generator(flux, steps=sampler, dtype="float64"), critic, clip=1e9, adapter=lora, **changes
    )
    desk = steps.prepare(chosen)
    # away from black and white: the clamp's gradient is straight through, not its derivative
    desk.generator._vae.decoder.conv_out.weight.data.mul_(contrast)
    state = training._state(desk)
    stream = torch.Generator().manual_seed(3)
    for weight in state.weights.values():
        weight.data.add_(0.05 * torch.randn(weight.shape, generator=stream, dtype=torch.float64))
    return desk, state


def loss_at(desk, state, weights, direction, size):
    """The step's loss with the weights moved by `size` along `direction`; nothing is updated."""
    for weight, start, way in zip(state.weights.values(), weights, direction, strict=True):
        weight.data.copy_(start + size * way)
    frozen = AdamW(state.weights.values(), lr=0.0, weight_decay=0.0)
    return steps.take(desk, type(state)(state.weights, frozen, state.progress), 1).loss


@pytest.mark.parametrize(
    "changes",
    [
        {"stay": 0.0},
        {"stay": 5.0},
        {"augment": plan.Augment(0.7, 0.01, 2, False), "accumulate": 2},
        {"sampler": 3, "seed": 0},
    ],
)
def test_analytic_gradient_equals_finite_differences(models, changes):
    assert best_error(models, **changes) <= 1e-4


def test_the_comparison_can_fail(models):
    assert best_error(models, contrast=10.0) > 1e-2  # where the clamp bites, its gradient is no derivative


def best_error(models, **changes):
    """The relative error of the gradient's length against finite differences along it, at the best step size."""
    desk, state = prepared(models, **changes)
    if changes.get("sampler") == 3:  # the path before the differentiated step is no function of the weights to us
        desk = frozen_path(desk)
    weights = [weight.detach().clone() for weight in state.weights.values()]
    loss_at(desk, state, weights, weights, 0.0)
    gradient = [weight.grad.clone() for weight in state.weights.values()]
    norm = torch.sqrt(sum(part.square().sum() for part in gradient))
    assert norm > 1e-6
    direction = [part / norm for part in gradient]
    errors: dict[float, float] = {}
    for size in (3e-2, 1e-2, 3e-3, 1e-3):
        # the central difference of fourth order: rotary embeddings and norms in float32 forbid very small sizes
        near, far = (
            loss_at(desk, state, weights, direction, by) - loss_at(desk, state, weights, direction, -by)
            for by in (size, 2 * size)
        )
        errors[size] = abs((8 * near - far) / (12 * size) - float(norm)) / float(norm)
    return min(errors.values())


def frozen_path(desk):
    """The same desk, its sampler's first steps taken once and then given: the derivative leaves them out as well."""
    from dataclasses import replace

    class Frozen:
        def __init__(self, generator):
            self._generator, self._kept = generator, None

        def __getattr__(self, name):
            return getattr(self._generator, name)

        def advance(self, *given):
            self._kept = self._generator.advance(*given) if self._kept is None else self._kept
            return self._kept

    return replace(desk, generator=Frozen(desk.generator))


def test_frozen_weights_get_no_gradients(models):
    desk, state = prepared(models)
    steps.take(desk, state, 1)
    learning = {id(weight) for weight in state.weights.values()}
    for weight in desk.generator.backbone.parameters():
        assert (weight.grad is not None) == (id(weight) in learning)
