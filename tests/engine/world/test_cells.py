"""Squares of a picture: what covers most of each, whatever hides what."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from control_recipes.engine.world import cells, painter, pictures
from control_recipes.engine.world.scenes import COLORS, KINDS, PLACES, SIZE


def scenes(count: int, **fixed: float) -> painter.Scenes:
    drawn = pictures.even(count, torch.Generator().manual_seed(1))
    return replace(drawn, **{name: torch.full_like(getattr(drawn, name), value) for name, value in fixed.items()})


def test_a_thing_covers_what_its_colour_changes():
    """Pixels that another colour of A changes are A's; where there is B, none of them is where B is in front."""
    some = scenes(60, place=list(PLACES).index("grass"), outline=1.0)
    for second, factor in enumerate(("color", "other_color")):
        other = replace(some, **{factor: (getattr(some, factor) + 1) % len(COLORS)})
        changed = (painter.paint(some) - painter.paint(other)).abs().amax(1) > 1e-3
        assert changed.flatten(1).any(1).sum() > 20
        covered = painter.covered(some)[:, second]
        assert (covered[changed] > 0).float().mean() > 0.999
        # outlines and what has a colour of its own are covered as well
        assert (covered > 0.9).sum() > changed.sum() * 0.9


def test_nothing_stands_in_a_painting():
    assert not painter.covered(scenes(5, place=list(PLACES).index("painting"))).any()


@pytest.mark.parametrize("side", [4, 8])
def test_squares_name_the_thing_before_them(side: int):
    some = scenes(80, place=list(PLACES).index("grass"), other=1 + list(KINDS).index("box"))
    told = cells.told(some, side)
    assert {name: answers.shape for name, answers in told.items()} == dict.fromkeys(cells.SIZES, (80, side * side))
    share = torch.nn.functional.avg_pool2d(painter.covered(some), SIZE // side).flatten(2)
    there = told["which"] > 0
    assert torch.equal(there, share.amax(1) >= cells.LEAST)
    assert torch.equal(there, told["kind"] > 0)
    assert torch.equal(there, told["color"] != cells.UNSEEN)
    seen = set[int]()
    for row, square in there.nonzero().tolist():
        which = int(told["which"][row, square])
        assert share[row, which - 1, square] == share[row, :, square].max()
        kind = some.thing[row] if which == 1 else list(KINDS).index("box")
        color = some.color[row] if which == 1 else some.other_color[row]
        assert told["kind"][row, square] == 1 + kind
        assert told["color"][row, square] == color
        seen.add(which)
    assert seen == {1, 2}


def test_heads_leave_out_what_is_not_there():
    told = cells.told(scenes(4, place=list(PLACES).index("painting")), 4)
    heads = cells.heads(8, 1)
    loss = heads(torch.randn(4, 16, 8), told)
    assert bool(loss.isfinite())
    assert torch.equal(heads.head.weight, cells.heads(8, 1).head.weight)
