"""`make bench`: what the promises cost here. One JSON object a line on stdout: bench, value, unit, target, met."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import control_recipes

sys.path.insert(0, str(Path(__file__).parents[1]))  # what tests share

import big
import gradient
from figure import tell

RECIPE = Path(sys.executable).with_name("recipe")
GIB = 2**30
# gallery recipe -> the measure of its goal: at least after, at most before
GOALS = {"horizon_low": (0.90, 0.25), "horizon_high": (0.85, 0.35), "blue_ball": (0.85, 0.35)}


def check_cold(folder: Path) -> None:
    """Processor time of the fastest of ten cold starts: what takes longer is the machine's other work."""
    found = min(_cpu([RECIPE, "check", "horizon_low.yaml"], folder)[0] for _ in range(10))
    tell("recipe check, cold", found, "s of CPU", at_most=0.4)


def check_many(folder: Path) -> None:
    """Two hundred recipes in one process, each with a name and a height of its own."""
    text = (Path(control_recipes.__file__).parent / "recipes" / "horizon_low.yaml").read_text(encoding="utf-8")
    shutil.copytree(Path(control_recipes.__file__).parent / "recipes" / "assets", folder / "assets")
    files = [folder / f"many_{at}.yaml" for at in range(200)]
    for at, file in enumerate(files):
        changed = text.replace("name: horizon_low", f"name: many_{at}").replace("height: 0.8", f"height: 0.{700 + at}")
        file.write_text(changed, encoding="utf-8")
    tell("recipe check, 200 files", _cpu([RECIPE, "check", *files], folder)[0], "s of CPU", at_most=4)


def plan_product(folder: Path) -> None:
    """A product of 100,000 rows, planned and digested, whether rows share their questions or not."""
    own = "Is this {{ prompt }}, with the line on the horizon?"
    for said, text in (("", big.recipe()), (", a question each", big.recipe(ask=own))):
        (folder / "product.yaml").write_text(text, encoding="utf-8")
        seconds, peak = min(_cpu([RECIPE, "plan", "product.yaml"], folder) for _ in range(2))
        tell(f"recipe plan, 100,000 rows{said}", seconds, "s of CPU", at_most=5)
        tell(f"recipe plan, 100,000 rows{said}, peak memory", peak / 2**20, "MiB", at_most=300)


def _cpu(words: list[str | Path], folder: Path) -> tuple[float, float]:
    """Seconds of the processor (user and system) that a command takes, and its peak memory in bytes."""
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, [str(word) for word in words])
    return used.ru_utime + used.ru_stime, 1024.0 * used.ru_maxrss


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
        check_many(Path(scratch))
        plan_product(Path(scratch))
        gallery(Path(scratch))
    gradient.main([])  # last: the gallery's memory is told as that of the largest child so far
    subprocess.run([sys.executable, str(Path(__file__).with_name("shared.py"))], check=True)  # which forks
