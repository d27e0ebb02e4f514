"""What stands in a picture before a known backdrop: one thing or two, which is nearer, their colours and lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from . import read_gains, read_view
from .grading import graded
from .read_fit import Bodies, Fit, cheapest, joined, nobody
from .read_moves import settle, settle_one
from .read_sheets import inked, painted, priced, prices, recolored, shares
from .read_view import SHARP, View
from .scenes import KINDS, SIZE

RIVALS = 4  # kinds tried for each thing
START = 1.9  # pixels of outline before any is fitted
LINES = 0.9, 1.7, 2.8  # pixels of outline tried in each ink
GROW = (1.0, 1.1, 1.5, 1.2, 1.4, 1.2, 1.2)  # by how much a kind's half width grows with a line around it
LEFT = 0.03  # mean difference over a tile from which on a second thing is looked for
LEAST = 0.6  # of the cost of pixels: what a second thing must save
EXPLAINED = 0.006  # cost of a pixel up to which what is painted there may be right
# of what of each kind is in its own colour, half widths: height of its middle above the base, width, height
OWN = (
    (1.0, 2.0, 2.0), (0.92, 1.84, 1.84), (1.0, 2.2, 2.0), (1.45, 1.7, 1.7), (0.57, 1.7, 1.15), (1.05, 1.6, 2.1),
    (0.96, 2.2, 1.5),
)  # fmt: skip
MENDS = 2  # rounds of changing each thing in turn


def _grown(bodies: Bodies, by: Tensor) -> Bodies:
    """Things whose inside stays where it is when their lines become wider by some pixels [N]."""
    rate = torch.tensor(GROW)[bodies.kind.clamp(min=0)]
    more = torch.stack([torch.zeros_like(by), by, by * rate], 1) / SIZE
    return replace(bodies, place=bodies.place + more)


def lined(view: View, fit: Fit) -> Fit:
    """The fit in the ink and the outline that suit it best, what is inside the lines left where it is.

    An outline in nearly the thing's own colour has none: then all of the thing is taken for its inside.
    """
    tries = [fit]
    for old in (fit.outline, torch.zeros_like(fit.outline)):
        for line in LINES:
            far, near = (_grown(each, line - old) for each in (fit.far, fit.near))
            tries.append(replace(fit, far=far, near=near, outline=torch.full_like(old, line)))
    every = joined(tries)
    every = inked(view.about(1, every), every)
    return every[cheapest(every, len(fit))]


def _tried(view: View, fits: Sequence[Fit], fronts: Sequence[Tensor], first: bool) -> Fit:
    """The best of several fits after a descent of the nearer thing of each (`fronts`), or of the farther one.

    Of a `first` thing ink and outline are looked for too.
    """
    fit, front, count = joined(fits), torch.cat(list(fronts)), len(view)
    coarse, patch = (view.about(level, fit, front, ~front) for level in (0, 1))
    fit = recolored(patch, fit)
    fit = settle_one(coarse, inked(coarse, fit) if first else fit, front, 4, first)
    fit = recolored(patch, fit)
    fit = inked(patch, fit) if first else priced(patch, fit)
    chosen = cheapest(fit, count, 2)
    fit, front = fit[chosen], front[chosen]
    if first:
        fit = lined(view, fit)
    patch = view.about(1, fit, front, ~front)
    fit = settle_one(patch, recolored(patch, fit), front, 4, first)
    return fit[cheapest(fit, count)]


def _found(view: View, over: Tensor, seen: Tensor | None = None, rivals: int = RIVALS) -> list[Bodies]:
    """Things of several kinds where they explain most of what pictures show beside what is `over` their backdrops."""
    known = read_gains.paints(view.light, view.grade)
    pictures = graded(view.pictures[SHARP], view.grade)
    found = read_gains.candidates(pictures, graded(over, view.grade), known, view.large, seen)
    rows = torch.arange(len(view))
    return [
        Bodies(kind, found.color[rows, kind], found.place[rows, kind])
        for kind in found.gain.topk(rivals, dim=1).indices.unbind(1)
    ]


def _first(view: View) -> Fit:
    """The thing that explains most."""
    start = torch.full((len(view),), START)
    ink = torch.zeros(len(view), dtype=torch.long)
    fits = [Fit(nobody(len(view)), each, start, ink, start) for each in _found(view, view.behind[SHARP])]
    return _tried(view, fits, [start > 0] * len(fits), True)


def _open(view: View, fit: Fit, over: Tensor) -> Tensor:
    """Where something behind the nearer thing would be seen, [B, H, W]; what that explains well may hide it."""
    whole = view.whole()
    return 1 - (prices(whole, over) < EXPLAINED) * shares(whole, fit.near, fit.outline)[1]


def _second(view: View, first: Fit) -> Fit:
    """The first thing with another behind or before it."""
    over = painted(view.whole(), first)
    fits: list[Fit] = []
    fronts: list[Tensor] = []
    for each in _found(view, over, _open(view, first, over)):
        front = each.place[:, 1] > first.near.place[:, 1]
        fits.append(replace(first, far=each.or_else(front, first.near), near=first.near.or_else(front, each)))
        fronts.append(front)
    return _finished(view, ordered(_tried(view, fits, fronts, False)))


def ordered(fit: Fit) -> Fit:
    """The lower thing before the higher one: that is nearer."""
    wrong = fit.far.there & (fit.far.place[:, 1] > fit.near.place[:, 1])
    return replace(fit, far=fit.far.or_else(wrong, fit.near), near=fit.near.or_else(wrong, fit.far))


def _finished(view: View, fit: Fit) -> Fit:
    """Both things by a last descent."""
    fit = lined(view, fit)
    for level, rounds in ((1, 3), (SHARP, 3)):
        patch = view.about(level, fit)
        fit, _ = settle(patch, inked(patch, recolored(patch, fit)), rounds)
    return fit


def _better(view: View, first: Fit, second: Fit, least: float = 0.0) -> Fit:
    """The second fit where it saves at least so much over whole pictures, the first elsewhere."""
    whole = view.whole()
    first, second = priced(whole, first), priced(whole, second)
    return first.or_else(second.cost < first.cost - least, second)


def stood(view: View) -> Fit:
    """The best fit, with a second thing where one leaves something over and another explains enough of it."""
    one = _finished(view, _first(view))
    whole = view.whole()
    away = (whole.pictures - painted(whole, one)) * whole.weight
    which = (read_view.tiles(away) > LEFT).nonzero().flatten()
    if not len(which):
        return one
    some = view[which]
    return one.but(which, _better(some, one[which], _second(some, one[which]), LEAST))


def again(view: View, fit: Fit) -> tuple[Fit, Tensor]:
    """The same things before a better known backdrop, and deviations of their values (`read_moves.settle`)."""
    patch = view.about(SHARP, fit)
    return settle(patch, inked(patch, recolored(patch, fit)), 2)


def alike(bodies: Bodies) -> list[Bodies]:
    """Every kind, in such a place that what is in its own colour is as large and where it is now."""
    middle, wide, high = torch.tensor(OWN)[bodies.kind.clamp(min=0)].unbind(1)
    x, base, half = bodies.place.unbind(1)
    tries: list[Bodies] = []
    for number, (up, width, height) in enumerate(OWN):
        size = half * (wide * high / (width * height)).sqrt()
        place = torch.stack([x, (base - middle * half + up * size).clamp(max=1), size], 1)
        kind = torch.full_like(bodies.kind, number)
        tries.append(Bodies(torch.where(bodies.there, kind, bodies.kind), bodies.color, place))
    return tries


def _changed(view: View, fit: Fit, near: bool) -> Fit:
    """The fit with another thing for the nearer or the farther one, where that is better."""
    none = nobody(len(fit))
    over = painted(view.whole(), replace(fit, near=fit.far, far=none) if near else replace(fit, far=none))
    hidden = None if near else _open(view, fit, over)
    bodies = [*alike(fit.near if near else fit.far), *_found(view, over, hidden, len(KINDS))]
    fits = [replace(fit, near=each) if near else replace(fit, far=each) for each in bodies]
    front = torch.full((len(fit),), near)
    return _better(view, fit, _finished(view, ordered(_tried(view, fits, [front] * len(fits), False))))


def mended(view: View, fit: Fit) -> Fit:
    """The fit with each of its things changed in turn, where that is better."""
    for _ in range(MENDS):
        fit = _changed(view, fit, True)
        two = fit.far.there.nonzero().flatten()
        if len(two):
            fit = fit.but(two, _changed(view[two], fit[two], False))
    return fit
