"""How often each network runs in a step: once, whatever is asked; and what runs once for a whole training."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pico
import picos
import pytest
import torch
from allocated import kept_of
from control_recipes import critics
from control_recipes.critics.pixels import resize
from control_recipes.engine import costing, flow, generators, plan, training, workload
from control_recipes.engine import step as steps
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return pico.flux_folder(folder / "flux"), pico.critic_folder(folder / "critic")


def planned(models: tuple[Path, Path], **changes: Any) -> plan.Plan:
    """Three pictures a step, two critics, five questions of two views, some with several answers."""
    flux, critic = models
    small = pico.plan_of(pico.generator(flux), critic, **{"batch": 3, "stay": 0.0} | changes)
    first = small.train_rows[0].asks
    more = tuple(plan.Ask(f"more{at}", (f"Is it {at}?",), ("Yes",), ("No",), ()) for at in range(2))
    names = ("eyes", "more")
    return replace(
        small,
        critics=tuple(replace(small.critics[0], name=name) for name in names),
        questions=tuple(
            replace(question, critics=names)
            for question in (*small.questions, *(plan.Question(ask.question, 1.0, 0.0, False, names) for ask in more))
        ),
        train_rows=tuple(replace(row, asks=(*first, *more)) for row in small.train_rows),
    )


def counted(desk: steps.Desk) -> tuple[Counter[str], list[int]]:
    """What has run from now on, by name, and how many places each call of a language model's head was for."""
    runs, places = Counter[str](), list[int]()

    def count(name: str) -> Any:
        return lambda *_: runs.update([name])

    desk.generator.backbone.register_forward_hook(count("backbone"))
    desk.generator._vae.decoder.register_forward_hook(count("decoder"))
    for member, _, critic in desk.panel._seats:
        critic.model.model.visual.register_forward_hook(count(f"{member.name} tower"))
        critic.model.model.language_model.register_forward_hook(count(f"{member.name} text"))
        critic.model.lm_head.register_forward_hook(lambda module, given, out: places.append(len(given[0])))
    return runs, places


@pytest.mark.parametrize("batch", [1, 3])
def test_a_step_of_many_questions_runs_everything_once(models: tuple[Path, Path], batch: int):
    chosen = planned(models, batch=batch)
    desk = steps.prepare(chosen)
    runs, places = counted(desk)
    steps.take(desk, training._state(desk), 1)
    names = ("backbone", "decoder", "eyes tower", "eyes text", "more tower", "more text")
    assert runs == dict.fromkeys(names, 1)
    # logits are computed where an answer's token is read, and once where several answers begin alike
    chat = desk.panel._seats[0][2].chat
    read = 0
    for ask in chosen.train_rows[0].asks:
        said = [chat.answer(ask.wordings[0], text, not ask.against) for text in (*ask.answers, *ask.against)]
        read += len({answer[:end] for answer in map(tuple, said) for end in range(len(answer))})
    assert places == [batch * read] * 2


@pytest.mark.parametrize(
    "changes", [{"stay": 0.1}, {"accumulate": 2}, {"conflict": 1}, {"batch": 1, "steps": 2}, {"weights": "balanced"}]
)
def test_what_a_training_runs_is_what_its_plan_counts(models: tuple[Path, Path], changes: dict[str, Any]):
    chosen = planned(models, **changes)
    work = workload.workload(chosen).training
    desk = steps.prepare(chosen)
    runs, _ = counted(desk)
    state = training._state(desk)
    for step in range(1, chosen.train.steps + 1):
        steps.take(desk, state, step)
    assert (runs["backbone"], runs["decoder"]) == (work.generator, work.decoder)
    assert {name: runs[f"{name} text"] for name in ("eyes", "more")} == {
        name: asked.passes for name, asked in work.critics.items()
    }


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> plan.Model:
    """A critic that is asked one question after the other."""
    folder = tmp_path_factory.mktemp("alone") / "paligemma"
    picos.CASES["paligemma"].build(folder, 4)
    return plan.Model("./alone", "paligemma", "", (), str(folder))


def one_by_one(models: tuple[Path, Path], alone: plan.Model, **changes: Any) -> plan.Plan:
    chosen = planned(models, **changes)
    critics = tuple(replace(member, model=alone) for member in chosen.critics)
    return replace(chosen, critics=critics, judges=tuple(replace(one, model=alone) for one in chosen.judges))


