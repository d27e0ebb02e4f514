"""Whether classifier-free guidance takes two branches of the backbone, and reads a negative prompt. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from .. import plan
from ..errors import cut

NONE = 1.0  # the largest guidance that is none


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a family of generators does not do, of a plan."""

    key: str  # below `generator`, with dots
    message: str
    hint: str


def guided(chosen: plan.Generator, above: float = NONE) -> bool:
    """As in the stock pipelines, guidance of 1 and below is none; `above` where a family's counts otherwise."""
    return chosen.guidance > above


def negative_problem(chosen: plan.Generator, *, takes: bool, above: float = NONE) -> tuple[str, str] | None:
    """Message and hint for a negative prompt that would change nothing; `takes`: the family reads them at all."""
    if not chosen.negative or (takes and guided(chosen, above)):
        return None
    if not takes:
        return f"this family of generators takes no negative prompt, found {cut(chosen.negative)!r}", "leave it out"
    message = f"does nothing without guidance above {above:g}, found {chosen.guidance:g}"
    return message, "give `generator.guidance` too, or leave it out"
