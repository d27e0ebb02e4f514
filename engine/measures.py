"""Measures: what pixels say of a picture without any vision-language model, the truth that no critic is talked out of.

A kind is one function and one word in `KINDS`. Each declares where it holds: `any` picture, or the embedded `world`
alone, whose reader knows what may stand in one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from .plan import Scalar
from .world import abreast, captions, painter, palette
from .world.scenes import SCALES, WORDS
from .world.truth import Truth, as_named, complete

Parameters = Mapping[str, Scalar | tuple[Scalar, ...]]

# Rec. 601 luma, as in Pillow's "L"
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Batch:
    """B pictures beside what the bare generator makes of the same prompts and noise."""

    pictures: Tensor  # [B, 3, H, W] in [0, 1]
    bare: Tensor  # [B, 3, H, W] in [0, 1]
    prompts: tuple[str, ...]  # B
    names: tuple[int, ...] = ()  # of the pictures in `known`; their places where it is empty
    known: dict[int, Truth] = field(default_factory=dict[int, Truth])  # what was read so far

    def some(self, places: Sequence[int]) -> Batch:
        """A part of the batch; what is read of a picture is read for both."""
        names = tuple(self._name(place) for place in places)
        prompts = tuple(self.prompts[place] for place in places)
        index = list(places)
        return replace(self, pictures=self.pictures[index], bare=self.bare[index], prompts=prompts, names=names)

    def seen(self, places: Sequence[int]) -> list[Truth]:
        """What the embedded world's reader sees in these pictures; each is read once for all measures."""
        new = [place for place in places if self._name(place) not in self.known]
        if new:
            read = _truths(abreast.read(self.pictures[new]).scenes)
            self.known.update(zip(map(self._name, new), read, strict=True))
        return [self.known[self._name(place)] for place in places]

    def _name(self, place: int) -> int:
        return self.names[place] if self.names else place


def _truths(scenes: painter.Scenes) -> list[Truth]:
    """What is true of each scene, in words; those of what cannot be seen there are empty. `rows` has the grade too."""
    words = {factor: scenes.words(factor) for factor in (*WORDS, *SCALES)}
    rows: list[float] = scenes.horizon.tolist()
    grades: list[float] = scenes.grade.tolist()
    found = [complete({name: each[row] for name, each in words.items()}, rows[row]) for row in range(len(scenes))]
    return [replace(truth, rows={**truth.rows, "grade": grade}) for truth, grade in zip(found, grades, strict=True)]


