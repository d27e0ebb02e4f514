"""Notes: each failure is said in words, and a good run gets none of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import made
import pytest
from control_recipes.engine import figures
from control_recipes.engine.notes import notes, percent


def said(folder: Path, story: made.Story) -> str:
    plan = made.plan()
    return "\n".join(note.text for note in notes(plan, made.evaluation(plan, folder, story)) if not note.good)


def test_nothing_is_wrong_with_a_good_run(tmp_path: Path):
    plan = made.plan()
    told = notes(plan, made.evaluation(plan, tmp_path, made.Story()))
    assert [note.good for note in told] == [True]
    assert "horizon" in told[0].text


@pytest.mark.parametrize(
    ("story", "words"),
    [
        (made.Story(truth=0.5, believed=0.52), "Not met: horizon is 0.5"),
        (made.Story(truth=0.03, believed=0.05), "The goal hardly moved: horizon went from"),
        (made.Story(truth=0.9, believed=0.97), "eyes calls 97 % of the pictures right on “aligned”, the pixels 90 %"),
        (made.Story(hold=0.61), "The hold “still_there” broke: it asks for p ≥ 0.75, eyes ends at 0.61"),
        (made.Story(named=0.9), "named fell from 98 % to 90 %"),
    ],
)
def test_each_failure_has_its_words(tmp_path: Path, story: made.Story, words: str):
    assert words in said(tmp_path, story)


@pytest.mark.parametrize("many", [False, True])
def test_many_of_a_kind_are_one_note(tmp_path: Path, many: bool):
    names = ("a", "b", "c", "d") if many else ("a", "b", "c")
    plan = made.plan()
    found = made.evaluation(plan, tmp_path, made.Story(named=0.9))
    named = next(one for one in found.measures if one.name == "named")
    kept = plan.questions[1]
    shares = figures.Share(1, 0.9), figures.Share(1, 0.25)
    plan = replace(plan, questions=tuple(replace(kept, name=f"q.{name}") for name in names))
    beliefs = tuple(figures.Belief(f"q.{name}", "eyes", False, *shares, 100) for name in names)
    measures = tuple(replace(named, name=f"m.{name}") for name in names)
    told = [note.text for note in notes(plan, replace(found, beliefs=beliefs, measures=measures, expect=()))]
    if many:
        ends = ", ".join(f"q.{name} 0.25 of 0.75" for name in names)
        fell = ", ".join(f"m.{name} 98 % → 90 %" for name in names)
        assert told == [f"4 holds broke, and end at a p of: {ends}.", f"4 measures fell, of the pictures: {fell}."]
    else:
        assert len(told) == 6


def test_shares_never_round_to_all_or_nothing():
    assert [percent(share) for share in (0, 0.004, 0.5, 0.996, 1)] == ["0 %", "0.4 %", "50 %", "99.6 %", "100 %"]
