"""The page on composing: its tables are those of the bench's figures, and it sees where not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import composing_page

PAGE = Path(__file__).parent.parent / "docs" / "composing.md"


def one(share: float, pictures: int = 1024) -> dict[str, Any]:
    goal = {"goal": True, "before": 0.1, "share": share, "interval": [0, 1], "pictures": pictures}
    return {"named": {**goal, "goal": False, "share": 0.123, "pictures": 3}, "aim": goal}


FIGURES: dict[str, Any] = {
    "settings": {"recipes": ["low", "warm"], "polish_steps": 50},
    "machine": {"processor": "Two cores", "threads": 2, "torch": "2"},
    "quick": False,
    "ways": {
        "low alone": {"low": one(0.8), "warm": one(0.2)},
        "warm alone": {"low": one(0.1), "warm": one(0.5)},
        "exact": {"low": one(0.6), "warm": one(0.45, 1000)},
        "high alone": {"high": one(0.9)},
        "pair": {"low": one(0.3), "high": one(0.4)},
    },
    "pair": {"recipes": ["low", "high"], "warnings": ["low and high fight."]},
}


def test_the_page_is_what_the_figures_say():
    assert composing_page.wrong(PAGE.read_text("utf-8")) == []


def test_tables_say_what_is_left_of_each_control():
    made = composing_page.marks(FIGURES)
    assert made["figures composed"].startswith("1,000 pictures a figure or more, polished by 50 steps; Two cores, ")
    assert made["figures composed"].endswith("| exact | 60.0% (75%) | 45.0% (90%) | 75% |\n")
    assert (
        "| bare generator | 10.0% | 10.0% |  |\n| low alone | 80.0% (100%) | 20.0% (40%) | 40% |\n"
        in made["figures composed"]
    )
    assert made["figures pair"] == (
        "|  | low | high |\n| --- | --- | --- |\n| low alone | 80.0% |  |\n| high alone |  | 90.0% |\n"
        "| pair | 30.0% | 40.0% |\n\n> low and high fight.\n"
    )
    assert composing_page.marks({**FIGURES, "quick": True})["figures composed"].startswith("**A trial of the bench")


def test_the_guard_sees_a_page_that_is_stale(tmp_path: Path):
    file, page = tmp_path / "composed.json", tmp_path / "composing.md"
    page.write_text(PAGE.read_text("utf-8"), "utf-8")
    file.write_text(json.dumps(FIGURES), "utf-8")
    composing_page.write(page, file)
    assert composing_page.wrong(page.read_text("utf-8"), file) == []
    file.write_text(json.dumps({**FIGURES, "quick": True}), "utf-8")
    assert composing_page.wrong(page.read_text("utf-8"), file) == [
        "composing.md: is not what the figures say; `make format` writes it anew"
    ]
    gone = page.read_text("utf-8").replace("<!-- figures pair -->", "")
    assert any("<!-- figures pair --> is missing" in line for line in composing_page.wrong(gone, file))
