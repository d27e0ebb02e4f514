"""Chroma: the mask of padding, also where blocks are computed again, and what the model cannot do."""

from __future__ import annotations

from dataclasses import replace

import families
import pytest
import torch
from control_recipes.engine import adapter, generators, plan
from control_recipes.engine.errors import InputError
from control_recipes.engine.generators import chroma_names

CASE = next(case for case in families.CASES if case.name == "chroma")
PROMPT = "a blue house"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return CASE.build(tmp_path_factory.mktemp("chroma") / "model")


def gradients(chosen: plan.Generator) -> dict[str, torch.Tensor]:
    """Of every matrix of an adapter, by a picture's latents."""
    generator = generators.load(chosen)
    lora = adapter.inject(generator, plan.Adapter(2, 2.0, "all"), seed=0)
    for weight in lora.weights().values():
        weight.data.add_(0.01)  # where B is zero, A has no gradient
    conditioning = generator.condition([PROMPT], [chosen.negative])
    generator.denoised(generator.noise([1]), generator.sigmas(1)[0], conditioning).square().sum().backward()
    return {name: weight.grad for name, weight in lora.weights().items()}


def test_blocks_that_are_computed_again_see_the_same_mask(folder):
    kept = gradients(CASE.chosen(folder, dtype="float64"))
    again = gradients(replace(CASE.chosen(folder, dtype="float64"), checkpoint_backbone=True))
    assert kept.keys() == again.keys() != set()
    for name, gradient in kept.items():
        torch.testing.assert_close(again[name], gradient, rtol=1e-9, atol=1e-12)


def test_padding_counts_less_than_the_prompt(folder):
    generator = generators.load(CASE.chosen(folder, guidance=0.0, negative=""))
    read = generator.condition([PROMPT], [""])
    assert read.mask.shape == (1, 16)
    assert read.mask.unique().tolist() == [0, 1]
    z, sigma = generator.noise([1]), generator.sigmas(1)[0]
    whole = type(read)(read.sequence, None, mask=torch.ones_like(read.mask))
    assert not torch.equal(generator.denoised(z, sigma, read), generator.denoised(z, sigma, whole))


def test_original_names_are_fluxs_without_modulation():
    assert chroma_names.parts("double_blocks_0_img_attn_proj", 8, 8) == {"transformer_blocks.0.attn.to_out.0": (0, 8)}
    for name in ("double_blocks_0_img_mod_lin", "single_blocks_0_modulation_lin"):
        assert chroma_names.parts(name, 48, 8) == {}


def test_what_the_model_cannot_do_is_refused(folder):
    with pytest.raises(InputError, match="must be multiples of 8"):
        generators.load(CASE.chosen(folder, width=36))
    with pytest.raises(InputError, match="does nothing without guidance"):
        generators.load(CASE.chosen(folder, guidance=1.0))
    with pytest.raises(InputError, match="is too long"):
        generators.load(CASE.chosen(folder, negative="a tent " * 9))
