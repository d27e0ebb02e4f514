"""What is laid over the pictures that critics learn from, or set beside them, and what is true of it then.

Drawn by `visuals`, as recipes have it drawn. Half of what can match a picture does.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from .. import visuals
from ..plan import Drawing, Scalar
from . import grading, painter
from .scales import SCALES
from .scenes import ABSTRACT, ARRANGEMENTS, PLACES, SIZE
from .truth import Truth, line_word

GRADES = (0.25, 0.5)  # swatches match a picture whose grade is this near theirs, and no longer where it is this far
WEIGHTS = (0.4, 0.8)  # the same for the outline and a line's weight, pixels
SPLITS = (0.06, 0.15)  # the same for the splits of two paintings
THICKEST = 3.8  # pixels of a sample
RED, BLACK = "#ff0000ff", "#000000ff"
SAMPLES = {RED: 6.0, BLACK: 2.5, "#0000ffff": 0.75, "#ffffffff": 0.75}  # colours of line samples, how often
NAMES = {RED: "red", BLACK: "black", "#0000ffff": "blue", "#ffffffff": "white"}
# how often pictures get each, where they can
LAID_SHARES = {"": 3.0, "line": 4.0, "swatches": 1.5, "weight": 2.0, "dots": 5.0, "reference": 12.0}
BESIDE = 0.4  # how often a dot may lie beside its thing: who draws it does not know where that is
STRANGE = 0.01  # how often a picture that is no painting has a painting for its reference


@dataclass(frozen=True, slots=True)
class Laid:
    """What is laid over one picture: nothing, or a layer; what that makes true; the numbers in it."""

    kind: str = ""  # a kind of `wordings.OVERLAID`, or nothing
    layer: Tensor | None = None  # RGBA [4, 64, 64] in [0, 1], straight alpha
    words: Mapping[str, str] = field(default_factory=dict[str, str])
    rows: Mapping[str, float] = field(default_factory=dict[str, float])
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])  # keys of `NUMBERS`

    def added(self, truth: Truth) -> Truth:
        """What is true of the picture with it."""
        return Truth({**truth.words, **self.words}, {**truth.rows, **self.rows})


# what can be told of overlays in numbers, and their ranges
NUMBERS = {
    "line row": (0.0, 1.0), "swatches": (-1.0, 1.0), "weight": (1.0, THICKEST),
    **{f"dot {name} {axis}": (0.0, 1.0) for name in "AB" for axis in "xy"},
}  # fmt: skip


def drawing(kind: str, **parameters: Scalar | tuple[Scalar, ...]) -> Drawing:
    """A visual prompt as recipes have it, without an asset."""
    return Drawing("", kind, tuple(sorted(parameters.items())), "", "", "")


def layer(drawn: Drawing) -> Tensor:
    """RGBA [4, 64, 64] of a visual prompt."""
    pixels = visuals.draw(drawn, SIZE, SIZE)
    return torch.from_numpy(pixels).permute(2, 0, 1)  # pyright: ignore[reportUnknownMemberType]


def line_at(horizon: float, rng: random.Random) -> float:
    """A row for a line over a picture with this horizon: 45 % of them on it, 30 % near, a quarter anywhere."""
    kind, sign = rng.random(), rng.choice((-1, 1))
    on = horizon + sign * 0.04 * rng.random()
    near = horizon + sign * (0.08 + 0.1 * rng.random())
    row = on if kind < 0.45 else near if kind < 0.75 else rng.uniform(0.04, 0.96)
    return min(max(row, 0.02), 0.98)


def line(horizon: float, rng: random.Random) -> Laid:
    """A red line on the horizon or elsewhere."""
    row = line_at(horizon, rng)
    drawn = drawing("line", y=row, thickness=rng.uniform(0.016, 0.03), color=RED)
    rows = {"line row": row}
    return Laid("line", layer(drawn), {"line": line_word(row - horizon)}, rows, rows)


def away_from(value: float, low: float, high: float, distance: float, rng: random.Random) -> float:
    """A value in [low, high], at least a distance away from another; there must be room on one side."""
    left, right = max(0.0, value - distance - low), max(0.0, high - value - distance)
    way = rng.random() * (left + right)
    return low + way if way < left else min(high, max(low, value + distance) + way - left)


def matched(value: float, low: float, high: float, near: tuple[float, float], rng: random.Random) -> tuple[float, str]:
    """A value that matches another or does not, half and half, and which: `near` is up to where, and from where."""
    if rng.random() < 0.5:
        return rng.uniform(max(low, value - near[0]), min(high, value + near[0])), "match"
    return away_from(value, low, high, near[1], rng), "differ"


def swatches(grade: float, rng: random.Random) -> Laid:
    """Three swatches of a grade along the lower edge."""
    shown, word = matched(grade, -1.0, 1.0, GRADES, rng)
    colors = tuple(hexadecimal(color) for color in grading.swatches(shown))
    drawn = drawing("palette", palette=colors, at="bottom", height=rng.uniform(0.13, 0.17))
    return Laid("swatches", layer(drawn), {"swatches": word}, {}, {"swatches": shown})


def hexadecimal(color: Sequence[float]) -> str:
    """A colour in [0, 1] as plans write it."""
    return "#" + "".join(f"{round(each * 255):02x}" for each in color) + "ff"


def weight(outline: float, rng: random.Random) -> Laid:
    """A line near the lower edge, as a sample of how thick outlines are; the thickest matches the thickest there is."""
    most = SCALES["outline"].high
    shown, word = matched(min(max(outline, 1.0), most), 1.0, most, WEIGHTS, rng)
    if shown > most - 0.2 and (word == "differ" or outline > most - 0.2):
        shown = rng.uniform(shown, THICKEST)
    color = rng.choices(list(SAMPLES), list(SAMPLES.values()))[0]
    drawn = drawing("line", y=rng.uniform(0.88, 0.96), thickness=shown / SIZE, color=color)
    return Laid("weight", layer(drawn), {"weight": word, "sample color": NAMES[color]}, {}, {"weight": shown})


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a thing is: the middle of its foot and half its width, fractions."""

    x: float
    base: float
    half: float


