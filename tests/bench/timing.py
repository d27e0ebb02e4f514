"""Timing side by side: ways of doing one thing in turn, round after round, so that a noisy moment meets them all."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

Way = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of every way in every round."""

    of: Mapping[str, list[float]]

    def seconds(self, way: str) -> float:
        """The median over rounds."""
        return median(self.of[way])

    def ratio(self, way: str, *others: str) -> float:
        """The median over rounds of `way` against all `others` together, each round against itself."""
        rounds = zip(self.of[way], *(self.of[other] for other in others), strict=True)
        return median(one / sum(rest) for one, *rest in rounds)


def rounds(ways: Mapping[str, Way], count: int, told: Callable[[], None], warm: bool = True) -> Times:
    """Every way once a round, in turn; `told` is called after each. With `warm`, a round before is not counted."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(count + warm):
        for name, way in ways.items():
            gc.collect()  # not in somebody's time
            started = time.perf_counter()
            way()
            spent = time.perf_counter() - started
            if number or not warm:
                found[name].append(spent)
            told()
    return Times(found)
