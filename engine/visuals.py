"""Visual prompts: a drawing becomes an RGBA picture that is laid over, or an RGB picture set beside, the generated one.

Positions are fractions of the picture from its top left corner. Shapes are anti-aliased by coverage: a pixel is as
opaque as the part of it that the shape covers, so that a thin line at y = 0.803 differs from one at 0.800.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from . import assets, files, glyphs
from .plan import Drawing, Scalar

Pixels = NDArray[np.float32]
Parameters = Mapping[str, Scalar | tuple[Scalar, ...]]

# Shapes without a closed form of coverage are drawn this many times larger and averaged.
_SUPERSAMPLE = 8
_OUTLINE = 0.02  # thickness of a region's outline, of the shorter side


@dataclass(frozen=True, slots=True)
class _Canvas:
    width: int
    height: int
    source: str
    sha256: str


def draw(drawing: Drawing, width: int, height: int) -> Pixels:
    """Draw a visual prompt.

    Returns RGBA [H, W, 4] in [0, 1] with straight alpha; for a `reference`, RGB [h, w, 3] in the asset's own size.
    Raises KeyError for an unknown kind, ValueError for a picture that cannot be read: a resolved plan holds neither;
    `WorkError` for a picture that is not what the plan has of it any more.
    """
    if drawing.kind == "reference":
        return np.asarray(assets.rgb(Path(drawing.source), drawing.sha256), np.float32) / np.float32(255)
    painter = _PAINTERS[drawing.kind]
    return painter(dict(drawing.parameters), _Canvas(width, height, drawing.source, drawing.sha256))


def mirrored(drawing: Drawing) -> Drawing:
    """The drawing for the mirrored picture: what marks a place marks the mirrored one, what is read stays readable."""
    parameters = dict(drawing.parameters)
    if drawing.kind == "line" and "x" in parameters:
        parameters["x"] = 1 - _number(parameters, "x")
    elif drawing.kind == "region":
        start, end = _numbers(parameters, "x")
        parameters["x"] = (1 - end, 1 - start)
    elif drawing.kind == "text":
        x, y = _numbers(parameters, "at")
        parameters["at"] = (1 - x, y)
    elif drawing.kind == "points":
        points = [item for name, x, y in _labelled(parameters) for item in (name, 1 - x, y)]
        parameters["points"] = tuple(points)
    return replace(drawing, parameters=tuple(parameters.items()))


def lay_over(picture: Pixels, overlay: Pixels) -> Pixels:
    """Compose an RGBA overlay [H, W, 4] over an RGB picture [H, W, 3]."""
    alpha = overlay[..., 3:]
    return (picture * (1 - alpha) + overlay[..., :3] * alpha).astype(np.float32)


def colour(text: str) -> tuple[float, float, float, float]:
    """RGBA in [0, 1] of a CSS name or `#rrggbb[aa]`; ValueError where it is neither."""
    red, green, blue, alpha = ImageColor.getcolor(text, "RGBA")  # pyright: ignore[reportGeneralTypeIssues]
    return red / 255, green / 255, blue / 255, alpha / 255


def coverage(start: float, end: float, pixels: int) -> Pixels:
    """The part of each of `pixels` rows (or columns) that the span [start, end], in fractions, covers: [pixels]."""
    edges = np.arange(pixels, dtype=np.float64)
    return np.clip(np.minimum(end * pixels, edges + 1) - np.maximum(start * pixels, edges), 0, 1).astype(np.float32)


def _flat(mask: Pixels, paint: tuple[float, float, float, float]) -> Pixels:
    picture = np.empty((*mask.shape, 4), np.float32)
    picture[..., :3] = paint[:3]
    picture[..., 3] = mask * paint[3]
    return picture


def _number(parameters: Parameters, name: str) -> float:
    value = parameters[name]
    if isinstance(value, (int, float)):
        return float(value)
    raise TypeError(f"{name} is no number: {value!r}")


def _numbers(parameters: Parameters, name: str) -> tuple[float, ...]:
    values = parameters[name]
    if isinstance(values, tuple):
        return tuple(float(value) for value in values)
    raise TypeError(f"{name} is no list: {values!r}")


def _text(parameters: Parameters, name: str) -> str:
    return str(parameters[name])


def _texts(parameters: Parameters, name: str) -> tuple[str, ...]:
    values = parameters[name]
    return tuple(str(value) for value in values) if isinstance(values, tuple) else (str(values),)


def _line(parameters: Parameters, canvas: _Canvas) -> Pixels:
    half = _number(parameters, "thickness") / 2
    if "y" in parameters:
        y = _number(parameters, "y")
        mask = np.repeat(coverage(y - half, y + half, canvas.height)[:, None], canvas.width, axis=1)
    else:
        x = _number(parameters, "x")
        mask = np.repeat(coverage(x - half, x + half, canvas.width)[None, :], canvas.height, axis=0)
    return _flat(mask, colour(_text(parameters, "color")))


def _region(parameters: Parameters, canvas: _Canvas) -> Pixels:
    """The outline of a box: filled, it would hide what it points at."""
    (top, bottom), (left, right) = _numbers(parameters, "y"), _numbers(parameters, "x")
    across, down = _OUTLINE * min(1.0, canvas.height / canvas.width), _OUTLINE * min(1.0, canvas.width / canvas.height)
    outer = _box(left, right, top, bottom, canvas)
    inner = _box(left + across, right - across, top + down, bottom - down, canvas)
    return _flat(outer - inner, colour(_text(parameters, "color")))


def _box(left: float, right: float, top: float, bottom: float, canvas: _Canvas) -> Pixels:
    return coverage(top, bottom, canvas.height)[:, None] * coverage(left, right, canvas.width)[None, :]


def _band(parameters: Parameters) -> tuple[float, float]:
    """The span of heights that a palette or a picture takes, at the top or at the bottom."""
    height = _number(parameters, "height")
    return (0.0, height) if _text(parameters, "at") == "top" else (1.0 - height, 1.0)


def _palette(parameters: Parameters, canvas: _Canvas) -> Pixels:
    paints = [colour(text) for text in _texts(parameters, "palette")]
    top, bottom = _band(parameters)
    rows = coverage(top, bottom, canvas.height)
    shares = np.stack([coverage(i / len(paints), (i + 1) / len(paints), canvas.width) for i in range(len(paints))])
    table = np.asarray(paints, np.float32)
    alpha = shares.T @ table[:, 3]
    rgb = (shares.T * table[:, 3]) @ table[:, :3] / np.maximum(alpha, 1e-6)[:, None]
    picture = np.empty((canvas.height, canvas.width, 4), np.float32)
    picture[..., :3] = rgb[None, :, :]
    picture[..., 3] = rows[:, None] * alpha[None, :]
    return picture


def _image(parameters: Parameters, canvas: _Canvas) -> Pixels:
    start, end = _band(parameters)
    top, bottom = round(start * canvas.height), round(end * canvas.height)
    size = canvas.width, max(1, bottom - top)
    # Pillow multiplies by alpha before it averages: what is transparent lends no colour to what is not
    sized = assets.rgba(Path(canvas.source), canvas.sha256).resize(size, Image.Resampling.BILINEAR)
    top = min(top, canvas.height - sized.height)
    picture = np.zeros((canvas.height, canvas.width, 4), np.float32)
    picture[top : top + sized.height] = np.asarray(sized, np.float32) / np.float32(255)
    picture[..., 3] *= _number(parameters, "opacity")
    return picture


def _stencil(canvas: _Canvas, sketch: Callable[[ImageDraw.ImageDraw, int, int], None]) -> Pixels:
    """Coverage [H, W] of what `sketch` draws in white on a canvas that is `_SUPERSAMPLE` times larger."""
    width, height = canvas.width * _SUPERSAMPLE, canvas.height * _SUPERSAMPLE
    large = Image.new("L", (width, height), 0)
    sketch(ImageDraw.Draw(large), width, height)
    fine = np.asarray(large, np.float32) / np.float32(255)
    return fine.reshape(canvas.height, _SUPERSAMPLE, canvas.width, _SUPERSAMPLE).mean(axis=(1, 3), dtype=np.float32)


def _labelled(parameters: Parameters) -> list[tuple[str, float, float]]:
    """The points: name, x, y."""
    flat = _texts(parameters, "points")
    return [(name, float(x), float(y)) for name, x, y in zip(flat[::3], flat[1::3], flat[2::3], strict=True)]


def _points(parameters: Parameters, canvas: _Canvas) -> Pixels:
    dots, paint = _labelled(parameters), colour(_text(parameters, "color"))
    r = _number(parameters, "radius") * min(canvas.width, canvas.height)

    def sketch(pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
        for _, across, down in dots:
            x, y, large = across * width, down * height, r * _SUPERSAMPLE
            pen.ellipse((x - large, y - large, x + large, y + large), fill=255)

    picture = _flat(_stencil(canvas, sketch), paint)
    size = (canvas.width, canvas.height)
    for name, across, down in dots:
        x, y = across * canvas.width, down * canvas.height
        # the name stands above its dot, or below it where there is no room above
        away = max(3.5 * r, r + 5.5)
        middle = (x, y - away if y > away + max(2 * r, 4.5) else y + away)
        picture = _stacked(picture, glyphs.stamp(name, middle, 4 * r, paint, size))
    return picture


def _stacked(below: Pixels, above: Pixels) -> Pixels:
    """One RGBA picture over another, straight alpha (Porter and Duff 1984, `over`)."""
    under = below[..., 3:] * (1 - above[..., 3:])
    alpha = above[..., 3:] + under
    rgb = (above[..., :3] * above[..., 3:] + below[..., :3] * under) / np.maximum(alpha, 1e-6)
    return np.concatenate([np.where(alpha > 0, rgb, below[..., :3]), alpha], axis=2).astype(np.float32)


def _lettering(parameters: Parameters, canvas: _Canvas) -> Pixels:
    (x, y), height = _numbers(parameters, "at"), _number(parameters, "height") * canvas.height
    middle, size = (x * canvas.width, y * canvas.height), (canvas.width, canvas.height)
    return glyphs.stamp(_text(parameters, "text"), middle, height, colour(_text(parameters, "color")), size)


_PAINTERS: dict[str, Callable[[Parameters, _Canvas], Pixels]] = {
    "line": _line,
    "points": _points,
    "region": _region,
    "palette": _palette,
    "image": _image,
    "text": _lettering,
}


def save(picture: Pixels, path: Path) -> None:
    """Write an RGB or RGBA picture in [0, 1] as PNG, without times or names inside. Raises `OSError`."""
    drawn = io.BytesIO()
    Image.fromarray(eight_bits(picture)).save(drawn, "PNG")
    files.write(path, drawn.getvalue())


def eight_bits(picture: Pixels) -> NDArray[np.uint8]:
    """A picture in [0, 1] as it is written to a file, of 8 bits a channel."""
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
