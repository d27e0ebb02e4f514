"""Charts for the report: inline SVG, no scripts, colours by the page's own classes.

Every function returns markup that fills its box's width; text in it is escaped. Truth (pixels) and belief (critics)
have one colour each throughout, set in report.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from .figures import Interval, Measured


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: `points` are (step, value)."""

    label: str
    points: tuple[tuple[int, float], ...]
    style: str  # a class of the page: belief | judge | loss


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where data lies in the picture: 320 × 150 with room for the axes' figures."""

    steps: int
    low: float
    high: float
    left: float = 30
    right: float = 312
    top: float = 10
    bottom: float = 126

    def x(self, step: float) -> float:
        return self.left + (self.right - self.left) * step / max(1, self.steps)

    def y(self, value: float) -> float:
        share = (value - self.low) / max(1e-9, self.high - self.low)
        return self.bottom - (self.bottom - self.top) * min(1.0, max(0.0, share))


def curve(title: str, lines: Sequence[Line], steps: int, level: float = 0.0, unit: bool = True) -> Markup:
    """Curves over training steps, thin as they were and bold smoothed; `level` > 0 draws a dashed line there.

    `unit`: the values are probabilities and the axis is [0, 1]; otherwise it begins at 0 and fits the values.
    """
    top = 1.0 if unit else max((value for line in lines for _, value in line.points), default=1.0) * 1.05
    frame = _Frame(steps, 0.0, top)
    parts = [_axis(frame, unit)]
    if level:
        y = frame.y(level)
        parts.append(f'<line class="level" x1="{frame.left}" x2="{frame.right}" y1="{y:.1f}" y2="{y:.1f}"/>')
    for line in lines:
        smooth = _smoothed(line.points)
        parts.append(f'<polyline class="raw {line.style}" points="{_path(frame, line.points)}"/>')
        parts.append(f'<polyline class="bold {line.style}" points="{_path(frame, smooth)}"/>')
    return _svg(320, 150, title, "".join(parts))


def _axis(frame: _Frame, unit: bool) -> str:
    values = (0.0, 0.5, 1.0) if unit else (0.0, frame.high / 2, frame.high)
    texts = [f"{value:g}" if unit else f"{value:.2g}" for value in values]
    rules = [
        f'<line class="rule" x1="{frame.left}" x2="{frame.right}" y1="{frame.y(value):.1f}" y2="{frame.y(value):.1f}"/>'
        f'<text x="{frame.left - 5}" y="{frame.y(value) + 3.5:.1f}" text-anchor="end">{text}</text>'
        for value, text in zip(values, texts, strict=True)
    ]
    ends = [(0, "start", "0"), (frame.steps, "end", f"step {frame.steps}")]
    feet = [f'<text x="{frame.x(at):.1f}" y="143" text-anchor="{side}">{text}</text>' for at, side, text in ends]
    return "".join(rules + feet)


def _path(frame: _Frame, points: Sequence[tuple[int, float]]) -> str:
    return " ".join(f"{frame.x(step):.1f},{frame.y(value):.1f}" for step, value in points)


def _smoothed(points: Sequence[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """A running mean over about a twelfth of the curve; both ends keep a window of what is there."""
    reach = max(1, len(points) // 24)
    values = [value for _, value in points]
    windows = [values[max(0, i - reach) : i + reach + 1] for i in range(len(values))]
    return tuple((step, sum(window) / len(window)) for (step, _), window in zip(points, windows, strict=True))


def dumbbell(measure: Measured) -> Markup:
    """Before (hollow) and after (solid) on one axis from 0 to 100 %, each with its 95 % interval."""
    parts = ['<line class="rule" x1="8" x2="212" y1="15" y2="15"/>']
    parts += [f'<line class="tick" x1="{_at(share)}" x2="{_at(share)}" y1="12" y2="18"/>' for share in (0, 0.5, 1)]
    parts.append(f'<line class="link" x1="{_at(measure.before)}" x2="{_at(measure.after)}" y1="15" y2="15"/>')
    parts.append(_whisker(measure.before_interval, "before"))
    parts.append(_whisker(measure.interval, "after"))
    parts.append(f'<circle class="before" cx="{_at(measure.before)}" cy="15" r="5"/>')
    parts.append(f'<circle class="after" cx="{_at(measure.after)}" cy="15" r="5"/>')
    return _svg(220, 30, f"{measure.name}: from {measure.before:.0%} to {measure.after:.0%}", "".join(parts))


def _at(share: float) -> str:
    return f"{8 + 204 * share:.1f}"


def _whisker(interval: Interval, style: str) -> str:
    return f'<line class="whisker {style}" x1="{_at(interval[0])}" x2="{_at(interval[1])}" y1="15" y2="15"/>'


def _svg(width: int, height: int, title: str, body: str) -> Markup:
    label = escape(title)
    return Markup(f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{body}</svg>')
