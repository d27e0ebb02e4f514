"""CIEDE2000: the published pairs come out as published, and sRGB becomes CIELAB as its standard says."""

from __future__ import annotations

import pytest
import torch
from control_recipes.engine.world import ciede2000

# Table 1 of Sharma, Wu and Dalal (2005): L*, a*, b* of two colours, and their difference
BLUE, GREY, RED = (50.0, 0.0, -82.7485), (50.0, 0.0, 0.0), (50.0, 2.5, 0.0)
PAIRS = (
    ((50.0, 2.6772, -79.7751), BLUE, 2.0425),
    ((50.0, 3.1571, -77.2803), BLUE, 2.8615),
    ((50.0, 2.8361, -74.0200), BLUE, 3.4412),
    ((50.0, -1.3802, -84.2814), BLUE, 1.0),
    ((50.0, -1.1848, -84.8006), BLUE, 1.0),
    ((50.0, -0.9009, -85.5211), BLUE, 1.0),
    (GREY, (50.0, -1.0, 2.0), 2.3669),
    ((50.0, -1.0, 2.0), GREY, 2.3669),
    ((50.0, 2.4900, -0.0010), (50.0, -2.4900, 0.0009), 7.1792),
    ((50.0, 2.4900, -0.0010), (50.0, -2.4900, 0.0010), 7.1792),
    ((50.0, 2.4900, -0.0010), (50.0, -2.4900, 0.0011), 7.2195),
    ((50.0, 2.4900, -0.0010), (50.0, -2.4900, 0.0012), 7.2195),
    ((50.0, -0.0010, 2.4900), (50.0, 0.0009, -2.4900), 4.8045),
    ((50.0, -0.0010, 2.4900), (50.0, 0.0010, -2.4900), 4.8045),
    ((50.0, -0.0010, 2.4900), (50.0, 0.0011, -2.4900), 4.7461),
    (RED, (50.0, 0.0, -2.5), 4.3065),
    (RED, (73.0, 25.0, -18.0), 27.1492),
    (RED, (61.0, -5.0, 29.0), 22.8977),
    (RED, (56.0, -27.0, -3.0), 31.9030),
    (RED, (58.0, 24.0, 15.0), 19.4535),
    (RED, (50.0, 3.1736, 0.5854), 1.0),
    (RED, (50.0, 3.2972, 0.0), 1.0),
    (RED, (50.0, 1.8634, 0.5757), 1.0),
    (RED, (50.0, 3.2592, 0.3350), 1.0),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
    ((61.2901, 3.7196, -5.3901), (61.4292, 2.2480, -4.9620), 1.8731),
    ((35.0831, -44.1164, 3.7933), (35.0232, -40.0716, 1.5901), 1.8645),
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ((36.4612, 47.8580, 18.3852), (36.2715, 50.5065, 21.2231), 1.4146),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((90.9257, -0.5406, -0.9208), (88.6381, -0.8985, -0.7239), 1.5381),
    ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
)


def columns() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    first, second, expected = (torch.tensor(each, dtype=torch.float64) for each in zip(*PAIRS, strict=True))
    return first, second, expected


def test_the_published_pairs():
    first, second, expected = columns()
    assert len(expected) == 34
    assert (ciede2000.difference(first, second) - expected).abs().max() < 5.1e-5


def test_either_way_round():
    first, second, expected = columns()
    assert (ciede2000.difference(second, first) - expected).abs().max() < 5.1e-5


def test_the_check_sees_plain_distances():
    first, second, expected = columns()
    assert ((first - second).norm(dim=-1) - expected).abs().max() > 1


def test_a_colour_is_no_distance_from_itself():
    colors = torch.rand(64, 3, generator=torch.Generator().manual_seed(0))
    assert ciede2000.difference(ciede2000.lab(colors), ciede2000.lab(colors)).max() == 0


@pytest.mark.parametrize(
    ("color", "expected"),
    [
        ((1.0, 1.0, 1.0), (100.0, 0.0, 0.0)),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((1.0, 0.0, 0.0), (53.24, 80.09, 67.20)),
        ((0.0, 1.0, 0.0), (87.73, -86.18, 83.18)),
        ((0.0, 0.0, 1.0), (32.30, 79.19, -107.86)),
    ],
)
def test_corners_of_srgb(color: tuple[float, ...], expected: tuple[float, ...]):
    seen = ciede2000.lab(torch.tensor(color, dtype=torch.float64))
    assert (seen - torch.tensor(expected, dtype=torch.float64)).abs().max() < 0.01


def test_many_with_many():
    colors = ciede2000.lab(torch.rand(5, 3, generator=torch.Generator().manual_seed(1)))
    table = ciede2000.difference(colors.unsqueeze(1), colors.unsqueeze(0))
    assert table.shape == (5, 5)
    assert torch.allclose(table, table.T, atol=1e-3)
