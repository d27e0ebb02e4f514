"""Looks: means of belief, and whether they are enough to stop."""

from __future__ import annotations

import math

import pytest
from control_recipes.engine import looks
from control_recipes.engine.panel import Said
from control_recipes.engine.plan import Stop

SAID = [
    Said("eyes", "aligned", -math.log(0.9), True),
    Said("eyes", "aligned", -math.log(0.7), True),
    Said("more", "aligned", -math.log(0.6), True),
    Said("judge", "aligned", -math.log(0.2), False),
    Said("eyes", "there", -math.log(0.5), True),
]


def test_beliefs_are_means_over_pictures():
    found = looks.beliefs(SAID)
    assert list(found) == sorted(found)
    assert found["aligned", "eyes"].p == pytest.approx(0.8)
    assert found["aligned", "eyes"].nats == pytest.approx(-math.log(0.63) / 2)
    assert set(looks.as_json(found)["aligned"]) == {"eyes", "more", "judge"}


@pytest.mark.parametrize(
    ("by", "margin"),
    [
        ((("eyes", "aligned", 0.75),), 0.05),
        ((("", "aligned", 0.75),), -0.15),  # every critic; no judge
        ((("judge", "aligned", 0.1), ("eyes", "there", 0.1)), 0.1),
        ((("more", "there", 0.1),), -1.1),  # nobody was asked
        ((), -1.0),
    ],
)
def test_margin_is_that_of_the_least_satisfied_threshold(by, margin):
    assert looks.margin(looks.beliefs(SAID), Stop(by, 1), ["eyes", "more"]) == pytest.approx(margin)
