"""Rooms: a wall, a floor and what furnishes them, a window onto the time and the season, and a lamp."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from .furniture import BULB, EDGE, FINE_EDGE, FURNITURE, WINDOW, Piece
from .scenes import OUTDOOR, ROOMS, SEASONS, SIZE, TIMES, Color, Light, Room, Season
from .strips import DESIGN, Canvas, Strips, canvas, pressed, strips
from .trees import Spot, plant

DIM = 0.57  # brightness of a room whose lamp is off
DIM_THINGS = 0.82  # of the things in it: less, so that their colours keep their names
GLOW: Color = (1.0, 0.93, 0.68)
DARK_BULB: Color = (0.30, 0.29, 0.28)
FRAME: Color = (0.95, 0.94, 0.91)
SKIRTING = 1.4  # pixels
COLUMNS = slice(int(WINDOW[0]), int(WINDOW[1]))  # of the window's panes
# behind the window: the land's height, the tree, the sun or moon (x, up, radius), stars, the bar between two panes
LAND, TREE, BAR = 3.0, Spot(47.3, WINDOW[2] + 1.4, 16.5), 53.6
DISK = (57.6, WINDOW[3] - 4.0, 2.3)
STARS = ((44.0, 28.5), (51.5, 29.0), (51.0, 24.5), (56.5, 20.5), (59.0, 17.5))


def wall(texture: str, on: Canvas) -> Tensor:
    """Relative brightness of a wall, [rows, columns]; `ValueError` for a texture that is not known."""
    x, up = on.x, on.up
    shade = torch.ones_like(x * up)
    if texture == "stripes":
        return shade + 0.045 * torch.sin(x * 2 * math.pi / 6).sign()
    if texture == "tiles":
        return torch.where((x % 5 < 0.7) | (up % 5 < 0.7), 0.93, shade)
    if texture == "dots":
        return torch.where(((x % 6 - 3) ** 2 + (up % 6 - 3) ** 2) < 1.2, 1.14, shade)
    if texture == "panels":
        return torch.where((x % 16 < 0.8) | ((up - 10.5).abs() < 0.5), 0.8, shade)
    if texture == "blocks":
        row = (up / 5).floor()
        return torch.where((up % 5 < 0.6) | ((x + 4.5 * row) % 9 < 0.6), 0.84, shade)
    if texture == "plain":
        return shade
    raise ValueError(f"no texture is called {texture!r}")


def floor(texture: str, on: Canvas) -> Tensor:
    """Relative brightness of a floor: its lines run together behind the wall, its rows grow towards the viewer.

    [rows, columns]; `ValueError` for a texture that is not known.
    """
    x, down = on.x - SIZE / 2, (-on.up).clamp(min=0)
    near = (down + 16) / 16
    across, away = x / near, 40 * torch.log(near)
    shade = torch.ones_like(across)
    if texture == "planks":
        return torch.where(across % 6 < 0.7, 0.76, shade + 0.05 * torch.sin((across / 6).floor() * 2.4))
    if texture == "checks":
        return torch.where(((across / 7).floor() + (away / 7).floor()) % 2 == 0, 1.2, 0.82 * shade)
    if texture == "herringbone":
        return shade + 0.09 * torch.sin(across * 0.8 + 2.2 * torch.asin(torch.sin(away * 0.5)))
    if texture == "carpet":
        return shade + 0.035 * torch.sin(across * 2.1) * torch.sin(away * 2.3)
    if texture == "speckles":
        return shade + 0.10 * (torch.sin(across * 1.7 + away) * torch.sin(away * 1.3 - across) > 0.55)
    if texture == "stains":
        stain = ((across - 6) / 9) ** 2 + ((away - 16) / 8) ** 2
        return shade - 0.16 * (stain < 1) - 0.06 * (stain < 1.7)
    raise ValueError(f"no texture is called {texture!r}")


def _lit(color: Color, shade: Tensor) -> Tensor:
    return (torch.tensor(color).view(3, 1, 1) * shade).clamp(0, 1)


def _put(piece: Piece, on: Canvas) -> None:
    """One piece of furniture, with a fine edge if it has one."""
    for color, shrink in ((EDGE, 0.0), (piece.color, FINE_EDGE)) if piece.edged else ((piece.color, 0.0),):
        if piece.box is not None:
            left, right, bottom, top = piece.box
            on.fill(on.box(left + shrink, right - shrink, bottom + shrink, top - shrink), color)
        elif piece.disk is not None:
            x, up, wide, high = piece.disk
            on.fill(on.disk((x, up), wide - shrink, high - shrink), color)
        else:
            on.fill(on.stroke(piece.line, piece.width), color)


def _hang(lit: bool, on: Canvas) -> None:
    """The lamp: a cord from above, a shade and a bulb, which glows."""
    x, up, radius = BULB
    if lit:
        away = ((on.x - x) ** 2 + (on.up - up) ** 2).sqrt()
        glow = 0.62 * torch.exp(-((away / 7.5) ** 2)) * (on.up > 0)
        on.colors[:3] += (torch.tensor(GLOW).view(3, 1, 1) - on.colors[:3]) * glow
    on.fill(on.box(x - 0.4, x + 0.4, up + radius, 99.0), EDGE)
    on.fill(on.disk((x, up), radius + 0.5), EDGE)
    on.fill(on.disk((x, up), radius), (1.0, 0.98, 0.86) if lit else DARK_BULB)
    on.fill(on.box(x - 1.5, x + 1.5, up + radius - 0.6, up + radius + 1.4), EDGE)


def _room(name: str) -> tuple[Tensor, Tensor]:
    """One room with its lamp on and off, without what the window shows: [3, rows, columns] each."""
    look: Room = ROOMS[name]
    on = canvas()
    upper = wall(look.wall_texture, on) * (1 + 0.06 * (on.up / DESIGN).clamp(0, 1))
    lower = floor(look.floor_texture, on) * (0.92 + 0.1 * (-on.up / DESIGN).clamp(0, 1))
    on.fill(on.up > 0, _lit(look.wall, upper))
    on.fill(on.up <= 0, _lit(look.floor, lower))
    on.fill(on.box(0, SIZE, 0, SKIRTING), FRAME)
    left, right, bottom, top = WINDOW
    on.fill(on.box(left - 1.6, right + 1.6, bottom - 2.0, top + 1.6), EDGE)
    on.fill(on.box(left - 1.2, right + 1.2, bottom - 1.6, top + 1.2), FRAME)
    for piece in FURNITURE[name]:
        _put(piece, on)
    dark = Canvas(on.colors * DIM, on.x, on.up)
    _hang(True, on)
    _hang(False, dark)
    return on.colors[:3], dark.colors[:3]


def _view(light: Light, season: Season) -> Tensor:
    """What the window shows, and where: [4, rows, columns]."""
    left, right, bottom, top = WINDOW
    on = canvas()
    panes = on.box(left, right, bottom, top)
    high = ((on.up - bottom) / (top - bottom)).clamp(0, 1)
    above, below = (torch.tensor(each).view(3, 1, 1) for each in (light.top, light.bottom))
    on.fill(panes, (below + (above - below) * high).expand(-1, -1, on.x.shape[1]))
    for x, up in STARS if light.stars else ():
        on.fill(on.disk((x, up), 0.7), (0.9, 0.9, 0.8))
    on.fill(on.disk(DISK[:2], DISK[2]), light.disk_color)
    land = season.land
    on.fill(on.box(left, right, bottom, bottom + LAND), (land[0] * light.far, land[1] * light.far, land[2] * light.far))
    plant(on, TREE, season, light.far)
    on.fill(on.box(BAR - 0.5, BAR + 0.5, bottom, top), FRAME)
    return on.colors * panes


@cache
def _rooms() -> Strips:
    return strips([room for name in ROOMS for room in _room(name)])


@cache
def _views() -> Strips:
    drawn = [_view(light, season) for light in TIMES.values() for season in SEASONS.values()]
    return strips(drawn, COLUMNS)


def rooms(time: Tensor, place: Tensor, season: Tensor, lamp: Tensor, horizon: Tensor) -> Tensor:
    """B rooms, nothing in them: [B, 3, H, W]; `place` counts all places."""
    scale = pressed(horizon)
    pictures = _rooms().cut((place - len(OUTDOOR)) * 2 + lamp, horizon, scale)
    view = _views().cut(time * len(SEASONS) + season, horizon, scale)
    panes = pictures[..., COLUMNS]
    pictures[..., COLUMNS] = panes * (1 - view[:, 3:]) + view[:, :3]
    return pictures
