"""Tuning: weights for adapters that meet, by a small search on validation prompts.

One adapter's weight after the other is halved and half added, then a quarter less and more; what leaves the worst
control better off is kept, and of equals what leaves all of them better on average, the weights of before first.
Adapters that are reduced to a lower rank are looked at as they are then: that is what is saved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from .meeting import Meeting

_STEPS = ((0.5, 1.5), (0.75, 1.25))
_DIGITS = 4  # of a weight


def tuned(meeting: Meeting, controls: Sequence[str]) -> tuple[dict[str, float], tuple[float, float]]:
    """The weights found, by adapter, and the share of pictures in which the worst control holds before and after.

    Raises ValueError where no picture of a control can be looked at: its recipe has no validation prompts for it.
    """
    best = {one.name: one.weight for one in meeting.members}
    (start,) = _scores(meeting, controls, [best])
    score = start
    for factors in _STEPS:
        for name in list(best):
            tried = [{**best, name: round(best[name] * factor, _DIGITS)} for factor in factors]
            for weights, found in zip(tried, _scores(meeting, controls, tried), strict=True):
                if found > score:
                    best, score = weights, found
    return best, (start[0], score[0])


def _scores(
    meeting: Meeting, controls: Sequence[str], tried: Sequence[Mapping[str, float]]
) -> list[tuple[float, float]]:
    """Of each choice of weights the share of the worst control, and the mean of all."""
    found = meeting.hits(meeting.pairs(False), [meeting.together(weights) for weights in tried])
    scores: list[tuple[float, float]] = []
    for hits in found:
        if missing := [name for name in controls if not hits[name]]:
            raise ValueError(f"{missing[0]} is measured in no validation prompt")
        shares = [fmean(hits[name]) for name in controls]
        scores.append((min(shares), fmean(shares)))
    return scores
