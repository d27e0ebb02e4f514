"""PixArt-Σ: what its folders and other tools' files may hold, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import families
import pico_dit
import pytest
import torch
from control_recipes.engine import adapter as adapters
from control_recipes.engine import flow, foreign, generators
from control_recipes.engine.errors import InputError

PROMPT = "a blue house"
CASE = next(case for case in families.CASES if case.name == "pixart")


def test_a_model_without_a_variance_and_a_replaced_sampler_paint_as_stock_with_euler_does(tmp_path):
    """Folders of the hub name DPM-Solver, of which one step is Euler's, and are told so."""
    folder = CASE.build(tmp_path / "pixart", kind="dpm", learned=False)
    chosen = CASE.chosen(folder, steps=1, negative="", guidance=0.0)
    with pytest.warns(UserWarning, match="its scheduler is DPMSolverMultistepScheduler"):
        generator = generators.load(chosen)
    made = generator.image(flow.sample(generator, generator.condition([PROMPT], [""]), generator.noise([5]), 1))[0]
    other = CASE.build(tmp_path / "euler", learned=False)  # the same weights, and Euler in the folder
    bare = replace(CASE, guidance=0.0, negative="")
    assert (made - families.stock(bare, other, PROMPT, 5, chosen)).abs().max() <= CASE.tolerance


def test_the_text_is_read_in_lower_case_and_its_padding_is_not(tmp_path):
    generator = generators.load(
        CASE.chosen(CASE.build(tmp_path / "pixart"), dtype="float64", guidance=0.0, negative="")
    )
    upper, lower = (generator.condition([text], [""]) for text in ("A Blue House ", PROMPT))
    assert torch.equal(upper.sequence, lower.sequence)
    assert lower.mask is not None
    said = partial(generator.denoised, generator.noise([1]), generator.sigmas(1)[0])
    padded = lower.mask == 0
    assert 0 < int(padded.sum()) < padded.numel()
    changed = replace(lower, sequence=lower.sequence + padded[:, :, None])
    torch.testing.assert_close(said(changed), said(lower), rtol=1e-9, atol=1e-9)
    read = replace(lower, sequence=lower.sequence + ~padded[:, :, None])
    assert not torch.allclose(said(read), said(lower))


def test_original_names_are_read_and_fused_rows_cut(tmp_path):
    generator = generators.load(CASE.chosen(CASE.build(tmp_path / "pixart")))
    width = 16
    shapes = {"attn_qkv": 3, "cross_attn_q_linear": 1, "cross_attn_kv_linear": 2, "attn_proj": 1, "mlp_fc1": 4}
    file = {
        f"lora_unet_blocks_1_{name}.{side}.weight": torch.randn(*shape)
        for name, rows in shapes.items()
        for side, shape in (("lora_down", (2, width)), ("lora_up", (rows * width, 2)))
    }
    adapters.save(tmp_path / "other.safetensors", file, {})
    factors, _ = foreign.read(tmp_path / "other.safetensors", "pixart")
    assert len(factors) == 3 + 1 + 2 + 1 + 1
    fused = file["lora_unet_blocks_1_cross_attn_kv_linear.lora_up.weight"]
    assert torch.equal(factors["transformer.transformer_blocks.1.attn2.to_v"][1], fused[width:])
    tensors = {
        f"{name}.lora_{side}.weight": value
        for name, pair in factors.items()
        for side, value in zip("AB", pair, strict=True)
    }
    assert len(adapters.install(generator, tensors).layers) == len(factors)


def test_what_the_model_cannot_do_is_refused(tmp_path):
    folder = pico_dit.pixart_folder(tmp_path / "pixart")
    with pytest.raises(InputError, match="must be multiples of 8"):
        generators.load(CASE.chosen(folder, width=36))
    with pytest.raises(InputError, match="does nothing without guidance"):
        generators.load(CASE.chosen(folder, guidance=1.0))
    with pytest.raises(InputError, match="is too long: 26 tokens, the generator reads 16"):
        generators.load(CASE.chosen(folder)).condition(["a tent in a large forest"], [""])
    config = folder / "transformer" / "config.json"
    text = config.read_text("utf-8").replace('"use_additional_conditions": false', '"use_additional_conditions": true')
    config.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="as PixArt-α is"):
        generators.load(CASE.chosen(folder))
