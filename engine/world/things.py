"""What stands in a scene: kinds of things as layers over a picture, in any colour, ink and light."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from .scenes import COLORS, INKS, KINDS, PAINTS, SIZE, Color, Part

FILLED = 0.4  # no subject is so small that it matters, only what is far behind one
Grid = tuple[Tensor, Tensor]  # rows y and columns x of pixel centres, fractions, each [H, W] or [B, H, W]


def rgb(color: Color) -> Tensor:
    """A colour as [3, 1, 1]."""
    return torch.tensor(color).view(3, 1, 1)


@cache
def grid() -> Grid:
    """Pixel centres as fractions: rows y and columns x, each [H, W]."""
    centres = (torch.arange(SIZE) + 0.5) / SIZE
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return y, x


def cover(distance: Tensor) -> Tensor:
    """Share of a pixel inside a shape whose edge is `distance` pixels away (negative: inside)."""
    return (0.5 - distance).clamp(0, 1)


def colors() -> Tensor:
    """The colours of `COLORS`, [colours, 3]."""
    return torch.tensor(list(COLORS.values()))


def inks() -> Tensor:
    """The colours of `INKS`, [inks, 3]."""
    return torch.tensor(list(INKS.values()))


def _distance(part: Part, u: Tensor, v: Tensor) -> Tensor:
    """Signed distance to a part, in half widths; exact inside and near edges."""
    if part.circle is not None:
        cu, cv, radius = part.circle
        return ((u - cu) ** 2 + (v - cv) ** 2 + 1e-12).sqrt() - radius
    edges: list[Tensor] = []
    points = part.polygon
    for (u0, v0), (u1, v1) in zip(points, points[1:] + points[:1], strict=True):
        length = ((u1 - u0) ** 2 + (v1 - v0) ** 2) ** 0.5
        edges.append(((v1 - v0) * (u - u0) - (u1 - u0) * (v - v0)) / length)
    return torch.stack(edges).amax(0)


@dataclass(frozen=True, slots=True)
class Thing:
    """How a thing covers the picture: [B, H, W] each, in [0, 1]."""

    silhouette: Tensor
    inside: Tensor  # within the outline
    own: Tensor  # of what is inside, the share painted in its own colour
    paint: Tensor  # [B, 3, H, W], colour of what is inside and not its own
    shadow: Tensor


def thing(kind: str, x: Tensor, base: Tensor, half: Tensor, outline: Tensor, where: Grid | None = None) -> Thing:
    """One kind of thing at B places, over the whole picture or over a window of it; `half` is half its width.

    Of small things the outline is no more than `FILLED` of that, so that some of their colour is left.
    """
    rows, columns = where or grid()
    pixels = half.view(-1, 1, 1) * SIZE
    line = torch.minimum(outline.view(-1, 1, 1), pixels * FILLED)
    u = (columns - x.view(-1, 1, 1)) / half.view(-1, 1, 1)
    v = (base.view(-1, 1, 1) - rows) / half.view(-1, 1, 1)
    distances = [_distance(part, u, v) * pixels for part in KINDS[kind].parts]
    union = torch.stack(distances).amin(0)
    own = torch.zeros_like(union)
    paint = union.new_zeros(len(x), 3, *union.shape[1:])
    for part, distance in zip(KINDS[kind].parts, distances, strict=True):
        covered = cover(distance - 0.5)
        own = own * (1 - covered) + covered * (part.paint == "color")
        if part.paint != "color":
            paint = paint + (rgb(PAINTS[part.paint]) - paint) * covered.unsqueeze(1)
    shadow = cover(((u**2 + (v / 0.2) ** 2 + 1e-12).sqrt() - 1.15) * pixels * 0.25)
    return Thing(cover(union), cover(union + line), own, paint, shadow)


def lay(picture: Tensor, layers: Thing, color: Tensor, ink: Tensor, light: Tensor, where: Grid | None = None) -> Tensor:
    """A thing over a picture [B, 3, H, W]: its own colour and that of its outline [B, 3], and how light it is, [B]."""
    rows, _ = where or grid()
    own, bright = layers.own.unsqueeze(1), light.view(-1, 1, 1, 1)
    shade = 1.05 - 0.12 * rows.unsqueeze(-3)
    fill = own * color.view(-1, 3, 1, 1) * shade + (1 - own) * layers.paint
    line = ink.view(-1, 3, 1, 1) * bright
    picture = picture * (1 - 0.3 * layers.shadow.unsqueeze(1))
    picture = picture + (line - picture) * layers.silhouette.unsqueeze(1)
    return (picture + (fill * bright - picture) * layers.inside.unsqueeze(1)).clamp(0, 1)
