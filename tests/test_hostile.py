"""Hostile recipes: each validates or is refused at a place, soon, in little memory, with nothing written."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import hollow
import hostile_cases
import pytest
from control_recipes.engine import document
from control_recipes.engine.errors import InputError, Problem
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HARNESS = Path(__file__).parent / "hostile.py"
ENVIRONMENT = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
PROCESSES = 2
SAMPLE = 150  # every how many cases one is put to a real process as well
MEMORY = 2**30  # of address space for a real process: the interpreter and its libraries take half of it


def outcomes(folder: Path, *words: str) -> list[dict[str, Any]]:
    """What the harness, in a process of its own, says of every case."""
    done = subprocess.run(
        [sys.executable, str(HARNESS), str(folder), *words],
        capture_output=True,
        text=True,
        timeout=600,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def wrong(found: dict[str, Any]) -> bool:
    return found["ended"] not in ("fine", "refused") or found["wanted"] not in ("either", found["ended"])


def corpus(folder: Path) -> list[dict[str, Any]]:
    """What the harness says of all cases: some thirty seconds of a processor, so several share them."""

    def part(at: int) -> list[dict[str, Any]]:
        return outcomes(folder / str(at), "--part", str(at), str(PROCESSES))

    with ThreadPoolExecutor() as pool:
        return [one for found in pool.map(part, range(PROCESSES)) for one in found]


@pytest.mark.filterwarnings("ignore")
def test_every_hostile_recipe_validates_or_is_refused(tmp_path: Path) -> None:
    found = corpus(tmp_path)
    assert len({one["name"] for one in found}) == len(found) > 1000
    assert not [one for one in found if wrong(one)]
    ended = [one["ended"] for one in found]
    assert ended.count("refused") > 1000
    assert ended.count("fine") > 50
    for one in found:
        assert (one["ended"] == "refused") == bool(one["said"])
        assert not any(ord(letter) < 32 and letter != "\n" for letter in one["said"]), one["name"]


def test_the_harness_notices_a_hang_a_traceback_memory_and_what_is_written(tmp_path: Path) -> None:
    found = outcomes(tmp_path / "work", "--twins")
    assert [one["ended"] for one in found] == [one["name"] for one in found]
    assert {one["ended"] for one in found} == {"hang", "memory", "traceback", "write", "no place", "fine"}


def sampled() -> list[hostile_cases.Case]:
    cases = [case for case in hostile_cases.all_cases() if not case.sets]
    named = ("recipe is a FIFO", "recipe is zero", "hundred megabytes of comment", "picture image huge claim")
    return [*cases[::SAMPLE], *(case for case in cases if case.name in named)]


def test_real_processes_refuse_a_sample(tmp_path: Path) -> None:
    workplace = hostile_cases.workplace(tmp_path / "work")
    code = "import control_recipes.cli as c; c.main()"
    for case in sampled():
        with case.laid_out(workplace.parent) as file:
            before = sorted(workplace.parent.rglob("*"))
            done = subprocess.run(
                [sys.executable, "-c", code, "check", str(file), "--json"],
                capture_output=True,
                timeout=60,
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                preexec_fn=partial(resource.setrlimit, resource.RLIMIT_AS, (MEMORY, MEMORY)),
            )
            assert sorted(workplace.parent.rglob("*")) == before, case.name
        said = json.loads(done.stdout)
        assert done.returncode == (0 if said["ok"] else 2), (case.name, done.stderr)
        assert case.wanted in ("either", "fine" if said["ok"] else "refused"), case.name
        assert b"Traceback" not in done.stderr, case.name
        assert all(problem["place"]["line"] != 0 and problem["message"] for problem in said["problems"])


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["{{ color }}", "ruler"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def paths(data: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place of plain data."""
    entries: list[tuple[Any, Any]] = []
    if isinstance(data, dict):
        entries = list(data.items())
    elif isinstance(data, list):
        entries = list(enumerate(data))
    return [path, *(found for key, value in entries for found in paths(value, (*path, key)))]


RIGHT = document.parse(hollow.RECIPE, "r").data
PLACES = [path for path in paths(RIGHT) if path]


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(path=st.sampled_from(PLACES), value=VALUES)
def test_any_value_in_any_place_validates_or_is_refused(
    path: tuple[str | int, ...], value: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any value"
    if not folder.exists():
        hostile_cases.workplace(folder)
    data: Any = json.loads(json.dumps(RIGHT))
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    # JSON's escapes are YAML's, its NaN and Infinity are text there
    (folder / "r.yaml").write_text(json.dumps(data), encoding="utf-8")
    problems: tuple[Problem, ...] = ()
    try:
        resolve(read(folder / "r.yaml"))
    except InputError as error:
        problems = error.problems
    assert all(problem.message and problem.place.line == 1 for problem in problems)
