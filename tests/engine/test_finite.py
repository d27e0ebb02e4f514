"""Numbers that stop being finite: the message says whose they are, at which step, and what to try."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pico
import pytest
import torch
from control_recipes.engine import adapter, checkpoint, digests, evaluate, finite, plan, training
from control_recipes.engine.errors import WorkError


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return pico.flux_folder(folder / "flux"), pico.critic_folder(folder / "critic")


def planned(models: tuple[Path, Path], **changes: object) -> plan.Plan:
    return pico.plan_of(pico.generator(models[0]), models[1], **changes)


def broken_critic(folder: Path, critic: Path, change: Callable[[Any], None]) -> Path:
    """A copy of a critic of which something was changed."""
    from transformers import Qwen2_5_VLForConditionalGeneration

    shutil.copytree(critic, folder)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(critic)
    with torch.no_grad():
        change(model.model)
    model.save_pretrained(folder)
    return folder


def broken_generator(folder: Path, flux: Path, part: str) -> Path:
    """A copy of a generator with an infinite weight in one of its parts."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(flux, folder)
    file = folder / part / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    name = sorted(tensors)[0]
    tensors[name].fill_(float("inf"))
    save_file(tensors, file, {"format": "pt"})
    return folder


def test_a_critic_whose_answer_is_no_number_is_named(models, tmp_path: Path):
    def break_norm(model: Any) -> None:
        model.language_model.norm.weight.fill_(float("nan"))

    critic = broken_critic(tmp_path / "critic", models[1], break_norm)
    with pytest.raises(WorkError) as caught:
        training.train(planned((models[0], critic)), tmp_path / "run")
    assert caught.value.message == "step 1: critic eyes, question aligned: a log-probability is nan"
    assert caught.value.hint == (
        "the picture that it saw is finite, so it is eyes itself: try another critics.eyes.model"
    )
    half = planned((models[0], critic))
    half = dataclasses.replace(half, critics=(dataclasses.replace(half.critics[0], dtype="bfloat16"),))
    assert "try critics.eyes.dtype: float32 or another" in finite.of_critic(half, "eyes")
    assert "another judges.second.model" in finite.of_critic(half, "second")


def test_a_critic_whose_gradient_is_no_number_is_named(models, tmp_path: Path):
    """Patches so large that their squares are infinite: what is normalised by them is 0, and has no slope."""

    def enlarge(model: Any) -> None:
        model.visual.patch_embed.proj.weight.mul_(1e37)

    critic = broken_critic(tmp_path / "critic", models[1], enlarge)
    with pytest.raises(WorkError) as caught:
        training.train(planned((models[0], critic)), tmp_path / "run")
    message = "step 1: critic eyes, question aligned: its gradient on the picture is not finite"
    assert caught.value.message == message


def test_of_several_questions_the_one_is_named_whose_own_gradient_is_no_number(models, tmp_path: Path, monkeypatch):
    from control_recipes.critics import asking

    real = asking.log_probs

    def steep(family: Any, views: Any, branches: Any) -> asking.LogProbs:
        """As ever, and of one question the root of nothing on top: it is 0, and infinitely steep."""
        found = real(family, views, branches)
        mine = torch.tensor(["ball" in one.question for some in branches for one in some])
        of_tokens = mine.repeat_interleave(torch.tensor([size for sizes in found.sizes for size in sizes]))
        values = found.values.clone()
        if bool(mine.any()):
            picture = sum(view.picture.sum() for view in views)
            values[of_tokens] = values[of_tokens] + (picture - picture).sqrt()
        return asking.LogProbs(values, found.sizes)

    monkeypatch.setattr(asking, "log_probs", steep)
    with pytest.raises(WorkError) as caught:
        training.train(planned(models), tmp_path / "run")
    assert caught.value.message == "step 1: critic eyes, question there: its gradient on the picture is not finite"


@pytest.mark.parametrize("part", ["transformer", "vae"])
def test_a_generator_that_is_broken_before_anything_was_trained(models, tmp_path: Path, part: str):
    flux = broken_generator(tmp_path / "flux", models[0], part)
    with pytest.raises(WorkError) as caught:
        training.train(planned((flux, models[1])), tmp_path / "run")
    assert caught.value.message.startswith("step 1: the bare generator's picture of “a ")
    assert caught.value.message.endswith((" is nan", " is inf", " is -inf"))
    assert "it is the model itself, or its files: try another generator.model" in caught.value.hint


