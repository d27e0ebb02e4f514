"""Flux.2 klein: guidance of base and distilled models, the chat around a prompt, original names, and Flux.2 dev."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import families
import pico_flow
import pytest
import torch
from control_recipes.engine import adapter, flow, generators, model_facts, models, plan
from control_recipes.engine.errors import InputError
from control_recipes.engine.generators import flux2_klein_names, reading

CASE = next(case for case in families.CASES if case.name == "flux2-klein")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return CASE.build(tmp_path_factory.mktemp("flux2_klein") / "model")


def test_a_distilled_model_takes_no_guidance(tmp_path):
    folder = pico_flow.flux2_klein_folder(tmp_path / "model", distilled=True)
    with pytest.raises(InputError, match=r"does nothing for a model that is distilled, found 4") as caught:
        generators.load(CASE.chosen(folder))
    assert [problem.key for problem in caught.value.problems] == ["generator.guidance"]
    generator = generators.load(CASE.chosen(folder, guidance=1.0))
    assert generator.condition(["a"], [""]).negative is None


def test_the_other_branch_is_an_empty_text(folder):
    conditioning = generators.load(CASE.chosen(folder)).condition(["a ball", ""], ["", ""])
    assert not torch.allclose(conditioning.sequence[0], conditioning.negative[0])
    torch.testing.assert_close(conditioning.sequence[1], conditioning.negative[1])
    torch.testing.assert_close(conditioning.negative[0], conditioning.negative[1])


def test_stock_takes_our_noise_as_its_latents(folder):
    chosen = CASE.chosen(folder, steps=2, width=48, height=16)
    generator = generators.load(chosen)
    z = generator.noise([7]) * 0.9
    conditioning = generator.condition(["a blue house"], [""])
    made = generator.image(flow.sample(generator, conditioning, z, 2))[0]
    stock = families.stock(replace(CASE, called={**CASE.called, "latents": z}), folder, "a blue house", 1, chosen)
    assert (made - stock).abs().max() <= CASE.tolerance


def test_the_chat_takes_its_part_of_the_text(folder):
    reads = model_facts.reads(models.locate(str(folder), Path("/")))
    assert reads == reading.Reading(folder / "tokenizer" / "tokenizer.json", 13)


def test_every_linear_layer_of_the_blocks_takes_an_adapter_and_has_its_original_name(folder):
    generator = generators.load(CASE.chosen(folder))
    layers = {
        name
        for name, module in generator.backbone.named_modules()
        if isinstance(module, torch.nn.Linear) and "transformer_blocks." in name
    }
    assert set(adapter.inject(generator, plan.Adapter(2, 2.0, "all"), seed=0).layers) == layers
    kinds = (("double", flux2_klein_names._DOUBLE), ("single", flux2_klein_names._SINGLE))
    named = {
        name
        for kind, table in kinds
        for layer in table
        for name in flux2_klein_names.parts(f"{kind}_blocks_0_{layer.replace('.', '_')}", 48, 16)
    }
    assert named == layers
    fused = flux2_klein_names.parts("double_blocks_0_txt_attn_qkv", 48, 16)
    assert list(fused.values()) == [(0, 16), (16, 32), (32, 48)]
    for name in ("double_blocks_0_img_mod_lin", "final_layer"):
        assert flux2_klein_names.parts(name, 48, 16) == {}


def test_what_the_model_cannot_do_is_refused(folder):
    with pytest.raises(InputError, match="must be multiples of 8"):
        generators.load(CASE.chosen(folder, width=36))
    with pytest.raises(InputError, match="takes no negative prompt"):
        generators.load(CASE.chosen(folder, negative="blurry"))


def test_flux2_dev_is_refused_with_the_reason(tmp_path):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "Flux2Pipeline"}), encoding="utf-8")
    (tmp_path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"is a `Flux2Pipeline`: .* needs torchvision") as caught:
        models.locate(str(tmp_path), Path("/"))
    assert caught.value.problems[0].hint == "use Flux.2 klein"
