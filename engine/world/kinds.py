"""The kinds of things, as data: each is made of circles and convex polygons, its own colour or a fixed one."""

from __future__ import annotations

from dataclasses import dataclass

Color = tuple[float, float, float]  # sRGB in [0, 1]


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


KINDS = {
    "ball": Kind((Part("color", circle=(0.0, 1.0, 1.0)),), ("ball", "sphere", "globe")),
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
        ("house", "cottage", "hut", "cabin"),
    ),
    "vase": Kind(
        (
            Part("color", polygon=_box(-0.38, 0.38, 0.5, 2.0)),
            Part("color", polygon=((-0.38, 1.6), (0.38, 1.6), (0.62, 2.1), (-0.62, 2.1))),
            Part("color", circle=(0.0, 0.78, 0.8)),
        ),
        ("vase", "urn", "jar"),
    ),
    "car": Kind(
        (
            Part("color", polygon=((-0.76, 0.3), (0.76, 0.3), (0.76, 0.95), (0.5, 1.8), (-0.5, 1.8), (-0.76, 0.95))),
            Part("color", polygon=_box(-1.1, 1.1, 0.18, 1.16)),
            Part("tire", circle=(-0.6, 0.32, 0.32)),
            Part("tire", circle=(0.6, 0.32, 0.32)),
        ),
        ("car", "automobile", "taxi"),
    ),
}

PAINTS: dict[str, Color] = {"trunk": (0.45, 0.28, 0.14), "roof": (0.32, 0.24, 0.24), "tire": (0.20, 0.20, 0.22)}
