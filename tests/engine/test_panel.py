"""The panel: one packed question per view gives what every question alone gives, and gradients add up over critics."""

from __future__ import annotations

from dataclasses import replace

import pico
import pytest
import torch
from control_recipes import critics
from control_recipes.critics import View
from control_recipes.engine import loss, plan
from control_recipes.engine.augment import Augmented, moved
from control_recipes.engine.panel import Panel
from PIL import Image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return pico.critic_folder(tmp_path_factory.mktemp("models") / "critic")


@pytest.fixture
def chosen(tmp_path, folder):
    """Two critics, one of them not asked everything, and a picture set beside the generated one."""
    Image.new("RGB", (32, 32), "orange").save(tmp_path / "mood.png")
    small = pico.plan_of(pico.generator(tmp_path, dtype="float64"), folder)
    eyes = small.critics[0]
    mood = plan.Drawing("mood", "reference", (), "mood.png", "", str(tmp_path / "mood.png"))
    extra = plan.Ask("mood", ("Do they match?",), ("Yes",), ("No",), ("ruler", "mood"))
    return replace(
        small,
        critics=(replace(eyes, name="eyes", weight=1.0), replace(eyes, name="more", weight=2.0)),
        drawings=(mood, *small.drawings),
        questions=(
            plan.Question("aligned", 1.0, 0.0, False, ("eyes", "more")),
            plan.Question("mood", 1.0, 0.0, False, ("more",)),
            *small.questions[1:],
        ),
        train_rows=tuple(replace(row, asks=(row.asks[0], extra, *row.asks[1:])) for row in small.train_rows),
    )


def pictures(count):
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def alone(chosen, folder, shown, rows, wordings):
    """Every branch asked on its own: the loss in one piece, differentiable in the pictures."""
    critic = critics.load(folder, "qwen2_5_vl", "float64", "cpu")
    layers = {key: drawn for key, (_, drawn) in Panel(chosen)._drawings.items()}
    answers = []
    for b, row in enumerate(rows):
        for ask in row.asks:
            over = [moved(layers[key], shown.down[b], shown.right[b]) for key in ask.see if key != "mood"]
            beside = [layers[key] for key in ask.see if key == "mood"]
            view = View(
                shown.pictures[b], tuple(map(torch.Tensor.double, over)), tuple(map(torch.Tensor.double, beside))
            )
            several = loss.branches(ask, wordings.get(ask.question, 0) % len(ask.wordings))
            tokens = [critic.ask([view], [[branch]])[0][0] for branch in several]
            asked = next(question.critics for question in chosen.questions if question.name == ask.question)
            answers += [loss.heard(b, name, ask, tokens) for name in asked]
    weighing = [loss.weights(row, chosen) for row in rows]
    return loss.loss(answers, weighing, {question.name: question.hold for question in chosen.questions})


def test_teaching_gives_the_loss_and_gradient_of_everything_asked_alone(chosen, folder):
    rows, wordings = chosen.train_rows[:2], {"aligned": 1}
    shown = Augmented(pictures(2), (1, -2), (0, 2))
    weighing = [loss.weights(row, chosen) for row in rows]
    whole, gradient, said = Panel(chosen).teach(shown, rows, weighing, wordings)
    leaf = shown.pictures.clone().requires_grad_()
    expected = alone(chosen, folder, replace(shown, pictures=leaf), rows, wordings)
    expected.backward()
    assert whole == pytest.approx(float(expected.detach()), rel=1e-6)
    torch.testing.assert_close(gradient, leaf.grad, rtol=1e-4, atol=1e-9)
    assert {(one.critic, one.question) for one in said} == {
        ("eyes", "aligned"), ("eyes", "there"), ("eyes", "what"), ("more", "aligned"), ("more", "mood")
    }  # fmt: skip
    still = alone(chosen, folder, Augmented(leaf.detach(), (0, 0), (0, 0)), rows, wordings)
    assert float(still) != pytest.approx(whole, rel=1e-6)  # the line's move is seen


def test_looking_asks_judges_everything_and_critics_what_is_theirs(chosen):
    rows = chosen.train_rows[:1]
    said = Panel(chosen, ["second"]).look(pictures(1), rows)
    by = {name: {one.question for one in said if one.critic == name} for name in ("eyes", "more", "second")}
    assert by == {
        "eyes": {"aligned", "there", "what"},
        "more": {"aligned", "mood"},
        "second": {"aligned", "mood", "there", "what"},
    }
    assert {one.critic for one in Panel(chosen).look(pictures(1), rows)} == {"eyes", "more"}


def test_over_a_mirrored_picture_everything_lies_in_the_mirrored_place(tmp_path, folder):
    small = pico.plan_of(pico.generator(tmp_path, dtype="float64"), folder)
    flip = replace(small.train, augment=replace(small.train.augment, flip=True))

    def asked(x, mirrored):
        dot = plan.Drawing(
            "ruler", "points", (("color", "red"), ("points", ("A", x, 0.7)), ("radius", 0.1)), "", "", ""
        )
        panel = Panel(replace(small, drawings=(dot,), train=flip))
        rows = small.train_rows[:1]
        weighing = [loss.weights(rows[0], small)]
        return panel.teach(Augmented(pictures(1), (1,), (0,), mirrored), rows, weighing, {})[0]

    assert asked(0.25, (True,)) == pytest.approx(asked(0.75, (False,)), abs=1e-12)
    assert asked(0.25, (True,)) == pytest.approx(asked(0.75, ()), abs=1e-12)
    assert abs(asked(0.25, (True,)) - asked(0.25, (False,))) > 1e-4
