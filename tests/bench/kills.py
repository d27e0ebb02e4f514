"""`make bench-long`: runs that are killed a hundred times end as if nobody had disturbed them.

One JSON object a line on stdout, as bench.py prints them. First one run, in processes of its own as a person starts
them, killed by SIGKILL a hundred times in a row at random moments; then forks of a process that has everything loaded,
a hundred at random moments and a hundred right before a random change to the disk.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # what tests share

import conftest
import killing
import pico
from commandline import CODE

KILLS = 100
SEED = 2506
# of one run that outlives so many kills; each attempt gets through a few of its steps
STEPS = 400


def tell(bench: str, value: float, unit: str, target: float | None = None, at_least: bool = False) -> None:
    """Print one figure; without a target it is met."""
    met = target is None or (value >= target if at_least else value <= target)
    print(json.dumps({"bench": bench, "value": value, "unit": unit, "target": target, "met": met}), flush=True)


def told(name: str, found: killing.Told, seconds: float) -> None:
    """Print what came of the kills of one kind."""
    tell(f"{name}: kills", found.kills, "SIGKILLs", KILLS, at_least=True)
    for where, count in sorted(found.where.items()):
        tell(f"{name}: killed while {where}", count, "SIGKILLs")
    tell(f"{name}: of one run in a row, at most", found.most, "SIGKILLs")
    tell(f"{name}: runs brought to their end", found.runs, "runs", 1, at_least=True)
    tell(f"{name}: files that are not those of an undisturbed run", len(found.different), "files", 0)
    tell(f"{name}: time", round(seconds, 1), "s")


def workplace(folder: Path, steps: int) -> Path:
    """A folder with tiny.yaml, of so many steps, and its models."""
    folder.mkdir()
    pico.flux_folder(folder / "flux")
    pico.critic_folder(folder / "critic")
    pico.critic_folder(folder / "second", seed=3)
    (folder / "tiny.yaml").write_text(conftest.RECIPE.replace("steps: 3", f"steps: {steps}"), encoding="utf-8")
    return folder


def process(folder: Path) -> int:
    """Start the run in a process of its own; its number."""
    code = f"import os; os.chdir({str(folder)!r})\n{CODE}"
    return os.posix_spawn(sys.executable, [sys.executable, "-c", code, *killing.WORDS], os.environ)


def until(folder: Path, name: str, stamp: float) -> float:
    """Seconds until the run has written a file."""
    while not (folder / "runs" / "tiny" / name).exists():
        time.sleep(0.01)
    return time.monotonic() - stamp


def as_a_person(folder: Path) -> killing.Told:
    """Kill one run a hundred times in a row, each time after it has begun, or not even that."""
    draw, begun_at = random.Random(SEED), time.monotonic()
    number = process(folder)
    begun = until(folder, "metrics.jsonl", begun_at)
    trained = until(folder, "tiny.safetensors", begun_at)
    if killing.ended(number) != 0:
        raise SystemExit("the run fails even if nobody disturbs it")
    whole, wanted = time.monotonic() - begun_at, killing.outcome(folder)
    killing.clear(folder)
    # about what an attempt takes that finds its training done; once it has its report it is killed whatever the time
    longest = begun + (whole - trained)

    def begin() -> tuple[int, float]:
        early = draw.random() < 0.2
        return process(folder), draw.uniform(0, begun) if early else draw.uniform(begun, longest)

    return killing.disturbed(folder, KILLS, wanted, begin, folder / "runs" / "tiny" / "report.html")


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as scratch:
        started = time.monotonic()
        found = as_a_person(workplace(Path(scratch, "long"), STEPS))
        told("one run in processes of its own", found, time.monotonic() - started)
        short = workplace(Path(scratch, "short"), 12)
        killing.load()
        whole = killing.undisturbed(short)
        for way, name in (("moments", "forks at random moments"), ("boundaries", "forks before a change to the disk")):
            started = time.monotonic()
            found = killing.killed(short, whole, KILLS, random.Random(SEED), way)
            told(name, found, time.monotonic() - started)


if __name__ == "__main__":
    main()
