"""What other tools call layers, held to a table of facts: their keys, and how fused ones are cut."""

from __future__ import annotations

import json
from pathlib import Path

import families
import pytest
import torch
from control_recipes.engine import adapter, foreign, generators, plan
from control_recipes.engine.generators import FAMILIES
from safetensors.torch import save_file

FACTS = json.loads((Path(__file__).parents[1] / "facts" / "lora_names.json").read_text("utf-8"))
KNOWN = [(family, *fact) for family, facts in FACTS.items() for fact in facts]


def test_every_family_has_facts():
    assert set(FACTS) == set(FAMILIES.values())


@pytest.mark.parametrize(
    ("family", "original", "width", "cut"), KNOWN, ids=lambda value: value if type(value) is str else ""
)
def test_an_original_key_is_cut_as_the_table_says(tmp_path, family, original, width, cut):
    rows = max(end for _, end in cut.values())
    down, up = torch.randn(2, width), torch.randn(rows, 2)
    path = tmp_path / "other.safetensors"
    save_file({f"{original}.lora_down.weight": down, f"{original}.lora_up.weight": up,
               f"{original}.alpha": torch.tensor(1.0)}, path)  # fmt: skip
    found, _ = foreign.read(path, family)
    assert set(found) == set(cut)
    for name, (start, end) in cut.items():
        torch.testing.assert_close(found[name][1] @ found[name][0], 0.5 * up[start:end] @ down)


def test_a_name_that_no_layer_has_is_unknown():
    for family in FACTS:
        assert generators.names_of(family).parts("nothing_7_here", 3, 3) == {}


def test_the_last_blocks_modulation_of_the_text_is_the_other_way_round_in_diffusers(tmp_path):
    name, module = "joint_blocks_23_context_block_adaLN_modulation_1", "transformer_blocks.23.norm1_context.linear"
    assert generators.names_of("sd3").parts(name, 6 * 4, 4) == {module: (0, 24)}
    down, up = torch.randn(2, 4), torch.randn(2 * 4, 2)
    path = tmp_path / "other.safetensors"
    save_file({f"lora_unet_{name}.lora_down.weight": down, f"lora_unet_{name}.lora_up.weight": up}, path)
    found, _ = foreign.read(path, "sd3")
    assert torch.equal(found[f"transformer.{module}"][1], up[[4, 5, 6, 7, 0, 1, 2, 3]])


SCRIPTS = [case for case in families.CASES if case.family == "sd" and case.name != "sd-turbo"]


@pytest.mark.parametrize("case", SCRIPTS, ids=lambda case: case.name)
def test_sd_scripts_names_of_a_whole_unet_are_read_as_stock_diffusers_reads_them(tmp_path, case):
    """Of versions 1 and 2 they are diffusers' own, with `_` for `.`."""
    from diffusers import DiffusionPipeline

    generator = generators.load(case.chosen(case.build(tmp_path / "model")))
    lora = adapter.inject(generator, plan.Adapter(2, 2.0, "all"), seed=1)
    for name, weight in lora.weights().items():
        if name.endswith("lora_B"):
            weight.data.normal_(generator=torch.Generator().manual_seed(2))
    tensors = {}
    for key, value in adapter.tensors(lora).items():
        module, side = key.removesuffix(".weight").rsplit(".", 1)
        name = f"lora_{module.replace('.', '_')}"
        tensors[f"{name}.{'lora_down' if side == 'lora_A' else 'lora_up'}.weight"] = value
        tensors[f"{name}.alpha"] = torch.tensor(1.0)
    path = tmp_path / "scripts.safetensors"
    save_file(tensors, path)
    found, _ = foreign.read(path, case.family)
    assert {name.removeprefix("unet.") for name in found} == set(lora.layers)
    pipeline = DiffusionPipeline.from_pretrained(tmp_path / "model")
    pipeline.load_lora_weights(str(path), adapter_name="default")
    for name, (down, up) in found.items():
        theirs = pipeline.unet.get_submodule(name.removeprefix("unet.")).get_delta_weight("default")
        torch.testing.assert_close(up @ down, theirs)
