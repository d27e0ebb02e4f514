"""Looks: what critics and named judges believe on the validation rows, and whether that is enough to stop."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from .panel import Said
from .plan import Stop


@dataclass(frozen=True, slots=True)
class Belief:
    """One question put to one critic or judge, over many pictures."""

    p: float  # mean of exp(−nats per answer token)
    nats: float  # mean, per answer token


Beliefs = Mapping[tuple[str, str], Belief]  # by (question, critic or judge), sorted


def beliefs(said: Iterable[Said]) -> Beliefs:
    """Means over pictures of what was said."""
    nats: dict[tuple[str, str], list[float]] = {}
    for one in said:
        nats.setdefault((one.question, one.critic), []).append(one.nats)
    return {
        key: Belief(fmean(math.exp(-value) for value in values), fmean(values)) for key, values in sorted(nats.items())
    }


def as_json(found: Beliefs) -> dict[str, dict[str, dict[str, float]]]:
    """Plain data for metrics.jsonl: question -> critic -> p and nats."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for (question, critic), belief in found.items():
        table.setdefault(question, {})[critic] = {"p": belief.p, "nats": belief.nats}
    return table


def margin(found: Beliefs, stop: Stop, critics: Collection[str]) -> float:
    """How far the least satisfied threshold is exceeded; negative: missed.

    A threshold for `""` holds for each of `critics` that was asked; where nobody was asked the question, it is missed.
    """

    def reached(who: str, asked: str) -> float:
        everyone = critics if who == "" else (who,)
        answers = [belief.p for (question, name), belief in found.items() if question == asked and name in everyone]
        return min(answers, default=-1.0)

    return min((reached(who, question) - threshold for who, question, threshold in stop.by), default=-1.0)
