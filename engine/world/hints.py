"""A second, denser lesson for a critic's vision tower: linear heads name every factor from a picture's features.

Of all features together they ask for every factor, for what is laid over the picture, and for how far that is from what
it would match, and which of two labelled dots is on the nearer thing; of each token for what its square of the picture
shows (`cells`), for the dot in it, and for its row and column: in the language model's own positions tokens beside each
other hardly differ. The heads are thrown away after the training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import cells, overlays, painter
from .cells import UNSEEN as UNSEEN
from .overlays import Laid
from .scales import HORIZON, SCALES
from .scenes import PLACES, WORDS
from .truth import SEEN

BINS = 32
Targets = Mapping[str, Tensor]  # index [B] of each factor's word or bin, `UNSEEN` where it cannot be seen

# what is laid over a picture, the factor that it would match, and the range of the differences that are told apart
OFFSETS = {
    "line offset": ("line row", "horizon", 0.3), "swatches offset": ("swatches", "grade", 1.0),
    "weight offset": ("weight", "outline", 2.0),
}  # fmt: skip

# continuous factors and their ranges, cut into bins
ROWS = {
    "horizon": (HORIZON[0] - 0.05, HORIZON[1] + 0.05),
    **{name: (scale.low, scale.high) for name, scale in SCALES.items()},
    **overlays.NUMBERS,
    **{name: (-reach, reach) for name, (_, _, reach) in OFFSETS.items()},
}  # fmt: skip
DOTS = "AB"
SIZES = {name: len(words) for name, words in WORDS.items()} | dict.fromkeys(ROWS, BINS) | {"dots": len(DOTS)}
OF_B = ("other_color", "other_position", "depth")


def features(output: object) -> Tensor:
    """The features [.., D] that a tower puts out: a tensor, or what stock classes call `pooler_output`."""
    found: Any = output
    return found if isinstance(found, Tensor) else found.pooler_output


def binned(name: str, values: Tensor) -> Tensor:
    """The bin of each value of a continuous factor."""
    low, high = ROWS[name]
    return ((values - low) / (high - low) * BINS).long().clamp(0, BINS - 1)


def of_scenes(scenes: painter.Scenes) -> dict[str, Tensor]:
    """What there is to be seen of B scenes."""
    found: dict[str, Tensor] = {}
    for name in painter.FACTORS:
        values = getattr(scenes, name)
        index = binned(name, values) if name in ROWS else values
        found[name] = torch.where(_seen(name, scenes), index, UNSEEN)
    return found


def _seen(name: str, scenes: painter.Scenes) -> Tensor:
    places = torch.tensor([place in SEEN.get(name, PLACES) for place in PLACES])[scenes.place]
    return places & scenes.both if name in OF_B else places


def of_laid(laid: Sequence[Laid], scenes: painter.Scenes) -> dict[str, Tensor]:
    """What there is to be seen of what is laid over B pictures, and how far it is from what it would match."""
    found: dict[str, Tensor] = {}
    numbers = {name: torch.tensor([each.numbers.get(name, float("nan")) for each in laid]) for name in overlays.NUMBERS}
    numbers |= {name: numbers[own] - getattr(scenes, factor) for name, (own, factor, _) in OFFSETS.items()}
    for name, values in numbers.items():
        found[name] = torch.where(values.isnan(), UNSEEN, binned(name, values.nan_to_num()))
    nearer = [each.words.get("dots", "") for each in laid]
    found["dots"] = torch.tensor([DOTS.index(letter) if letter else UNSEEN for letter in nearer])
    return found


@dataclass(frozen=True, slots=True)
class Told:
    """What pictures show, in the order in which a tower sees them: as a whole, and the scenes for square by square."""

    whole: Targets
    scenes: painter.Scenes


def targets(scenes: painter.Scenes, laid: Sequence[Laid], order: Sequence[int], beside: painter.Scenes) -> Told:
    """For pictures shown in this order, the last of them with references `beside` them: each after its picture."""
    alone = len(order) - len(beside)
    index = torch.tensor([*order, *range(len(scenes), len(scenes) + len(beside))])
    shown = torch.arange(len(index))
    last = torch.stack([shown[alone : len(order)], shown[len(order) :]], 1).flatten()
    index = index[torch.cat([shown[:alone], last])]
    all_laid = [*laid, *[Laid()] * len(beside)]
    shown_scenes = painter.concat([scenes, beside])
    whole = of_scenes(shown_scenes) | of_laid(all_laid, shown_scenes)
    return Told({name: values[index] for name, values in whole.items()}, shown_scenes[index])


class Hints(nn.Module):
    """The heads of one tower, whose output they see as it comes: `tokens` of it a picture, in rows of a square."""

    def __init__(self, tower: nn.Module, width: int, tokens: int) -> None:
        super().__init__()
        self.width, self.side = width, math.isqrt(tokens)
        self.head = nn.Linear(width * tokens, sum(SIZES.values()))
        self.cells = cells.Heads(width)
        self.where = nn.Linear(width, 2 * self.side)
        self.letter = nn.Linear(width, 1 + len(DOTS))
        self._seen: list[Tensor] = []
        tower.register_forward_hook(lambda _module, _inputs, output: self._seen.append(features(output)))

    def forward(self, wanted: Told) -> Tensor:
        """Mean cross-entropies (nats) of factors, of squares, of tokens' places and of the dots there, added up.

        Of the features that the tower gave since the last call.
        """
        seen = torch.cat([part.reshape(-1, self.side**2, self.width) for part in self._seen])
        self._seen.clear()
        whole = cells.error(self.head(seen.flatten(1)), wanted.whole, SIZES)
        squares = self.cells(seen, cells.told(wanted.scenes, self.side))
        return whole + squares + self._where(seen) + self._letters(seen, wanted.whole)

    def _letters(self, seen: Tensor, wanted: Targets) -> Tensor:
        """How badly tokens know whether a dot is in their square, and which: 0 is none."""
        letters = torch.zeros(seen.shape[:2], dtype=torch.long)
        for number, letter in enumerate(DOTS):
            column, row = (wanted[f"dot {letter} {axis}"] * self.side // BINS for axis in "xy")
            there = (column >= 0).nonzero()[:, 0]
            at = (there, (row * self.side + column)[there])
            letters[at] = torch.where(letters[at] == 0, 1 + number, UNSEEN)  # of two in one square neither is asked for
        return F.cross_entropy(self.letter(seen).flatten(0, 1), letters.flatten(), ignore_index=UNSEEN)

    def _where(self, seen: Tensor) -> Tensor:
        """How badly tokens know their own row and column."""
        line = torch.arange(self.side)
        places = {"row": line.repeat_interleave(self.side), "column": line.repeat(self.side)}
        wanted = {name: place.expand(len(seen), -1) for name, place in places.items()}
        return cells.error(self.where(seen), wanted, dict.fromkeys(places, self.side))
