"""Least squares that outliers do not pull, for many small problems at once.

Levenberg's and Marquardt's damped Gauss-Newton steps (Nocedal and Wright, Numerical Optimization, 2nd ed., 10.3) with
Cauchy's weights 1 / (1 + (d / WIDTH)^2), which leave to a difference less say the larger it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

WIDTH = 0.1  # distance between colours from which on a pixel counts for less
EASY, HARD = 0.3, 5.0  # what damping is multiplied by after a step that helped, and one that did not
DAMPING = 0.01  # at first, of the normal matrix's diagonal
FAINT = 0.01**2  # the least variance that what is left over is taken for


def prices(away: Tensor) -> Tensor:
    """Cauchy's cost of each pixel for differences [N, C, ...] -> [N, ...]; about d^2 where d is small."""
    return WIDTH**2 * torch.log1p(away.square().mean(1) / WIDTH**2)


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """The least and the greatest of P values, and how far one step may take them, [P]."""

    low: Tensor
    high: Tensor
    reach: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """How far N guesses are off: differences weighed by what they count [N, C, h, w], and a way to their slopes.

    `slopes` gives the derivatives of what is guessed by each value, weighed as well: [N, P, C, h, w].
    """

    away: Tensor
    slopes: Callable[[], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What N problems came to: values [N, P], mean costs [N], and deviations of the values if noise is left over."""

    values: Tensor
    cost: Tensor
    spread: Tensor


def descend(values: Tensor, span: Span, rounds: int, look: Callable[[Tensor], Look]) -> Found:
    """Some steps from values [N, P] on; no step that makes things worse is kept."""
    best, cost = values, torch.full_like(values[:, 0], torch.inf)
    damping = torch.full_like(cost, DAMPING)
    normal, pull = values.new_zeros(*values.shape, values.shape[1]), torch.zeros_like(values)
    for number in range(rounds + 1):
        seen = look(values)
        price = prices(seen.away)
        now = price.flatten(1).mean(1)
        helped = now < cost
        best, cost = torch.where(helped.unsqueeze(1), values, best), torch.where(helped, now, cost)
        if number == rounds:
            break
        fresh = _normal(seen, price)
        normal = torch.where(helped.view(-1, 1, 1), fresh[0], normal)
        pull = torch.where(helped.unsqueeze(1), fresh[1], pull)
        damping = damping * torch.where(helped, EASY, HARD)
        values = best + _step(normal, pull, damping).maximum(-span.reach).minimum(span.reach)
        values = values.maximum(span.low).minimum(span.high)
    return Found(best, cost, _spread(normal, cost))


def _normal(seen: Look, price: Tensor) -> tuple[Tensor, Tensor]:
    """Gauss and Newton's normal matrix [N, P, P] and right side [N, P]."""
    weight = torch.exp(price * (-0.5 / WIDTH**2)).unsqueeze(1)  # its square is Cauchy's
    slopes = (seen.slopes() * weight.unsqueeze(1)).flatten(2)
    away = (seen.away * weight).flatten(1)
    return slopes @ slopes.transpose(1, 2), (slopes @ away.unsqueeze(2)).squeeze(2)


def _even(normal: Tensor) -> tuple[Tensor, Tensor]:
    """A normal matrix with ones on its diagonal, and what that took: 0 where nothing depends on a value."""
    size = normal.diagonal(dim1=1, dim2=2)
    known = (size > 1e-9).to(normal.dtype)
    scale = known / (size + 1e-12).sqrt()
    return normal * scale.unsqueeze(1) * scale.unsqueeze(2) + torch.diag_embed(1 - known), scale


def _step(normal: Tensor, pull: Tensor, damping: Tensor) -> Tensor:
    """The damped step [N, P]; values that nothing depends on stay."""
    even, scale = _even(normal)
    damped = even + torch.diag_embed(damping.unsqueeze(1).expand_as(pull))
    return torch.linalg.solve(damped, pull * scale) * scale


def _spread(normal: Tensor, cost: Tensor) -> Tensor:
    """Deviations of values, infinite where nothing depends on one: the inverse normal matrix times a variance."""
    even, scale = _even(normal)
    inverse = torch.linalg.inv(even + 1e-4 * torch.eye(normal.shape[1]))
    variance = inverse.diagonal(dim1=1, dim2=2).clamp(min=0) * scale**2 * cost.clamp(min=FAINT).unsqueeze(1)
    return torch.where(scale > 0, variance.sqrt(), torch.inf)


def compared(target: Tensor, guess: Callable[[Tensor], Tensor], steps: Tensor, span: Span) -> Callable[[Tensor], Look]:
    """A `look` at guesses [N, C, h, w] from values, with differences over `steps` [P] in place of derivatives."""

    def look(values: Tensor) -> Look:
        shown = guess(values)

        def slopes() -> Tensor:
            found: list[Tensor] = []
            for number, length in enumerate(steps.tolist()):
                room = values[:, number] + length <= span.high[number]
                move = torch.zeros_like(values)
                move[:, number] = torch.where(room, length, -length)
                found.append((guess(values + move) - shown) / move[:, number].view(-1, 1, 1, 1))
            return torch.stack(found, 1)

        return Look(target - shown, slopes)

    return look
