"""What stands and hangs in each room, as data: pieces in pixels, x to the right and up from the edge of the floor.

Rooms are furnished for 33 pixels of wall. The window is on the right, the lamp in the middle, both in all rooms; things
stand in front of what is low, so that what tells rooms apart is at the left and above, in quiet colours and fine edges.
"""

from __future__ import annotations

from dataclasses import dataclass

from .scenes import Color

EDGE: Color = (0.22, 0.21, 0.21)
FINE_EDGE = 0.45  # pixels


@dataclass(frozen=True, slots=True)
class Piece:
    """A box, an ellipse or a line in one colour."""

    color: Color
    box: tuple[float, float, float, float] | None = None  # left, right, bottom, top
    disk: tuple[float, float, float, float] | None = None  # x, up, half width, half height
    line: tuple[tuple[float, float], ...] = ()
    width: float = 1.0  # of the line
    edged: bool = True


def _box(color: Color, left: float, right: float, bottom: float, top: float, edged: bool = True) -> Piece:
    return Piece(color, box=(left, right, bottom, top), edged=edged)


def _flat(color: Color, left: float, right: float, bottom: float, top: float) -> Piece:
    return _box(color, left, right, bottom, top, edged=False)


def _disk(color: Color, x: float, up: float, radius: float, height: float | None = None, edged: bool = False) -> Piece:
    return Piece(color, disk=(x, up, radius, height or radius), edged=edged)


def _line(color: Color, width: float, *points: tuple[float, float]) -> Piece:
    return Piece(color, line=points, width=width, edged=False)


WOOD: Color = (0.46, 0.31, 0.19)
DARK_WOOD: Color = (0.32, 0.21, 0.14)
PALE_WOOD: Color = (0.72, 0.58, 0.42)
STEEL: Color = (0.62, 0.64, 0.66)
DARK: Color = (0.19, 0.20, 0.22)
LINEN: Color = (0.93, 0.91, 0.87)
GOLD: Color = (0.76, 0.60, 0.24)
SOFA: Color = (0.40, 0.47, 0.47)
SOFA_LIGHT: Color = (0.50, 0.57, 0.56)
BLANKET: Color = (0.44, 0.40, 0.60)
SHUTTER: Color = (0.80, 0.80, 0.78)
MARKER: Color = (0.45, 0.50, 0.60)
TEXT: Color = (0.86, 0.90, 0.92)
ROPE: Color = (0.50, 0.16, 0.18)

WINDOW = (42.0, 61.0, 12.0, 31.0)  # left, right, bottom, top
BULB = (34.5, 25.0, 2.4)  # x, up, radius

