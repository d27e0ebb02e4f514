"""The painter: scenes -> pictures, anti-aliased by signed distances, deterministic in its parameters.

Everything is a function of pixel centres, so a batch is painted at once: thousands of pictures a second outdoors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from . import backdrops, distributions, geometry
from .grading import graded
from .paintings import painting
from .rooms import DIM_THINGS
from .scenes import ABSTRACT, INDOOR, KINDS, LAMPS, NONE, PLACES, SCALES, SIZE, WORDS
from .things import Thing, colors, inks, lay, thing


@dataclass(frozen=True, slots=True)
class Scenes:
    """B scenes, a tensor [B] for each factor; those in `WORDS` are indices into its entries.

    A is the subject, B the other thing; `other` is 0 where there is none.
    """

    time: Tensor
    place: Tensor
    thing: Tensor
    color: Tensor
    horizon: Tensor  # row of the horizon, or of the edge between wall and floor, fraction from the top
    position: Tensor  # x of A's middle, fraction
    size: Tensor  # half of A's width as it is seen from eye level, fraction
    outline: Tensor  # pixels
    season: Tensor
    lamp: Tensor
    other: Tensor
    other_color: Tensor
    ink: Tensor
    arrangement: Tensor
    camera: Tensor  # 0 a robot vacuum's, 1 eye level; read indoors only
    other_position: Tensor  # x of B's middle, fraction
    depth: Tensor  # of B: from 0.25 to 1 nearer than A, from -0.25 to -1 farther
    grade: Tensor  # -1 cool .. 1 warm
    split_x: Tensor  # of a painting's main vertical line, fraction
    split_y: Tensor  # of its main horizontal line, fraction

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, index: Tensor | slice) -> Scenes:
        return Scenes(*(getattr(self, field.name)[index] for field in fields(self)))

    @property
    def indoors(self) -> Tensor:
        """Which scenes are in a room, bool [B]."""
        return _among(self.place, INDOOR)

    @property
    def paintings(self) -> Tensor:
        """Which are paintings, where nothing stands, bool [B]."""
        return _among(self.place, ABSTRACT)

    @property
    def both(self) -> Tensor:
        """Which scenes have a B that can be seen, bool [B]."""
        return (self.other != WORDS["other"].index(NONE)) & ~self.paintings

    @property
    def light(self) -> Tensor:
        """How light things are, [B]: less than 1 in a room whose lamp is off."""
        off = self.indoors & (self.lamp == list(LAMPS).index("off"))
        return torch.where(off, DIM_THINGS, 1.0).to(self.horizon.dtype)

    @property
    def stance(self) -> geometry.Stance:
        """Where A stands and how large it is painted."""
        lowered = torch.where(self.indoors, geometry.lowered(self.camera), torch.zeros_like(self.camera))
        return geometry.subject(self.horizon, self.size, lowered)

    @property
    def other_stance(self) -> geometry.Stance:
        """The same for B, whether there is one or not."""
        return geometry.other(self.horizon, self.stance, self.depth)

    @property
    def base(self) -> Tensor:
        """The row where A stands, fraction [B]."""
        return self.stance.base

    def words(self, factor: str) -> list[str]:
        """The word for each scene's value of a factor."""
        values = getattr(self, factor).tolist()
        if factor in WORDS:
            return [WORDS[factor][value] for value in values]
        return [SCALES[factor].word(value) for value in values]


def _among(place: Tensor, names: Sequence[str]) -> Tensor:
    numbers = [list(PLACES).index(name) for name in names]
    return (place >= numbers[0]) & (place <= numbers[-1])


FACTORS = tuple(field.name for field in fields(Scenes))


def concat(parts: Sequence[Scenes]) -> Scenes:
    """Several batches as one."""
    return Scenes(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Scenes)))


def from_uniform(u: dict[str, Tensor]) -> Scenes:
    """Scenes from numbers in (0, 1), one a factor, by the quantile functions of `distributions`.

    That of `other_position` says how far through the places where B overlaps A without hiding it, or being hidden. The
    camera is at eye level wherever it is not in a room.
    """
    words = {name: distributions.index_of(name, u[name]) for name in WORDS}
    scales = {name: distributions.value_of(name, u[name]) for name in ("horizon", *SCALES)}
    scenes = Scenes(**words, **scales)
    scenes = replace(scenes, camera=torch.where(scenes.indoors, scenes.camera, 1.0))
    return beside(scenes, u["other_position"])


