"""The comparison of ways to one adapter goes on where it was stopped, and mixes no two comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import composed
import pytest
from control_recipes.engine.errors import InputError

SETTINGS: dict[str, Any] = {"recipes": ["a", "b"], "plans": {"a": "1", "b": "2"}}


def test_what_was_measured_is_not_measured_again(tmp_path: Path):
    file = tmp_path / "results.json"
    done: list[str] = []

    def made(name: str) -> Path:
        done.append(f"made {name}")
        return Path(name)

    def go_on(stop: str) -> None:
        def measure(path: Path, name: str) -> composed.Shares:
            if f"{path} {name}" == stop:
                raise KeyboardInterrupt
            done.append(f"{path} {name}")
            return {"m": {"goal": True, "share": 0.5}}

        kept = composed.kept(file, SETTINGS)
        for way in ("exact", "tuned"):
            kept.measure(way, ["a", "b"], lambda way=way: made(way), measure)

    for stop in ("exact b", "tuned a"):
        with pytest.raises(KeyboardInterrupt):
            go_on(stop)
        done.append("killed")
    go_on("")
    go_on("")  # nothing is left to do
    assert done == [
        *("made exact", "exact a", "killed", "made exact", "exact b", "made tuned", "killed"),
        *("made tuned", "tuned a", "tuned b"),
    ]
    assert {way: [*of] for way, of in composed.kept(file, SETTINGS).data["ways"].items()} == {
        "exact": ["a", "b"], "tuned": ["a", "b"]
    }  # fmt: skip


def test_another_comparison_is_refused_in_the_same_folder(tmp_path: Path):
    composed.kept(tmp_path / "results.json", SETTINGS).write()
    with pytest.raises(InputError, match="holds a comparison of other plans\n  hint: give another --work"):
        composed.kept(tmp_path / "results.json", {**SETTINGS, "plans": {"a": "1", "b": "3"}})
