"""The factors of a scene and the words for them, as data: a new place, kind or colour is a new entry here.

Positions and sizes are fractions of the picture, from the top left; colours are sRGB in [0, 1]. What furnishes a room
is in `furniture`; the continuous factors are in `scales` and can be taken from here too.
"""

from __future__ import annotations

from dataclasses import dataclass

from .scales import DEPTH as DEPTH
from .scales import HORIZON as HORIZON
from .scales import SCALES as SCALES
from .scales import Scale as Scale
from .scales import standing as standing

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
    far: float  # brightness of what stands on the horizon
    phrases: tuple[str, ...]  # the first is the plain one


@dataclass(frozen=True, slots=True)
class Ground:
    """The look of a place outdoors: its colour under each light, and its texture."""

    color: dict[str, Color]
    texture: str  # blades | grains | drifts | waves


@dataclass(frozen=True, slots=True)
class Room:
    """The look of a place indoors; `furniture.ROOMS` has what stands there."""

    wall: Color
    wall_texture: str  # plain | stripes | tiles | dots | panels | blocks
    floor: Color
    floor_texture: str  # planks | checks | carpet | speckles | stains | herringbone


@dataclass(frozen=True, slots=True)
class Season:
    """The tree on the horizon or behind the window."""

    crown: Color | None  # None: bare
    fleck: Color  # blossoms, fruit, fallen leaves; of a bare tree the snow on its branches
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


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Which colour each area of a painting has; keys of `AREAS`."""

    top_left: str
    bottom_right: str
    accent: str
    phrases: tuple[str, ...]


def _box(left: float, right: float, bottom: float, top: float) -> tuple[tuple[float, float], ...]:
    return ((left, bottom), (right, bottom), (right, top), (left, top))


TIMES = {
    "day": Light(
        (0.30, 0.58, 0.92), (0.58, 0.80, 0.98), (0.84, 0.13, 0.075), (1.0, 0.93, 0.45), False, 1.0,
        ("during the day", "at noon", "by day", "in daylight"),
    ),
    "dusk": Light(
        (0.36, 0.18, 0.46), (0.98, 0.52, 0.36), (0.84, 0.16, 0.085), (1.0, 0.80, 0.42), False, 0.85,
        ("at dusk", "at sunset", "in the evening"),
    ),
    "night": Light(
        (0.03, 0.03, 0.12), (0.13, 0.14, 0.36), (0.84, 0.13, 0.065), (0.94, 0.94, 0.84), True, 0.7,
        ("at night", "by night", "under the moon"),
    ),
}  # fmt: skip

GROUNDS = {
    "grass": Ground({"day": (0.36, 0.66, 0.24), "dusk": (0.28, 0.40, 0.16), "night": (0.08, 0.25, 0.13)}, "blades"),
    "sand": Ground({"day": (0.90, 0.78, 0.48), "dusk": (0.70, 0.56, 0.30), "night": (0.36, 0.31, 0.22)}, "grains"),
    "snow": Ground({"day": (0.95, 0.96, 0.98), "dusk": (0.84, 0.78, 0.90), "night": (0.52, 0.57, 0.70)}, "drifts"),
    "water": Ground({"day": (0.06, 0.36, 0.50), "dusk": (0.13, 0.30, 0.44), "night": (0.03, 0.34, 0.40)}, "waves"),
}

ROOMS = {
    "living_room": Room((0.84, 0.68, 0.50), "stripes", (0.52, 0.33, 0.20), "planks"),
    "kitchen": Room((0.80, 0.90, 0.86), "tiles", (0.66, 0.66, 0.66), "checks"),
    "bedroom": Room((0.78, 0.66, 0.78), "dots", (0.56, 0.44, 0.56), "carpet"),
    "office": Room((0.70, 0.76, 0.82), "plain", (0.34, 0.38, 0.46), "speckles"),
    "garage": Room((0.58, 0.57, 0.54), "blocks", (0.42, 0.41, 0.40), "stains"),
    "museum": Room((0.24, 0.40, 0.36), "panels", (0.76, 0.58, 0.36), "herringbone"),
}

OUTDOOR, INDOOR, ABSTRACT = tuple(GROUNDS), tuple(ROOMS), ("painting",)

# how captions say each place; a painting is a noun, the others are where something is
PLACES: dict[str, tuple[str, ...]] = {
    "grass": ("in the grass", "on the grass", "in a meadow"),
    "sand": ("on the sand", "on a beach", "in the desert"),
    "snow": ("in the snow", "on the snow", "in a snowy field"),
    "water": ("on the water", "on a lake", "at sea"),
    "living_room": ("in the living room", "in a living room", "in a lounge", "beside the sofa"),
    "kitchen": ("in the kitchen", "in a kitchen", "beside the stove"),
    "bedroom": ("in the bedroom", "in a bedroom", "beside the bed"),
    "office": ("in the office", "in an office", "beside the desk"),
    "garage": ("in the garage", "in a garage", "beside the shutter"),
    "museum": ("in the art museum", "in a museum", "in an art gallery"),
    "painting": ("a painting", "an abstract painting", "a composition"),
}

SEASONS = {
    "spring": Season((0.98, 0.60, 0.76), (1.0, 0.84, 0.90), ("in spring", "in springtime")),
    "summer": Season((0.13, 0.50, 0.16), (0.24, 0.62, 0.22), ("in summer", "in summertime")),
    "autumn": Season((0.86, 0.42, 0.08), (0.95, 0.66, 0.14), ("in autumn", "in the fall")),
    "winter": Season(None, (0.96, 0.97, 1.0), ("in winter", "in wintertime")),
}

LAMPS: dict[str, tuple[str, ...]] = {
    "on": ("with the lamp on", "with a lamp that is on", "with a lit lamp", "with the lamp switched on"),
    "off": ("with the lamp off", "with a lamp that is off", "with an unlit lamp", "with the lamp switched off"),
}

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
    "vase": Kind(
        (
            Part("color", polygon=_box(-0.34, 0.34, 1.1, 2.0)),
            Part("color", polygon=((-0.34, 1.6), (0.34, 1.6), (0.68, 2.1), (-0.68, 2.1))),
            Part("color", circle=(0.0, 0.78, 0.8)),
        ),
        ("vase", "urn"),
    ),
    "car": Kind(
        (
            Part("color", polygon=((-0.62, 0.8), (0.62, 0.8), (0.42, 1.7), (-0.36, 1.7))),
            Part("color", polygon=_box(-1.12, 1.12, 0.22, 1.05)),
            Part("tire", circle=(-0.6, 0.34, 0.34)),
            Part("tire", circle=(0.6, 0.34, 0.34)),
        ),
        ("car", "automobile"),
    ),
}
NONE = "none"  # the word of `other` for a scene with one thing

COLORS: dict[str, Color] = {
    "red": (0.86, 0.13, 0.12),
    "blue": (0.13, 0.27, 0.86),
    "green": (0.10, 0.60, 0.20),
    "yellow": (0.98, 0.85, 0.13),
    "purple": (0.58, 0.17, 0.66),
    "white": (0.97, 0.97, 0.95),
    "orange": (0.97, 0.50, 0.06),
    "cyan": (0.16, 0.80, 0.86),
}

PAINTS: dict[str, Color] = {"trunk": (0.45, 0.28, 0.14), "roof": (0.32, 0.24, 0.24), "tire": (0.20, 0.20, 0.22)}

INKS: dict[str, Color] = {
    "black": (0.07, 0.06, 0.09),
    "red": (0.72, 0.02, 0.08),
    "blue": (0.04, 0.14, 0.72),
    "white": (1.0, 1.0, 1.0),
}

AREAS: dict[str, Color] = {
    "red": (0.82, 0.14, 0.12),
    "blue": (0.12, 0.26, 0.70),
    "yellow": (0.96, 0.82, 0.16),
    "white": (0.97, 0.96, 0.92),
    "black": (0.13, 0.12, 0.13),
    "gray": (0.74, 0.74, 0.72),  # of the areas that no word mentions
}


def _arrangement(top_left: str, bottom_right: str, accent: str) -> Arrangement:
    return Arrangement(
        top_left, bottom_right, accent,
        (
            f"of {top_left}, {bottom_right} and {accent} areas",
            f"with {top_left} at the top left and {bottom_right} at the bottom right",
            f"in {top_left}, {bottom_right} and {accent}",
        ),
    )  # fmt: skip


# no two have the same three colours, nor the same two corners: a phrase of either sort is of one arrangement only
ARRANGEMENTS = {
    "_".join(colors): _arrangement(*colors)
    for colors in (
        ("red", "blue", "yellow"), ("blue", "yellow", "white"), ("yellow", "red", "white"), ("white", "red", "blue"),
        ("blue", "red", "black"), ("yellow", "black", "blue"), ("white", "black", "red"), ("red", "yellow", "black"),
    )
}  # fmt: skip


WORDS: dict[str, tuple[str, ...]] = {
    "time": tuple(TIMES),
    "place": tuple(PLACES),
    "thing": tuple(KINDS),
    "color": tuple(COLORS),
    "season": tuple(SEASONS),
    "lamp": tuple(LAMPS),
    "other": (NONE, *KINDS),
    "other_color": tuple(COLORS),
    "ink": tuple(INKS),
    "arrangement": tuple(ARRANGEMENTS),
}

# how often each word comes up where a caption leaves it open; equally often where a factor is not here
SHARES: dict[str, tuple[float, ...]] = {
    "season": (0.1, 0.7, 0.1, 0.1),
    "lamp": (0.85, 0.15),
    "other": (0.5, *[0.5 / len(KINDS)] * len(KINDS)),
    "ink": (0.7, 0.1, 0.1, 0.1),
}
