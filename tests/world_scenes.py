"""Scenes of the embedded world for its tests: a plain one, but for what a test says."""

from __future__ import annotations

import torch
from control_recipes.engine.world import painter
from control_recipes.engine.world.scenes import WORDS

PLAIN: dict[str, str | float] = {
    "time": "day",
    "place": "grass",
    "thing": "ball",
    "color": "red",
    "horizon": 0.5,
    "position": 0.5,
    "size": 0.165,
    "outline": 1.9,
    "season": "summer",
    "lamp": "on",
    "other": "none",
    "other_color": "blue",
    "ink": "black",
    "arrangement": "red_blue_yellow",
    "camera": 1.0,
    "other_position": 0.75,
    "depth": -0.6,
    "grade": 0.0,
    "split_x": 0.5,
    "split_y": 0.5,
}


def one(**factors: str | float) -> painter.Scenes:
    """A red ball by day in the grass, but for what `factors` say: words, or numbers."""
    return painter.Scenes(**{name: _tensor(name, value) for name, value in (PLAIN | factors).items()})


def _tensor(name: str, value: str | float) -> torch.Tensor:
    if name in WORDS:
        return torch.tensor([WORDS[name].index(str(value))])
    return torch.tensor([float(value)])


def drawn(count: int = 32, seed: int = 0) -> painter.Scenes:
    """What a generator without a caption would have."""
    return painter.draw(count, torch.Generator().manual_seed(seed))
