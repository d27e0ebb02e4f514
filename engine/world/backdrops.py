"""What is behind the things: sky over ground with a tree that shows the season, a room, or a painting."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from .rooms import rooms
from .scenes import GROUNDS, SEASONS, SIZE, TIMES
from .things import cover, grid, rgb
from .trees import trees


@cache
def skies() -> Tensor:
    """Every sky over the whole picture, whatever ground will cover: [times, 3, H, W]."""
    y, x = grid()
    pictures: list[Tensor] = []
    for light in TIMES.values():
        sky = rgb(light.top) + (rgb(light.bottom) - rgb(light.top)) * y
        if light.stars:
            for left, top in ((0.12, 0.1), (0.3, 0.22), (0.45, 0.08), (0.62, 0.17), (0.2, 0.34), (0.55, 0.32)):
                star = cover(((x - left) ** 2 + (y - top) ** 2).sqrt() * SIZE - 0.6)
                sky = sky + (rgb((0.9, 0.9, 0.8)) - sky) * star
        left, top, radius = light.disk
        disk = cover((((x - left) ** 2 + (y - top) ** 2).sqrt() - radius) * SIZE)
        pictures.append(sky + (rgb(light.disk_color) - sky) * disk)
    return torch.stack(pictures)


def _texture(name: str) -> Tensor:
    """Relative brightness of a ground, [H, W] around 1."""
    y, x = grid()
    if name == "blades":
        return 1 + 0.07 * (torch.sin(x * 100) * torch.sin(y * 41 + 3 * torch.sin(x * 23)))
    if name == "grains":
        return 1 + 0.035 * torch.sin(x * 57 + 5 * torch.sin(y * 31)) * torch.sin(y * 67)
    if name == "drifts":
        return 1 + 0.035 * torch.sin(x * 9 + y * 31)
    if name == "waves":
        return 1 + 0.12 * torch.sin(y * 60 + 0.8 * torch.sin(x * 13))
    raise ValueError(f"no texture is called {name!r}")


@cache
def grounds() -> Tensor:
    """Every ground under every light over the whole picture: [places, times, 3, H, W]."""
    y, _ = grid()
    rows: list[Tensor] = []
    for ground in GROUNDS.values():
        shade = _texture(ground.texture) * (0.9 + 0.14 * y)
        rows.append(torch.stack([(rgb(ground.color[time]) * shade).clamp(0, 1) for time in TIMES]))
    return torch.stack(rows)


def outdoors(time: Tensor, place: Tensor, season: Tensor, horizon: Tensor) -> Tensor:
    """Sky over ground, and trees between them: [B, 3, H, W]."""
    y, _ = grid()
    above = (horizon.view(-1, 1, 1, 1) * SIZE - y * SIZE + 0.5).clamp(0, 1)
    pictures = skies()[time] * above + grounds()[place, time] * (1 - above)
    planted = trees().cut(time * len(SEASONS) + season, horizon, torch.ones_like(horizon))
    return pictures * (1 - planted[:, 3:]) + planted[:, :3]


__all__ = ["grounds", "outdoors", "rooms", "skies"]
