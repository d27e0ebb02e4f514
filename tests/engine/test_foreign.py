"""Adapters of other tools: read as stock diffusers and peft apply them, or refused with the reason."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pico
import pytest
import torch
from control_recipes.engine import adapter, composing, foreign, generators
from control_recipes.engine.errors import InputError
from control_recipes.engine.generators import flux_names
from safetensors.torch import save_file

Q = "transformer.transformer_blocks.0.attn.to_q"
DOWN, UP = torch.arange(8.0).reshape(2, 4) / 8, torch.arange(6.0).reshape(3, 2) / 6


def written(folder: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> Path:
    path = folder / "other.safetensors"
    save_file({name: value.contiguous().clone() for name, value in tensors.items()}, path, metadata)
    return path


def plain(module: str = Q, down: str = "lora_A", up: str = "lora_B", end: str = ".weight") -> dict[str, torch.Tensor]:
    return {f"{module}.{down}{end}": DOWN, f"{module}.{up}{end}": UP}


def product(path: Path, module: str = Q) -> torch.Tensor:
    down, up = foreign.read(path, "flux")[0][module]
    return up @ down


SETTINGS = {"transformer.r": 2, "transformer.lora_alpha": 8, "transformer.target_modules": ["to_q"]}
ALPHA = {f"{Q}.alpha": torch.tensor(8.0)}


def said(**more: object) -> dict[str, str]:
    told = SETTINGS | {f"transformer.{key}": value for key, value in more.items()}
    return {"lora_adapter_metadata": json.dumps(told)}


@pytest.mark.parametrize(
    ("tensors", "metadata", "scale"),
    [
        (plain(), None, 1),
        (plain(down="lora_down", up="lora_up"), None, 1),
        (plain(down="lora.down", up="lora.up"), None, 1),
        (plain(end=".default.weight"), None, 1),
        (plain() | ALPHA, None, 4),
        (plain() | {f"{Q}.alpha": torch.tensor(8)}, None, 4),
        (plain(), said(), 4),
        (plain(), said(use_rslora=True), 8 / math.sqrt(2)),
        (plain(), said(alpha_pattern={r"^transformer_blocks\.0\.attn\.to_q$": 2}), 1),
        (plain(), said(alpha_pattern={"to_q": 3}), 1.5),
        (plain(), said(alpha_pattern={"o_q": 3}), 4),
        (plain(), {"control_recipes.tensors_sha256": "", "ss_network_alpha": "2"}, 1),
    ],
)
def test_scale(tmp_path, tensors, metadata, scale):
    torch.testing.assert_close(product(written(tmp_path, tensors, metadata)), scale * UP @ DOWN)


@pytest.mark.parametrize(("rooted", "scale"), [(False, 4), (True, 8 / math.sqrt(2))])
def test_of_peft_the_scale_stands_beside(tmp_path, rooted, scale):
    path = written(tmp_path, plain("base_model.model.transformer_blocks.0.attn.to_q"))
    with pytest.raises(InputError, match=r"peft's, whose scale stands in adapter_config\.json"):
        foreign.read(path, "flux")
    config = {"r": 2, "lora_alpha": 8, "use_rslora": rooted, "alpha_pattern": {}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    torch.testing.assert_close(product(path), scale * UP @ DOWN)
    (tmp_path / "adapter_config.json").write_bytes(b"\xff")
    with pytest.raises(InputError, match="has settings that cannot be read"):
        foreign.read(path, "flux")


@pytest.mark.parametrize(
    "name", ["lora_unet_double_blocks_0_img_attn_qkv", "diffusion_model.double_blocks.0.img_attn.qkv"]
)
def test_a_fused_layer_is_cut_into_those_of_diffusers(tmp_path, name):
    tensors = plain(name, "lora_down", "lora_up") | {f"{name}.alpha": torch.tensor(1.0)}
    path = written(tmp_path, tensors)
    found, _ = foreign.read(path, "flux")
    names = [f"transformer.transformer_blocks.0.attn.to_{part}" for part in "kqv"]
    assert list(found) == names
    for at, part in enumerate("qkv"):
        whole = product(path, f"transformer.transformer_blocks.0.attn.to_{part}")
        torch.testing.assert_close(whole, 0.5 * UP[at : at + 1] @ DOWN)


def test_every_layer_of_a_flux_has_its_original_name(tmp_path):
    """Cut as the table says, all layers of the blocks are found, each with the rows that it has."""
    generator = generators.load(pico.generator(pico.flux_folder(tmp_path / "flux")))
    linear = {
        name: (part.in_features, part.out_features)
        for name, part in generator.backbone.named_modules()
        if isinstance(part, torch.nn.Linear) and "transformer_blocks." in name
    }
    found: dict[str, int] = {}
    for kind, layers in (("double", flux_names._DOUBLE), ("single", flux_names._SINGLE)):
        for layer, names in layers.items():
            inner = [f"{'' if kind == 'double' else 'single_'}transformer_blocks.0.{name}" for name in names]
            rows = sum(linear[name][1] for name in inner)
            cut = flux_names.parts(f"{kind}_blocks_0_{layer.replace('.', '_')}", rows, linear[inner[0]][0])
            found |= {name: end - start for name, (start, end) in cut.items()}
    assert found == {name: out for name, (_, out) in linear.items()}
    assert flux_names.parts("double_blocks_0_nothing", 3, 3) == {}


@pytest.mark.parametrize(
    ("tensors", "metadata", "why"),
    [
        (plain() | {f"{Q}.lora_magnitude_vector": torch.ones(3)}, None, "is a DoRA"),
        (plain() | {f"{Q}.dora_scale": torch.ones(3)}, None, "is a DoRA"),
        (plain(), said(use_dora=True), "is a DoRA"),
        (plain() | {f"{Q}.lora_B.bias": torch.ones(3)}, None, "with biases"),
        (plain("lora_te1_text_model_encoder_layers_0_mlp_fc1", "lora_down", "lora_up"), None, "text encoder"),
        ({f"{Q}.hada_w1_a": torch.ones(2, 2)}, None, "is a LoHa"),
        ({f"{Q}.lokr_w1": torch.ones(2, 2)}, None, "is a LoKr"),
        (plain() | {"something": torch.ones(2)}, None, "is no factor of a LoRA"),
        (plain() | {"elsewhere.alpha": torch.tensor(1.0)}, None, "a module that is not there"),
        ({f"{Q}.lora_A.weight": DOWN}, None, "is no pair of factors"),
        ({f"{Q}.lora_A.weight": DOWN, f"{Q}.lora_B.weight": UP.T}, None, "is no pair of factors"),
        ({f"{Q}.lora_A.weight": DOWN, f"{Q}.lora_B.weight": UP.long()}, None, "is no pair of factors"),
        ({f"{Q}.lora_A.weight": DOWN * math.inf, f"{Q}.lora_B.weight": UP}, None, "not finite"),
        (plain() | {f"{Q}.alpha": torch.tensor(math.nan)}, None, "a scale that is not finite"),
        (plain() | ALPHA, said(), "its scale twice"),
        (plain(), said(lora_alpha="8"), "lora_alpha is no number"),
        (plain(), said(alpha_pattern={"to_q": "8"}), "alpha_pattern holds no numbers"),
        (plain(), said(alpha_pattern={"(a+)+": 8}), "no name of a module"),
        (plain(), {"lora_adapter_metadata": "{"}, "no JSON"),
        (plain(), {"lora_adapter_metadata": "[]"}, "no object of JSON"),
        (plain("unet.down_blocks.0.attn1.to_q"), None, "is no layer of this generator"),
        (plain("lora_unet_final_layer_linear", "lora_down", "lora_up"), None, "is no layer of this generator"),
        (plain("lora_unet_single_blocks_0_linear1", "lora_down", "lora_up"), None, "cannot be cut"),
        (plain() | plain("diffusion_model.double_blocks.0.img_attn.qkv"), None, "twice, under two names"),
        ({}, None, "holds no factors"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, tensors, metadata, why):
    with pytest.raises(InputError, match=why):
        foreign.read(written(tmp_path, tensors, metadata), "flux")


def test_stock_diffusers_reads_the_same(tmp_path):
    """What peft applies of a file with settings, mixed ranks and patterns is what is read here."""
    from diffusers import FluxPipeline

    folder = pico.flux_folder(tmp_path / "flux")
    pipeline = FluxPipeline.from_pretrained(folder)
    stream = torch.Generator().manual_seed(1)
    tensors: dict[str, torch.Tensor] = {}
    for name, rank in (("to_q", 2), ("to_k", 3)):
        layer = pipeline.transformer.get_submodule(f"transformer_blocks.0.attn.{name}")
        head = f"transformer.transformer_blocks.0.attn.{name}"
        tensors[f"{head}.lora_A.weight"] = torch.randn(rank, layer.in_features, generator=stream)
        tensors[f"{head}.lora_B.weight"] = torch.randn(layer.out_features, rank, generator=stream)
    told = {
        "r": 2,
        "lora_alpha": 6,
        "target_modules": ["transformer_blocks.0.attn.to_q", "transformer_blocks.0.attn.to_k"],
        "rank_pattern": {"transformer_blocks.0.attn.to_k": 3},
        "alpha_pattern": {"transformer_blocks.0.attn.to_k": 1},
        "use_rslora": True,
    }
    path = written(tmp_path, tensors, said(**told))
    pipeline.load_lora_weights(str(path), adapter_name="default")
    found, _ = foreign.read(path, "flux")
    for name, (down, up) in found.items():
        theirs = pipeline.transformer.get_submodule(name.removeprefix("transformer.")).get_delta_weight("default")
        torch.testing.assert_close(up @ down, theirs)


def test_an_adapter_of_ours_is_read_as_it_is_saved(tmp_path):
    factors = {Q: (DOWN, UP)}
    adapter.save(tmp_path / "a.safetensors", composing.tensors(factors), {"control_recipes.tensors_sha256": "x"})
    found, metadata = foreign.read(tmp_path / "a.safetensors", "flux")
    assert torch.equal(found[Q][1], UP)
    assert metadata == {"control_recipes.tensors_sha256": "x"}
