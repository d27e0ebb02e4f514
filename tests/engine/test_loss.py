"""The composite loss, against the design's formula by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pico
import pytest
import torch
from control_recipes.engine import loss, plan
from control_recipes.engine.loss import Heard


def tokens(*probabilities: float) -> torch.Tensor:
    return torch.tensor(probabilities, dtype=torch.float64).log()


def heard(answers, against=(), question="q", critic="a", picture=0):
    return Heard(picture, critic, question, tuple(answers), tuple(against))


def questions(*several):
    """A plan of two critics, weights 1 and 3, and the questions given as (name, weight, hold, watch, critics)."""
    small = pico.plan_of(pico.generator(Path("flux")), Path("critic"))
    eyes = small.critics[0]
    return replace(
        small,
        critics=(replace(eyes, name="a", weight=1.0), replace(eyes, name="b", weight=3.0)),
        questions=tuple(plan.Question(*one) for one in several),
    )


def row(*names):
    return plan.Row("p", (), tuple(plan.Ask(name, ("?",), ("Yes",), (), ()) for name in names), ())


def test_likelihood_is_nats_per_token_of_the_longest_accepted_answer():
    assert float(loss.likelihood(heard([tokens(0.5, 0.25)]))) == pytest.approx(-math.log(0.125) / 2)
    several = heard([tokens(0.5, 0.2, 0.5), tokens(0.3)])
    assert float(loss.likelihood(several)) == pytest.approx(-math.log(0.05 + 0.3) / 3)


def test_contrast_is_the_sigmoid_of_the_difference_of_summed_log_p():
    answer = heard([tokens(0.3)], [tokens(0.1)])
    assert float(loss.contrast(answer)) == pytest.approx(-math.log(0.3 / (0.3 + 0.1)))
    answer = heard([tokens(0.2), tokens(0.5, 0.2)], [tokens(0.1, 0.5), tokens(0.05)])
    assert float(loss.contrast(answer)) == pytest.approx(-math.log(0.3 / (0.3 + 0.1)))


def test_a_hold_is_silent_until_p_falls_below_it():
    assert float(loss.term(heard([tokens(0.8)]), 0.75)) == 0
    assert float(loss.term(heard([tokens(0.5)]), 0.75)) == pytest.approx(math.log(0.75 / 0.5))
    assert float(loss.term(heard([tokens(0.3)], [tokens(0.1)]), 0.8)) == pytest.approx(math.log(0.8 / 0.75))
    assert float(loss.term(heard([tokens(0.3)], [tokens(0.1)]), 0.7)) == 0


def test_weights_are_the_designs():
    told = questions(
        ("both", 1.0, 0.0, False, ("a", "b")),
        ("held", 2.0, 0.5, False, ("a", "b")),
        ("mine", 0.5, 0.0, False, ("a",)),
        ("seen", 1.0, 0.0, True, ("a", "b")),
    )
    assert loss.weights(row("both", "held", "mine", "seen"), told) == pytest.approx(
        {
            ("a", "both"): 1 / 4.5,
            ("b", "both"): 3 / 4.5,
            ("a", "mine"): 0.5 / 4.5,
            ("a", "held"): 2 * 1 / 4,
            ("b", "held"): 2 * 3 / 4,
        }
    )
    assert loss.weights(row("held", "mine"), told) == pytest.approx(
        {("a", "mine"): 1.0, ("a", "held"): 0.5, ("b", "held"): 1.5}
    )
    assert loss.weights(row("seen"), told) == {}


def test_the_whole_is_the_mean_over_pictures_and_the_sum_over_critics():
    told = questions(("goal", 1.0, 0.0, False, ("a", "b")), ("held", 2.0, 0.5, False, ("a", "b")))
    weighing = [loss.weights(row("goal", "held"), told), loss.weights(row("held"), told)]
    answers = [
        heard([tokens(0.5)], question="goal", critic="a"),
        heard([tokens(0.25)], question="goal", critic="b"),
        heard([tokens(0.9)], question="held", critic="a"),
        heard([tokens(0.1)], question="held", critic="b"),
        heard([tokens(0.4)], question="held", critic="a", picture=1),
        heard([tokens(0.5)], question="held", critic="b", picture=1),
    ]
    holds = {"goal": 0.0, "held": 0.5}
    first = (1 * math.log(2) + 3 * math.log(4)) / 4 + 2 * (3 * math.log(0.5 / 0.1)) / 4
    second = 2 * math.log(0.5 / 0.4) / 4
    assert float(loss.loss(answers, weighing, holds)) == pytest.approx((first + second) / 2)
    apart = [loss.loss([one for one in answers if one.critic == critic], weighing, holds) for critic in "ab"]
    assert float(sum(apart)) == pytest.approx((first + second) / 2)


def test_the_end_of_the_turn_counts_for_open_answers_only():
    open_ended = plan.Ask("q", ("?",), ("ball", "red ball"), (), ())
    assert [branch.closed for branch in loss.branches(open_ended)] == [True, True]
    got = loss.heard(0, "a", open_ended, [tokens(0.5, 0.9), tokens(0.5, 0.5, 0.9)])
    assert [len(answer) for answer in got.answers] == [1, 3]
    contrast = plan.Ask("q", ("?", "??"), ("red ball",), ("no", "none"), ())
    assert [(one.question, one.answer, one.closed) for one in loss.branches(contrast, 1)] == [
        ("??", "red ball", False),
        ("??", "no", False),
        ("??", "none", False),
    ]
    got = loss.heard(0, "a", contrast, [tokens(0.5, 0.9), tokens(0.5), tokens(0.5)])
    assert [len(got.answers[0]), len(got.against)] == [2, 2]


def test_stay_is_the_mean_square_of_the_difference():
    assert float(loss.stay(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0]))) == 2.5
