"""Letters for pictures: labels that can be read at 64 pixels and at 512, whatever lies below them.

Capitals, digits and a few signs come from a table of 5 × 7 dots, a dot being a whole number of pixels wide: an outline
font blurs at such a size. Everything else is Pillow's own font.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.float32]
Paint = tuple[float, float, float, float]  # RGBA in [0, 1]

# 5 × 7 dots of each sign, row after row from the top, five bits a row
_DOTS = """
A 0e 11 11 1f 11 11 11
B 1e 11 11 1e 11 11 1e
C 0e 11 10 10 10 11 0e
D 1e 11 11 11 11 11 1e
E 1f 10 10 1e 10 10 1f
F 1f 10 10 1e 10 10 10
G 0e 11 10 17 11 11 0f
H 11 11 11 1f 11 11 11
I 0e 04 04 04 04 04 0e
J 07 02 02 02 02 12 0c
K 11 12 14 18 14 12 11
L 10 10 10 10 10 10 1f
M 11 1b 15 15 11 11 11
N 11 19 15 13 11 11 11
O 0e 11 11 11 11 11 0e
P 1e 11 11 1e 10 10 10
Q 0e 11 11 11 15 12 0d
R 1e 11 11 1e 14 12 11
S 0f 10 10 0e 01 01 1e
T 1f 04 04 04 04 04 04
U 11 11 11 11 11 11 0e
V 11 11 11 11 11 0a 04
W 11 11 11 15 15 1b 11
X 11 11 0a 04 0a 11 11
Y 11 11 0a 04 04 04 04
Z 1f 01 02 04 08 10 1f
0 0e 11 13 15 19 11 0e
1 04 0c 04 04 04 04 0e
2 0e 11 01 06 08 10 1f
3 1f 02 04 02 01 11 0e
4 02 06 0a 12 1f 02 02
5 1f 10 1e 01 01 11 0e
6 06 08 10 1e 11 11 0e
7 1f 01 02 04 08 08 08
8 0e 11 11 0e 11 11 0e
9 0e 11 11 0f 01 02 0c
. 00 00 00 00 00 0c 0c
- 00 00 00 1f 00 00 00
? 0e 11 01 06 04 00 04
! 04 04 04 04 04 00 04
% 18 19 02 04 08 13 03
"""
_ROWS, _COLUMNS = 7, 5
_SMALL = 14  # pixels: below, whole pixels read better than grey ones
_TABLE = {line[0]: [int(row, 16) for row in line[2:].split()] for line in _DOTS.strip().splitlines()}


def stamp(text: str, middle: tuple[float, float], height: float, paint: Paint, size: tuple[int, int]) -> Pixels:
    """A text as an RGBA picture of `size` (width, height), around `middle` (pixels, from the left and the top).

    It is moved into the picture where it would stick out, and has a rim of the opposite brightness.
    """
    mask = letters(text, height)
    rim = max(1, round(height / _ROWS))
    mask = np.pad(mask, rim)
    width, tall = size
    left = _inside(middle[0] - mask.shape[1] / 2, mask.shape[1], width)
    top = _inside(middle[1] - mask.shape[0] / 2, mask.shape[0], tall)
    cut = mask[max(0, -top) : tall - top, max(0, -left) : width - left]
    whole = np.zeros((tall, width), np.float32)
    whole[max(0, top) : max(0, top) + cut.shape[0], max(0, left) : max(0, left) + cut.shape[1]] = cut
    around = _spread(whole, rim)
    bright = 0.299 * paint[0] + 0.587 * paint[1] + 0.114 * paint[2]  # Rec. 601 luma
    ground = 0.0 if bright > 0.5 else 1.0
    picture = np.empty((tall, width, 4), np.float32)
    picture[..., :3] = whole[..., None] * np.asarray(paint[:3], np.float32) + (1 - whole[..., None]) * ground
    picture[..., 3] = around * paint[3]
    return picture


def _inside(start: float, length: int, of: int) -> int:
    """The whole pixel to start at: inside where there is room, centred where there is not."""
    return min(max(round(start), 0), of - length) if length <= of else (of - length) // 2


def _spread(mask: Pixels, by: int) -> Pixels:
    """The largest value within `by` pixels to each side."""
    for axis in (0, 1):
        wide = np.pad(mask, [(by, by) if side == axis else (0, 0) for side in (0, 1)])
        mask = np.lib.stride_tricks.sliding_window_view(wide, 2 * by + 1, axis).max(-1)
    return mask


def letters(text: str, height: float) -> Pixels:
    """Coverage [h, w] of a text whose capitals are about `height` pixels high, never less than seven."""
    if all(sign in _TABLE or sign == " " for sign in text):
        return _dotted(text, max(1, round(height / _ROWS)))
    return _outlined(text, max(float(_ROWS), height))


def _dotted(text: str, dot: int) -> Pixels:
    codes = np.asarray([_TABLE.get(sign, [0] * _ROWS) for sign in text], np.uint8).T  # [7, signs]
    signs = np.unpackbits(codes[..., None], axis=-1)[..., 8 - _COLUMNS :].astype(np.float32)
    spaced = np.pad(signs, ((0, 0), (0, 0), (0, 1))).reshape(_ROWS, -1)[:, :-1]  # a dot between two signs
    return np.kron(spaced, np.ones((dot, dot), np.float32))


def _outlined(text: str, height: float) -> Pixels:
    """Signs that are not in the table, lower-case letters among them: Pillow's own font, its capitals `height` high."""
    font = ImageFont.load_default(size=height / 0.7)  # of a font's size, capitals have about 0.7
    left, top, right, bottom = font.getbbox(text)
    # room to spare: without grey pixels letters are wider than the font says
    picture = Image.new("L", (int(right - left) + 2 * len(text) + 4, int(bottom - top) + 4), 0)
    pen = ImageDraw.Draw(picture)
    pen.fontmode = "1" if height < _SMALL else "L"
    pen.text((2 - left, 2 - top), text, fill=255, font=font)
    return np.asarray(picture.crop(picture.getbbox()), np.float32) / np.float32(255)
