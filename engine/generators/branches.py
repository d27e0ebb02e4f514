"""Whether classifier-free guidance takes two branches of the backbone, and reads a negative prompt. Free of torch."""

from __future__ import annotations

from .. import plan
from ..errors import cut


def guided(chosen: plan.Generator) -> bool:
    """As in the stock pipelines, guidance of 1 and below is none."""
    return chosen.guidance > 1


def negative_problem(chosen: plan.Generator, *, takes: bool) -> tuple[str, str] | None:
    """Message and hint for a negative prompt that would change nothing; `takes`: the family reads them at all."""
    if not chosen.negative or (takes and guided(chosen)):
        return None
    if not takes:
        return f"this family of generators takes no negative prompt, found {cut(chosen.negative)!r}", "leave it out"
    message = f"does nothing without guidance above 1, found {chosen.guidance:g}"
    return message, "give `generator.guidance` too, or leave it out"
