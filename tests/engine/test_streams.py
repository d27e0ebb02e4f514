"""Random streams: a name for every use, and no use disturbs another."""

from __future__ import annotations

import torch
from control_recipes.engine.streams import derived, stream


def test_streams_depend_on_seed_and_name_alone():
    def draw(*name):
        return torch.rand(4, generator=stream(*name))

    assert torch.equal(draw(1, "draw", 2), draw(1, "draw", 2))
    others = [draw(2, "draw", 2), draw(1, "augment", 2), draw(1, "draw", 3), draw(1, "draw", 2, 0)]
    assert not any(torch.equal(draw(1, "draw", 2), other) for other in others)
    assert 0 <= derived(1, "adapter") < 2**63
