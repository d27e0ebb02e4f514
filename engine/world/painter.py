"""The painter: scenes -> pictures, anti-aliased by signed distances, deterministic in its parameters.

Everything is a function of pixel centres, so a batch is painted at once: thousands of pictures a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache

import torch
from torch import Tensor

from .scenes import COLORS, HORIZON, INK, KINDS, PAINTS, PLACES, SCALES, SIZE, TIMES, WORDS, Color, Part, depth


@dataclass(frozen=True, slots=True)
class Scenes:
    """B scenes, a tensor [B] for each factor; the first four are indices into `WORDS`."""

    time: Tensor
    place: Tensor
    thing: Tensor
    color: Tensor
    horizon: Tensor  # row of the horizon, fraction from the top
    position: Tensor  # x of the thing's middle, fraction
    size: Tensor  # half its width, fraction
    outline: Tensor  # pixels

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, index: Tensor | slice) -> Scenes:
        return Scenes(*(getattr(self, field.name)[index] for field in fields(self)))

    @property
    def base(self) -> Tensor:
        """The row where the thing stands, fraction [B]."""
        return self.horizon + (1 - self.horizon) * depth(self.size)

    def words(self, factor: str) -> list[str]:
        """The word for each scene's value of a factor."""
        values = getattr(self, factor).tolist()
        if factor in WORDS:
            return [WORDS[factor][value] for value in values]
        return [SCALES[factor].word(value) for value in values]


def concat(parts: Sequence[Scenes]) -> Scenes:
    """Several batches as one."""
    return Scenes(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Scenes)))


def horizon_quantile(u: Tensor) -> Tensor:
    """Where horizons lie: 60 % near the middle (deviation 0.07), 40 % anywhere. u in (0, 1) -> row."""
    rows = torch.linspace(*HORIZON, 1025, dtype=u.dtype)
    normal = torch.distributions.Normal(torch.tensor(0.5, dtype=u.dtype), torch.tensor(0.07, dtype=u.dtype))
    low, high = normal.cdf(rows[0]), normal.cdf(rows[-1])
    share = 0.6 * (normal.cdf(rows) - low) / (high - low) + 0.4 * (rows - rows[0]) / (rows[-1] - rows[0])
    return torch.gather(rows, 0, torch.searchsorted(share, u.flatten()).clamp(max=1024)).view_as(u)


def from_uniform(u: dict[str, Tensor]) -> Scenes:
    """Scenes from numbers in (0, 1), one a factor: equal slices for words, a range for scales."""
    indices = {name: (u[name] * len(words)).long().clamp(max=len(words) - 1) for name, words in WORDS.items()}
    scales = {name: scale.low + (scale.high - scale.low) * u[name] for name, scale in SCALES.items()}
    return Scenes(**indices, horizon=horizon_quantile(u["horizon"]), **scales)


FACTORS = tuple(field.name for field in fields(Scenes))


def draw(count: int, generator: torch.Generator) -> Scenes:
    """Random scenes, as a generator without a caption would have them."""
    return from_uniform({name: torch.rand(count, generator=generator) for name in FACTORS})


def _rgb(color: Color) -> Tensor:
    return torch.tensor(color).view(3, 1, 1)


@cache
def _grid() -> tuple[Tensor, Tensor]:
    """Pixel centres as fractions: rows y and columns x, each [H, W]."""
    centres = (torch.arange(SIZE) + 0.5) / SIZE
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return y, x


def _cover(distance: Tensor) -> Tensor:
    """Share of a pixel inside a shape whose edge is `distance` pixels away (negative: inside)."""
    return (0.5 - distance).clamp(0, 1)


@cache
def skies() -> Tensor:
    """Every sky over the whole picture, whatever ground will cover: [times, 3, H, W]."""
    y, x = _grid()
    pictures: list[Tensor] = []
    for light in TIMES.values():
        sky = _rgb(light.top) + (_rgb(light.bottom) - _rgb(light.top)) * y
        if light.stars:
            for left, top in ((0.12, 0.1), (0.3, 0.22), (0.45, 0.08), (0.62, 0.17), (0.2, 0.34), (0.55, 0.32)):
                star = _cover(((x - left) ** 2 + (y - top) ** 2).sqrt() * SIZE - 0.6)
                sky = sky + (_rgb((0.9, 0.9, 0.8)) - sky) * star
        left, top, radius = light.disk
        disk = _cover((((x - left) ** 2 + (y - top) ** 2).sqrt() - radius) * SIZE)
        pictures.append(sky + (_rgb(light.disk_color) - sky) * disk)
    return torch.stack(pictures)


