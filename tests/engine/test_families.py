"""Every family of generators, put together by us, against the stock pipeline as it is."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import factors
import families
import pico
import pytest
import torch
from control_recipes.engine import adapter, composing, flow, generators, model_facts, models, plan, starting, training
from control_recipes.engine import step as steps
from control_recipes.engine.errors import InputError
from families import Case
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

PROMPTS = ["a red ball in", "a blue house"]
SEEDS = [3, 4]


@pytest.fixture(scope="module", params=families.CASES, ids=lambda case: case.name)
def case(request) -> Case:
    return request.param


@pytest.fixture(scope="module")
def folder(case, tmp_path_factory) -> Path:
    return case.build(tmp_path_factory.mktemp(case.name) / "model")


def pictures(generator, chosen, prompts=PROMPTS, seeds=SEEDS):
    conditioning = generator.condition(prompts, [chosen.negative] * len(prompts))
    noise = generator.noise(seeds)
    return generator.image(flow.sample(generator, conditioning, noise, chosen.steps, flow.paths(noise, seeds)))


def ours(chosen):
    return pictures(generators.load(chosen), chosen)


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("shape", [0, 1], ids=["square", "oblong"])
def test_samples_equal_the_stock_pipeline(case, folder, steps, shape):
    width, height = case.shapes[shape]
    chosen = case.chosen(folder, steps=steps, width=width, height=height)
    made = ours(chosen)
    assert made.shape == (2, 3, height, width)
    for picture, prompt, seed in zip(made, PROMPTS, SEEDS, strict=True):
        expected = families.stock(case, folder, prompt, seed, chosen)
        assert (picture - expected).abs().max() <= case.tolerance
    assert (made[0] - expected).abs().max() > 100 * case.tolerance  # the comparison can fail


def test_bfloat16_equals_the_stock_pipeline(case, folder):
    chosen = case.chosen(folder, steps=2, dtype="bfloat16")
    expected = families.stock(case, folder, PROMPTS[0], SEEDS[0], chosen, "bfloat16")
    units = 8 if case.guidance > 1 else 4  # in the last place near 1/2; guidance makes them more
    assert (ours(chosen)[0].float() - expected.float()).abs().max() <= units * 2**-8


def test_a_clean_estimate_is_what_the_backbone_says_of_its_latents(case, folder):
    """Without guidance of two branches, which there is nothing to be said of."""
    generator = generators.load(case.chosen(folder, steps=3, dtype="float64", guidance=0.0, negative=""))
    conditioning = generator.condition(PROMPTS, ["", ""])
    said = []
    hook = generator.backbone.register_forward_hook(lambda module, given, out: said.append(out[0]))
    z = generator.noise(SEEDS)
    for sigma in generator.sigmas(3)[:-1]:
        denoised = generator.denoised(z, sigma, conditioning)
        torch.testing.assert_close(denoised, case.estimated(z, sigma.double(), said[-1]), rtol=1e-6, atol=1e-6)
        # the sampler's line goes from z through x̂0: a step of no length stays, one to no noise arrives
        if not case.draws:
            torch.testing.assert_close(generator.advance(denoised, z, sigma, sigma, None), z, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(generator.advance(denoised, z, sigma, sigma * 0, None), denoised)
        z = generator.advance(denoised, z, sigma, sigma / 2, None)
    hook.remove()


def test_levels_of_the_sampler_and_of_replay(case, folder):
    generator = generators.load(case.chosen(folder, steps=4, dtype="float64"))
    levels = generator.sigmas(4)
    assert levels.shape == (5,)
    assert bool((levels.diff() < 0).all())
    assert levels[-1] == 0
    share = torch.tensor([0.25, 0.9])
    sigma = generator.level(share)
    z = generator.noise(SEEDS)
    latents = torch.full_like(z, 3.0)
    noisy = generator.renoised(latents, sigma, torch.Generator().manual_seed(1))
    for one, part in zip(noisy, share, strict=True):
        # of picture and noise together, noise is that part
        assert (one.mean() / 3 / (one.std() + one.mean() / 3)).item() == pytest.approx(1 - float(part), abs=0.15)


def test_noise_depends_on_the_seed_alone(case, folder):
    generator = generators.load(case.chosen(folder))
    assert torch.equal(generator.noise(SEEDS)[1:], generator.noise(SEEDS[1:]))


def test_rows_of_conditioning_are_those_of_their_prompts(case, folder):
    chosen = case.chosen(folder, dtype="float64")
    generator = generators.load(chosen)
    conditioning = generator.condition(PROMPTS, [chosen.negative] * 2)
    z, sigma = generator.noise([1, 2]), generator.sigmas(1)[0]
    both = generator.denoised(z, sigma, conditioning)
    swapped = generator.denoised(z.flip(0), sigma, conditioning.rows([1, 0])).flip(0)
    torch.testing.assert_close(both, swapped, rtol=1e-9, atol=1e-9)
    assert not torch.allclose(both, generator.denoised(z, sigma, conditioning.rows([1, 0])))


def test_released_encoders_are_gone(case, folder):
    generator = generators.load(case.chosen(folder))
    generator.release_encoders()
    with pytest.raises(RuntimeError, match="released"):
        generator.condition(PROMPTS, ["", ""])


@pytest.fixture(scope="module")
def critic(tmp_path_factory) -> Path:
    return pico.critic_folder(tmp_path_factory.mktemp("models") / "critic")


@pytest.mark.parametrize("targets", ["attention", "all"])
def test_a_step_moves_every_matrix_of_the_adapter_and_nothing_else(case, folder, critic, targets):
    chosen = pico.plan_of(case.chosen(folder, dtype="float64"), critic, adapter=plan.Adapter(2, 4.0, targets))
    desk = steps.prepare(chosen)
    state = training._state(desk)
    for name, weight in state.weights.items():
        if name.endswith("lora_B"):  # where B is zero, A has no gradient
            weight.data.fill_(0.01)
    learning = {id(weight) for weight in state.weights.values()}
    parts = (desk.generator.backbone, desk.generator._vae)
    frozen = [weight for part in parts for weight in part.parameters() if id(weight) not in learning]
    before = [weight.clone() for weight in frozen]
    moved = {name: weight.detach().clone() for name, weight in state.weights.items()}
    steps.take(desk, state, 1)
    assert [name for name, weight in state.weights.items() if torch.equal(weight, moved[name])] == []
    assert all(torch.equal(weight, was) for weight, was in zip(frozen, before, strict=True))
    wanted = {
        name
        for name, layer in desk.learned.backbone.named_modules()
        if hasattr(layer, "lora_A") and name.endswith(tuple(desk.generator.lora_targets[targets]))
    }
    assert {name.removesuffix(".lora_A") for name in state.weights if name.endswith("A")} == wanted != set()


def trained(generator, targets="all"):
    """An adapter that does something, as training leaves it."""
    lora = adapter.inject(generator, plan.Adapter(3, 12.0, targets), seed=5)
    stream = torch.Generator().manual_seed(6)
    for name, weight in lora.weights().items():
        if name.endswith("lora_B"):
            weight.data.copy_(0.1 * torch.randn(weight.shape, generator=stream))
    return lora


STOCK = """
import json, sys, torch
from diffusers import DiffusionPipeline
folder, file, out, without, calls, *prompts = sys.argv[1:]
pipeline = DiffusionPipeline.from_pretrained(folder, **dict.fromkeys(json.loads(without)))
LOADS
images = [
    pipeline(prompt=prompt, generator=torch.Generator("cpu").manual_seed(seed), **json.loads(calls)).images
    for prompt, seed in zip(prompts, [3, 4])
]
torch.save(torch.cat(images), out)
"""


def test_stock_diffusers_gives_our_pictures_in_a_fresh_process(case, folder, tmp_path):
    chosen = case.chosen(folder, steps=2)
    generator = generators.load(chosen)
    bare = pictures(generator, chosen)
    lora = trained(generator)
    adapter.save(tmp_path / "a.safetensors", adapter.tensors(lora), {"format": "pt", **generator.lora_metadata})
    adapted = pictures(generator, chosen)
    told = [str(folder), str(tmp_path / "a.safetensors"), str(tmp_path / "images.pt"), json.dumps(case.without)]
    told.append(json.dumps(case.calls(chosen)))
    subprocess.run(
        [sys.executable, "-c", STOCK.replace("LOADS", case.loads), *told, *PROMPTS], check=True, capture_output=True
    )
    theirs = torch.load(tmp_path / "images.pt", weights_only=True)
    assert (theirs - adapted).abs().max() <= 1e-5
    assert (theirs - bare).abs().max() > 1e-3  # the comparison can fail
    lora.scale(0)
    assert torch.equal(pictures(generator, chosen), bare)


def test_a_file_gives_its_pictures_as_a_companion_and_as_a_start(case, folder, tmp_path):
    """As it does where it is laid on, which stock diffusers is held to above."""
    chosen = case.chosen(folder, steps=2)
    generator = generators.load(chosen)
    bare, lora = pictures(generator, chosen), trained(generator)
    file = factors.written(tmp_path / "a.safetensors", composing.factors(adapter.tensors(lora)))
    wanted = pictures(generator, chosen)
    assert (wanted - bare).abs().max() > 1e-3
    adapter.eject(lora)
    beside = dataclasses.replace(chosen, companions=(file,))
    assert (pictures(generators.load(beside), beside) - wanted).abs().max() <= 1e-5
    begun = pico.plan_of(chosen, folder, adapter=plan.Adapter(4, 8.0, "all", (file,)))
    lora = starting.begin(generator, begun, pytest.fail)  # nothing is missing
    assert (pictures(generator, chosen) - wanted).abs().max() <= 1e-5
    lora.scale(0)
    assert torch.equal(pictures(generator, chosen), bare)


def test_another_scheduler_is_refused(case, folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in folder.iterdir():
        if path.name not in ("scheduler", "model_index.json"):
            (other / path.name).symlink_to(path)
    index = json.loads((folder / "model_index.json").read_text("utf-8"))
    index["scheduler"] = ["diffusers", "LCMScheduler"]
    (other / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    (other / "scheduler").mkdir()
    told = {"_class_name": "LCMScheduler", "steps_offset": 1, "clip_sample": False}
    (other / "scheduler" / "scheduler_config.json").write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(InputError, match=r"the scheduler must be .*, found LCMScheduler") as caught:
        generators.load(case.chosen(other))
    assert [problem.key for problem in caught.value.problems] == ["generator.model"]


def test_the_folder_says_its_family_size_and_text(case, folder):
    model = models.locate(str(folder), Path("/"))
    assert (model.family, models.is_generator(model)) == (case.family, True)
    assert model_facts.picture_size(model) == case.side
    assert model_facts.text_length(model) == 16
    assert 32 % model_facts.grid(model) == 0


def parameters(*parts: nn.Module | None) -> int:
    return sum(weight.numel() for part in parts if part is not None for weight in part.parameters())


def kept(generator, run, element=8):
    """Values that autograd keeps of a pass through frozen weights, each once, weights left out."""
    weights = {
        weight.untyped_storage().data_ptr()
        for part in (generator.backbone, generator._vae)
        for weight in (*part.parameters(), *part.buffers())
    }
    found: dict[tuple[int, int], int] = {}

    def take(value):
        storage = value.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr(), value._version] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(take, lambda value: value):
        end = run()
    assert end.requires_grad
    return sum(found.values()) / element


@pytest.mark.parametrize("targets", ["attention", "all"])
def test_sizes_are_those_of_the_model(case, targets, tmp_path):
    """On a model wide enough that norms and biases, which are left out, are few."""
    folder = case.build(tmp_path / "wide", wide=True)
    chosen = case.chosen(folder, width=64, height=32, dtype="float64")
    found, generator = generators.sizes_of(chosen), generators.load(chosen)
    pipeline = generator._pipeline
    encoders = [getattr(pipeline, name, None) for name in ("text_encoder", "text_encoder_2", "text_encoder_3")]
    assert found.parameters == pytest.approx(parameters(generator.backbone, generator._vae), rel=0.05)
    assert found.encoders == pytest.approx(parameters(*encoders), rel=0.05)
    conditioning = generator.condition(PROMPTS[:1], [chosen.negative])
    values = [getattr(conditioning, name) for name in conditioning.__slots__]
    assert found.conditioning == sum(value.numel() for value in values if value is not None)
    z = generator.noise([1])
    assert found.latents == z.numel()
    lora = adapter.inject(generator, plan.Adapter(3, 3.0, targets), seed=1)
    assert found.lora(3, targets) == sum(weight.numel() for weight in lora.weights().values())
    sigma = generator.sigmas(1)[0]
    cost = found.denoised(3, targets)
    really = kept(generator, lambda: generator.denoised(z, sigma, conditioning))
    assert cost.kept == pytest.approx(really, rel=0.1)
    assert found.decoded.kept == pytest.approx(
        kept(generator, lambda: generator.image(z.clone().requires_grad_())), rel=0.1
    )
    # of attention, only this way of computing it is counted
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counted, torch.no_grad():
        generator.denoised(z, sigma, conditioning)
    assert cost.flops == pytest.approx(counted.get_total_flops(), rel=0.4)  # times are ranges
    assert 0 < cost.given < cost.kept
    assert 0 < cost.layer < cost.kept
