"""The factors of a scene and the words for them, as data: a new place, kind or colour is a new entry here.

Positions and sizes are fractions of the picture, from the top left; colours are sRGB in [0, 1]. What furnishes a room
is in `furniture`; kinds of things and continuous factors are in `kinds` and `scales` and can be taken from here too.
"""

from __future__ import annotations

from dataclasses import dataclass

from .kinds import KINDS as KINDS
from .kinds import PAINTS as PAINTS
from .kinds import Color as Color
from .kinds import Kind as Kind
from .kinds import Part as Part
from .scales import DEPTH as DEPTH
from .scales import HORIZON as HORIZON
from .scales import SCALES as SCALES
from .scales import Scale as Scale
from .scales import standing as standing

SIZE = 64  # pixels, both ways


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
    """The look of a place indoors; `furniture.FURNITURE` has what stands there."""

    wall: Color
    wall_texture: str  # plain | stripes | tiles | dots | panels | blocks
    floor: Color
    floor_texture: str  # planks | checks | carpet | speckles | stains | herringbone


@dataclass(frozen=True, slots=True)
class Season:
    """The tree on the horizon or behind the window."""

    crown: Color | None  # None: bare
    fleck: Color  # blossoms, leaves; of a bare tree the snow on its branches
    land: Color  # what the window shows under it
    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Which colour each area of a painting has; keys of `AREAS`."""

    top_left: str
    bottom_right: str
    accent: str
    phrases: tuple[str, ...]


TIMES = {
    "day": Light(
        (0.30, 0.58, 0.92), (0.58, 0.80, 0.98), (0.84, 0.13, 0.075), (1.0, 0.93, 0.45), False, 1.0,
        ("during the day", "by day", "in daylight", "in the afternoon"),
    ),
    "dusk": Light(
        (0.36, 0.18, 0.46), (0.98, 0.52, 0.36), (0.84, 0.16, 0.085), (1.0, 0.80, 0.42), False, 0.85,
        ("at dusk", "at sunset", "in the evening", "at twilight"),
    ),
    "night": Light(
        (0.03, 0.03, 0.12), (0.13, 0.14, 0.36), (0.84, 0.13, 0.065), (0.94, 0.94, 0.84), True, 0.7,
        ("at night", "by night", "under the moon", "during the night"),
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
    "grass": ("in the grass", "on the grass", "in a meadow", "on a lawn", "in a pasture"),
    "sand": ("on the sand", "on a beach", "in the desert", "on a dune"),
    "snow": ("in the snow", "on the snow", "in a snowy field", "on a glacier"),
    "water": ("on the water", "on a lake", "at sea", "on a pond", "on the ocean"),
    "living_room": ("in the living room", "in a living room", "in a lounge", "in the parlor", "beside the sofa"),
    "kitchen": ("in the kitchen", "in a kitchen", "inside a kitchen", "beside the stove"),
    "bedroom": ("in the bedroom", "in a bedroom", "inside a bedroom", "beside the bed"),
    "office": ("in the office", "in an office", "in a workplace", "beside the desk"),
    "garage": ("in the garage", "in a garage", "inside a garage", "beside the shutter"),
    "museum": ("in the art museum", "in a museum", "in an art gallery", "in an exhibition"),
    "painting": ("an abstract painting", "a painting of colored areas", "a composition of rectangles"),
}

SEASONS = {
    "spring": Season(
        (0.98, 0.60, 0.76), (1.0, 0.84, 0.90), (0.50, 0.72, 0.34), ("in spring", "in springtime", "during spring")
    ),
    "summer": Season(
        (0.13, 0.50, 0.16), (0.24, 0.62, 0.22), (0.36, 0.66, 0.24), ("in summer", "in summertime", "during summer")
    ),
    "autumn": Season(
        (0.86, 0.42, 0.08), (0.95, 0.66, 0.14), (0.62, 0.52, 0.26), ("in autumn", "in the fall", "during autumn")
    ),
    "winter": Season(None, (0.96, 0.97, 1.0), (0.95, 0.96, 0.98), ("in winter", "in wintertime", "during winter")),
}

LAMPS: dict[str, tuple[str, ...]] = {
    "on": ("with the lamp on", "with the light on", "under a lamp that is on", "beneath a lit lamp"),
    "off": ("with the lamp off", "with the light off", "under a lamp that is off", "beneath an unlit lamp"),
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
WORD_SHARES: dict[str, tuple[float, ...]] = {
    "season": (0.1, 0.7, 0.1, 0.1),
    "lamp": (0.85, 0.15),
    "other": (0.92, *[0.08 / len(KINDS)] * len(KINDS)),
    "ink": (0.7, 0.1, 0.1, 0.1),
}
