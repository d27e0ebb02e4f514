"""Several processes against one: pictures a second that a training of the gallery learns from.

    python tests/bench/shared.py [--processes 2] [--steps 12]

One JSON object a line on stdout, as bench.py prints them. Every process computes in one thread, so that two on a
machine of two cores take nothing from one another but memory's time; on devices each has its own.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # what tests share

import sharing
from control_recipes.engine.gallery import FOLDER
from control_recipes.engine.plan import Plan
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve
from figure import Figure, tell

ENOUGH = 3600  # seconds


def planned(steps: int) -> Plan:
    """The training that is measured: the first recipe of the gallery, cut short."""
    return resolve(read(FOLDER / "horizon_low.yaml", [f"train.steps={steps}", f"evaluate.every={steps}"]))


def pictures_per_second(metrics: Path, plan: Plan) -> float:
    """Of a training's steps, the first one left out: it is the one that finds memory."""
    lines = [json.loads(line) for line in metrics.read_text("utf-8").splitlines()]
    seconds = [line["seconds"] for line in lines if "look" not in line][1:]
    return plan.train.batch * plan.train.accumulate * len(seconds) / sum(seconds)


def figures(count: int, alone: float, shared: float) -> list[Figure]:
    """What is told of one process, and of so many, in pictures a second."""
    return [
        tell("a training in one process", alone, "pictures a second"),
        tell(f"a training shared by {count} processes", shared, "pictures a second"),
        tell(f"{count} processes against one", shared / alone, "×"),
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Train in one process, then in several, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2, help="that share the training")
    parser.add_argument("--steps", type=int, default=12, help="of each training")
    given = parser.parse_args(words)
    sharing.load()
    plan = planned(given.steps)
    with tempfile.TemporaryDirectory() as scratch:
        rates: list[float] = []
        for count in (1, given.processes):
            work = sharing.trained(Path(scratch), str(count), plan)
            told = sharing.launched(str(count), count, work, Path(scratch), ENOUGH)
            if any(one.status for one in told):
                sys.exit("\n".join(one.err for one in told))
            rates.append(pictures_per_second(Path(scratch) / str(count) / "metrics.jsonl", plan))
    figures(given.processes, *rates)


if __name__ == "__main__":
    main()
