"""`make bench`: what the promises cost here. One JSON object a line on stdout: bench, value, unit, target, met."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RECIPE = Path(sys.executable).with_name("recipe")
GIB = 2**30
# gallery recipe -> the measure of its goal: at least after, at most before
GOALS = {"horizon_low": (0.90, 0.25), "horizon_high": (0.85, 0.35), "blue_ball": (0.85, 0.35)}


def tell(bench: str, value: float, unit: str, at_most: float | None = None, at_least: float | None = None) -> None:
    """Print one figure; without a target it is met."""
    target = at_most if at_least is None else at_least
    met = (at_most is None or value <= at_most) and (at_least is None or value >= at_least)
    print(
        json.dumps({"bench": bench, "value": round(value, 4), "unit": unit, "target": target, "met": met}), flush=True
    )


def check_cold(folder: Path) -> None:
    """The fastest of several cold starts: what is slower than that is the machine's other work."""
    times: list[float] = []
    for _ in range(7):
        start = time.perf_counter()
        subprocess.run([RECIPE, "check", "horizon_low.yaml"], cwd=folder, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    tell("recipe check, cold", min(times), "s", at_most=0.4)


def gallery(folder: Path) -> None:
    """Every recipe of the first gallery, from nothing: time, memory, and what its goal came to."""
    for name, (after, before) in GOALS.items():
        start = time.perf_counter()
        done = subprocess.run(
            [RECIPE, "run", f"{name}.yaml", "--json"], cwd=folder, stdout=subprocess.PIPE, check=False
        )
        tell(f"{name}: recipe run", time.perf_counter() - start, "s", at_most=300 if name == "horizon_low" else None)
        told: dict[str, Any] = json.loads(done.stdout)
        goal = told["measures"][told["goal"]["measure"]]
        right = max(
            asked["after"]["right"] for asked in told["questions"][told["goal"]["question"]]["critics"].values()
        )
        tell(f"{name}: goal after", goal["after"], "share of pictures", at_least=after)
        tell(f"{name}: goal before", goal["before"], "share of pictures", at_most=before)
        tell(f"{name}: critic's right minus the measure", right - goal["after"], "share of pictures", at_most=0.05)
    # the largest of all children so far, which the runs are
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / GIB
    tell("recipe run, peak memory", peak, "GiB", at_most=2.5)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        check_cold(Path(scratch))
        gallery(Path(scratch))
