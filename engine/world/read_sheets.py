"""Things painted over parts of pictures, what that costs, and the colours that suit them best."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from . import descent, things
from .read_fit import Bodies, Fit, Patch
from .read_layers import Layers, covers
from .scenes import INKS, KINDS

CLIP = 0.2  # largest distance of a pixel from a colour that counts, mean over channels


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """Things as they cover N patches.

    What they leave of what is behind and how far they are line, [N, 1, h, w] both, and what they add else [N, 3, h, w].
    """

    leaves: Tensor
    lines: Tensor
    adds: Tensor

    def __getitem__(self, index: Tensor) -> Sheet:
        return Sheet(self.leaves[index], self.lines[index], self.adds[index])

    def over(self, picture: Tensor, ink: Tensor) -> Tensor:
        """The things before a picture [N, 3, h, w], with lines in an ink [N]."""
        shown = torch.addcmul(self.adds, picture, self.leaves)
        return shown.addcmul_(self.lines, things.inks()[ink].view(-1, 3, 1, 1)).clamp_(0, 1)

    def before(self, other: Sheet) -> Sheet:
        """Both sheets as one, this one nearer."""
        return Sheet(
            other.leaves * self.leaves,
            torch.addcmul(self.lines, other.lines, self.leaves),
            torch.addcmul(self.adds, other.adds, self.leaves),
        )


def filled(patch: Patch, over: Layers, bodies: Bodies, chosen: Tensor) -> Tensor:
    """Colours of what is inside some of the things, [n, 3, h, w]."""
    bright = patch.light[chosen].view(-1, 1, 1, 1)
    color = things.colors()[bodies.color[chosen]].view(-1, 3, 1, 1) * bright
    fill = (over.own * (1.05 - 0.12 * patch.rows[chosen])).unsqueeze(1) * color
    if over.paint is not None:
        fill = torch.addcmul(fill, over.paint, (1 - over.own).unsqueeze(1) * bright)
    return fill


def sheet(patch: Patch, bodies: Bodies, outline: Tensor) -> Sheet:
    """Things as they cover patches; those that are not there leave all and add nothing."""
    none = torch.zeros_like(patch.behind[:, :1])
    made = Sheet(none + 1, none, torch.zeros_like(patch.behind))
    for number, kind in enumerate(KINDS):
        chosen = (bodies.kind == number).nonzero().flatten()
        if len(chosen):
            where = patch.rows[chosen], patch.columns[chosen], patch.soft[chosen]
            over = covers(kind, bodies.place[chosen], outline[chosen], *where)
            silhouette, inside = over.silhouette.unsqueeze(1), over.inside.unsqueeze(1)
            outside = 1 - inside
            made.leaves[chosen] = (1 - 0.3 * over.shadow.unsqueeze(1)) * (1 - silhouette) * outside
            made.lines[chosen] = silhouette * outside * patch.light[chosen].view(-1, 1, 1, 1)
            made.adds[chosen] = filled(patch, over, bodies, chosen) * inside
    return made


def sheets(patch: Patch, fit: Fit) -> Sheet:
    """Both things of fits as one sheet."""
    near = sheet(patch, fit.near, fit.outline)
    return near.before(sheet(patch, fit.far, fit.outline)) if bool(fit.far.there.any()) else near


def painted(patch: Patch, fit: Fit) -> Tensor:
    """The patch as the fit has it, ungraded, [N, 3, h, w]."""
    return sheets(patch, fit).over(patch.behind, fit.ink)


def prices(patch: Patch, shown: Tensor) -> Tensor:
    """What each pixel costs, [N, h, w]; about the mean squared difference where that is small."""
    return descent.prices((patch.pictures - shown) * patch.weight)


def summed(patch: Patch, mean: Tensor) -> Tensor:
    """Mean costs of a patch's pixels [N] as a fit has them."""
    return (mean - prices(patch, patch.behind).mean((1, 2))) * patch.area


def priced(patch: Patch, fit: Fit) -> Fit:
    """The fit with its cost on this patch."""
    return replace(fit, cost=summed(patch, prices(patch, painted(patch, fit)).mean((1, 2))))


def ink_costs(patch: Patch, fit: Fit) -> Tensor:
    """What the fit would cost on this patch in each ink, [N, inks]."""
    over = sheets(patch, fit)
    inks = [torch.full_like(fit.ink, number) for number in range(len(INKS))]
    return torch.stack([summed(patch, prices(patch, over.over(patch.behind, ink)).mean((1, 2))) for ink in inks], 1)


def inked(patch: Patch, fit: Fit) -> Fit:
    """The fit in the ink that suits it best, with its cost on this patch."""
    cost, ink = ink_costs(patch, fit).min(1)
    return replace(fit, ink=ink, cost=cost)


def shares(patch: Patch, bodies: Bodies, outline: Tensor) -> tuple[Tensor, Tensor]:
    """Of each pixel the share in a thing's own colour, and hidden by it: [N, h, w] each."""
    own, hidden = torch.zeros_like(patch.rows), torch.zeros_like(patch.rows)
    for number, kind in enumerate(KINDS):
        chosen = (bodies.kind == number).nonzero().flatten()
        if len(chosen):
            where = patch.rows[chosen], patch.columns[chosen], torch.ones(len(chosen))
            each = covers(kind, bodies.place[chosen], outline[chosen], *where)
            own[chosen], hidden[chosen] = each.inside * each.own, each.silhouette
    return own, hidden


def color_costs(patch: Patch, fit: Fit) -> tuple[Tensor, Tensor]:
    """How far what is seen of the farther and the nearer things is from each colour, [N, colours] each, of pixels."""
    shade = (1.05 - 0.12 * patch.rows).unsqueeze(1) * patch.light.view(-1, 1, 1, 1)
    far, _ = shares(patch, fit.far, fit.outline)
    near, hidden = shares(patch, fit.near, fit.outline)
    far = far * (1 - hidden)
    found: list[tuple[Tensor, Tensor]] = []
    for color in things.colors():
        away = (patch.pictures - color.view(1, 3, 1, 1) * shade).abs_().mul_(patch.weight).mean(1).clamp_(max=CLIP)
        found.append(((away * far).sum((1, 2)), (away * near).sum((1, 2))))
    return torch.stack([each[0] for each in found], 1), torch.stack([each[1] for each in found], 1)


def recolored(patch: Patch, fit: Fit) -> Fit:
    """The fit in the colours that its places show."""
    far, near = (each.argmin(1) for each in color_costs(patch, fit))
    return replace(fit, far=replace(fit.far, color=far), near=replace(fit.near, color=near))
