"""The page of what a step costs: its tables and plots are those of the benches' figures, and it sees where not."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import performance
import plots
import pytest

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


def test_the_page_is_what_the_figures_say():
    assert performance.wrong(PAGE.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("| whole step, 5 |", "| whole step, 6 |", "is not what the figures say"),
        ("<!-- figures memory -->", "<!-- figures memories -->", "<!-- figures memory --> is missing"),
    ],
)
def test_the_guard_sees_a_page_that_is_stale(old: str, new: str, said: str):
    text = PAGE.read_text("utf-8")
    assert old in text
    assert any(said in line for line in performance.wrong(text.replace(old, new)))


def test_the_guard_sees_a_plot_that_is_stale_and_one_that_is_gone(tmp_path: Path):
    shutil.copytree(performance.FIGURES, tmp_path, dirs_exist_ok=True)
    text = PAGE.read_text("utf-8")
    assert performance.wrong(text, tmp_path) == []
    (tmp_path / "batch.svg").write_text("<svg/>", encoding="utf-8")
    (tmp_path / "side.svg").unlink()
    assert [line.split(":")[0] for line in performance.wrong(text, tmp_path)] == [
        "figures/batch.svg",
        "figures/side.svg",
    ]


def test_other_figures_make_another_page_and_a_trial_is_called_one():
    data = performance.read()
    trial = {name: {**one, "quick": True} for name, one in data.items()}
    measured = {name: {**one, "quick": False} for name, one in data.items()}
    text = PAGE.read_text("utf-8")
    assert performance.renewed(text, trial).count("figures say nothing") == 3
    assert "figures say nothing" not in performance.renewed(text, measured)


def test_a_target_that_is_missed_is_said():
    one = {"bench": "critic: one by one / packed", "target": 4.0, "met": False}
    assert performance._target(one) == "≥ 4, **missed**"
    assert performance._target({**one, "bench": "step / parts", "met": True}) == "≤ 4"


def test_a_plot_has_its_points_where_the_axes_say():
    drawn = plots.plot("t & u", "questions", "seconds", [plots.Curve("a", [(0, 0), (8, 4)])])
    root = ET.fromstring(drawn)
    places = [
        (float(dot.get("cx", 0)), float(dot.get("cy", 0))) for dot in root.iter("{http://www.w3.org/2000/svg}circle")
    ]
    assert places == [(plots.LEFT, plots.BOTTOM), (plots.RIGHT, plots.TOP)]
    assert root.get("aria-label") == "t & u"


def test_names_of_curves_that_end_together_do_not_lie_on_each_other():
    places = sorted(plots._places([100.0, 101.0, 99.0, 250.0]))
    assert min(after - before for before, after in pairwise(places)) >= 16
