"""Visual prompts: a drawing becomes an RGBA picture that is laid over, or an RGB picture set beside, the generated one.

Positions are fractions of the picture from its top left corner. Shapes are anti-aliased by coverage: a pixel is as
opaque as the part of it that the shape covers, so that a thin line at y = 0.803 differs from one at 0.800.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

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


def draw(drawing: Drawing, width: int, height: int) -> Pixels:
    """Draw a visual prompt.

    Returns RGBA [H, W, 4] in [0, 1] with straight alpha; for a `reference`, RGB [h, w, 3] in the asset's own size.
    Raises KeyError for an unknown kind, OSError or ValueError for a picture that cannot be read: a resolved plan
    holds neither.
    """
    if drawing.kind == "reference":
        with Image.open(drawing.source) as picture:
            return np.asarray(picture.convert("RGB"), np.float32) / np.float32(255)
    painter = _PAINTERS[drawing.kind]
    return painter(dict(drawing.parameters), _Canvas(width, height, drawing.source))


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
    with Image.open(canvas.source) as asset:
        sized = asset.convert("RGBA").resize((canvas.width, max(1, bottom - top)), Image.Resampling.BILINEAR)
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


def _letters(pen: ImageDraw.ImageDraw, text: str, at: tuple[float, float], height: float) -> None:
    pen.text(at, text, fill=255, font=ImageFont.load_default(size=height), anchor="mm")


def _points(parameters: Parameters, canvas: _Canvas) -> Pixels:
    flat = _texts(parameters, "points")
    dots = [(name, float(x), float(y)) for name, x, y in zip(flat[::3], flat[1::3], flat[2::3], strict=True)]

    def sketch(pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
        r = _number(parameters, "radius") * min(width, height)
        for name, across, down in dots:
            x, y = across * width, down * height
            pen.ellipse((x - r, y - r, x + r, y + r), fill=255)
            # the name stands above its dot, or below it where there is no room above
            _letters(pen, name, (x, y - 3 * r if y > 5 * r else y + 3 * r), 4 * r)

    return _flat(_stencil(canvas, sketch), colour(_text(parameters, "color")))


def _lettering(parameters: Parameters, canvas: _Canvas) -> Pixels:
    (x, y), size = _numbers(parameters, "at"), _number(parameters, "height")

    def sketch(pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
        _letters(pen, _text(parameters, "text"), (x * width, y * height), size * height)

    return _flat(_stencil(canvas, sketch), colour(_text(parameters, "color")))


_PAINTERS: dict[str, Callable[[Parameters, _Canvas], Pixels]] = {
    "line": _line,
    "points": _points,
    "region": _region,
    "palette": _palette,
    "image": _image,
    "text": _lettering,
}


def save(picture: Pixels, path: Path) -> None:
    """Write an RGB or RGBA picture in [0, 1] as PNG, without times or names inside."""
    Image.fromarray(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)).save(path, "PNG")
