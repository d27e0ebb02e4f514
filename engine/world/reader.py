"""The reader: pictures -> factors, without any model, by comparing with what the painter would have painted.

First the backdrop: coarse pictures of every place in every light are held against a picture, and the likeliest is
moved and graded until it fits. Then what stands before it: silhouettes of every kind and size are slid over what is
left over, the best are moved until they fit, and a second thing is looked for in what the first does not explain. What
is far from everything counts little, so that it cannot pull the answer; what is badly explained is read again.

    read_bank       coarse backdrops           read_view       pictures in parts, with edges of several widths
    read_backdrop   finer ones                 read_layers     things with soft edges, and how those move
    read_painting   abstract paintings         read_sheets     things painted over parts of pictures
    read_gains      where things may stand     read_moves      moving them
    read_things     which do                   read_stance     which is the subject
    read_sight      all of it, and doubts      read_certainty  how sure each factor is
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from . import painter, read_bank, read_certainty, read_sight, read_stance, read_view
from .read_certainty import chance, within
from .read_sight import Sight
from .scenes import SIZE

BANK = 0.02  # how much of a cost against the bank counts
LOOKS = 6  # backdrops from the bank, all but the first only tried where there is doubt


@dataclass(frozen=True, slots=True)
class Readings:
    """What the reader sees in B pictures.

    `confidence` is that of each factor, the chance that it is right, 0 where it shows in nothing, [B]; `misfit` is the
    mean cost of a pixel against the picture that it believes in, about its mean squared difference, [B].
    """

    scenes: painter.Scenes
    confidence: dict[str, Tensor]
    misfit: Tensor

    @property
    def horizon(self) -> Tensor:
        """Row of the horizon, fraction from the top, [B]."""
        return self.scenes.horizon

    def words(self, factor: str) -> list[str]:
        """The word for a factor in each picture."""
        return self.scenes.words(factor)


def _scene(pictures: Tensor, sight: Sight, scenes: painter.Scenes, warm: Tensor) -> dict[str, Tensor]:
    """How sure the factors of scenes are."""
    sharp = read_view.view(pictures, sight.scenes, sight.soft, (1, read_view.SHARP))
    sure = read_certainty.standing(sight.scenes, sight.fit, sight.spread)
    order, two = sure.pop("order"), scenes.both
    sure |= read_certainty.things(sharp, sight.fit, two & (scenes.depth > 0), warm)
    sure |= dict(zip(read_sight.WORDS, sight.chances.unbind(1), strict=True))
    sure |= {factor: within(sight.spread[:, column], factor) for column, factor in ((7, "horizon"), (8, "grade"))}
    for factor in ("thing", "color", "other", "depth"):
        sure[factor] = sure[factor] * order
    for factor in ("other_color", "other_position", "depth"):
        sure[factor] = sure[factor] * two
    return sure | {"camera": sure["camera"] * scenes.indoors}


def _confidence(pictures: Tensor, places: Tensor, sight: Sight, scenes: painter.Scenes) -> dict[str, Tensor]:
    """How sure each factor is, [B] each; `places` has what each place costs against the bank, [B, places]."""
    found = dict.fromkeys(painter.FACTORS, torch.zeros_like(sight.cost))
    warm = read_certainty.warmth(sight.cost)
    found["place"] = chance(places * BANK, scenes.place, warm)
    for painted in (False, True):
        which = (scenes.paintings == painted).nonzero().flatten()
        if not len(which):
            continue
        some, part = pictures[which], sight[which]
        sure = (
            read_certainty.paintings(some, part.scenes, part.spread, warm[which])
            if painted
            else _scene(some, part, scenes[which], warm[which])
        )
        found |= {factor: found[factor].index_copy(0, which, each) for factor, each in sure.items()}
    return found


def _either(which: Tensor, first: painter.Scenes, second: painter.Scenes) -> painter.Scenes:
    """The first scenes where `which` [B], the second elsewhere."""
    return painter.Scenes(
        *(torch.where(which, getattr(first, name), getattr(second, name)) for name in painter.FACTORS)
    )


@contextmanager
def _one_thread() -> Generator[None]:
    """Torch with one thread: on tensors as small as here, two take nearly twice as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@torch.no_grad()
@_one_thread()
def read(pictures: Tensor, batch: int = 64) -> Readings:
    """Read pictures [B, 3, 64, 64] in [0, 1], any float type; everything is computed in float32 on the CPU.

    Raises `ValueError` for pictures of another shape.
    """
    if pictures.shape[1:] != (3, SIZE, SIZE):
        raise ValueError(f"the reader knows pictures of 3 x {SIZE} x {SIZE}, not {tuple(pictures.shape[1:])}")
    pictures = pictures.detach().float().cpu()
    costs = [read_bank.costs(some) for some in pictures.split(batch)]
    places = torch.cat([read_bank.best(each, "place") for each in costs])
    looks = [painter.concat(each) for each in zip(*(read_bank.candidates(each, LOOKS) for each in costs), strict=True)]
    parts = zip(pictures.split(batch), torch.arange(len(pictures)).split(batch), strict=True)
    sight = read_sight.joined([read_sight.seen(some, looks[0][rows]) for some, rows in parts])
    sight = read_sight.reconsidered(pictures, sight, looks[1:], batch)
    scenes = _either(sight.scenes.paintings, sight.scenes, read_stance.scenes(sight.scenes, sight.fit)[0])
    sure = [
        _confidence(pictures[rows], places[rows], sight[rows], scenes[rows])
        for rows in torch.arange(len(pictures)).split(batch)
    ]
    confidence = {name: torch.cat([each[name] for each in sure]) for name in painter.FACTORS}
    return Readings(scenes, confidence, sight.cost / SIZE**2)
