"""How memory grows: with questions about one view, with critics, how they are loaded, and the steps of one picture.

Counted by torch's own allocator, so that no other process and no library moves the figures.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import allocated
import pico
import picos
import pytest
import torch
from control_recipes import critics
from control_recipes.engine import capacity, costing, estimate, loss, plan, training
from control_recipes.engine import step as steps
from control_recipes.engine.augment import Augmented
from control_recipes.engine.panel import Panel
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve

GROWTH = 1.15  # what 16 questions may take beside 1, with everything recomputed


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return pico.flux_folder(folder / "flux"), pico.critic_folder(folder / "critic")


def asks(count: int) -> tuple[plan.Ask, ...]:
    """Questions that share a view, each competing with its opposite."""
    wording = "Is there a ball, number {}, in the image? Answer with Yes or No."
    return tuple(plan.Ask(f"q{at:02}", (wording.format(at),), ("Yes",), ("No",), ()) for at in range(count))


def planned(models: tuple[Path, Path], side: int, count: int, recompute: bool) -> plan.Plan:
    flux, critic = models
    small = pico.plan_of(pico.generator(flux, width=side, height=side), critic, batch=1, stay=0.0)
    row = replace(small.train_rows[0], asks=asks(count))
    return replace(
        small,
        generator=replace(small.generator, checkpoint_backbone=recompute, checkpoint_decoder=recompute),
        critics=(replace(small.critics[0], checkpointing=recompute),),
        questions=tuple(plan.Question(f"q{at:02}", 1.0, 0.0, False, ("eyes",)) for at in range(count)),
        train_rows=(row,), validate_rows=(row,), test_rows=(row,),
    )  # fmt: skip


def of_a_step(chosen: plan.Plan) -> tuple[int, int]:
    """Bytes of the weights, and what a step holds at most above them; the first step sets up what stays."""
    desk = steps.prepare(chosen)
    state = training._state(desk)
    steps.take(desk, state, 1)
    parts = [desk.generator.backbone, desk.generator._vae, *(critic.model for _, _, critic in desk.panel._seats)]
    weights = sum(weight.nbytes for part in parts for weight in part.parameters())
    return weights, allocated.peak(lambda: steps.take(desk, state, 2))


def test_with_everything_recomputed_16_questions_take_little_more_than_one(models: tuple[Path, Path]):
    """At 256 pixels, where a picture is 256 tokens as it is for full-size models: activations alone.

    The decoder's moment is the highest of a step; the critic's own grows, its language layers read more tokens, and
    stays below.
    """
    one, many = (of_a_step(planned(models, 256, count, True))[1] for count in (1, 16))
    assert many <= GROWTH * one, many / one


def test_where_everything_is_kept_growth_follows_the_packed_tokens(models: tuple[Path, Path]):
    """The twin, in a picture so small that its 16 tokens are soon outnumbered."""
    held = {count: of_a_step(planned(models, 64, count, False))[1] for count in (1, 8, 16)}
    assert held[16] > GROWTH * held[1]
    first, second = held[8] - held[1], held[16] - held[8]
    assert 0 < first < second <= 3 * first  # more than in proportion: of an attention with a mask all pairs are kept
    recomputed = {count: of_a_step(planned(models, 64, count, True))[1] for count in (1, 16)}
    assert recomputed[16] - recomputed[1] < held[16] - held[1]


def test_so_does_the_embedded_world(tmp_path: Path):
    """Weights and activations of its own models, 64 pixels; 16 questions have 16 times the picture's tokens."""
    held: dict[int, int] = {}
    for count in (1, 16):
        listed = "\n".join(
            f'  {ask.question}: {{ask: "{ask.wordings[0]}", answer: "Yes", against: "No"}}' for ask in asks(count)
        )
        path = tmp_path / f"{count}.yaml"
        path.write_text(
            f"""\
recipe: 1
name: growth
generator: {{model: builtin:generator, checkpointing: true, size: {{width: 64, height: 64}}}}
critics: {{eyes: {{model: builtin:critic, checkpointing: true}}}}
prompts: {{train: ["a red ball in the grass by day"]}}
questions:
{listed}
train: {{batch: 1, steps: 2}}
""",
            "utf-8",
        )
        held[count] = sum(of_a_step(resolve(read(path))))
    assert held[16] <= GROWTH * held[1], held


