"""Whether classifier-free guidance takes two branches of the backbone. Free of torch."""

from __future__ import annotations

from .. import plan


def guided(chosen: plan.Generator) -> bool:
    """As in the stock pipelines, guidance of 1 and below is none."""
    return chosen.guidance > 1