def dot(spot: Spot, other: Spot, rng: random.Random) -> tuple[float, float]:
    """x and y of a dot on a thing, or beside it on the side where the other thing is not."""
    across, up = rng.uniform(-0.5, 0.5), rng.uniform(0.3, 1.3)
    if rng.random() < BESIDE:
        across, up = rng.uniform(0.0, 1.6) * (1 if spot.x > other.x else -1), rng.uniform(-0.3, 2.0)
    x, y = spot.x + spot.half * across, spot.base - spot.half * up
    return min(max(x, 0.04), 0.96), min(max(y, 0.04), 0.96)


def dots(first: Spot, second: Spot, depth: str, rng: random.Random) -> Laid:
    """Dots for A and for B, either of them labelled A; `depth` is B's, in words."""
    own, other = rng.sample("AB", 2)
    places = {own: dot(first, second, rng), other: dot(second, first, rng)}
    points: list[Scalar] = [value for name, (x, y) in places.items() for value in (name, x, y)]
    color = rng.choices((RED, BLACK), (4, 1))[0]
    drawn = drawing("points", points=tuple(points), radius=0.03, color=color)
    numbers = {f"dot {name} {axis}": at for name, xy in places.items() for axis, at in zip("xy", xy, strict=True)}
    return Laid("dots", layer(drawn), {"dots": other if depth == "nearer" else own}, {}, numbers)


@dataclass(frozen=True, slots=True)
class Numbers:
    """What overlays need to know of B scenes, as plain numbers."""

    grade: list[float]
    outline: list[float]
    first: list[Spot]
    second: list[Spot]


def numbers(scenes: painter.Scenes) -> Numbers:
    """The numbers of B scenes."""

    def spots(x: Tensor, base: Tensor, half: Tensor) -> list[Spot]:
        return [Spot(*values) for values in torch.stack([x, base, half], 1).tolist()]

    own, other = scenes.stance, scenes.other_stance
    return Numbers(
        scenes.grade.tolist(), scenes.outline.tolist(),
        spots(scenes.position, own.base, own.half), spots(scenes.other_position, other.base, other.half),
    )  # fmt: skip


def lay(truth: Truth, known: Numbers, row: int, rng: random.Random) -> Laid:
    """Something over the picture of scene `row`, or nothing; a `reference` is still to be painted."""
    makers: dict[str, Callable[[], Laid]] = {"": Laid, "reference": lambda: Laid("reference")}
    makers["swatches"] = lambda: swatches(known.grade[row], rng)
    makers["weight"] = lambda: weight(known.outline[row], rng)
    if "row" in truth.rows:
        makers["line"] = lambda: line(truth.rows["row"], rng)
    if truth.word("depth"):
        makers["dots"] = lambda: dots(known.first[row], known.second[row], truth.word("depth"), rng)
    if truth.word("painting") == "no" and rng.random() > STRANGE:
        del makers["reference"]
    return makers[rng.choices(list(makers), [LAID_SHARES[kind] for kind in makers])[0]]()


@dataclass(frozen=True, slots=True)
class Composition:
    """How a painting is laid out: an index into `WORDS["arrangement"]`, and its splits."""

    arrangement: int
    split_x: float
    split_y: float


# in what a reference may differ, and how often it does
WAYS = {
    ("arrangement",): 3.0, ("arrangement", "split_x"): 1.0, ("arrangement", "split_y"): 1.0,
    ("split_x",): 2.0, ("split_y",): 2.0, ("split_x", "split_y"): 1.0,
}  # fmt: skip


def like(own: Composition, differs: Sequence[str], rng: random.Random) -> Composition:
    """A composition that is clearly another in what `differs`, and close to this one in the rest."""

    def split(name: str, value: float) -> float:
        scale, (near, far) = SCALES[name], SPLITS
        moved = value + rng.uniform(-near, near)
        if name in differs:
            moved = away_from(value, scale.low, scale.high, far, rng)
        return min(max(moved, scale.low), scale.high)

    rest = [each for each in range(len(ARRANGEMENTS)) if each != own.arrangement]
    arrangement = rng.choice(rest) if "arrangement" in differs else own.arrangement
    return Composition(arrangement, split("split_x", own.split_x), split("split_y", own.split_y))


def references(scenes: painter.Scenes, rng: random.Random, draws: torch.Generator) -> tuple[painter.Scenes, list[str]]:
    """A painting beside each of R pictures that is composed alike or not, and which: R scenes and R words."""
    found: list[Composition] = []
    words: list[str] = []
    values = zip(scenes.arrangement.tolist(), scenes.split_x.tolist(), scenes.split_y.tolist(), strict=True)
    for own, painted in zip(values, scenes.paintings.tolist(), strict=True):
        match = rng.random() < 0.5
        differs = () if match else rng.choices(list(WAYS), list(WAYS.values()))[0]
        found.append(like(Composition(*own), differs, rng))
        words.append("match" if match and painted else "differ")
    place = torch.full((len(scenes),), list(PLACES).index(ABSTRACT[0]))
    return replace(
        painter.draw(len(scenes), draws), place=place,
        arrangement=torch.tensor([each.arrangement for each in found], dtype=torch.long),
        split_x=torch.tensor([each.split_x for each in found]),
        split_y=torch.tensor([each.split_y for each in found]),
    ), words  # fmt: skip