def _texture(name: str) -> Tensor:
    """Relative brightness of a ground, [H, W] around 1."""
    y, x = _grid()
    if name == "blades":
        return 1 + 0.07 * (torch.sin(x * 100) * torch.sin(y * 41 + 3 * torch.sin(x * 23)))
    if name == "grains":
        return 1 + 0.035 * torch.sin(x * 57 + 5 * torch.sin(y * 31)) * torch.sin(y * 67)
    if name == "drifts":
        return 1 + 0.035 * torch.sin(x * 9 + y * 31)
    if name == "waves":
        return 1 + 0.12 * torch.sin(y * 60 + 0.8 * torch.sin(x * 13))
    raise ValueError(f"no texture is called {name!r}")


@cache
def grounds() -> Tensor:
    """Every ground under every light over the whole picture: [places, times, 3, H, W]."""
    y, _ = _grid()
    rows: list[Tensor] = []
    for place in PLACES.values():
        shade = _texture(place.texture) * (0.9 + 0.14 * y)
        rows.append(torch.stack([(_rgb(place.ground[time]) * shade).clamp(0, 1) for time in TIMES]))
    return torch.stack(rows)


def background(time: Tensor, place: Tensor, horizon: Tensor) -> Tensor:
    """Sky over ground, [B, 3, H, W]."""
    y, _ = _grid()
    above = (horizon.view(-1, 1, 1, 1) * SIZE - y * SIZE + 0.5).clamp(0, 1)
    return skies()[time] * above + grounds()[place, time] * (1 - above)


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


Grid = tuple[Tensor, Tensor]  # rows y and columns x of pixel centres, fractions, each [H, W] or [B, H, W]


def thing(kind: str, x: Tensor, base: Tensor, size: Tensor, outline: Tensor, grid: Grid | None = None) -> Thing:
    """One kind of thing at B places, over the whole picture or over a window of it."""
    rows, columns = grid or _grid()
    pixels = size.view(-1, 1, 1) * SIZE
    u = (columns - x.view(-1, 1, 1)) / size.view(-1, 1, 1)
    v = (base.view(-1, 1, 1) - rows) / size.view(-1, 1, 1)
    distances = [_distance(part, u, v) * pixels for part in KINDS[kind].parts]
    union = torch.stack(distances).amin(0)
    own = torch.zeros_like(union)
    paint = union.new_zeros(len(x), 3, *union.shape[1:])
    for part, distance in zip(KINDS[kind].parts, distances, strict=True):
        cover = _cover(distance - 0.5)
        own = own * (1 - cover) + cover * (part.paint == "color")
        if part.paint != "color":
            paint = paint + (_rgb(PAINTS[part.paint]) - paint) * cover.unsqueeze(1)
    shadow = _cover(((u**2 + (v / 0.2) ** 2 + 1e-12).sqrt() - 1.15) * pixels * 0.25)
    return Thing(_cover(union), _cover(union + outline.view(-1, 1, 1)), own, paint, shadow)


def lay(picture: Tensor, layers: Thing, color: Tensor, grid: Grid | None = None) -> Tensor:
    """A thing of the given colour [B, 3] over a picture [B, 3, H, W]."""
    rows, _ = grid or _grid()
    own = layers.own.unsqueeze(1)
    shade = 1.05 - 0.12 * rows.unsqueeze(-3)
    fill = own * color.view(-1, 3, 1, 1) * shade + (1 - own) * layers.paint
    picture = picture * (1 - 0.3 * layers.shadow.unsqueeze(1))
    picture = picture + (_rgb(INK) - picture) * layers.silhouette.unsqueeze(1)
    return (picture + (fill - picture) * layers.inside.unsqueeze(1)).clamp(0, 1)


def colors() -> Tensor:
    """The colours of `COLORS`, [colours, 3]."""
    return torch.tensor(list(COLORS.values()))


def paint(scenes: Scenes) -> Tensor:
    """Pictures of B scenes, [B, 3, 64, 64] in [0, 1]."""
    pictures = background(scenes.time, scenes.place, scenes.horizon)
    base = scenes.base
    for number, kind in enumerate(KINDS):
        chosen = (scenes.thing == number).nonzero().flatten()
        if len(chosen):
            some = scenes[chosen]
            layers = thing(kind, some.position, base[chosen], some.size, some.outline)
            pictures[chosen] = lay(pictures[chosen], layers, colors()[some.color])
    return pictures
