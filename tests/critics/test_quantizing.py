"""Weights in 8 and 4 bits: as near as the bits allow, gradients through them those of the same weights made full."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from control_recipes import critics
from control_recipes.critics import Branch, View
from control_recipes.critics.quantizing import BLOCK, Eight, Four, Quantized, normal_float
from fewer_bits import full
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from transformers.modeling_layers import GradientCheckpointingLayer

BITS = {"8bit": Eight, "4bit": Four}
BRANCHES = [Branch("Is there a ball?", "Yes"), Branch("Is there a ball?", "No")]


def linear(out: int = 48, given: int = 100, dtype: torch.dtype = torch.float32) -> nn.Linear:
    """Frozen, rows of several sizes; its weights are no whole number of blocks."""
    stream = torch.Generator().manual_seed(0)
    made = nn.Linear(given, out, dtype=dtype).requires_grad_(False)
    made.weight.copy_(torch.randn(out, given, generator=stream) * torch.rand(out, 1, generator=stream))
    return made


def asked(critic: Any) -> tuple[Tensor, Tensor]:
    """Log-probabilities of answers about a picture, and their gradient on its pixels."""
    seen = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1)).double().requires_grad_()
    (answers,) = critic.ask([View(seen)], [BRANCHES])
    said = torch.cat(answers)
    return said.detach(), torch.autograd.grad(said.sum(), seen)[0]


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("family", ["qwen2_5_vl", "llava"])
def test_gradients_are_those_of_the_same_weights_in_plain_layers(
    folders: dict[str, Path], family: str, bits: str
) -> None:
    critic: Any = critics.load(folders[family], family, "float64", "cpu", quantize=bits)
    said, gradient = asked(critic)
    again: Any = critics.load(folders[family], family, "float64", "cpu", True, bits)
    assert [torch.equal(*pair) for pair in zip(asked(again), (said, gradient), strict=True)] == [True, True]
    full(critic.model)
    same, pulled = asked(critic)
    torch.testing.assert_close(said, same, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient, pulled, rtol=1e-9, atol=1e-9 * float(pulled.abs().max()))
    unlike = asked(critics.load(folders[family], family, "float64", "cpu"))[0]
    assert not torch.allclose(said, unlike, rtol=1e-6)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llava"])
def test_layers_are_stored_in_bits_and_the_rest_is_left_as_it_is(folders: dict[str, Path], family: str) -> None:
    plain: Any = critics.load(folders[family], family, "float64", "cpu")
    stored: Any = critics.load(folders[family], family, "float64", "cpu", quantize="8bit")
    layers = [name for name, part in plain.model.named_modules() if isinstance(part, GradientCheckpointingLayer)]
    inside = {
        name
        for name, part in plain.model.named_modules()
        if isinstance(part, nn.Linear) and any(name.startswith(f"{layer}.") for layer in layers)
    }
    assert {name for name, part in stored.model.named_modules() if isinstance(part, Quantized)} == inside
    assert any("visual" in name or "vision" in name for name in inside)
    assert any("language_model" in name for name in inside)
    left = dict(stored.model.named_parameters())
    assert type(stored.model.lm_head) is nn.Linear
    assert any("embed" in name for name in left)
    assert all(torch.equal(value, left[name]) for name, value in plain.model.named_parameters() if name in left)
    assert not any(value.requires_grad for value in left.values())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_eight_bits_err_by_half_a_step(dtype: torch.dtype) -> None:
    plain = linear(dtype=dtype)
    off = (Eight(plain).weight_in(torch.float32) - plain.weight.float()).abs()
    assert bool((off <= 0.5001 * plain.weight.float().abs().amax(1, keepdim=True) / 127).all())


def test_four_bits_take_the_nearest_level() -> None:
    plain = linear(32, 4 * BLOCK)
    blocks = plain.weight.view(-1, BLOCK)
    scales = blocks.abs().amax(1, keepdim=True)
    nearest = ((blocks / scales)[..., None] - normal_float()).abs().amin(-1) * scales
    off = (Four(plain).weight_in(torch.float32) - plain.weight).abs().view(-1, BLOCK)
    torch.testing.assert_close(off, nearest, rtol=1e-4, atol=1e-6)


def test_levels_are_those_that_were_published() -> None:
    """Every fifth of the table in QLoRA's appendix."""
    assert normal_float().tolist()[::5] == pytest.approx([-1.0, -0.18477343, 0.24611230, 1.0], abs=1e-6)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_keeps_nothing_for_its_backward_pass(bits: str, bias: bool) -> None:
    plain = linear()
    if not bias:
        plain.bias = None
    kept: list[int] = []
    given = torch.rand(2, 5, 100, requires_grad=True)

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        stored = BITS[bits](plain)(given)
        assert kept == []
        said = plain(given)  # which keeps its weights
    assert kept == [100 * 48]
    assert stored.shape == said.shape
    stored.square().sum().backward()
    assert given.grad is not None
    assert given.grad.abs().sum() > 0


@pytest.mark.parametrize("bits", BITS)
def test_bytes_are_those_that_a_plan_counts(bits: str) -> None:
    stored = BITS[bits](linear(512, 1024))
    assert stored.values.nbytes + stored.scales.nbytes == pytest.approx(
        critics.BYTES_QUANTIZED[bits] * 512 * 1024, rel=0.01
    )


def test_weights_of_zeros_stay_zeros() -> None:
    plain = linear()
    plain.weight.zero_()
    for kind in BITS.values():
        assert not kind(plain).weight_in(torch.float32).any()
