"""Stable Diffusion: which schedulers its folders may name, and where the gradient of guidance flows."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import families
import pico_sd
import pytest
import torch
from control_recipes.engine import flow, generators, model_facts, models
from control_recipes.engine.errors import InputError

PROMPT = "a blue house"


def case(name: str) -> families.Case:
    return next(one for one in families.CASES if one.name == name)


def picture(chosen):
    generator = generators.load(chosen)
    conditioning = generator.condition([PROMPT], [chosen.negative])
    return generator.image(flow.sample(generator, conditioning, generator.noise([5]), chosen.steps))[0]


def stock(folder, known, chosen, *, euler):
    from diffusers import DiffusionPipeline, EulerDiscreteScheduler

    pipeline = DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    if euler:
        pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    return pipeline(PROMPT, generator=torch.Generator("cpu").manual_seed(5), **known.calls(chosen)).images[0]


@pytest.mark.parametrize("kind", ["pndm", "ddim", "ancestral"])
def test_another_sampler_of_the_same_levels_is_replaced_by_euler_with_a_warning(tmp_path, kind):
    folder = pico_sd.sd_folder(tmp_path / "sd", kind=kind)
    known = case("sd-1")
    chosen = known.chosen(folder, steps=4)
    with pytest.warns(UserWarning, match="its scheduler is .*; pictures are sampled by EulerDiscreteScheduler"):
        made = picture(chosen)
    assert (made - stock(folder, known, chosen, euler=True)).abs().max() <= known.tolerance
    assert (made - stock(folder, known, chosen, euler=False)).abs().max() > 100 * known.tolerance


def test_one_step_of_the_ancestral_sampler_is_eulers(tmp_path):
    folder = pico_sd.sd_folder(tmp_path / "sd", kind="ancestral")
    known = case("sd-turbo")
    chosen = known.chosen(folder, steps=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        made = picture(chosen)
    assert (made - stock(folder, known, chosen, euler=False)).abs().max() <= known.tolerance


@pytest.mark.parametrize(
    ("key", "value"),
    [("prediction_type", "sample"), ("final_sigmas_type", "sigma_min"), ("timestep_type", "continuous")],
)
def test_settings_of_another_path_are_refused(tmp_path, key, value):
    folder = pico_sd.sd_folder(tmp_path / "sd")
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), key: value}), encoding="utf-8")
    with pytest.raises(InputError, match=f"the scheduler's {key} must be .*, found {value}"):
        generators.load(case("sd-turbo").chosen(folder))


@pytest.mark.parametrize(
    ("change", "key", "said"),
    [
        ({"width": 36}, "generator.size", "must be multiples of 8"),
        ({"negative": "fog"}, "generator.negative", "does nothing without guidance above 1"),
        ({"negative": "much fog over all of it", "guidance": 3.0}, "generator.negative", "is too long: "),
    ],
)
def test_what_the_model_cannot_do_is_refused(tmp_path, change, key, said):
    with pytest.raises(InputError, match=said) as caught:
        generators.load(case("sd-turbo").chosen(pico_sd.sd_folder(tmp_path / "sd"), **change))
    assert [problem.key for problem in caught.value.problems] == [key]


def test_an_odd_number_of_latents_is_painted_as_stock_does(tmp_path):
    import pico_parts

    known = case("sd-1")
    folder = known.build(tmp_path / "sd")
    blocks = ("DownEncoderBlock2D",) * 4, ("UpDecoderBlock2D",) * 4
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        deeper = pico_parts.autoencoder(
            block_out_channels=(8, 8, 8, 8), down_block_types=blocks[0], up_block_types=blocks[1]
        )
    deeper.save_pretrained(folder / "vae")
    model = models.locate(str(folder), Path("/"))
    assert model_facts.grid(model) == 8
    chosen = known.chosen(folder, steps=2, width=72, height=40)
    made = picture(chosen)
    assert made.shape == (3, 40, 72)
    torch.testing.assert_close(made, stock(folder, known, chosen, euler=False), rtol=0, atol=known.tolerance)


def test_the_gradient_of_guidance_flows_through_both_branches(tmp_path):
    """x̂0 = x̂0⁻ + g (x̂0⁺ − x̂0⁻): so is its derivative by any weight."""
    known = case("sd-1")
    folder = known.build(tmp_path / "sd")

    def pulled(prompt: str, negative: str, guidance: float) -> torch.Tensor:
        generator = generators.load(known.chosen(folder, dtype="float64", guidance=guidance, negative=negative))
        weight = generator.backbone.get_submodule("mid_block.attentions.0.transformer_blocks.0.attn2.to_k").weight
        weight.requires_grad_(True)
        conditioning = generator.condition([prompt], [negative])
        z = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        denoised = generator.denoised(z, torch.tensor(2.0), conditioning)
        return torch.autograd.grad(denoised.sum(), weight)[0]

    positive, negative = pulled("a house", "", 0.0), pulled("a tent", "", 0.0)
    assert not torch.allclose(positive, negative)
    torch.testing.assert_close(pulled("a house", "a tent", 3.0), 3 * positive - 2 * negative, rtol=1e-4, atol=1e-7)


def test_levels_between_those_of_the_sampler_have_timesteps_between_theirs(tmp_path):
    generator = generators.load(case("sd-turbo").chosen(pico_sd.sd_folder(tmp_path / "sd"), steps=4))
    path = generator._schedule
    assert torch.equal(path.timestep(path.sigmas[1]), path.timesteps[1:2])
    between = path.timestep(torch.stack([(path.sigmas[1] + path.sigmas[2]) / 2, torch.tensor(1e9), torch.tensor(0.0)]))
    assert path.timesteps[2] < between[0] < path.timesteps[1]
    assert between[1:].tolist() == [999.0, 0.0]


def test_the_safety_checker_of_a_folder_is_let_lie_and_nothing_else_of_its_name(tmp_path):
    folder = pico_sd.sd_folder(tmp_path / "sd")
    path = folder / "model_index.json"
    index = json.loads(path.read_text("utf-8"))
    checker = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    path.write_text(json.dumps({**index, "safety_checker": checker}), encoding="utf-8")
    model = models.locate("./sd", tmp_path)
    assert generators.load(case("sd-turbo").chosen(Path(model.folder)))._pipeline.safety_checker is None
    path.write_text(json.dumps({**index, "vae": checker}), encoding="utf-8")
    with pytest.raises(InputError, match="only classes of diffusers and transformers"):
        models.locate("./sd", tmp_path)
    path.write_text(json.dumps(index), encoding="utf-8")
    (folder / "vae" / "stable_diffusion.py").touch()
    with pytest.raises(InputError, match="code in the place of a library's"):
        models.locate("./sd", tmp_path)


def test_adapters_say_which_version_they_are_of(tmp_path):
    said = {}
    for name in ("sd-1", "sd-2"):
        known = case(name)
        said[name] = generators.load(known.chosen(known.build(tmp_path / name))).lora_metadata
    assert said["sd-1"]["modelspec.prediction_type"] == "epsilon"
    assert said["sd-2"]["ss_base_model_version"] == "sd_v1_v"  # by the width of what is read, which is no 2's here
    assert {one["ss_network_module"] for one in said.values()} == {"networks.lora"}
