"""Intervals against published values, and an evaluation that survives its file."""

from __future__ import annotations

from pathlib import Path

import made
import pytest
from control_recipes.engine import figures


@pytest.mark.parametrize(
    ("hits", "of", "expected"),
    # Newcombe 1998, table I, method 3
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)), (1, 29, (0.0061, 0.1718))],
)
def test_wilson_agrees_with_newcombe(hits: int, of: int, expected: tuple[float, float]):
    assert figures.wilson(hits, of) == pytest.approx(expected, abs=1e-4)


def test_intervals_stay_within_their_range():
    assert figures.wilson(0, 0) == (0.0, 1.0)
    assert figures.wilson(7, 7)[1] == 1.0
    assert figures.paired(0, 0, 0) == (-1.0, 1.0)
    low, high = figures.paired(0, 10, 1000)
    assert low < -0.01 < high < 0


def test_paired_interval_narrows_with_agreement():
    few, many = figures.paired(5, 15, 1000), figures.paired(205, 215, 1000)
    assert few[1] - few[0] < many[1] - many[0]


def test_evaluation_survives_its_file(tmp_path: Path):
    found = made.evaluation(made.plan(), tmp_path, made.Story())
    figures.write(found, tmp_path / "evaluation.json")
    assert figures.read(tmp_path / "evaluation.json") == found
    assert found.met
