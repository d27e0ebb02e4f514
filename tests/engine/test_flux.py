"""Flux, put together by us, against the stock pipeline as it is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pico
import pytest
import torch
from control_recipes.engine import flow, generators
from control_recipes.engine.errors import InputError

PROMPTS = ["a red ball in the grass", "a blue house"]
TOLERANCE = 1e-6  # of pixels in [0, 1]; the order of two roundings in Euler's step differs from stock


def stock(
    folder: Path,
    prompt: str,
    seed: int,
    steps: int,
    width: int,
    height: int,
    guidance: float = 0.0,
    dtype=torch.float32,
):
    from diffusers import FluxPipeline

    pipeline = FluxPipeline.from_pretrained(folder, dtype=dtype)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        prompt,
        num_inference_steps=steps,
        width=width,
        height=height,
        guidance_scale=guidance,
        generator=torch.Generator("cpu").manual_seed(seed),
        max_sequence_length=16,
        output_type="pt",
    ).images


def ours(chosen, prompts, seeds):
    generator = generators.load(chosen)
    conditioning = generator.condition(prompts, [""] * len(prompts))
    return generator.image(flow.sample(generator, conditioning, generator.noise(seeds), chosen.steps))


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize(("width", "height"), [(32, 32), (48, 16)])
def test_samples_equal_the_stock_pipeline(tmp_path, steps, width, height):
    folder = pico.flux_folder(tmp_path / "flux")
    pictures = ours(pico.generator(folder, steps=steps, width=width, height=height), PROMPTS, [3, 4])
    assert pictures.shape == (2, 3, height, width)
    for picture, prompt, seed in zip(pictures, PROMPTS, [3, 4], strict=True):
        expected = stock(folder, prompt, seed, steps, width, height)[0]
        assert (picture - expected).abs().max() <= TOLERANCE
    assert (pictures[0] - expected).abs().max() > 100 * TOLERANCE  # the comparison can fail


def test_guidance_embedding_and_dynamic_shift_equal_the_stock_pipeline(tmp_path):
    folder = pico.flux_folder(tmp_path / "flux", guidance=True, dynamic=True)
    chosen = pico.generator(folder, steps=4, width=48, height=32, guidance=3.5)
    expected = stock(folder, PROMPTS[0], 7, 4, 48, 32, guidance=3.5)
    assert (ours(chosen, PROMPTS[:1], [7]) - expected).abs().max() <= TOLERANCE
    unguided = ours(dataclasses.replace(chosen, guidance=1.0), PROMPTS[:1], [7])
    assert (unguided - expected).abs().max() > 10 * TOLERANCE


def test_noise_depends_on_the_seed_alone(tmp_path):
    generator = generators.load(pico.generator(pico.flux_folder(tmp_path / "flux")))
    several = generator.noise([5, 6])
    assert torch.equal(several[1:], generator.noise([6]))
    assert several.shape == (2, 16, 16)


@pytest.mark.parametrize("steps", [1, 4])
def test_bfloat16_equals_the_stock_pipeline(tmp_path, steps):
    folder = pico.flux_folder(tmp_path / "flux")
    pictures = ours(pico.generator(folder, steps=steps, dtype="bfloat16"), PROMPTS[:1], [3])
    expected = stock(folder, PROMPTS[0], 3, steps, 32, 32, dtype=torch.bfloat16)
    assert (pictures.float() - expected.float()).abs().max() <= 2**-7  # one unit in the last place, near 1


def test_bfloat16_runs_and_keeps_its_estimates_in_float32(tmp_path):
    generator = generators.load(pico.generator(pico.flux_folder(tmp_path / "flux"), dtype="bfloat16"))
    conditioning = generator.condition(PROMPTS, ["", ""])
    denoised = flow.sample(generator, conditioning, generator.noise([1, 2]), 2)
    assert denoised.dtype == torch.float32
    assert generator.image(denoised).dtype == torch.bfloat16


def test_rows_of_conditioning_are_those_of_their_prompts(tmp_path):
    generator = generators.load(pico.generator(pico.flux_folder(tmp_path / "flux")))
    both = generator.condition(PROMPTS, ["", ""]).rows([1, 1])
    alone = generator.condition(PROMPTS[1:], [""])
    torch.testing.assert_close(both.sequence[:1], alone.sequence, rtol=0, atol=1e-6)
    torch.testing.assert_close(both.pooled[1:], alone.pooled, rtol=0, atol=1e-6)


def test_pixels_stay_in_range_and_pass_gradients_through_the_clamp(tmp_path):
    generator = generators.load(pico.generator(pico.flux_folder(tmp_path / "flux")))
    latents = (1e3 * generator.noise([1])).requires_grad_()
    pictures = generator.image(latents)
    assert pictures.min() == 0
    assert pictures.max() == 1
    pictures.sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("change", "key"),
    [({"width": 36}, "generator.size"), ({"negative": "blurry"}, "generator.negative")],
)
def test_what_the_model_cannot_do_is_refused(tmp_path, change, key):
    chosen = dataclasses.replace(pico.generator(pico.flux_folder(tmp_path / "flux")), **change)
    with pytest.raises(InputError) as caught:
        generators.load(chosen)
    assert [problem.key for problem in caught.value.problems] == [key]


def test_random_step_differentiates_one_step_of_the_samplers_path(tmp_path):
    generator = generators.load(pico.generator(pico.flux_folder(tmp_path / "flux"), steps=3))
    conditioning, z = generator.condition(PROMPTS, ["", ""]), generator.noise([1, 2])
    reached = {}
    for seed in range(20):
        estimate = flow.clean_estimate(generator, conditioning, z, 3, torch.Generator().manual_seed(seed))
        reached[float(estimate.sigma)] = estimate
    levels = [float(level) for level in generator.sigmas(3)]
    assert sorted(reached, reverse=True) == levels[:3]
    assert torch.equal(reached[levels[2]].denoised, flow.sample(generator, conditioning, z, 3))
    assert torch.equal(reached[levels[0]].z, z)
