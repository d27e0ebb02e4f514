"""Reading is fast: generous bounds on processor time and memory; `make bench` holds the promised ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import big
import pytest

# in the process itself: what a parent held before it became another program counts as its child's
SCRIPT = """
import re, resource, sys
from control_recipes.cli import main
try:
    main()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
    print(used.ru_utime + used.ru_stime, int(peak[1]) / 1024, file=sys.stderr)
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the peak of memory")


def used(folder: Path, *words: str) -> tuple[float, float]:
    """Seconds of the processor and MiB at most that a command takes."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    seconds, mib = done.stderr.splitlines()[-1].split()
    return float(seconds), float(mib)


def test_one_file_is_checked_in_a_blink(tmp_path: Path):
    seconds, mib = min(used(tmp_path, "check", "horizon_low.yaml") for _ in range(3))
    assert seconds < 2
    assert mib < 100


def test_a_product_of_100_000_rows_plans_in_seconds(tmp_path: Path):
    own = big.recipe(ask="Is this {{ prompt }}, with the line on the horizon?")  # nothing to share, which takes most
    (tmp_path / "product.yaml").write_text(own, encoding="utf-8")
    seconds, mib = used(tmp_path, "plan", "product.yaml")
    assert seconds < 20
    assert 100 < mib < 300  # memory is the same on a machine that does other things; rows do take some


def test_the_guard_sees_that_rows_take_memory(tmp_path: Path):
    (tmp_path / "product.yaml").write_text(big.recipe(4), encoding="utf-8")
    assert used(tmp_path, "plan", "product.yaml")[1] < 100
