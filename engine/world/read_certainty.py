"""How sure the reader is of each factor: the chance that it is right if what it cannot explain is noise.

A word is held against the next best ones: what the picture would cost with each of them, in place of all else, makes
their shares of a chance (Gibbs). What is hidden costs nothing either way and leaves the chance to guessing. A value is
as sure as the deviation that its descent ends with lets it be: the chance that it is off by less than its tolerance.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from . import painter, read_painting, read_stance
from .read_fit import Bodies, Fit, joined, nobody
from .read_sheets import color_costs, ink_costs, priced
from .read_things import alike
from .read_view import View
from .scenes import SIZE

# by how much each value may be off
TOLERANCE = {
    "horizon": 0.03, "grade": 0.2, "outline": 0.35, "position": 0.03, "other_position": 0.03, "size": 0.015,
    "camera": 0.2, "depth": 0.2, "split_x": 0.03, "split_y": 0.03,
}  # fmt: skip
WARMTH = 0.02  # cost that makes a word e times less likely, where nothing is left over
NOISE = 20.0  # pixels' worth of what is left over that is added to it
HUE = 0.5  # the same for colours, pixels times distance


def warmth(cost: Tensor) -> Tensor:
    """Cost that makes a word e times less likely, for pictures in which so much is left over, [B]."""
    return WARMTH + NOISE * cost / SIZE**2


def chance(costs: Tensor, chosen: Tensor, warmth: Tensor) -> Tensor:
    """The share of the words `chosen` [B] for costs [B, words]."""
    return torch.softmax(-costs / warmth.view(-1, 1), 1).gather(1, chosen.unsqueeze(1)).squeeze(1)


def within(spread: Tensor, factor: str) -> Tensor:
    """The chance that a normal error of these deviations [B] is within a factor's tolerance."""
    return torch.erf(TOLERANCE[factor] / (spread.clamp(min=1e-6) * 2**0.5))


def _kinds(view: View, fit: Fit, bodies: Bodies, name: str) -> Tensor:
    """What fits cost with every kind in place of one thing, and with none, [B, kinds + 1]."""
    fits = [replace(fit, **{name: each}) for each in (*alike(bodies), nobody(len(fit)))]
    every = joined(fits)
    patch = view.about(1, joined([fit] * len(fits)))
    return priced(patch, every).cost.view(len(fits), -1).T


def things(view: View, fit: Fit, subject: Tensor, warm: Tensor) -> dict[str, Tensor]:
    """Chances of kinds, colours and ink, [B] each; the `subject` is the farther thing where that is true [B]."""
    patch = view.about(1, fit)
    far_color, near_color = color_costs(patch, fit)
    near, far = (_kinds(view, fit, getattr(fit, name), name) for name in ("near", "far"))
    hue, there = torch.full_like(warm, HUE), fit.far.there
    kinds = (
        chance(near[:, :-1], fit.near.kind, warm),
        # where there is no farther thing, nobody has looked for every kind of one
        torch.where(there, chance(far, fit.far.kind.clamp(min=0), warm), 1.0),
    )
    colors = chance(near_color, fit.near.color, hue), chance(far_color, fit.far.color, hue)
    return {
        "thing": torch.where(subject, kinds[1], kinds[0]),
        "other": torch.where(subject, kinds[0], kinds[1]),
        "color": torch.where(subject, colors[1], colors[0]),
        "other_color": torch.where(subject, colors[0], colors[1]),
        "ink": chance(ink_costs(patch, fit), fit.ink, warm),
    }


def standing(backdrop: painter.Scenes, fit: Fit, spread: Tensor) -> dict[str, Tensor]:
    """Chances of what follows from where things stand, [B] each; `spread` as `read_moves.settle` has it, [B, 7]."""
    spread = spread.clamp(max=0.5)
    scenes, order = read_stance.scenes(backdrop, fit)
    swapped = scenes.depth > 0
    off = {name: torch.zeros_like(order) for name in ("size", "camera", "depth")}
    for name, column in (("far", 1), ("far", 2), ("near", 1), ("near", 2)):
        bodies: Bodies = getattr(fit, name)
        move = torch.zeros_like(bodies.place)
        move[:, column] = spread[:, column + (3 if name == "near" else 0)]
        other, _ = read_stance.scenes(backdrop, replace(fit, **{name: replace(bodies, place=bodies.place + move)}))
        same = (other.depth > 0) == swapped
        for factor in off:
            off[factor] += torch.where(same, getattr(other, factor) - getattr(scenes, factor), 0.0) ** 2
    found = {factor: within(each.sqrt(), factor) for factor, each in off.items()}
    found["outline"] = within(spread[:, 6], "outline")
    places = (within(spread[:, 3], "position"), within(spread[:, 0], "position"))
    found["position"] = torch.where(swapped, places[1], places[0])
    found["other_position"] = torch.where(swapped, places[0], places[1])
    found["order"] = torch.sigmoid(order / 2)
    return found


def paintings(pictures: Tensor, scenes: painter.Scenes, spread: Tensor, warm: Tensor) -> dict[str, Tensor]:
    """Chances of what is seen in paintings, [B] each; `spread` of `read_painting.VALUES`, [B, 4+]."""
    found = {factor: within(each, factor) for factor, each in zip(read_painting.VALUES, spread.unbind(1), strict=False)}
    for factor in ("arrangement", "ink"):
        costs = read_painting.costs(pictures, scenes, factor)
        found[factor] = chance(costs, getattr(scenes, factor), warm)
    return found
