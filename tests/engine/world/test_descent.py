"""Descents: they come to where the least is, outliers do not pull them, and no step makes things worse."""

from __future__ import annotations

import torch
from control_recipes.engine.world import descent
from control_recipes.engine.world.descent import Span
from torch import Tensor

LINE = torch.linspace(-1, 1, 40).view(1, 1, 1, -1)
SPAN = Span(torch.full((2,), -3.0), torch.full((2,), 3.0), torch.full((2,), 0.5))
STEPS = torch.tensor([0.01, 0.01])


def guess(values: Tensor) -> Tensor:
    """Bent lines: height and slope, [N, 1, 1, 40]."""
    height, slope = (each.view(-1, 1, 1, 1) for each in values.unbind(1))
    return height + torch.tanh(slope * LINE)


def descended(target: Tensor, rounds: int) -> descent.Found:
    start = torch.zeros(len(target), 2)
    return descent.descend(start, SPAN, rounds, descent.compared(target, guess, STEPS, SPAN))


TRUE = torch.tensor([[0.4, 1.5], [-0.9, -0.7], [0.1, 0.3]])


def test_values_are_found():
    found = descended(guess(TRUE), 25)
    assert torch.allclose(found.values, TRUE, atol=1e-3)
    assert found.cost.max() < 1e-6


def test_outliers_do_not_pull():
    target = guess(TRUE)
    target[..., ::7] += 2.0
    assert torch.allclose(descended(target, 40).values, TRUE, atol=0.02)
    plain = (target - guess(TRUE)).mean()
    assert plain > 0.2


def test_more_rounds_cost_no_more():
    costs = torch.stack([descended(guess(TRUE), rounds).cost for rounds in range(12)])
    assert (costs.diff(dim=0) <= 1e-9).all()


def test_values_stay_in_their_range():
    found = descended(guess(torch.tensor([[5.0, 0.0]])), 30)
    assert found.values[0, 0] <= 3


def test_spread_is_that_of_the_values():
    rng = torch.Generator().manual_seed(0)
    true = TRUE[:1].expand(200, -1)
    found = descended(guess(true) + 0.03 * torch.randn(200, 1, 1, 40, generator=rng), 25)
    seen = (found.values - true).std(0)
    assert torch.allclose(found.spread.mean(0), seen, rtol=0.3)


def test_what_nothing_depends_on_is_not_known():
    def flat(values: Tensor) -> Tensor:
        return values[:, :1].view(-1, 1, 1, 1).expand(-1, 1, 1, 40)

    look = descent.compared(torch.ones(2, 1, 1, 40), flat, STEPS, SPAN)
    found = descent.descend(torch.full((2, 2), 0.5), SPAN, 10, look)
    assert torch.allclose(found.values, torch.tensor([1.0, 0.5]).expand(2, -1), atol=1e-3)
    assert found.spread[:, 1].isinf().all()
    assert found.spread[:, 0].isfinite().all()
