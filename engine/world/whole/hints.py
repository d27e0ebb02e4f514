"""A second, denser lesson for a critic's vision tower: linear heads name every factor from a picture's features.

They are thrown away after the training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from . import overlays, painter
from .overlays import Laid
from .scales import HORIZON, SCALES
from .scenes import PLACES, WORDS
from .truth import SEEN

BINS = 32
UNSEEN = -100  # what cross-entropy leaves out
Targets = Mapping[str, Tensor]  # index [B] of each factor's word or bin, `UNSEEN` where it cannot be seen

# continuous factors and their ranges, cut into bins
ROWS = {
    "horizon": (HORIZON[0] - 0.05, HORIZON[1] + 0.05),
    **{name: (scale.low, scale.high) for name, scale in SCALES.items()},
    **overlays.NUMBERS,
}  # fmt: skip
SIZES = {name: len(words) for name, words in WORDS.items()} | dict.fromkeys(ROWS, BINS)
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


def of_laid(laid: Sequence[Laid]) -> dict[str, Tensor]:
    """What there is to be seen of what is laid over B pictures."""
    found: dict[str, Tensor] = {}
    for name in overlays.NUMBERS:
        values = torch.tensor([each.numbers.get(name, float("nan")) for each in laid])
        found[name] = torch.where(values.isnan(), UNSEEN, binned(name, values.nan_to_num()))
    return found


def targets(scenes: painter.Scenes, laid: Sequence[Laid], order: Sequence[int], beside: painter.Scenes) -> Targets:
    """For pictures shown in this order, the last of them with references `beside` them: each after its picture."""
    alone = len(order) - len(beside)
    index = torch.tensor([*order, *range(len(scenes), len(scenes) + len(beside))])
    shown = torch.arange(len(index))
    last = torch.stack([shown[alone : len(order)], shown[len(order) :]], 1).flatten()
    index = index[torch.cat([shown[:alone], last])]
    all_laid = [*laid, *[Laid()] * len(beside)]
    whole = of_scenes(painter.concat([scenes, beside])) | of_laid(all_laid)
    return {name: values[index] for name, values in whole.items()}


class Hints(nn.Module):
    """The heads of one tower, whose output they see as it comes."""

    def __init__(self, tower: nn.Module, width: int, tokens: int) -> None:
        super().__init__()
        self.inputs = width * tokens
        self.head = nn.Linear(self.inputs, sum(SIZES.values()))
        self._seen: list[Tensor] = []
        tower.register_forward_hook(lambda _module, _inputs, output: self._seen.append(features(output)))

    def forward(self, wanted: Targets) -> Tensor:
        """Mean cross-entropy over factors, of the features that the tower gave since the last call (nats)."""
        seen = torch.cat([part.reshape(-1, self.inputs) for part in self._seen])
        self._seen.clear()
        losses: list[Tensor] = []
        for name, scores in zip(SIZES, self.head(seen).split(list(SIZES.values()), 1), strict=True):
            if bool((wanted[name] != UNSEEN).any()):
                losses.append(nn.functional.cross_entropy(scores, wanted[name], ignore_index=UNSEEN))
        return torch.stack(losses).mean()
