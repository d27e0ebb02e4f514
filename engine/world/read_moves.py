"""Moving things until they are where pictures have them: both of them with their outline, or one of them.

What a picture changes by when a thing moves is known in closed form, but for the shadow and for what is painted inside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from . import descent, things
from .descent import Found, Look, Span
from .read_fit import Bodies, Fit, Patch
from .read_layers import layers
from .read_sheets import Sheet, filled, sheet, summed
from .scenes import KINDS, SIZE

PLACE = (0.0, 0.1, 0.06), (1.0, 1.0, 0.7), (2 / SIZE, 2 / SIZE, 1.5 / SIZE)  # least, greatest, greatest step
OUTLINE = 0.6, 3.6, 0.8  # the same, pixels


@dataclass(frozen=True, slots=True, eq=False)
class _Laid:
    """A picture with a thing laid over it, and how colours change with the silhouette's distance and the outline."""

    picture: Tensor  # [N, 3, h, w]
    slope: Tensor  # [N, 3, h, w], by the distance
    line: Tensor  # by the outline
    moves: Tensor  # [N, 3, h, w], of the distance by the place
    leaves: Tensor  # [N, 1, h, w], how much of what is behind is seen


def _lay(picture: Tensor, patch: Patch, bodies: Bodies, outline: Tensor, ink: Tensor) -> _Laid:
    """As `things.lay` has it, with derivatives."""
    if not bool(bodies.there.any()):
        none = torch.zeros_like(picture[:, :1])
        return _Laid(picture, none, none, none, none + 1)
    none = torch.zeros_like(picture)
    laid = _Laid(picture.clone(), none.clone(), none.clone(), none, torch.ones_like(picture[:, :1]))
    for number, kind in enumerate(KINDS):
        chosen = (bodies.kind == number).nonzero().flatten()
        if len(chosen):
            _lay_kind(laid, chosen, kind, patch, bodies, outline, ink)
    return laid


def _lay_kind(
    laid: _Laid, chosen: Tensor, kind: str, patch: Patch, bodies: Bodies, outline: Tensor, ink: Tensor
) -> None:
    """Lay one kind over some of the pictures, in place."""
    where = patch.rows[chosen], patch.columns[chosen], patch.soft[chosen]
    over, edges = layers(kind, bodies.place[chosen], outline[chosen], *where)
    line = (things.inks()[ink[chosen]] * patch.light[chosen].unsqueeze(1)).view(-1, 3, 1, 1)
    silhouette, inside = over.silhouette.unsqueeze(1), over.inside.unsqueeze(1)
    shaded = 1 - 0.3 * over.shadow.unsqueeze(1)
    ground = laid.picture[chosen] * shaded
    lined = torch.lerp(ground, line.expand_as(ground), silhouette)
    within, outside = filled(patch, over, bodies, chosen) - lined, 1 - inside
    border = (line - ground) * (edges.edge.unsqueeze(1) * outside)
    laid.picture[chosen] = torch.addcmul(lined, within, inside).clamp_(0, 1)
    laid.slope[chosen] = torch.addcmul(border, within, edges.inner.unsqueeze(1))
    laid.line[chosen] = within * edges.drawn.unsqueeze(1)
    laid.moves[chosen] = edges.moves
    laid.leaves[chosen] = (1 - silhouette) * shaded * outside


def _span(places: int, outline: bool) -> Span:
    """Of the values of some places, and of an outline after them."""
    parts = zip(PLACE, OUTLINE, strict=True)
    return Span(*(torch.tensor([*place * places, *([line] if outline else [])]) for place, line in parts))


def settle(patch: Patch, fit: Fit, rounds: int) -> tuple[Fit, Tensor]:
    """Both things and their outline by descent, and deviations of those values, [N, 7]: far, near, outline."""

    def look(values: Tensor) -> Look:
        far = _lay(patch.behind, patch, replace(fit.far, place=values[:, :3]), values[:, 6], fit.ink)
        near = _lay(far.picture, patch, replace(fit.near, place=values[:, 3:6]), values[:, 6], fit.ink)

        def slopes() -> Tensor:
            behind = (far.slope * near.leaves).unsqueeze(1) * far.moves.unsqueeze(2)
            before = near.slope.unsqueeze(1) * near.moves.unsqueeze(2)
            line = torch.addcmul(near.line, far.line, near.leaves).unsqueeze(1)
            return torch.cat([behind.expand_as(before), before, line], 1) * patch.weight.unsqueeze(1)

        return Look((patch.pictures - near.picture) * patch.weight, slopes)

    start = torch.cat([fit.far.place, fit.near.place, fit.outline.unsqueeze(1)], 1)
    found = descent.descend(start, _span(2, True), rounds, look)
    far, near, outline = found.values[:, :3], found.values[:, 3:6], found.values[:, 6]
    moved = replace(fit, far=replace(fit.far, place=far), near=replace(fit.near, place=near), outline=outline)
    return replace(moved, cost=summed(patch, found.cost)), found.spread


def settle_one(patch: Patch, fit: Fit, front: Tensor, rounds: int, outline: bool) -> Fit:
    """One thing of each by descent, the nearer where `front` [N], else the farther; and the `outline` or not."""
    moved, still = fit.far.or_else(front, fit.near), fit.near.or_else(front, fit.far)
    under, after = _around(patch, fit, still, front)
    start = torch.cat([moved.place, fit.outline.unsqueeze(1)], 1) if outline else moved.place

    def look(values: Tensor) -> Look:
        line = values[:, 3] if outline else fit.outline
        laid = _lay(under, patch, replace(moved, place=values[:, :3]), line, fit.ink)
        shown = laid.picture if after is None else after.over(laid.picture, fit.ink)

        def slopes() -> Tensor:
            found = laid.slope.unsqueeze(1) * laid.moves.unsqueeze(2)
            found = torch.cat([found, laid.line.unsqueeze(1)], 1) if outline else found
            weight = patch.weight if after is None else patch.weight * after.leaves
            return found * weight.unsqueeze(1)

        return Look((patch.pictures - shown) * patch.weight, slopes)

    return _put(patch, fit, moved, front, descent.descend(start, _span(1, outline), rounds, look))


def _around(patch: Patch, fit: Fit, still: Bodies, front: Tensor) -> tuple[Tensor, Sheet | None]:
    """What is behind the thing that moves, the other one with it where `front`, and what is before it."""
    if not bool(still.there.any()):
        return patch.behind, None
    other, first = sheet(patch, still, fit.outline), front.view(-1, 1, 1, 1)
    under = torch.where(first, other.over(patch.behind, fit.ink), patch.behind)
    rest = (each.masked_fill(first, 0) for each in (other.lines, other.adds))
    return under, Sheet(other.leaves.masked_fill(first, 1), *rest)


def _put(patch: Patch, fit: Fit, moved: Bodies, front: Tensor, found: Found) -> Fit:
    """The fit with the thing that moved where it was found to be, and the outline if that was looked for."""
    moved = replace(moved, place=found.values[:, :3])
    outline = found.values[:, 3] if found.values.shape[1] > 3 else fit.outline
    far, near = moved.or_else(front, fit.far), fit.near.or_else(front, moved)
    return Fit(far, near, outline, fit.ink, summed(patch, found.cost))
