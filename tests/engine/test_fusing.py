"""What other tools' files hold: their keys and shapes in published sizes, and what stock diffusers makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import diffusers
import published
import pytest
import torch
from control_recipes.engine import adapter, foreign, fusing, generators, ranks
from control_recipes.engine.generators import FAMILIES, layouts
from diffusers.loaders import single_file_utils
from diffusers.utils import convert_unet_state_dict_to_peft
from torch import Tensor

FACTS = json.loads((Path(__file__).parents[1] / "facts" / "lora_exports.json").read_text("utf-8"))
A, B = ".lora_A.weight", ".lora_B.weight"


@pytest.fixture(scope="module", params=FACTS)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def backbone(name):
    return published.model(name)


@pytest.fixture(scope="module")
def names(name):
    return generators.names_of(published.MODELS[name][0])


@pytest.fixture(scope="module")
def factors(name, backbone, names):
    """Every layer of the backbone that takes an adapter, at rank 1."""
    return published.adapter(name, backbone, names.PREFIX)


@pytest.fixture(scope="module")
def scripts(factors, names):
    """The file of sd-scripts; nothing where it knows no such generator."""
    return fusing.laid_out(factors, names, names.EXPORTS["kohya"]) if "kohya" in names.EXPORTS else {}


def test_every_family_has_facts_and_exports():
    assert {family for family, *_ in published.MODELS.values()} == set(FAMILIES.values())
    assert set(published.MODELS) == set(FACTS)
    for family in FAMILIES.values():
        assert set(generators.exports_of(family)) <= set(layouts.TOOLS)
        assert "peft" in generators.exports_of(family)


def test_keys_and_shapes_are_those_of_the_table(name, names, factors, scripts):
    told = FACTS[name]
    assert len(scripts) == 3 * told["layers"]
    for key, (parts, width, rows) in told["shapes"].items():
        assert scripts[f"{key}.lora_down.weight"].shape == (parts, width), key
        assert scripts[f"{key}.lora_up.weight"].shape == (rows, parts), key
        alpha = scripts[f"{key}.alpha"]
        assert (alpha.shape, alpha.dtype, float(alpha)) == (torch.Size(), torch.float32, parts)
    assert told["plain"].keys() == names.EXPORTS.keys() & {"diffusers", "peft"}
    for tool, key in told["plain"].items():
        found = fusing.laid_out(factors, names, names.EXPORTS[tool])
        assert len(found) == 2 * len(factors)  # no alpha
        assert {f"{key}{A}", f"{key}{B}"} <= set(found)


def test_what_is_written_is_read_back_to_the_last_bit(tmp_path, name, names, factors):
    path = tmp_path / "a.safetensors"
    for layout in set(names.EXPORTS.values()):
        told = {"control_recipes.tensors_sha256": ""}
        adapter.save(path, fusing.laid_out(factors, names, layout), told)
        found, _ = foreign.read(path, published.MODELS[name][0])
        assert set(found) == set(factors)
        assert ranks.rank(path, published.MODELS[name][0]) == 1  # without torch, whatever is fused
        for module, pair in factors.items():
            assert all(torch.equal(*both) for both in zip(found[module], pair, strict=True)), (layout.head, module)


def test_stock_diffusers_makes_the_same_of_the_file_for_all(name, backbone, names, factors, scripts):
    """Its converter of such files; a family that it has none for is said not to be read."""
    if not scripts:  # sd-scripts knows no such generator
        assert "kohya" not in names.EXPORTS
        return
    pipeline = getattr(diffusers, published.MODELS[name][2])
    settings = {"unet_config": backbone.config} if names.PREFIX == "unet" else {}
    found = pipeline.lora_state_dict({key: value.clone() for key, value in scripts.items()}, **settings)
    if "diffusers" not in names.EXPORTS["kohya"].readers:
        assert set(found) == set(scripts)  # nothing is converted, so that no layer is called so
        return
    if settings:
        found, alphas = found
        assert set(alphas.values()) == {1.0}  # of all layers: one is taken for all of them
        found = {f"unet.{key.removeprefix('unet.')}": value for key, value in
                 convert_unet_state_dict_to_peft(found).items()}  # fmt: skip
    assert len(found) == 2 * len(factors)
    for module, (down, up) in factors.items():
        assert torch.equal(found[f"{module}{A}"], down), module
        assert torch.equal(found[f"{module}{B}"], up), module


class Checkpoint(dict[str, Tensor]):
    """An original checkpoint of which only some layers are told: the rest are zeros."""

    def pop(self, key: str, *default: object) -> Tensor:
        return super().pop(key, torch.zeros(21504))


CONVERTERS = {
    "flux-dev": single_file_utils.convert_flux_transformer_checkpoint_to_diffusers,
    "sd3.5-medium": single_file_utils.convert_sd3_transformer_checkpoint_to_diffusers,
}


@pytest.mark.parametrize("name", CONVERTERS, indirect=True)
def test_added_to_an_original_checkpoint_it_is_what_was_trained(name, names, factors, scripts):
    """As sd-scripts and ComfyUI apply it: stock diffusers' converter of checkpoints cuts and turns rows alike."""
    originals = {names.original(module.removeprefix(f"{names.PREFIX}.")) for module in factors}
    ups = {one: scripts[f"lora_unet_{one.replace('.', '_')}.lora_up.weight"] for one in originals}
    whole = Checkpoint({f"{one}.weight": up for one, up in ups.items()})
    whole["context_embedder.weight"] = torch.zeros(1536, 1)  # by which the width is told
    converted = CONVERTERS[name](whole)
    assert not {f"{one}.weight" for one in originals} & set(whole)  # all are names of the original
    for module, (down, up) in factors.items():
        plain = module.removeprefix(f"{names.PREFIX}.")
        key = f"lora_unet_{names.original(plain).replace('.', '_')}.lora_down.weight"
        rows = converted[f"{plain}.weight"]
        assert rows.shape[0] == up.shape[0]
        columns = rows.any(0)
        assert torch.equal(rows[:, columns], up), module
        assert torch.equal(scripts[key][columns], down), module