@pytest.mark.parametrize(
    ("changes", "checkpointing"),
    [({"accumulate": 2, "steps": 1}, False), ({"conflict": 1, "batch": 1, "steps": 2}, False), ({"steps": 1}, True)],
)
def test_questions_one_by_one_are_counted_as_the_passes_they_take(
    models: tuple[Path, Path], alone: plan.Model, changes: dict[str, Any], checkpointing: bool
):
    chosen = one_by_one(models, alone, **changes)
    chosen = replace(chosen, critics=tuple(replace(one, checkpointing=checkpointing) for one in chosen.critics))
    work = workload.workload(chosen)
    desk = steps.prepare(chosen)
    runs = Counter[str]()
    for member, _, critic in desk.panel._seats:
        first = critic.model.model.language_model.layers[0].self_attn  # which runs again where it is recomputed
        first.register_forward_pre_hook(lambda *_, name=member.name: runs.update([name]))
    state = training._state(desk)
    for step in range(1, chosen.train.steps + 1):
        steps.take(desk, state, step)
    assert runs == {name: asked.passes for name, asked in work.training.critics.items()}
    runs.clear()
    steps.look(desk, state, chosen.train.steps)
    looks = -(-chosen.train.steps // chosen.evaluate.every)
    assert {name: looks * count for name, count in runs.items()} == {
        name: asked.passes for name, asked in work.looks.critics.items()
    }


def test_what_questions_one_by_one_take_is_estimated_by_their_passes(models: tuple[Path, Path], alone: plan.Model):
    chosen = one_by_one(models, alone)
    member, row = chosen.critics[0], chosen.train_rows[0]
    critic: Any = critics.load(alone.folder, alone.family, "float32", "cpu")
    picture = torch.rand(3, 32, 32, requires_grad=True)
    branches = [
        critics.Branch(ask.wordings[0], text, not ask.against and len(critic.chat.answer(ask.wordings[0], text)) > 1)
        for ask in row.asks
        for text in (*ask.answers, *ask.against)
    ]
    with (
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as flops,
        kept_of(critic.model) as kept,
    ):
        values = critic.log_probs([critics.View(picture)], [branches]).values
    told = costing.asked(chosen, member)
    assert told.flops == pytest.approx(flops.get_total_flops(), rel=0.1)
    assert told.kept == pytest.approx(sum(kept.values()), rel=0.15)
    assert values.requires_grad
    assert len({ask.see for ask in row.asks}) < len(row.asks)  # in one pass, pictures would be read less often


def test_a_look_asks_everything_of_a_batch_at_once(models: tuple[Path, Path]):
    desk = steps.prepare(planned(models))
    runs, _ = counted(desk)
    steps.look(desk, training._state(desk), 1)
    assert set(runs.values()) == {1}


def test_prompts_are_encoded_once_and_the_encoders_let_go(models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch):
    from control_recipes.engine.generators.flux import FluxGenerator

    seen: list[list[str]] = []
    real = FluxGenerator.condition

    def condition(self: FluxGenerator, prompts: Any, negatives: Any) -> Any:
        seen.append(list(prompts))
        return real(self, prompts, negatives)

    monkeypatch.setattr(FluxGenerator, "condition", condition)
    chosen = planned(models)
    twice = replace(chosen, train_rows=chosen.train_rows * 2)
    desk = steps.prepare(twice)
    state = training._state(desk)
    for step in range(1, 3):
        steps.take(desk, state, step)
    steps.look(desk, state, 2)
    prompts = [row.prompt for row in (*chosen.train_rows, *chosen.validate_rows)]
    assert seen == [prompts]
    assert desk.generator._pipeline.text_encoder is desk.generator._pipeline.text_encoder_2 is None
    with pytest.raises(RuntimeError, match="the text encoders were released"):
        desk.generator.condition(["a red ball"], [""])


def test_random_step_takes_every_step_of_the_sampler_as_often(models: tuple[Path, Path]):
    generator = generators.load(pico.generator(models[0], steps=3))
    given = generator.condition(["a red ball"], [""])
    z, sigmas = generator.noise([1]), generator.sigmas(3)
    draws = torch.Generator().manual_seed(0)
    with torch.no_grad():
        levels = Counter(float(flow.clean_estimate(generator, given, z, 3, draws).sigma) for _ in range(150))
    assert set(levels) == {float(level) for level in sigmas[:3]}
    assert all(30 <= count <= 70 for count in levels.values()), levels


def test_resizing_is_a_matrix_product_there_and_back():
    """On CUDA the backward pass of an interpolation adds in an order of its own, that of a product does not."""
    picture = torch.rand(2, 3, 24, 20, requires_grad=True)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        resize(picture, 32, 16, 3).sum().backward()
    names = {event.name for event in seen.events()}
    assert {"aten::matmul"} <= names
    assert not [name for name in names if "upsample" in name or "interpolate" in name or "scatter" in name]
    with profile(activities=[ProfilerActivity.CPU]) as twin:
        torch.nn.functional.interpolate(picture, (32, 16), mode="bicubic").sum().backward()
    assert [event.name for event in twin.events() if "upsample" in event.name]


def test_half_precision_moves_an_adapter_that_stays_in_float32(models: tuple[Path, Path]):
    """At a rate below half a unit in the last place of bfloat16, weights of bfloat16 would stay where they are."""
    flux, critic = models
    chosen = pico.plan_of(pico.generator(flux, dtype="bfloat16"), critic, lr=1e-5, stay=0.0)
    desk = steps.prepare(chosen)
    state = training._state(desk)
    before = {name: weight.detach().clone() for name, weight in state.weights.items()}
    for step in range(1, 4):
        steps.take(desk, state, step)
    assert {weight.dtype for weight in state.weights.values()} == {torch.float32}
    assert {weight.dtype for name, weight in desk.generator.backbone.named_parameters() if "lora" not in name} == {
        torch.bfloat16
    }
    downs = [name for name in before if name.endswith("lora_A")]
    moved = sum(int((state.weights[name] != before[name]).sum()) for name in downs)
    coarse = sum(int((state.weights[name].bfloat16() != before[name].bfloat16()).sum()) for name in downs)
    assert moved > 10 * max(1, coarse)