def beside(scenes: Scenes, u: Tensor) -> Scenes:
    """The same scenes with each B where the number u in (0, 1) puts it, [B]: left to right beside A."""
    return replace(scenes, other_position=geometry.beside(scenes.position, scenes.stance, scenes.other_stance, u))


def draw(count: int, generator: torch.Generator) -> Scenes:
    """Random scenes, as a generator without a caption would have them."""
    return from_uniform({name: torch.rand(count, generator=generator) for name in FACTORS})


def background(scenes: Scenes) -> Tensor:
    """What is behind the things of B scenes, not yet graded: [B, 3, H, W]; of paintings all there is."""
    pictures = scenes.horizon.new_zeros(len(scenes), 3, SIZE, SIZE)
    for which, paint in (
        (~(scenes.indoors | scenes.paintings), _outdoors),
        (scenes.indoors, _rooms),
        (scenes.paintings, _painting),
    ):
        chosen = which.nonzero().flatten()
        if len(chosen):
            pictures[chosen] = paint(scenes[chosen])
    return pictures


def _outdoors(scenes: Scenes) -> Tensor:
    return backdrops.outdoors(scenes.time, scenes.place, scenes.season, scenes.horizon)


def _rooms(scenes: Scenes) -> Tensor:
    return backdrops.rooms(scenes.time, scenes.place, scenes.season, scenes.lamp, scenes.horizon)


def _painting(scenes: Scenes) -> Tensor:
    return painting(scenes.arrangement, scenes.split_x, scenes.split_y, scenes.outline, scenes.ink)


def _layers(scenes: Scenes, second: bool, which: Tensor) -> Iterator[tuple[Tensor, Thing]]:
    """A, or B, of some of the scenes, kind by kind: which scenes have it, and how it covers their pictures."""
    stance = scenes.other_stance if second else scenes.stance
    kinds, position = (scenes.other - 1, scenes.other_position) if second else (scenes.thing, scenes.position)
    for number, kind in enumerate(KINDS):
        chosen = (which & (kinds == number)).nonzero().flatten()
        if len(chosen):
            yield (
                chosen,
                thing(kind, position[chosen], stance.base[chosen], stance.half[chosen], scenes.outline[chosen]),
            )


def _stand(pictures: Tensor, scenes: Scenes, second: bool, which: Tensor) -> None:
    """Lay A, or B, over some of the pictures, in place."""
    color, light = scenes.other_color if second else scenes.color, scenes.light
    for chosen, layers in _layers(scenes, second, which):
        pictures[chosen] = lay(
            pictures[chosen], layers, colors()[color[chosen]], inks()[scenes.ink[chosen]], light[chosen]
        )


@torch.no_grad()
def covered(scenes: Scenes) -> Tensor:
    """How much of each pixel shows A, and how much shows B, [B, 2, H, W]: what hides a thing counts, outlines too."""
    cover = scenes.horizon.new_zeros(len(scenes), 2, SIZE, SIZE)
    for second, there in ((False, ~scenes.paintings), (True, scenes.both)):
        for chosen, layers in _layers(scenes, second, there):
            cover[chosen, int(second)] = layers.silhouette
    ahead = (scenes.depth > 0).view(-1, 1, 1)
    first, other = cover.unbind(1)
    return torch.stack([first * torch.where(ahead, 1 - other, 1.0), other * torch.where(ahead, 1.0, 1 - first)], 1)


def paint(scenes: Scenes) -> Tensor:
    """Pictures of B scenes, [B, 3, 64, 64] in [0, 1]."""
    pictures = background(scenes)
    ahead = scenes.depth > 0
    _stand(pictures, scenes, True, scenes.both & ~ahead)
    _stand(pictures, scenes, False, ~scenes.paintings)
    _stand(pictures, scenes, True, scenes.both & ahead)
    return graded(pictures, scenes.grade)
