"""The factors of a scene and the words for them, as data: a new place, kind or colour is a new entry here.

Positions and sizes are fractions of the picture, from the top left; colours are sRGB in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SIZE = 64  # pixels, both ways

Color = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Light:
    """What is in the sky, and how bright the ground is."""

    top: Color
    bottom: Color
    disk: tuple[float, float, float]  # x, y, radius of the sun or the moon
    disk_color: Color
    stars: bool
    phrases: tuple[str, ...]  # the first is the plain one


@dataclass(frozen=True, slots=True)
class Place:
    """A ground: its colour under each light, its texture, and how captions say it."""

    ground: dict[str, Color]
    texture: str  # blades | grains | drifts | waves
    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a thing in units of its half width: u to the right of its middle, v up from its base."""

    paint: str  # color: the thing's own; otherwise a key of PAINTS
    circle: tuple[float, float, float] | None = None  # u, v, radius
    polygon: tuple[tuple[float, float], ...] = ()  # convex, counter-clockwise with v up


@dataclass(frozen=True, slots=True)
class Kind:
    parts: tuple[Part, ...]  # later ones are painted over earlier ones
    nouns: tuple[str, ...]


def _box(left: float, right: float, bottom: float, top: float) -> tuple[tuple[float, float], ...]:
    return ((left, bottom), (right, bottom), (right, top), (left, top))


TIMES = {
    "day": Light(
        (0.30, 0.58, 0.92), (0.58, 0.80, 0.98), (0.84, 0.13, 0.075), (1.0, 0.93, 0.45), False,
        ("during the day", "at noon", "by day", "in daylight"),
    ),
    "dusk": Light(
        (0.36, 0.18, 0.46), (0.98, 0.52, 0.36), (0.84, 0.16, 0.085), (1.0, 0.80, 0.42), False,
        ("at dusk", "at sunset", "in the evening"),
    ),
    "night": Light(
        (0.03, 0.03, 0.12), (0.13, 0.14, 0.36), (0.84, 0.13, 0.065), (0.94, 0.94, 0.84), True,
        ("at night", "by night", "under the moon"),
    ),
}  # fmt: skip

PLACES = {
    "grass": Place(
        {"day": (0.36, 0.66, 0.24), "dusk": (0.28, 0.40, 0.16), "night": (0.08, 0.25, 0.13)},
        "blades", ("in the grass", "on the grass", "in a meadow"),
    ),
    "sand": Place(
        {"day": (0.90, 0.78, 0.48), "dusk": (0.70, 0.56, 0.30), "night": (0.36, 0.31, 0.22)},
        "grains", ("on the sand", "on a beach", "in the desert"),
    ),
    "snow": Place(
        {"day": (0.95, 0.96, 0.98), "dusk": (0.84, 0.78, 0.90), "night": (0.52, 0.57, 0.70)},
        "drifts", ("in the snow", "on the snow", "in a snowy field"),
    ),
    "water": Place(
        {"day": (0.06, 0.36, 0.50), "dusk": (0.13, 0.30, 0.44), "night": (0.03, 0.34, 0.40)},
        "waves", ("on the water", "on a lake", "at sea"),
    ),
}  # fmt: skip

KINDS = {
    "ball": Kind((Part("color", circle=(0.0, 1.0, 1.0)),), ("ball", "sphere")),
    "box": Kind((Part("color", polygon=_box(-0.92, 0.92, 0.0, 1.84)),), ("box", "cube", "crate")),
    "tent": Kind((Part("color", polygon=((-1.1, 0.0), (1.1, 0.0), (0.0, 2.0))),), ("tent", "pyramid")),
    "tree": Kind(
        (Part("trunk", polygon=_box(-0.2, 0.2, 0.0, 0.9)), Part("color", circle=(0.0, 1.45, 0.85))), ("tree",)
    ),
    "house": Kind(
        (
            Part("color", polygon=_box(-0.85, 0.85, 0.0, 1.15)),
            Part("roof", polygon=((-1.15, 1.1), (1.15, 1.1), (0.0, 2.15))),
        ),
        ("house", "cottage", "hut"),
    ),
}

COLORS: dict[str, Color] = {
    "red": (0.86, 0.13, 0.12),
    "blue": (0.13, 0.27, 0.86),
    "green": (0.10, 0.60, 0.20),
    "yellow": (0.98, 0.85, 0.13),
    "purple": (0.58, 0.17, 0.66),
    "white": (0.97, 0.97, 0.95),
}

PAINTS: dict[str, Color] = {"trunk": (0.45, 0.28, 0.14), "roof": (0.32, 0.24, 0.24)}
INK: Color = (0.07, 0.06, 0.09)  # of the outline


@dataclass(frozen=True, slots=True)
class Scale:
    """A continuous factor: the values its words stand for, and where the words end."""

    words: dict[str, float]  # a word and the value it stands for, ascending
    bounds: tuple[float, ...]  # between neighbouring words
    low: float
    high: float
    phrases: dict[str, tuple[str, ...]]

    def word(self, value: float) -> str:
        """The word for a value."""
        return list(self.words)[sum(value > bound for bound in self.bounds)]


SCALES = {
    "size": Scale(  # half the width of the thing
        {"small": 0.135, "medium": 0.165, "large": 0.20}, (0.15, 0.1825), 0.125, 0.21,
        {"small": ("small", "little"), "large": ("large", "big")},
    ),
    "position": Scale(  # of the thing's middle
        {"left": 0.25, "middle": 0.5, "right": 0.75}, (0.375, 0.625), 0.22, 0.78,
        {
            "left": ("on the left", "at the left"),
            "middle": ("in the middle", "in the center"),
            "right": ("on the right", "at the right"),
        },
    ),
    "outline": Scale(  # pixels
        {"thin": 0.9, "medium": 1.9, "thick": 3.0}, (1.4, 2.45), 0.8, 3.2,
        {
            "thin": ("drawn with thin lines", "with thin outlines"),
            "thick": ("drawn with thick lines", "with thick outlines"),
        },
    ),
}  # fmt: skip

HORIZON = (0.2, 0.88)  # lowest and highest row that a scene has

WORDS: dict[str, tuple[str, ...]] = {
    "time": tuple(TIMES),
    "place": tuple(PLACES),
    "thing": tuple(KINDS),
    "color": tuple(COLORS),
}


def depth(size: Tensor) -> Tensor:
    """How far down between horizon and lower edge a thing of this half width stands: nearer ones are larger."""
    return 0.3 + 0.35 * (size - 0.125) / 0.085
