"""What saves memory in the generator: diffusers' own switches, turned on where the plan says so and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pico
import pytest
import torch
from control_recipes.engine import flow, generators, plan, training
from control_recipes.engine import step as steps


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return pico.flux_folder(folder / "flux"), pico.critic_folder(folder / "critic")


def decoded(folder, size=32, **switches):
    """Pictures of four latents, and the number of pictures of each call of the decoder."""
    # in float64 what another order of additions rounds away cannot pass for a difference
    chosen = replace(pico.generator(folder, width=size, height=size), dtype="float64", **switches)
    generator = generators.load(chosen)
    batches = []
    hook = generator._vae.decoder.register_forward_hook(lambda module, given, out: batches.append(len(given[0])))
    with torch.no_grad():
        pictures = generator.image(generator.noise([1, 2, 3, 4]))
    hook.remove()
    return pictures, batches


def test_slicing_decodes_one_picture_at_a_time_and_changes_none(models):
    whole, at_once = decoded(models[0])
    sliced, one_by_one = decoded(models[0], slicing=True)
    assert (at_once, one_by_one) == ([4], [1, 1, 1, 1])
    assert sliced.dtype == torch.float64
    torch.testing.assert_close(sliced, whole, rtol=0, atol=1e-12)


def test_tiling_decodes_in_pieces_and_is_not_exact(models):
    whole, at_once = decoded(models[0], size=64)
    tiled, pieces = decoded(models[0], size=64, tiling=True)
    assert len(at_once) == 1
    assert len(pieces) > 1
    assert tiled.shape == whole.shape
    assert 0 < (tiled - whole).abs().mean() < 0.2


def test_tiling_errs_by_what_the_docs_say():
    """The embedded world's own decoder, on pictures of twice its side, in tiles of 64 pixels."""
    from control_recipes.engine.models import locate

    model = locate("builtin:generator", Path())
    chosen = plan.Generator(model, 1, 128, 128, 0.0, "", "float32", "cpu", 24)
    painted = []
    for tiling in (False, True):
        generator = generators.load(replace(chosen, tiling=tiling))
        given = generator.condition(["a red ball in the grass by day"] * 2, [""] * 2)
        with torch.no_grad():
            painted.append(generator.image(flow.sample(generator, given, generator.noise([1, 2]), 1)))
    off = (painted[1] - painted[0]).abs()
    # 0.03 and 0.31 where this was written
    assert 0.01 < off.mean() < 0.05
    assert off.max() < 0.5


def test_slicing_changes_no_gradient(models):
    whole, sliced = (gradients(models, dtype="float64", slicing=flag)[0] for flag in (False, True))
    for name, value in whole.items():
        torch.testing.assert_close(sliced[name], value, rtol=1e-9, atol=1e-15)


def gradients(models, **switches):
    """The gradient of one step on every factor of the adapter, and how often the blocks of both networks ran."""
    flux, critic = models
    member = switches.pop("member", False)
    chosen = pico.plan_of(replace(pico.generator(flux), **switches), critic)
    chosen = replace(chosen, critics=(replace(chosen.critics[0], checkpointing=member),))
    desk = steps.prepare(chosen)
    for name, weight in desk.learned.weights().items():
        if "lora_B" in name:
            weight.data.fill_(0.01)
    runs = {"backbone": 0, "decoder": 0}

    def count(name):
        return lambda *_: runs.__setitem__(name, runs[name] + 1)

    desk.generator.backbone.transformer_blocks[0].attn.register_forward_hook(count("backbone"))
    desk.generator._vae.decoder.up_blocks[0].resnets[0].register_forward_hook(count("decoder"))
    state = training._state(desk)
    steps.take(desk, state, 1)
    return {name: weight.grad.clone() for name, weight in state.weights.items()}, runs


@pytest.mark.parametrize(
    ("switches", "more"),
    [
        ({"checkpoint_backbone": True}, {"backbone": 1, "decoder": 0}),
        ({"checkpoint_decoder": True}, {"backbone": 0, "decoder": 1}),
        ({"member": True}, {"backbone": 0, "decoder": 0}),
        ({"checkpoint_backbone": True, "checkpoint_decoder": True, "member": True}, {"backbone": 1, "decoder": 1}),
    ],
)
def test_recomputing_gives_the_same_gradient_to_the_last_bit(models, switches, more):
    kept, once = gradients(models)
    again, twice = gradients(models, **switches)
    assert {name: twice[name] - once[name] for name in once} == more
    assert all(torch.equal(kept[name], again[name]) for name in kept)
    assert any(value.abs().max() > 0 for value in kept.values())
