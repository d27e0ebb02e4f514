"""What the reader believes to stand in pictures, and the parts of pictures that it compares with what that looks like.

Pictures are compared as they were before they were graded, and weighed by what the grade would have made of a
difference. Places are (x, base, half width), fractions of the picture; both things share an outline, in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

NOTHING = -1  # the kind of a thing that is not there


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """Parts of N pictures, ungraded: what is seen and what is behind [N, 3, h, w], and how much a difference counts."""

    pictures: Tensor
    behind: Tensor
    weight: Tensor  # [N, 3, h, w]
    rows: Tensor  # where the pixels are, fractions, [N, h, w]
    columns: Tensor
    light: Tensor  # of things, [N]
    area: Tensor  # pixels of the picture it stands for, [N]
    soft: Tensor  # width of an edge in `pictures` and `behind`, pixels [N]

    def __len__(self) -> int:
        return len(self.light)

    def __getitem__(self, index: Tensor) -> Patch:
        return Patch(*(getattr(self, field.name)[index] for field in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class Bodies:
    """One thing in each of N pictures: its kind (`NOTHING`: none), colour [N] and place [N, 3]."""

    kind: Tensor
    color: Tensor
    place: Tensor

    def __getitem__(self, index: Tensor) -> Bodies:
        return Bodies(self.kind[index], self.color[index], self.place[index])

    @property
    def there(self) -> Tensor:
        """Where there is one, bool [N]."""
        return self.kind != NOTHING

    def or_else(self, which: Tensor, other: Bodies) -> Bodies:
        """These, but others where `which` [N]."""
        return Bodies(
            torch.where(which, other.kind, self.kind),
            torch.where(which, other.color, self.color),
            torch.where(which.unsqueeze(1), other.place, self.place),
        )


def nobody(count: int) -> Bodies:
    """No thing in any of the pictures."""
    kind = torch.full((count,), NOTHING)
    return Bodies(kind, torch.zeros_like(kind), torch.tensor([0.5, 0.8, 0.2]).repeat(count, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """The farther and the nearer thing of N pictures, their outline and ink [N], and the cost of it all, [N].

    Costs are sums over pixels, less those of a picture in which nothing stands.
    """

    far: Bodies
    near: Bodies
    outline: Tensor
    ink: Tensor
    cost: Tensor

    def __len__(self) -> int:
        return len(self.ink)

    def __getitem__(self, index: Tensor) -> Fit:
        return Fit(self.far[index], self.near[index], self.outline[index], self.ink[index], self.cost[index])

    def or_else(self, which: Tensor, other: Fit) -> Fit:
        """One fit where `which` [N] is false, another where it is true."""
        names = ("outline", "ink", "cost")
        rest = {name: torch.where(which, getattr(other, name), getattr(self, name)) for name in names}
        return Fit(self.far.or_else(which, other.far), self.near.or_else(which, other.near), **rest)

    def but(self, which: Tensor, part: Fit) -> Fit:
        """The fit with rows `which` replaced by those of another."""
        return joined([self, part])[replaced(len(self), which)]


def replaced(count: int, which: Tensor) -> Tensor:
    """Numbers of rows when some of `count` give way to what is added at the end."""
    return torch.arange(count).index_copy(0, which, count + torch.arange(len(which)))


def joined(fits: Sequence[Fit]) -> Fit:
    """Several batches as one."""

    def bodies(name: str) -> Bodies:
        some: list[Bodies] = [getattr(each, name) for each in fits]
        return Bodies(*(torch.cat([getattr(each, field.name) for each in some]) for field in fields(Bodies)))

    rest = (torch.cat([getattr(each, name) for each in fits]) for name in ("outline", "ink", "cost"))
    return Fit(bodies("far"), bodies("near"), *rest)


def cheapest(fit: Fit, count: int, stay: int = 1) -> Tensor:
    """Of several fits to each of `count` pictures, batch after batch, the numbers of the `stay` cheapest, alike."""
    chosen = fit.cost.view(-1, count).topk(stay, dim=0, largest=False).indices
    return (torch.arange(count) + chosen * count).flatten()