# --- parts that are missing, and ranks that differ ---


FLUX = generators.names_of("flux")
SINGLE = "transformer.single_transformer_blocks.0"


def pair(rows: int, width: int, rank: int = 2) -> tuple[Tensor, Tensor]:
    return torch.randn(rank, width), torch.randn(rows, rank)


@pytest.mark.parametrize("original", [True, False])
def test_comfyuis_own_names_have_points_and_no_alpha(tmp_path, original):
    trained = {f"transformer.transformer_blocks.0.attn.to_{part}": pair(8, 8) for part in "qkv"}
    found = fusing.laid_out(trained, FLUX, layouts.native("ComfyUI", original=original))
    if not original:
        assert f"diffusion_model.transformer_blocks.0.attn.to_q{A}" in found
        return
    assert set(found) == {f"diffusion_model.double_blocks.0.img_attn.qkv{end}" for end in (A, B)}
    adapter.save(tmp_path / "a.safetensors", found, {})
    again, _ = foreign.read(tmp_path / "a.safetensors", "flux")
    assert all(torch.equal(again[module][1], up) for module, (_, up) in trained.items())


def test_an_untrained_part_of_a_fused_layer_is_zeros_of_the_same_rank(tmp_path):
    trained = {f"{SINGLE}.attn.to_{part}": pair(8, 8) for part in "qkv"}
    found = fusing.laid_out(trained, FLUX, FLUX.EXPORTS["kohya"])
    down, up = (found[f"lora_unet_single_blocks_0_linear1.lora_{side}.weight"] for side in ("down", "up"))
    assert (down.shape, up.shape) == ((8, 8), (8 * 7, 8))  # the feed-forward part has four times the width
    assert not down[6:].any()
    assert not up[24:].any()
    assert not up[:, 6:].any()
    adapter.save(tmp_path / "a.safetensors", found, {})
    again, _ = foreign.read(tmp_path / "a.safetensors", "flux")
    assert set(again) == set(trained)


def test_of_real_size_stock_diffusers_reads_it_as_it_was():
    trained = {f"{SINGLE}.attn.to_{part}": pair(3072, 3072) for part in "qkv"}
    written = fusing.laid_out(trained, FLUX, FLUX.EXPORTS["kohya"])
    assert "diffusers" in FLUX.EXPORTS["kohya"].loads({3072, 12288})
    found = diffusers.FluxPipeline.lora_state_dict(written)
    for module, (down, up) in trained.items():
        assert torch.equal(found[f"{module}{A}"], down)
        assert torch.equal(found[f"{module}{B}"], up)
    assert not found[f"{SINGLE}.proj_mlp{B}"].any()


def test_of_another_size_stock_diffusers_does_not_read_it():
    written = fusing.laid_out({f"{SINGLE}.attn.to_q": pair(8, 8)}, FLUX, FLUX.EXPORTS["kohya"])
    with pytest.raises(AssertionError):
        diffusers.FluxPipeline.lora_state_dict(written)
    assert FLUX.EXPORTS["kohya"].loads({8}) == ("ComfyUI",)


