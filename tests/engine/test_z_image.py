"""Z-Image: prompts of their own lengths, what the chat leaves of the text, guidance from 0, and original names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import families
import pytest
import torch
from control_recipes.engine import generators, lengths, model_facts, models
from control_recipes.engine.errors import InputError, Place
from control_recipes.engine.generators import reading, z_image_names

GUIDED = next(case for case in families.CASES if case.name == "z-image")
TURBO = replace(GUIDED, guidance=0.0, negative="")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return GUIDED.build(tmp_path_factory.mktemp("z_image") / "model")


def test_prompts_of_several_lengths_are_read_together_as_alone(folder):
    generator = generators.load(TURBO.chosen(folder, dtype="float64"))
    conditioning = generator.condition(["a", "a red ball in"], ["", ""])
    assert conditioning.mask.sum(dim=1).tolist() == [3, 15]  # two tokens are the chat's
    z, sigma = generator.noise([1, 2]), generator.sigmas(1)[0]
    both = generator.denoised(z, sigma, conditioning)
    for at in range(2):
        alone = generator.denoised(z[at : at + 1], sigma, conditioning.rows([at]))
        torch.testing.assert_close(both[at : at + 1], alone, rtol=1e-6, atol=1e-6)  # positions are float32 in stock


def test_the_chat_takes_its_part_of_the_text(folder):
    model = models.locate(str(folder), Path("/"))
    assert model_facts.reads(model) == reading.Reading(folder / "tokenizer" / "tokenizer.json", 14)
    lengths.refuse(["a" * 14], model, Place("prompts"))
    with pytest.raises(InputError, match="15 tokens, the generator reads 14"):
        lengths.refuse(["a" * 15], model, Place("prompts"))


def test_any_guidance_above_none_guides(folder):
    generator = generators.load(GUIDED.chosen(folder, guidance=0.5))
    assert generator.condition(["a"], ["b"]).negative is not None
    assert generators.refused(GUIDED.chosen(folder, guidance=0.5)) == []
    (refusal,) = generators.refused(GUIDED.chosen(folder, guidance=0.0))
    assert refusal.message == "does nothing without guidance above 0, found 0"
    with pytest.raises(InputError, match="does nothing without guidance above 0"):
        generators.load(GUIDED.chosen(folder, guidance=0.0))


def test_bfloat16_keeps_its_latents_in_float32(folder):
    generator = generators.load(TURBO.chosen(folder, dtype="bfloat16"))
    z = generator.noise([1])
    renoised = generator.renoised(z, torch.tensor([0.5]), torch.Generator().manual_seed(1))
    assert z.dtype == renoised.dtype == torch.float32


def test_every_linear_layer_of_the_blocks_has_its_original_name(folder):
    generator = generators.load(TURBO.chosen(folder))
    layers = {
        name: module.out_features
        for name, module in generator.backbone.named_modules()
        if isinstance(module, torch.nn.Linear) and name.startswith(("layers.", "noise_refiner.", "context_refiner."))
    }
    named = {
        name
        for head in ("layers_0", "noise_refiner_0", "context_refiner_0")
        for layer in z_image_names._LAYERS
        for name in z_image_names.parts(f"{head}_{layer}", 48, 16)
    }
    assert named - {"context_refiner.0.adaLN_modulation.0"} == set(layers)
    fused = z_image_names.parts("layers_0_attention_qkv", 48, 16)
    assert fused == {f"layers.0.attention.to_{one}": (16 * at, 16 * at + 16) for at, one in enumerate("qkv")}
    assert z_image_names.parts("layers_0_nothing", 48, 16) == z_image_names.parts("final_layer", 48, 16) == {}