@pytest.fixture
def shown(models: tuple[Path, Path]) -> tuple[plan.Plan, Augmented, list[dict[tuple[str, str], float]]]:
    """A plan of three critics, a batch of pictures, and what weighs their answers."""
    chosen = planned(models, 64, 8, False)
    eyes = chosen.critics[0]
    names = ("eyes", "more", "most")
    chosen = replace(
        chosen,
        critics=tuple(replace(eyes, name=name) for name in names),
        questions=tuple(replace(question, critics=names) for question in chosen.questions),
    )
    pictures = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    return chosen, Augmented(pictures, (0, 0), (0, 0)), [loss.weights(chosen.train_rows[0], chosen)] * 2


def test_three_critics_take_the_memory_of_one(shown: tuple[plan.Plan, Augmented, list[dict[tuple[str, str], float]]]):
    chosen, pictures, weighing = shown
    rows = chosen.train_rows * 2
    alone = replace(
        chosen,
        critics=chosen.critics[:1],
        questions=tuple(replace(question, critics=("eyes",)) for question in chosen.questions),
    )
    one_weighing = [loss.weights(alone.train_rows[0], alone)] * 2
    three, one = Panel(chosen), Panel(alone)
    for panel, weights in ((three, weighing), (one, one_weighing)):
        panel.teach(pictures, rows, weights, {})  # what is set up once
    of_three = allocated.peak(lambda: three.teach(pictures, rows, weighing, {}))
    of_one = allocated.peak(lambda: one.teach(pictures, rows, one_weighing, {}))
    assert of_three <= 1.1 * of_one, of_three / of_one
    # the twin: all graphs at once, and one backward pass at the end
    held = allocated.peak(lambda: _all_at_once(three, pictures, rows, weighing))
    assert held >= 2 * of_one, held / of_one
    # conflict takes each question apart, and still one critic after the other
    assert allocated.peak(lambda: three.apart(pictures, rows, weighing, {})) <= 1.6 * of_one


def _all_at_once(panel: Panel, pictures: Augmented, rows: tuple[plan.Row, ...], weighing: list[dict]) -> torch.Tensor:
    asked = list(panel._taught(pictures, rows, {}))
    parts = [(loss.loss(answers, weighing, panel._holds), views.pictures) for _, _, views, answers in asked]
    return sum(torch.autograd.grad(part, leaf)[0] for part, leaf in parts)


def test_gradients_of_several_critics_are_added_up(
    shown: tuple[plan.Plan, Augmented, list[dict[tuple[str, str], float]]],
):
    chosen, pictures, weighing = shown
    rows = chosen.train_rows * 2
    panel = Panel(chosen)
    _, gradient, _ = panel.teach(pictures, rows, weighing, {})
    torch.testing.assert_close(gradient, _all_at_once(panel, pictures, rows, weighing), rtol=1e-5, atol=1e-9)


def test_one_pictures_sampler_is_kept_step_by_step_unless_recomputed(models: tuple[Path, Path]):
    """`optimize: latents` goes back through every step; what the blocks of one hold, those of all hold."""
    from control_recipes.engine import one_picture

    held: dict[tuple[int, bool], int] = {}
    for sampler in (1, 4):
        for recompute in (False, True):
            small = planned(models, 64, 1, False)
            chosen = replace(
                small,
                generator=replace(small.generator, steps=sampler, checkpoint_backbone=recompute),
                train=replace(small.train, optimize="latents"),
            )
            held[sampler, recompute] = of_a_step(one_picture.of(chosen))[1]
    grown, less = (held[4, flag] - held[1, flag] for flag in (False, True))
    assert 0 < less < 0.5 * grown, held


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_a_critic_is_there_in_full_while_it_is_stored_in_fewer_bits(bits: str, tmp_path: Path):
    picos.CASES["qwen3_vl"].build(tmp_path / "critic", 8)
    chosen = pico.plan_of(pico.generator(pico.flux_folder(tmp_path / "flux")), tmp_path / "critic", batch=1)
    model = replace(chosen.critics[0].model, family="qwen3_vl")
    member = replace(chosen.critics[0], model=model, quantize=bits)

    def load() -> object:
        return critics.load(model.folder, model.family, "float32", "cpu", quantize=bits)

    load()  # what is read once only
    weights, measured = costing.weights(member), allocated.peak(load)
    assert weights.read(member) == pytest.approx(measured, rel=0.05)
    assert weights.bytes(member) < 0.5 * measured
    made = replace(chosen, critics=(member,), judges=())
    costs = costing.Costs(made)
    looks = [estimate.stages(made, costs, capacity.Device(kind, "", None, None, 1))[2] for kind in ("cpu", "cuda")]
    assert looks[0].weights == 4 * costs.kept + weights.read(member)
    assert looks[1].weights == 4 * costs.kept + weights.bytes(member)  # where it comes in fewer bits
