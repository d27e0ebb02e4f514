"""Colours as CIELAB, and CIEDE2000: how far apart two colours look, after Sharma, Wu and Dalal (2005).

"The CIEDE2000 color-difference formula: implementation notes, supplementary test data, and mathematical
observations", Color Research and Application 30(1). Numbers in brackets are its equations. A difference of 1 is about
what an eye just sees; red and green are some 70 apart.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# IEC 61966-2-1 (sRGB): linear red, green, blue -> XYZ, and its white, D65
_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
_WHITE = (0.95047, 1.0, 1.08883)
_SEVENTH = 25.0**7


def lab(colors: Tensor) -> Tensor:
    """SRGB in [0, 1] -> CIELAB under D65: L* in [0, 100], a* and b* about -110..110. [..., 3] both."""
    linear = torch.where(colors <= 0.04045, colors / 12.92, ((colors.clamp(min=0) + 0.055) / 1.055) ** 2.4)
    xyz = linear @ colors.new_tensor(_XYZ).T / colors.new_tensor(_WHITE)
    cut = 6 / 29
    root = torch.where(xyz > cut**3, xyz.clamp(min=1e-9) ** (1 / 3), xyz / (3 * cut**2) + 4 / 29)
    x, y, z = root.unbind(-1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def _hue(a: Tensor, b: Tensor) -> Tensor:
    """Angle of a hue in [0, 2 pi), 0 for greys (7)."""
    grey = (a == 0) & (b == 0)
    return torch.where(grey, torch.zeros_like(a), torch.atan2(b, a) % (2 * math.pi))


def _turned(first: Tensor, second: Tensor, grey: Tensor) -> Tensor:
    """From the first hue to the second the short way round, 0 where either colour is a grey (10)."""
    turn = second - first
    turn = torch.where(turn > math.pi, turn - 2 * math.pi, torch.where(turn < -math.pi, turn + 2 * math.pi, turn))
    return torch.where(grey, torch.zeros_like(turn), turn)


def _mean_hue(first: Tensor, second: Tensor, grey: Tensor) -> Tensor:
    """The hue halfway the short way round; with a grey the sum, which is the other's hue (14)."""
    total = first + second
    far = (first - second).abs() > math.pi
    half = torch.where(far, torch.where(total < 2 * math.pi, total / 2 + math.pi, total / 2 - math.pi), total / 2)
    return torch.where(grey, total, half)


def _root_seventh(chroma: Tensor) -> Tensor:
    """Square root of C^7 / (C^7 + 25^7), as in (4) and (17)."""
    seventh = chroma**7
    return (seventh / (seventh + _SEVENTH)).sqrt()


def _weights(lightness: Tensor, chroma: Tensor, hue: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """S_L, S_C, S_H and R_T at mean lightness, chroma and hue (15)-(21)."""
    cos = [torch.cos(times * hue - math.radians(turn)) for times, turn in ((1, 30), (2, 0), (3, -6), (4, 63))]
    t = 1 - 0.17 * cos[0] + 0.24 * cos[1] + 0.32 * cos[2] - 0.20 * cos[3]
    bend = math.radians(30) * torch.exp(-(((torch.rad2deg(hue) - 275) / 25) ** 2))
    away = (lightness - 50) ** 2
    s_l = 1 + 0.015 * away / (20 + away).sqrt()
    return s_l, 1 + 0.045 * chroma, 1 + 0.015 * chroma * t, -torch.sin(2 * bend) * 2 * _root_seventh(chroma)


def difference(first: Tensor, second: Tensor) -> Tensor:
    """CIEDE2000 between colours in CIELAB, [..., 3] each (broadcast) -> [...]; k_L = k_C = k_H = 1 (22)."""
    (l1, a1, b1), (l2, a2, b2) = (each.unbind(-1) for each in torch.broadcast_tensors(first, second))
    stretch = 1 + 0.5 * (1 - _root_seventh((torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2))  # 1 + G of (4), (5)
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2, h1, h2 = torch.hypot(a1, b1), torch.hypot(a2, b2), _hue(a1, b1), _hue(a2, b2)
    grey = c1 * c2 == 0
    turn = 2 * (c1 * c2).sqrt() * torch.sin(_turned(h1, h2, grey) / 2)  # (11)
    s_l, s_c, s_h, r_t = _weights((l1 + l2) / 2, (c1 + c2) / 2, _mean_hue(h1, h2, grey))
    light, chroma, hue = (l2 - l1) / s_l, (c2 - c1) / s_c, turn / s_h
    return (light**2 + chroma**2 + hue**2 + r_t * chroma * hue).clamp(min=0).sqrt()
