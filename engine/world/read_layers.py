"""Things as the painter paints them but with edges as soft as one likes, and how their edges move with their places.

A descent needs both: hard edges say nothing to a thing that stands two pixels aside, and derivatives in closed form
cost less than painting once more for each value. With edges of one pixel the layers are those of `things.thing`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .scenes import KINDS, PAINTS, SIZE, Part
from .things import FILLED, rgb

Slopes = tuple[Tensor, Tensor, Tensor]  # a signed distance in half widths, and its derivatives by u and v


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """How N things of a kind cover pixels, [N, h, w] each."""

    silhouette: Tensor
    inside: Tensor  # within the outline
    own: Tensor  # of what is inside, the share painted in its own colour
    paint: Tensor | None  # [N, 3, h, w], colour of what is inside and not its own; None where all is
    shadow: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """How layers change with the signed distance to the silhouette, pixels, and that with a thing's place.

    `edge` and `inner` are derivatives of `silhouette` and of `inside`, `drawn` that of `inside` by the outline, all
    [N, h, w]; `moves` those of the distance by x, base and half width, fractions, [N, 3, h, w].
    """

    edge: Tensor
    inner: Tensor
    drawn: Tensor
    moves: Tensor


def _plane(start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float, float]:
    """Outward normal of a polygon's edge, and where it lies along that."""
    length = ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5
    across, up = (end[1] - start[1]) / length, (start[0] - end[0]) / length
    return across, up, across * start[0] + up * start[1]


def _planes(part: Part) -> list[tuple[float, float, float]]:
    points = part.polygon
    return [_plane(start, end) for start, end in zip(points, points[1:] + points[:1], strict=True)]


def _distance(part: Part, u: Tensor, v: Tensor) -> Tensor:
    """Signed distance to a part in half widths; exact inside and near edges."""
    if part.circle is not None:
        return ((u - part.circle[0]) ** 2 + (v - part.circle[1]) ** 2 + 1e-12).sqrt() - part.circle[2]
    found: Tensor | None = None
    for across, up, away in _planes(part):
        plane = torch.add(u * across - away, v, alpha=up)
        found = plane if found is None else torch.maximum(found, plane)
    assert found is not None
    return found


def _slopes(part: Part, u: Tensor, v: Tensor) -> Slopes:
    """The same with derivatives."""
    if part.circle is not None:
        du, dv = u - part.circle[0], v - part.circle[1]
        away = (du**2 + dv**2 + 1e-12).sqrt()
        return away - part.circle[2], du / away, dv / away
    planes = _planes(part)
    found = torch.add(u * planes[0][0] - planes[0][2], v, alpha=planes[0][1])
    slope_u, slope_v = torch.full_like(u, planes[0][0]), torch.full_like(u, planes[0][1])
    for across, up, away in planes[1:]:
        plane = torch.add(u * across - away, v, alpha=up)
        outer = plane > found
        found = torch.maximum(found, plane)
        slope_u.masked_fill_(outer, across)
        slope_v.masked_fill_(outer, up)
    return found, slope_u, slope_v


def _cover(distance: Tensor, sharp: Tensor) -> Tensor:
    return (0.5 - distance * sharp).clamp_(0, 1)


def _ramp(cover: Tensor, sharp: Tensor) -> Tensor:
    """Derivative of a cover by its distance."""
    return ((cover > 0) & (cover < 1)) * -sharp


def _local(place: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels in half widths from the middle and above the base [N, h, w], and the half width in pixels [N, 1, 1]."""
    x, base, half = (each.view(-1, 1, 1) for each in place.unbind(1))
    return (columns - x) / half, (base - rows) / half, half * SIZE


def covers(kind: str, place: Tensor, outline: Tensor, rows: Tensor, columns: Tensor, soft: Tensor) -> Layers:
    """A kind of thing at N places (x, base, half width) [N, 3] over pixels at rows and columns [N, h, w], fractions.

    `soft` is the width of an edge in pixels, `outline` that of the lines, [N] both.
    """
    u, v, pixels = _local(place, rows, columns)
    distances = [_distance(part, u, v) * pixels for part in KINDS[kind].parts]
    union = distances[0]
    for each in distances[1:]:
        union = torch.minimum(union, each)
    return _covers(kind, distances, union, (u, v, pixels), outline, 1 / soft.view(-1, 1, 1))


def layers(
    kind: str, place: Tensor, outline: Tensor, rows: Tensor, columns: Tensor, soft: Tensor
) -> tuple[Layers, Edges]:
    """`covers`, and how they change."""
    u, v, pixels = _local(place, rows, columns)
    union, slope_u, slope_v = _slopes(KINDS[kind].parts[0], u, v)
    distances = [union * pixels]
    for part in KINDS[kind].parts[1:]:
        away, part_u, part_v = _slopes(part, u, v)
        nearer = away < union
        union = torch.minimum(union, away)
        slope_u, slope_v = torch.where(nearer, part_u, slope_u), torch.where(nearer, part_v, slope_v)
        distances.append(away * pixels)
    over = _covers(kind, distances, union * pixels, (u, v, pixels), outline, 1 / soft.view(-1, 1, 1))
    sharp = 1 / soft.view(-1, 1, 1)
    inner = _ramp(over.inside, sharp)
    moves = torch.stack([-slope_u, slope_v, union - u * slope_u - v * slope_v], 1) * SIZE
    drawn = inner * (outline.view(-1, 1, 1) < pixels * FILLED)
    return over, Edges(_ramp(over.silhouette, sharp), inner, drawn, moves)


def _covers(
    kind: str,
    distances: list[Tensor],
    union: Tensor,
    local: tuple[Tensor, Tensor, Tensor],
    outline: Tensor,
    sharp: Tensor,
) -> Layers:
    u, v, pixels = local
    line = torch.minimum(outline.view(-1, 1, 1), pixels * FILLED)
    own, paint = _fill(kind, distances, sharp)
    shadow = (0.5 - ((u**2 + (v * 5) ** 2 + 1e-12).sqrt() - 1.15) * (pixels * 0.25)).clamp_(0, 1)
    return Layers(_cover(union, sharp), _cover(union + line, sharp), own, paint, shadow)


def _fill(kind: str, distances: list[Tensor], sharp: Tensor) -> tuple[Tensor, Tensor | None]:
    """What is inside: the share in the thing's own colour, and the colour of the rest."""
    own, paint = torch.zeros_like(distances[0]), None
    for part, distance in zip(KINDS[kind].parts, distances, strict=True):
        covered = _cover(distance - 0.5, sharp)
        if part.paint == "color":
            own = torch.addcmul(own, 1 - own, covered)
            continue
        own = own * (1 - covered)
        if paint is None:
            paint = own.new_zeros(len(own), 3, *own.shape[1:])
        paint = paint + (rgb(PAINTS[part.paint]) - paint) * covered.unsqueeze(1)
    return own, paint
