"""Reading is fast: generous bounds on processor time and memory; `make bench` holds the promised ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import big

RECIPE = Path(sys.executable).with_name("recipe")


def used(folder: Path, *words: str) -> tuple[float, float]:
    """Seconds of the processor and MiB at most that a command takes."""
    process = subprocess.Popen([RECIPE, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def test_one_file_is_checked_in_a_blink(tmp_path: Path):
    seconds, mib = min(used(tmp_path, "check", "horizon_low.yaml") for _ in range(3))
    assert seconds < 2
    assert mib < 150


def test_a_product_of_100_000_rows_plans_in_seconds(tmp_path: Path):
    (tmp_path / "product.yaml").write_text(big.recipe(), encoding="utf-8")
    seconds, mib = used(tmp_path, "plan", "product.yaml")
    assert seconds < 20
    assert mib < 300  # memory is the same on a machine that does other things


def test_the_guard_sees_more_rows_take_more(tmp_path: Path):
    (tmp_path / "product.yaml").write_text(big.recipe(4), encoding="utf-8")
    _, small = used(tmp_path, "plan", "product.yaml")
    assert small < 100