@dataclass(frozen=True, slots=True)
class Found:
    """What a measure found in each of B pictures."""

    satisfied: Tensor  # bool [B]
    score: Tensor  # float [B], in the measure's own unit; nan where there is nothing to measure


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of measure: where it holds, the function, and its target in words."""

    holds: str  # any | world
    measure: Callable[[Batch, Sequence[Parameters]], Found]
    wanted: Callable[[Parameters], str]
    unit: str  # of the score, in words


def _column(parameters: Sequence[Parameters], name: str, like: Tensor) -> Tensor:
    return torch.tensor([_number(row, name) for row in parameters], dtype=like.dtype, device=like.device)


def _number(parameters: Parameters, name: str) -> float:
    value = parameters[name]
    if isinstance(value, tuple):
        raise TypeError(f"{name} is no number: {value!r}")
    return float(value)


def _words(parameters: Parameters, name: str) -> tuple[str, ...]:
    value = parameters.get(name, ())
    return tuple(str(word) for word in (value if isinstance(value, tuple) else (value,)))


def horizon_row(batch: Batch, parameters: Sequence[Parameters]) -> Found:
    """Whether the horizon lies `within` of `near`, both fractions of the height from the top; score: its row.

    A painting has none.
    """
    row = torch.tensor([truth.rows.get("row", float("nan")) for truth in batch.seen(range(len(batch.prompts)))])
    return Found((row - _column(parameters, "near", row)).abs() <= _column(parameters, "within", row), row)


def factors(batch: Batch, parameters: Sequence[Parameters]) -> Found:
    """Whether factors read as they should; score: the fraction of them that does.

    `keep` lists factors that must read as the prompt names them (those it leaves open are not looked at);
    `is` holds each factor that has to read as one word whatever the prompt says, followed by that word. What cannot be
    seen in a picture, such as a lamp outdoors, reads as no word. A picture of which nothing is asked is not read.
    """
    named = [captions.named(prompt) for prompt in batch.prompts]
    wanted = [_wanted_factors(names, row) for names, row in zip(named, parameters, strict=True)]
    asked = [b for b, row in enumerate(wanted) if row]
    right: list[list[bool]] = [[] for _ in wanted]
    for b, truth in zip(asked, batch.seen(asked), strict=True):
        words = as_named(truth.words, named[b])
        right[b] = [words.get(factor, "") == word for factor, word in wanted[b].items()]
    score = torch.tensor([sum(row) / len(row) if row else float("nan") for row in right])
    return Found(torch.tensor([all(row) for row in right]), score)


def _wanted_factors(named: Mapping[str, str], parameters: Parameters) -> dict[str, str]:
    wanted = {factor: named[factor] for factor in _words(parameters, "keep") if factor in named}
    return wanted | _fixed_factors(parameters)


def _fixed_factors(parameters: Parameters) -> dict[str, str]:
    pairs = _words(parameters, "is")
    return dict(zip(pairs[::2], pairs[1::2], strict=True))


def palette_distance(batch: Batch, parameters: Sequence[Parameters]) -> Found:
    """Whether `swatches` have the tint of the picture's light; score: the mean CIEDE2000 between them.

    They are satisfied up to `within`; `palette` says what is compared.
    """
    grades = torch.tensor([truth.rows["grade"] for truth in batch.seen(range(len(batch.prompts)))])
    cards = [tuple(map(_rgb, _words(row, "swatches"))) for row in parameters]
    score = torch.cat([palette.card_distance(grades[b : b + 1], card) for b, card in enumerate(cards)])
    return Found(score <= _column(parameters, "within", score), score)


def _rgb(color: str) -> tuple[float, float, float]:
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def sharpness(batch: Batch, parameters: Sequence[Parameters]) -> Found:
    """Variance of the Laplacian of the luma (Pech-Pacheco et al. 2000) over that of the luma: contrast is no sharpness.

    A warm grade takes a painted picture to 0.89 of the former alone, and a high horizon to 0.83, though both are as
    sharp as they were. Score: the ratio to the bare picture's.
    """
    score = _fineness(batch.pictures) / _fineness(batch.bare).clamp_min(1e-12)
    return Found(score >= _column(parameters, "at_least", score), score)


def _fineness(pictures: Tensor) -> Tensor:
    luma = (pictures * pictures.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    kernel = pictures.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]).view(1, 1, 3, 3)
    edges = F.conv2d(luma, kernel).flatten(1).var(1, unbiased=False)
    return edges / luma.flatten(1).var(1, unbiased=False).clamp_min(1e-12)


def drift(batch: Batch, parameters: Sequence[Parameters]) -> Found:
    """Mean absolute difference from the bare picture, of [0, 1]; score: that difference."""
    score = (batch.pictures - batch.bare).abs().flatten(1).mean(1)
    return Found(score <= _column(parameters, "at_most", score), score)


def _wanted_in_words(parameters: Parameters) -> str:
    kept = ", ".join(_words(parameters, "keep"))
    fixed = ", ".join(f"{factor} is {word}" for factor, word in _fixed_factors(parameters).items())
    together = "all pictures that count as one" if "together" in parameters else ""
    return "; ".join(part for part in (f"as the prompt names them: {kept}" if kept else "", fixed, together) if part)


KINDS: dict[str, Kind] = {
    "horizon_row": Kind(
        "world",
        horizon_row,
        lambda p: f"horizon within {_number(p, 'within'):g} of {_number(p, 'near'):g}",
        "of the height, from the top",
    ),
    "factors": Kind("world", factors, _wanted_in_words, "of the factors"),
    "palette_distance": Kind(
        "world",
        palette_distance,
        lambda p: (
            f"CIEDE2000 at most {_number(p, 'within'):g} from the palette "
            f"{', '.join(color[:7] for color in _words(p, 'swatches'))}"
        ),
        "CIEDE2000 from the palette",
    ),
    "sharpness": Kind(
        "any",
        sharpness,
        lambda p: f"at least {_number(p, 'at_least'):g} × as sharp as the bare picture",
        "× the bare picture",
    ),
    "drift": Kind(
        "any",
        drift,
        lambda p: f"at most {_number(p, 'at_most'):g} away from the bare picture",
        "away from the bare picture",
    ),
}
