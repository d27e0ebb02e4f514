"""Sana and Sana-Sprint: whose steps are taken, what is read, a decoder that is recomputed, and what is refused."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import families
import pico_dit
import pytest
import torch
from control_recipes.engine import flow, generators
from control_recipes.engine.errors import InputError

PROMPT = "a blue house"
CASE, SPRINT = (next(case for case in families.CASES if case.name == name) for name in ("sana", "sana-sprint"))


def picture(chosen):
    generator = generators.load(chosen)
    conditioning = generator.condition([PROMPT], [chosen.negative])
    return generator.image(flow.sample(generator, conditioning, generator.noise([5]), chosen.steps))[0]


@pytest.mark.parametrize("steps", [2, 3])
def test_of_a_solver_of_second_order_first_and_last_step_are_ours(tmp_path, steps):
    folder = pico_dit.sana_folder(tmp_path / "sana", order=2)
    chosen = CASE.chosen(folder, steps=steps)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        made = picture(chosen)
    said = [str(one.message) for one in told if "steps of first order" in str(one.message)]
    far = (made - families.stock(CASE, folder, PROMPT, 5, chosen)).abs().max()
    assert (far <= CASE.tolerance, len(said)) == ((True, 0) if steps == 2 else (False, 1))


def test_eulers_scheduler_of_flows_is_taken_as_it_is(tmp_path):
    folder = pico_dit.sana_folder(tmp_path / "sana", order=0)
    chosen = CASE.chosen(folder, steps=3)
    assert (picture(chosen) - families.stock(CASE, folder, PROMPT, 5, chosen)).abs().max() <= CASE.tolerance


def test_a_recomputed_decoder_gives_the_same_gradient(tmp_path):
    folder = pico_dit.sana_folder(tmp_path / "sana")
    found = []
    for recomputed in (False, True):
        generator = generators.load(replace(CASE.chosen(folder, dtype="float64"), checkpoint_decoder=recomputed))
        latents = generator.noise([1]).requires_grad_(True)
        saved = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda value, kept=saved: kept.append(value) or value, lambda v: v
        ):
            image = generator.image(latents)
        found.append((torch.autograd.grad(image.square().sum(), latents)[0], len(saved)))
    torch.testing.assert_close(found[1][0], found[0][0], rtol=1e-12, atol=1e-12)
    assert found[1][1] < found[0][1] / 2


@pytest.mark.parametrize(
    ("key", "value"),
    [("prediction_type", "epsilon"), ("use_flow_sigmas", False), ("algorithm_type", "sde-dpmsolver++")],
)
def test_settings_of_another_path_are_refused(tmp_path, key, value):
    folder = pico_dit.sana_folder(tmp_path / "sana")
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), key: value}), encoding="utf-8")
    with pytest.raises(InputError, match=f"the scheduler's {key} must be .*, found {value}".replace("+", r"\+")):
        generators.load(CASE.chosen(folder))


def test_of_a_stochastic_sampler_a_picture_depends_on_its_seed_alone(tmp_path):
    generator = generators.load(SPRINT.chosen(pico_dit.sana_sprint_folder(tmp_path / "sprint"), steps=2))
    conditioning, noise = generator.condition([PROMPT] * 2, [""] * 2), generator.noise([5, 6])
    both = flow.sample(generator, conditioning, noise, 2, flow.paths(noise, [5, 6]))
    alone = flow.sample(generator, conditioning.rows([1]), noise[1:], 2, flow.paths(noise, [6]))
    torch.testing.assert_close(both[1:], alone)
    other = flow.sample(generator, conditioning.rows([1]), noise[1:], 2, flow.paths(noise, [5]))
    assert not torch.allclose(other, alone)


def test_what_sprint_cannot_do_is_refused(tmp_path):
    folder = pico_dit.sana_sprint_folder(tmp_path / "sprint")
    with pytest.raises(InputError, match="takes no negative prompt"):
        generators.load(SPRINT.chosen(folder, negative="fog"))
    path = folder / "transformer" / "config.json"
    path.write_text(path.read_text("utf-8").replace('"guidance_embeds": true', '"guidance_embeds": false'), "utf-8")
    with pytest.raises(InputError, match="its transformer is not told the guidance"):
        generators.load(SPRINT.chosen(folder))


def test_what_the_model_cannot_do_is_refused(tmp_path):
    folder = pico_dit.sana_folder(tmp_path / "sana")
    with pytest.raises(InputError, match="must be multiples of 32"):
        generators.load(CASE.chosen(folder, width=48))
    with pytest.raises(InputError, match="does nothing without guidance"):
        generators.load(CASE.chosen(folder, guidance=1.0))
    generator = generators.load(CASE.chosen(folder))
    kept = generator.condition(["a tent in snow"], [""])  # as many letters and spaces as are kept
    assert kept.mask is not None
    assert bool(kept.mask.all())
    with pytest.raises(InputError, match="is too long: 15 tokens, the generator reads 14"):
        generator.condition(["a tent in snow."], [""])
