"""The continuous factors of a scene, as data: their ranges, the words for them, and how captions say those.

Positions and sizes are fractions of the picture, from the top left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Scale:
    """A continuous factor: the values its words stand for, and where the words end."""

    words: dict[str, float]  # a word and the value it stands for, ascending
    bounds: tuple[float, ...]  # between neighbouring words
    low: float
    high: float
    phrases: dict[str, tuple[str, ...]]  # a word without any is never said

    def word(self, value: float) -> str:
        """The word for a value."""
        return list(self.words)[sum(value > bound for bound in self.bounds)]


_SIDES = {"left": 0.25, "middle": 0.5, "right": 0.75}

SCALES = {
    "size": Scale(  # half the width of A as it is seen from eye level
        {"small": 0.135, "medium": 0.165, "large": 0.20}, (0.15, 0.1825), 0.125, 0.21,
        {"small": ("small", "little", "tiny"), "large": ("large", "big", "huge")},
    ),
    "position": Scale(  # of A's middle
        _SIDES, (0.375, 0.625), 0.22, 0.78,
        {
            "left": ("on the left", "at the left", "on the left side"),
            "middle": ("in the middle", "in the center", "at the center"),
            "right": ("on the right", "at the right", "on the right side"),
        },
    ),
    "outline": Scale(  # pixels
        {"thin": 0.9, "medium": 1.9, "thick": 3.0}, (1.4, 2.45), 0.8, 3.2,
        {"thin": ("thin", "fine", "delicate"), "thick": ("thick", "bold", "heavy")},  # lines; more in `phrases`
    ),
    "camera": Scale(  # 0 a robot vacuum's, 1 eye level; indoors
        {"low": 0.06, "high": 0.95}, (0.5,), 0.0, 1.0,
        {
            "low": ("from the floor", "seen from the floor", "seen by a robot vacuum", "at floor level"),
            "high": ("from eye level", "at eye level", "seen at head height", "from a normal height"),
        },
    ),
    "other_position": Scale(_SIDES, (0.375, 0.625), 0.05, 0.95, {}),  # of B's middle; follows from A's in part
    "depth": Scale(  # of B relative to A; a phrase stands between B and A: "a vase behind a ball"
        {"farther": -0.6, "nearer": 0.6}, (0.0,), -1.0, 1.0,
        {
            "farther": ("behind", "farther away than", "beyond"),
            "nearer": ("in front of", "nearer than", "closer than"),
        },
    ),
    "grade": Scale(  # -1 cool .. 1 warm
        {"cool": -0.8, "neutral": 0.0, "warm": 0.8}, (-0.4, 0.4), -1.0, 1.0,
        {
            "cool": ("in cool colors", "with a cool palette", "in cold tones", "with a cool tint"),
            "neutral": ("in neutral colors", "with a neutral palette", "in balanced tones", "with no tint"),
            "warm": ("in warm colors", "with a warm palette", "in warm tones", "in cozy colors", "with a warm tint"),
        },
    ),
    "split_x": Scale(  # of a painting's main vertical line
        {"left": 0.33, "middle": 0.5, "right": 0.67}, (0.42, 0.58), 0.25, 0.75,
        {
            "left": ("divided at the left", "with a wide right side"),
            "middle": ("divided at the center",),
            "right": ("divided at the right", "with a wide left side"),
        },
    ),
    "split_y": Scale(  # of a painting's main horizontal line
        {"high": 0.33, "middle": 0.5, "low": 0.67}, (0.42, 0.58), 0.25, 0.75,
        {
            "high": ("divided near the top", "with a tall lower part"),
            "middle": ("divided halfway down",),
            "low": ("divided near the bottom", "with a tall upper part"),
        },
    ),
}  # fmt: skip

HORIZON = (0.2, 0.88)  # lowest and highest row that a scene has
DEPTH = 0.25  # least distance between A and B, of a range of 1


def standing(size: Tensor) -> Tensor:
    """How far down between horizon and lower edge a thing of this half width stands, seen from eye level."""
    return 0.3 + 0.35 * (size - 0.125) / 0.085