def test_parts_of_several_ranks_get_the_largest():
    trained = {f"{SINGLE}.attn.to_{part}": pair(3072, 3072, rank) for part, rank in (("q", 1), ("k", 3), ("v", 2))}
    written = fusing.laid_out(trained, FLUX, FLUX.EXPORTS["kohya"])
    assert written["lora_unet_single_blocks_0_linear1.alpha"] == 12
    found = diffusers.FluxPipeline.lora_state_dict(written)
    for module, (down, up) in trained.items():
        theirs = found[f"{module}{A}"], found[f"{module}{B}"]
        assert len(theirs[0]) == 3
        assert torch.equal(theirs[0][: len(down)], down)
        assert torch.equal(theirs[1][:, : len(down)], up)
        assert not theirs[1][:, len(down) :].any()


def test_a_file_of_which_one_scale_is_taken_for_all_has_one_rank():
    names = generators.names_of("sd")
    head = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_"
    trained = {f"{head}q": pair(4, 4, 1), f"{head}v": pair(4, 4, 3)}
    found = fusing.laid_out(trained, names, names.EXPORTS["kohya"])
    assert {float(value) for key, value in found.items() if key.endswith(".alpha")} == {3.0}
    assert {len(value) for key, value in found.items() if key.endswith("lora_down.weight")} == {3}
    key = f"lora_{head.replace('.', '_')}q"
    down, up = (found[f"{key}.lora_{side}.weight"] for side in ("down", "up"))
    torch.testing.assert_close(up @ down, trained[f"{head}q"][1] @ trained[f"{head}q"][0])


def test_alpha_is_exact_beside_factors_of_few_digits():
    ones = torch.ones(259, 8, dtype=torch.bfloat16)
    found = fusing.laid_out({f"{SINGLE}.proj_out": (ones, ones.T)}, FLUX, FLUX.EXPORTS["kohya"])
    assert found["lora_unet_single_blocks_0_linear2.lora_up.weight"].dtype == torch.bfloat16
    assert float(found["lora_unet_single_blocks_0_linear2.alpha"]) == 259  # which bfloat16 has not


@pytest.mark.parametrize(
    ("trained", "why"),
    [
        ({"transformer.proj_out": pair(4, 4)}, "proj_out has no name there"),
        ({f"{SINGLE}.attn.to_q": pair(8, 8), f"{SINGLE}.attn.to_k": pair(8, 4)}, "do not fit into one layer"),
        ({f"{SINGLE}.attn.to_q": pair(8, 8), f"{SINGLE}.proj_mlp": pair(16, 8)}, "do not fit into one layer"),
    ],
)
def test_what_has_no_place_is_refused(trained, why):
    with pytest.raises(ValueError, match=why):
        fusing.laid_out(trained, FLUX, FLUX.EXPORTS["kohya"])


def test_a_part_whose_rows_do_not_follow_from_another_is_not_guessed():
    class Lopsided:
        PREFIX, EXPORTS = "transformer", FLUX.EXPORTS

        @staticmethod
        def parts(original: str, rows: int, width: int) -> dict[str, tuple[int, int]]:
            return {"to_q": (0, width), "to_k": (width, rows)}

        @staticmethod
        def original(module: str) -> str:
            return "qk"

    with pytest.raises(ValueError, match="the rest's size is not known"):
        fusing.laid_out({"transformer.to_q": pair(8, 8)}, Lopsided(), FLUX.EXPORTS["kohya"])
    whole = {"transformer.to_q": pair(8, 8), "transformer.to_k": pair(2, 8)}
    assert fusing.laid_out(whole, Lopsided(), FLUX.EXPORTS["kohya"])["lora_unet_qk.lora_up.weight"].shape == (10, 4)


def test_a_layer_that_was_trained_as_one_is_not_taken_apart(tmp_path):
    """Its parts share all of A; only blocks are told by zeros."""
    down, up = torch.randn(3, 4), torch.randn(6, 3)
    places = {"q": (0, 2), "k": (2, 4), "v": (4, 6)}
    assert all(torch.equal(part[0], down) for part in fusing.cut((down, up), places).values())
    up[0:2, 1:], up[2:4, 0], up[2:4, 2], up[4:6, :2] = 0, 0, 0, 0
    assert [len(part[0]) for part in fusing.cut((down, up), places).values()] == [1, 1, 1]