FURNITURE: dict[str, tuple[Piece, ...]] = {
    "living_room": (
        _disk((0.62, 0.46, 0.40), 24.0, -6.0, 26.0, 3.6),  # a rug
        _box(DARK_WOOD, 7.0, 24.0, 19.0, 30.0), _flat(LINEN, 8.3, 22.7, 20.3, 28.7),  # a framed picture: hills
        _disk((0.50, 0.58, 0.48), 13.5, 23.0, 4.0, 3.8),
        _disk((0.86, 0.66, 0.42), 19.5, 26.0, 1.6), _flat((0.50, 0.58, 0.48), 8.3, 22.7, 20.3, 23.2),
        _box(SOFA, 3.0, 33.0, 2.0, 15.0), _box(SOFA_LIGHT, 6.0, 30.0, 2.6, 8.0),
        _line(EDGE, 0.4, (18.0, 8.0), (18.0, 15.0)), _line(EDGE, 0.4, (18.0, 2.6), (18.0, 8.0)),
        _box(SOFA, 1.5, 6.5, 1.2, 10.5), _box(SOFA, 29.5, 34.5, 1.2, 10.5),
        _flat(DARK_WOOD, 3.0, 4.5, -0.6, 1.2), _flat(DARK_WOOD, 31.5, 33.0, -0.6, 1.2),
        _box(WOOD, 46.0, 58.0, 6.5, 8.5), _flat(WOOD, 47.5, 49.0, -0.4, 6.5), _flat(WOOD, 55.0, 56.5, -0.4, 6.5),
    ),
    "kitchen": (
        _box(LINEN, 11.0, 22.5, 20.0, 31.0), _line(EDGE, 0.4, (16.7, 20.0), (16.7, 31.0)),  # a cupboard
        _box((0.88, 0.89, 0.90), 1.0, 9.5, -0.4, 27.0), _line(EDGE, 0.5, (1.0, 17.0), (9.5, 17.0)),  # a fridge
        _line(DARK, 0.8, (8.0, 12.0), (8.0, 15.5)), _line(DARK, 0.8, (8.0, 18.5), (8.0, 22.0)),
        _box(PALE_WOOD, 10.0, 62.0, -0.4, 11.0), _flat(DARK, 9.6, 62.6, 10.4, 12.0),  # a counter
        _line(EDGE, 0.4, (16.5, 0.0), (16.5, 10.4)), _line(EDGE, 0.4, (43.0, 0.0), (43.0, 10.4)),
        _line(EDGE, 0.4, (52.0, 0.0), (52.0, 10.4)),
        _box(STEEL, 23.0, 36.0, -0.4, 12.0), _box(DARK, 24.8, 34.2, 1.2, 6.8), _flat(DARK, 23.0, 36.0, 11.2, 12.2),
        _line(TEXT, 0.7, (25.0, 7.8), (34.0, 7.8)),  # a stove, its knobs and a pot
        *(_disk(DARK, x, 9.5, 0.8) for x in (25.5, 28.2, 30.8, 33.5)),
        _box((0.46, 0.48, 0.50), 25.0, 31.0, 12.4, 16.4), _line(DARK, 0.8, (31.0, 15.4), (34.0, 15.8)),
    ),
    "bedroom": (
        _box(LINEN, 14.0, 26.0, 20.0, 29.0), _disk((0.62, 0.56, 0.66), 20.0, 24.5, 3.0, 2.6),
        _box(DARK_WOOD, 1.5, 4.5, -0.4, 17.5), _box(DARK_WOOD, 35.0, 37.5, -0.4, 9.5),
        _box(WOOD, 4.0, 36.0, 1.5, 4.6), _box(LINEN, 4.5, 35.5, 4.2, 8.4),
        _box((0.98, 0.97, 0.95), 5.0, 13.5, 8.0, 12.4),
        _box(BLANKET, 14.5, 35.6, 2.2, 9.6), _flat((0.58, 0.54, 0.72), 14.9, 18.0, 2.6, 9.2),
        _box(WOOD, 44.0, 54.0, -0.4, 9.0), _line(EDGE, 0.4, (44.0, 4.5), (54.0, 4.5)),
        _disk(GOLD, 49.0, 6.6, 0.7), _disk(GOLD, 49.0, 2.2, 0.7),
    ),
    "office": (
        _box((0.94, 0.95, 0.95), 3.0, 23.0, 24.5, 32.0), _line(MARKER, 0.6, (5.0, 30.0), (15.0, 30.0)),
        _line(MARKER, 0.6, (5.0, 28.2), (19.0, 28.2)), _line(MARKER, 0.6, (5.0, 26.5), (12.0, 26.5)),
        _box(DARK, 8.0, 25.0, 13.6, 23.2), _flat((0.56, 0.70, 0.80), 9.2, 23.8, 14.8, 22.0),  # a monitor
        _line(TEXT, 0.7, (10.5, 20.4), (19.0, 20.4)), _line(TEXT, 0.7, (10.5, 18.6), (22.0, 18.6)),
        _line(TEXT, 0.7, (10.5, 16.8), (16.0, 16.8)),
        _flat(DARK, 15.4, 17.6, 11.5, 13.8), _flat(DARK, 12.5, 20.5, 11.2, 12.2),
        _box(PALE_WOOD, 1.5, 38.0, 9.4, 11.4), _flat(DARK, 3.0, 4.4, -0.6, 9.4),  # a desk
        _box(PALE_WOOD, 26.0, 36.5, -0.4, 9.4), _line(EDGE, 0.4, (26.0, 6.2), (36.5, 6.2)),
        _line(EDGE, 0.4, (26.0, 3.0), (36.5, 3.0)),
        *(_line(DARK, 0.8, (30.0, up), (32.5, up)) for up in (7.8, 4.6, 1.4)),
        _box((0.80, 0.81, 0.82), 43.0, 62.0, -0.4, 10.6),  # a shelf of binders
        *(
            _box(color, 44.0 + 2.9 * number, 46.6 + 2.9 * number, 0.8, 9.0)
            for number, color in enumerate(
                ((0.36, 0.42, 0.52), (0.58, 0.60, 0.62), (0.36, 0.42, 0.52), (0.44, 0.50, 0.48), (0.58, 0.60, 0.62),
                 (0.36, 0.42, 0.52))
            )
        ),
    ),
    "garage": (
        _box(DARK, 2.0, 31.0, -0.6, 28.0), _flat(SHUTTER, 3.4, 29.6, -0.6, 26.6),  # a shutter
        *(_line((0.54, 0.54, 0.53), 0.9, (3.4, up), (29.6, up)) for up in (2.6, 6.6, 10.6, 14.6, 18.6, 22.6)),
        _flat(DARK, 14.0, 19.0, 1.0, 2.0),
        _box(STEEL, 43.0, 62.0, 4.6, 5.8), _box(STEEL, 43.0, 62.0, -0.4, 0.8),  # a shelf of cartons and cans
        _flat(DARK, 43.0, 44.2, -0.6, 11.0), _flat(DARK, 60.8, 62.0, -0.6, 11.0),
        _box((0.62, 0.48, 0.32), 45.0, 51.0, 5.8, 10.6), _box((0.54, 0.42, 0.30), 52.0, 57.0, 5.8, 9.4),
        _box((0.54, 0.42, 0.30), 46.0, 53.0, 0.8, 4.2), _box((0.44, 0.46, 0.44), 55.0, 59.0, 0.8, 4.0),
    ),
    "museum": (
        _box(GOLD, 1.5, 15.5, 12.5, 31.0), _flat((0.90, 0.87, 0.78), 3.4, 13.6, 14.4, 29.1),  # a portrait
        _disk((0.36, 0.28, 0.26), 8.5, 16.2, 4.0, 4.6), _disk((0.82, 0.66, 0.54), 8.5, 23.4, 2.5, 3.2),
        _disk((0.36, 0.28, 0.26), 8.5, 26.0, 2.7, 1.7), _flat(GOLD, 1.9, 15.1, 12.9, 14.4),
        _box(GOLD, 18.5, 30.5, 15.5, 29.0), _flat((0.64, 0.72, 0.76), 20.2, 28.8, 17.2, 27.3),  # a landscape
        _flat((0.50, 0.52, 0.38), 20.2, 28.8, 17.2, 20.6), _disk((0.94, 0.90, 0.76), 26.2, 24.6, 1.4),
        *(_flat(GOLD, x - 0.7, x + 0.7, -0.8, 8.0) for x in (3.0, 20.0, 37.0, 54.0)),  # a rope on posts
        *(_disk(GOLD, x, 8.2, 1.3) for x in (3.0, 20.0, 37.0, 54.0)),
        *(_disk(GOLD, x, -0.8, 2.0, 0.7) for x in (3.0, 20.0, 37.0, 54.0)),
        *(
            _line(ROPE, 1.3, (x, 7.4), (x + 4.0, 4.8), (x + 8.5, 3.9), (x + 13.0, 4.8), (x + 17.0, 7.4))
            for x in (-14.0, 3.0, 20.0, 37.0, 54.0)
        ),
    ),
}  # fmt: skip
