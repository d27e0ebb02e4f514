"""Stable Diffusion XL: what stands for a negative prompt that is not given, and the sampler that Turbo names."""

from __future__ import annotations

import warnings

import families
import pico_sd
import pytest
import torch
from control_recipes.engine import flow, generators

PROMPT = "a blue house"
XL = next(case for case in families.CASES if case.name == "sdxl-lightning")


def picture(chosen):
    generator = generators.load(chosen)
    conditioning = generator.condition([PROMPT], [chosen.negative])
    return generator.image(flow.sample(generator, conditioning, generator.noise([5]), chosen.steps))[0]


def stock(folder, chosen):
    from diffusers import StableDiffusionXLPipeline

    pipeline = StableDiffusionXLPipeline.from_pretrained(folder, add_watermarker=False)
    pipeline.set_progress_bar_config(disable=True)
    calls = {**XL.calls(chosen), "guidance_scale": chosen.guidance}
    return pipeline(PROMPT, generator=torch.Generator("cpu").manual_seed(5), **calls).images[0]


@pytest.mark.parametrize("zeros", [True, False])
def test_without_a_negative_prompt_the_folder_says_whether_zeros_stand_for_it(tmp_path, zeros):
    folder = pico_sd.sdxl_folder(tmp_path / "xl", zeros=zeros)
    chosen = XL.chosen(folder, steps=2, guidance=5.0)
    conditioning = generators.load(chosen).condition([PROMPT], [""])
    assert bool((conditioning.negative == 0).all()) is zeros
    assert (picture(chosen) - stock(folder, chosen)).abs().max() <= XL.tolerance


def test_one_step_of_turbo_is_that_of_its_ancestral_sampler(tmp_path):
    folder = pico_sd.sdxl_folder(tmp_path / "xl", kind="ancestral")
    chosen = XL.chosen(folder, steps=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        made = picture(chosen)
    assert (made - stock(folder, chosen)).abs().max() <= XL.tolerance


def test_the_unet_is_told_the_size_of_the_picture(tmp_path):
    folder = pico_sd.sdxl_folder(tmp_path / "xl")
    generator = generators.load(XL.chosen(folder, width=48, height=16))
    told = []
    generator.backbone.register_forward_pre_hook(
        lambda module, given, named: told.append(named["added_cond_kwargs"]["time_ids"]), with_kwargs=True
    )
    generator.denoised(generator.noise([1]), generator.sigmas(1)[0], generator.condition([PROMPT], [""]))
    assert told[0].tolist() == [[16, 48, 0, 0, 16, 48]]
