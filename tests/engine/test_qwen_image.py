"""Qwen-Image: what is kept of the chat, gradients of too bright pixels, decoders in parts, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import families
import pytest
import torch
from control_recipes.engine import adapter, generators, plan
from control_recipes.engine.errors import InputError
from control_recipes.engine.generators import qwen_image_names

CASE = next(case for case in families.CASES if case.name == "qwen-image")
PLAIN = replace(CASE, guidance=0.0, negative="")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return CASE.build(tmp_path_factory.mktemp("qwen_image") / "model")


def test_of_the_chat_the_prompt_and_the_end_are_kept(folder):
    generator = generators.load(PLAIN.chosen(folder, dtype="float64"))
    conditioning = generator.condition(["a", "red"], ["", ""])
    assert conditioning.sequence.shape == (2, 16, 16)
    assert conditioning.mask.sum(dim=1).tolist() == [6, 8]  # five tokens are the chat's end
    z, sigma = generator.noise([1, 2]), generator.sigmas(1)[0]
    both = generator.denoised(z, sigma, conditioning)
    for at in range(2):  # and padding changes nothing
        alone = generator.denoised(z[at : at + 1], sigma, conditioning.rows([at]))
        torch.testing.assert_close(both[at : at + 1], alone, rtol=1e-6, atol=1e-6)  # positions are float32 in stock


def gradient(generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures, and the gradient of their squares to their latents."""
    latents = generator.noise([1, 2]).requires_grad_()
    pictures = generator.image(latents)
    pictures.square().mean().backward()
    return pictures.detach(), latents.grad


def test_too_bright_pixels_pass_gradients(folder):
    generator = generators.load(PLAIN.chosen(folder, dtype="float64"))
    generator._vae.decoder.conv_out.bias.data.add_(9)
    pictures, grad = gradient(generator)
    assert bool((pictures == 1).all())
    assert grad.abs().sum() > 0
    latents = torch.zeros(1, 4, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    generator._vae.decode(latents).sample.square().mean().backward()
    assert latents.grad is not None
    assert latents.grad.abs().sum() == 0  # by stock's own clamp none would come


@pytest.mark.parametrize("saving", ["slicing", "checkpoint_decoder", "tiling"])
def test_decoding_in_parts_gives_the_same_pictures_and_gradients(folder, saving):
    """Pictures of one tile at most, where tiling changes nothing."""
    chosen = PLAIN.chosen(folder, dtype="float64")
    whole, parts = (gradient(generators.load(one)) for one in (chosen, replace(chosen, **{saving: True})))
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


def test_large_pictures_are_decoded_in_stocks_tiles(folder):
    generator = generators.load(replace(PLAIN.chosen(folder, width=48, height=16), tiling=True))
    vae = generator._vae
    vae.enable_tiling(32, 32, 24, 24)
    z = generator.noise([1])
    latents = z.view(1, 2, 6, 4, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(1, 4, 1, 4, 12)
    mean, deviation = (
        torch.tensor(one).view(1, 4, 1, 1, 1) for one in (vae.config.latents_mean, vae.config.latents_std)
    )
    stock = (vae.decode(latents * deviation + mean).sample[:, :, 0] / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(generator.image(z), stock)
    vae.disable_tiling()
    assert not torch.allclose(generator.image(z), stock)


def test_every_linear_layer_of_the_blocks_has_its_name(folder):
    generator = generators.load(PLAIN.chosen(folder))
    layers = {
        name
        for name, module in generator.backbone.named_modules()
        if isinstance(module, torch.nn.Linear) and name.startswith("transformer_blocks.")
    }
    named = {
        name
        for block in (0, 1)
        for layer in qwen_image_names._LAYERS
        for name in qwen_image_names.parts(f"transformer_blocks_{block}_{layer}", 8, 8)
    }
    assert named == layers
    lora = adapter.inject(generator, plan.Adapter(2, 2.0, "all"), seed=0)
    last = {"attn.add_q_proj", "attn.to_add_out", "txt_mlp.net.0.proj", "txt_mlp.net.2"}
    assert layers - set(lora.layers) == {f"transformer_blocks.1.{name}" for name in last}
    assert qwen_image_names.parts("transformer_blocks_0_nothing", 8, 8) == {}


def test_what_the_model_cannot_do_is_refused(folder):
    with pytest.raises(InputError, match="must be multiples of 8"):
        generators.load(CASE.chosen(folder, width=36))
    with pytest.raises(InputError, match="does nothing without guidance"):
        generators.load(CASE.chosen(folder, guidance=1.0))
    with pytest.raises(InputError, match="cannot go with `tiling`"):
        generators.load(replace(CASE.chosen(folder), tiling=True, checkpoint_decoder=True))
