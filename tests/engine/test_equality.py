"""What a panel teaches, packed, against every branch asked alone: random plans of several critics, in float64."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pico
import pytest
import torch
from control_recipes import critics
from control_recipes.critics import View
from control_recipes.engine import loss, plan
from control_recipes.engine.augment import Augmented, moved
from control_recipes.engine.panel import Panel
from control_recipes.engine.world import pico_judge
from PIL import Image

TEXTS = (*pico.QUESTIONS, *pico.ANSWERS, "Is the sky clear today", "a b c d e f g h i j k l")
SEEDS = range(8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models of one family, one of another, and a picture to be set beside."""
    root = tmp_path_factory.mktemp("models")
    pico.critic_folder(root / "one")
    pico.critic_folder(root / "two", seed=3)
    model, tokenizer = pico_judge.build(
        TEXTS * 2, seed=2, vocabulary=300, side=32,
        width=32, heads=2, layers=1, vision_width=32, vision_heads=2, vision_layers=1,
    )  # fmt: skip
    noise = torch.Generator().manual_seed(0)
    for weight in model.parameters():  # so large that a picture changes an untrained model's answers
        if weight.ndim > 1:
            weight.data.copy_(torch.randn(weight.shape, generator=noise) * 1.5 / weight[0].numel() ** 0.5)
    pico_judge.save(model, tokenizer, root / "three")
    Image.new("RGB", (32, 32), "orange").save(root / "mood.png")
    return root


FAMILIES = {"one": "qwen2_5_vl", "two": "qwen2_5_vl", "three": "llava"}


def drawn(seed: int, folder: Path) -> tuple[plan.Plan, Augmented, dict[str, int]]:
    """A plan of one to three critics and two to nine questions, one to four pictures, and the wordings of a step.

    Questions compete with an opposite or not, hold, watch, are asked of some critics or rows only, see a line that has
    moved, a picture beside, or nothing; answers have 1 to 12 letters, several are accepted.
    """
    draw = random.Random(seed)
    names = draw.sample(sorted(FAMILIES), draw.randint(1, 3))
    members = tuple(
        plan.Critic(
            name, plan.Model("./x", FAMILIES[name], "", (), str(folder / name)), draw.choice((0.5, 1, 2)),
            "float64", "cpu",
        )
        for name in sorted(names)
    )  # fmt: skip
    questions, kinds = [], {}
    for at in range(draw.randint(2, 9)):
        hold = draw.choice((0.0, 0.0, 0.75, 0.999))
        watch = at > 0 and not hold and draw.random() < 0.2
        asked = tuple(sorted(draw.sample(sorted(names), draw.randint(1, len(names)))))
        questions.append(plan.Question(f"q{at}", draw.choice((0.5, 1.0, 3.0)), hold if at else 0.0, watch, asked))
        # the first has none: what competes may be decided so far that nothing pulls
        against = (_answer(draw, "n"),) if at and draw.random() < 0.5 else ()
        answers = tuple(_answer(draw, letter) for letter in "yz"[: draw.randint(1, 2)])
        wordings = tuple(f"Is {_words(draw)} so?" for _ in range(draw.randint(1, 3)))
        see = draw.choice(((), ("ruler",), ("mood",), ("ruler", "mood")))
        kinds[f"q{at}"] = plan.Ask(f"q{at}", wordings, answers, against, see)
    pictures = draw.randint(1, 4)
    rows = tuple(
        plan.Row(f"{row}", (), tuple(ask for name, ask in kinds.items() if name == "q0" or draw.random() < 0.8), ())
        for row in range(pictures)
    )
    small = pico.plan_of(pico.generator(folder, dtype="float64"), folder / "one")
    mood = plan.Drawing("mood", "reference", (), "mood.png", "", str(folder / "mood.png"))
    whole = replace(
        small, critics=members, questions=tuple(questions), train_rows=rows, drawings=(mood, *small.drawings)
    )
    noise = torch.Generator().manual_seed(seed)
    shown = torch.rand(pictures, 3, 32, 32, generator=noise, dtype=torch.float64)
    shifts = [tuple(draw.randint(-2, 2) for _ in rows) for _ in range(2)]
    return whole, Augmented(shown, *shifts), {question.name: draw.randrange(9) for question in questions}


def _words(draw: random.Random) -> str:
    return " ".join(draw.choice("zqjxwkvpgfb") for _ in range(draw.randint(1, 6)))


def _answer(draw: random.Random, first: str) -> str:
    """A letter of its own, so that no answer begins another, and up to eleven more."""
    return " ".join([first, *(draw.choice("abcdefghij") for _ in range(draw.choice((0, 0, 1, 4, 11))))])


def alone(chosen: plan.Plan, shown: Augmented, wordings: dict[str, int]) -> torch.Tensor:
    """The loss, every branch asked in a call of its own, its graph whole."""
    layers = {key: drawing for key, (_, drawing) in Panel(chosen)._drawings.items()}
    answers = []
    for member in chosen.critics:
        critic = critics.load(member.model.folder, member.model.family, "float64", "cpu")
        for b, row in enumerate(chosen.train_rows):
            for ask in row.asks:
                asked = next(question.critics for question in chosen.questions if question.name == ask.question)
                if member.name not in asked:
                    continue
                over = tuple(moved(layers[key], shown.down[b], shown.right[b]) for key in ask.see if key == "ruler")
                beside = tuple(layers[key] for key in ask.see if key == "mood")
                view = View(shown.pictures[b], over, beside)
                several = loss.branches(ask, wordings[ask.question] % len(ask.wordings))
                tokens = [critic.ask([view], [[branch]])[0][0] for branch in several]
                answers.append(loss.heard(b, member.name, ask, tokens))
    weighing = [loss.weights(row, chosen) for row in chosen.train_rows]
    return loss.loss(answers, weighing, {question.name: question.hold for question in chosen.questions})


@pytest.mark.parametrize("seed", SEEDS)
def test_a_step_of_many_questions_is_that_of_each_alone(folder: Path, seed: int) -> None:
    chosen, shown, wordings = drawn(seed, folder)
    weighing = [loss.weights(row, chosen) for row in chosen.train_rows]
    whole, gradient, _ = Panel(chosen).teach(shown, chosen.train_rows, weighing, wordings)
    leaf = shown.pictures.clone().requires_grad_()
    expected = alone(chosen, replace(shown, pictures=leaf), wordings)
    (wanted,) = torch.autograd.grad(expected, leaf)
    assert abs(whole - float(expected.detach())) <= 1e-9
    assert float(wanted.norm()) > 1e-6
    assert float((gradient - wanted).norm()) <= 1e-6 * float(wanted.norm())


def test_the_comparison_can_fail(folder: Path) -> None:
    """Another wording, a line that did not move, or a weight that is off, shows by far."""
    chosen, shown, wordings = next(
        one for one in (drawn(seed, folder) for seed in range(99)) if len(one[0].train_rows[0].asks[0].wordings) > 1
    )
    weighing = [loss.weights(row, chosen) for row in chosen.train_rows]
    whole, _, _ = Panel(chosen).teach(shown, chosen.train_rows, weighing, wordings)
    other, _, _ = Panel(chosen).teach(shown, chosen.train_rows, weighing, {**wordings, "q0": wordings["q0"] + 1})
    assert abs(whole - other) > 1e-6
