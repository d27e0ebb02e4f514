"""Lumina 2: prompts of several lengths in one pass, shared keys under other names, and what is refused."""

from __future__ import annotations

import families
import pico_dit
import pico_parts
import pytest
import torch
from control_recipes.engine import adapter as adapters
from control_recipes.engine import flow, foreign, generators, plan
from control_recipes.engine.errors import InputError

PROMPT = "a blue house"
CASE = next(case for case in families.CASES if case.name == "lumina2")


def test_prompts_of_several_lengths_do_not_change_each_other(tmp_path):
    generator = generators.load(CASE.chosen(CASE.build(tmp_path / "lumina"), dtype="float64"))
    prompts, z, sigma = ["a sea", PROMPT], generator.noise([1, 2]), generator.sigmas(1)[0]
    together = generator.denoised(z, sigma, generator.condition(prompts, ["", "a tent"]))
    for at, negative in enumerate(["", "a tent"]):
        alone = generator.denoised(z[[at]], sigma, generator.condition([prompts[at]], [negative]))
        torch.testing.assert_close(together[[at]], alone, rtol=1e-9, atol=1e-9)


def test_levels_are_shifted_as_stock_counts(tmp_path):
    folder = CASE.build(tmp_path / "lumina", dynamic=True)
    chosen = CASE.chosen(folder, steps=3)
    generator = generators.load(chosen)
    conditioning = generator.condition([PROMPT], [chosen.negative])
    made = generator.image(flow.sample(generator, conditioning, generator.noise([5]), 3))[0]
    assert (made - families.stock(CASE, folder, PROMPT, 5, chosen)).abs().max() <= CASE.tolerance


def test_every_linear_layer_of_blocks_and_refiners_takes_an_adapter(tmp_path):
    generator = generators.load(CASE.chosen(CASE.build(tmp_path / "lumina")))
    wanted = {
        name
        for name, module in generator.backbone.named_modules()
        if isinstance(module, torch.nn.Linear) and name.startswith(("layers.", "noise_refiner.", "context_refiner."))
    }
    assert set(adapters.inject(generator, plan.Adapter(2, 2.0, "all"), seed=0).layers) == wanted


def test_original_names_are_read_and_shared_keys_cut_off(tmp_path):
    generator = generators.load(CASE.chosen(CASE.build(tmp_path / "lumina")))
    width, shared = 16, 8
    rows = {"attention.qkv": width + 2 * shared, "attention.out": width, "feed_forward.w1": 4 * width}
    file = {
        f"diffusion_model.layers.1.{name}.lora_{side}.weight": torch.randn(*shape)
        for name, count in rows.items()
        for side, shape in (("A", (3, width)), ("B", (count, 3)))
    }
    adapters.save(tmp_path / "other.safetensors", file, {})
    factors, _ = foreign.read(tmp_path / "other.safetensors", "lumina2")
    assert len(factors) == 5
    fused = file["diffusion_model.layers.1.attention.qkv.lora_B.weight"]
    assert torch.equal(factors["transformer.layers.1.attn.to_k"][1], fused[width : width + shared])
    tensors = {
        f"{name}.lora_{side}.weight": value
        for name, pair in factors.items()
        for side, value in zip("AB", pair, strict=True)
    }
    assert len(adapters.install(generator, tensors).layers) == 5


def test_what_the_model_cannot_do_is_refused(tmp_path):
    folder = pico_dit.lumina2_folder(tmp_path / "lumina")
    with pytest.raises(InputError, match="must be multiples of 16"):
        generators.load(CASE.chosen(folder, width=40))
    with pytest.raises(InputError, match="does nothing without guidance"):
        generators.load(CASE.chosen(folder, guidance=1.0))
    # of 16 tokens, two are the first one and the system prompt
    with pytest.raises(InputError, match="is too long: 15 tokens, the generator reads 14"):
        generators.load(CASE.chosen(folder)).condition(["a tent in snow."], [""])
    pico_parts.autoencoder(shift_factor=0.1).save_pretrained(folder / "vae")
    with pytest.raises(InputError, match="has 4 pixels to a latent, where the stock pipeline expects 8"):
        generators.load(CASE.chosen(folder))