def test_a_rate_that_is_absurd_is_named_and_the_last_sound_checkpoint_is_kept(models, tmp_path: Path):
    chosen = planned(models, steps=8, lr=1e6, save_every=1, stay=0.0)
    with pytest.raises(WorkError) as caught:
        training.train(chosen, tmp_path)
    found = re.match(r"step (\d+)", caught.value.message)
    assert found is not None
    step = int(found[1])
    assert step > 1
    assert "the generator's picture of “a " in caught.value.message
    assert caught.value.hint == (
        "try a lower train.lr (now 1e+06), a longer train.warmup (now 0) or a smaller train.clip (now 1)"
    )
    tensors, metadata = adapter.load(tmp_path / checkpoint.FILE)
    assert json.loads(metadata["progress"])["step"] == step - 1
    assert all(bool(value.isfinite().all()) for value in tensors.values())
    with pytest.raises(WorkError, match=f"step {step}\\b"):  # and again, at the same step
        training.train(chosen, tmp_path)


def test_a_weight_that_an_update_makes_infinite_is_refused_before_it_is_saved(models):
    weights = [torch.ones(3), torch.tensor([1.0, float("-inf")])]
    with pytest.raises(WorkError, match="step 7: a weight of the adapter became -inf"):
        finite.weights(weights, planned(models), "step 7")


def test_stay_that_gets_out_of_hand_is_named(models, tmp_path: Path):
    with pytest.raises(WorkError, match=r"step 2: the gradient of the adapter is (inf|nan); .* comes of `stay`, or"):
        training.train(planned(models, steps=3, lr=1.0, stay=3e38), tmp_path)
    with pytest.raises(WorkError, match="step 3: `stay` is inf: the pictures are too far from the bare generator's"):
        finite.stay(torch.tensor(float("inf")), planned(models), "step 3")


def test_a_gradient_that_the_generator_makes_infinite_is_told_apart(models):
    with pytest.raises(WorkError, match="the way back through the generator") as caught:
        finite.gradient(torch.tensor(float("inf")), planned(models), "step 3")
    assert caught.value.message.startswith("step 3: the gradient of the adapter is inf")
    assert "comes of `stay`, or of" in caught.value.message
    half = dataclasses.replace(planned(models), generator=pico.generator(models[0], dtype="bfloat16"))
    assert finite.remedy(half, bare=False).startswith("try generator.dtype: float32, a lower train.lr")
    assert "try generator.dtype: float32 or another generator.model" in finite.remedy(half, bare=True)


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_an_evaluation_says_at_which_scale(models, tmp_path: Path, scale: float):
    chosen = planned(models, steps=1)
    trained = training.train(chosen, tmp_path / "run")
    tensors, metadata = adapter.load(trained.adapter)
    if scale:
        tensors = {name: torch.full_like(value, float("nan")) for name, value in tensors.items()}
        chosen_ = chosen
    else:
        flux = broken_generator(tmp_path / "flux", models[0], "vae")
        chosen_ = dataclasses.replace(chosen, generator=pico.generator(flux))
    metadata[digests.SAID] = adapter.tensors_sha256(tensors)
    adapter.save(tmp_path / "bad.safetensors", tensors, metadata)
    whose = "the generator's" if scale else "the bare generator's"
    with pytest.raises(WorkError, match=rf"evaluation, scale {scale:g}: {whose} picture of “a blue tree” is"):
        evaluate.evaluate(chosen_, tmp_path / "bad.safetensors", tmp_path)
    assert not (tmp_path / "evaluation.json").exists()


def test_finite_numbers_are_let_through(models):
    chosen = planned(models)
    finite.pictures(torch.zeros(2, 3, 4, 4), ["a", "b"], chosen, "now", bare=False)
    finite.weights([torch.ones(3)], chosen, "now")
    finite.stay(torch.tensor(1.0), chosen, "now")
    finite.gradient(torch.tensor(1.0), chosen, "now")
