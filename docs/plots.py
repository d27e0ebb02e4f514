"""Plots of the docs: curves as SVG that stands alone, drawn the same from the same numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 470, 34, 270  # of the axes; what curves are called stands right of them
COLOURS = ("#14746f", "#c2552d", "#5b6b8c", "#a08a2c")
STYLE = """text { font: 13px system-ui, sans-serif; fill: #3a424d } .title { font-weight: 600 }
.rule { stroke: #e4e1d9 } .axis { stroke: #8a8f98 } .curve { fill: none; stroke-width: 2.2 }
.level { stroke: #8a8f98; stroke-dasharray: 4 4 }"""


@dataclass(frozen=True, slots=True)
class Curve:
    label: str
    points: Sequence[tuple[float, float]]  # by x, ascending
    colour: int = 0  # its place in COLOURS
    dashed: bool = False


def plot(title: str, across: str, up: str, curves: Sequence[Curve], top: float = 0.0, level: float = 0.0) -> str:
    """Both axes from 0; `across` and `up` say what they are, in which unit. `level` > 0 draws a dashed line there."""
    widest = _round_up(max(x for curve in curves for x, _ in curve.points))
    highest = top or _round_up(max(y for curve in curves for _, y in curve.points))

    def x(value: float) -> str:
        return f"{LEFT + (RIGHT - LEFT) * value / widest:.1f}"

    def y(value: float) -> str:
        return f"{BOTTOM - (BOTTOM - TOP) * value / highest:.1f}"

    parts = [f'<text class="title" x="{LEFT}" y="18">{escape(title)}</text>']
    for share in (0, 0.25, 0.5, 0.75, 1):
        value, foot = share * highest, share * widest
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{RIGHT}" y1="{y(value)}" y2="{y(value)}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{float(y(value)) + 4:.1f}" text-anchor="end">{value:.3g}</text>')
        parts.append(f'<text x="{x(foot)}" y="{BOTTOM + 18}" text-anchor="middle">{foot:.3g}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{BOTTOM}" y2="{BOTTOM}"/>')
    if level:
        parts.append(f'<line class="level" x1="{LEFT}" x2="{RIGHT}" y1="{y(level)}" y2="{y(level)}"/>')
    parts.append(f'<text x="{RIGHT}" y="{BOTTOM + 38}" text-anchor="end">{escape(across)}</text>')
    parts.append(f'<text x="{RIGHT}" y="18" text-anchor="end">{escape(up)}</text>')
    for curve, place in zip(curves, _places([float(y(curve.points[-1][1])) for curve in curves]), strict=True):
        parts += _drawn(curve, [(x(one), y(other)) for one, other in curve.points], place)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    lines = "\n".join(parts)
    return f'{head} aria-label="{escape(title)}">\n<style>{STYLE}</style>\n{ground}\n{lines}\n</svg>\n'


def _drawn(curve: Curve, points: Sequence[tuple[str, str]], place: float) -> list[str]:
    colour = COLOURS[curve.colour]
    path = " ".join(f"{one},{other}" for one, other in points)
    dashes = ' stroke-dasharray="6 4"' if curve.dashed else ""
    dots = [f'<circle cx="{one}" cy="{other}" r="3" fill="{colour}"/>' for one, other in points]
    name = f'<text x="{RIGHT + 12}" y="{place + 4:.1f}" style="fill: {colour}">{escape(curve.label)}</text>'
    return [f'<polyline class="curve" stroke="{colour}"{dashes} points="{path}"/>', *dots, name]


def _places(wanted: Sequence[float]) -> list[float]:
    """Heights of the curves' names near where they end, a line apart from each other."""
    found = list(wanted)
    order = sorted(range(len(wanted)), key=lambda at: wanted[at], reverse=True)
    for above, at in pairwise(order):
        found[at] = min(found[at], found[above] - 16)
    below = max(0.0, TOP - min(found))  # none above the picture's edge
    return [place + below for place in found]


def _round_up(value: float) -> float:
    """The next number of one or two digits that quarters well."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * step for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10, 12) if unit * step >= value * 0.999)
