"""Questions: every one asked has its right answer, by another way of finding it."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from control_recipes.engine.world import captions, questions
from control_recipes.engine.world.questions import OTHER_WORDINGS, WORDINGS, Item, Truth, merged

BOTH = merged(WORDINGS, OTHER_WORDINGS)
LOW, HIGH, MIDDLE = "low", "high", "middle"


def truth(rng: random.Random) -> Truth:
    """A random truth, sometimes between two words and sometimes under a line."""
    words = {
        name: rng.choice([*said, *["medium"] * (name in ("size", "outline"))])
        for name, said in captions.PHRASES.items()
    }
    for name in ("size", "position", "outline"):
        words[name] = "" if rng.random() < 0.2 else words[name]
    horizon = rng.uniform(0.2, 0.88)
    line = rng.choice([None, horizon + rng.uniform(-0.04, 0.04), rng.uniform(0.02, 0.98)])
    return Truth(words, horizon, line)


def right(item: Item, about: Truth) -> bool:
    """Whether an item's answer is true, found from its words alone."""
    asked = item.question.removesuffix(f" {questions.SUFFIX}")
    if item.about in questions.LINE_SHARES:
        assert about.line is not None
        away = about.line - about.horizon
        holds = {"aligned": abs(away) <= 0.04, "above": away < -0.08, "below": away > 0.08}[item.about]
        return (item.answer == "Yes") == holds and not 0.04 < abs(away) <= 0.08
    if item.about in (LOW, HIGH, MIDDLE):
        row = about.horizon
        holds = {LOW: row > 0.62, HIGH: row < 0.38, MIDDLE: 0.42 < row < 0.58}[item.about]
        return (item.answer == "Yes") == holds
    if not item.about.startswith("open "):
        claims = captions.named(asked)
        return bool(claims) and (item.answer == "Yes") == all(
            about.words[name] == word for name, word in claims.items()
        )
    kind = item.about.removeprefix("open ")
    if kind == "horizon":
        return item.answer == (LOW if about.horizon > 0.62 else HIGH if about.horizon < 0.38 else MIDDLE)
    if kind in questions.AIDS:
        row = about.horizon if kind == "row" else about.line
        return row is not None and abs(int(item.answer) / 100 - row) < 0.02
    return (
        captions.named(item.answer).items() <= about.words.items()
        if kind == "color thing"
        else item.answer == about.words[kind]
    )


def asked(count: int, aids: bool = True) -> list[tuple[Truth, list[Item]]]:
    rng = random.Random(3)
    truths = [truth(rng) for _ in range(count)]
    return [(each, questions.several(each, 6, rng, BOTH, aids)) for each in truths]


def test_every_answer_is_right_and_every_kind_is_asked():
    seen: Counter[str] = Counter()
    for about, items in asked(1500):
        for item in items:
            assert right(item, about), (item, about)
            seen[item.about] += 1
    assert set(seen) == {*WORDINGS, *(f"open {kind}" for kind in questions.OPEN)}


def test_the_check_sees_wrong_answers():
    opposite = {"Yes": "No", "No": "Yes"}
    for about, items in asked(200):
        for item in items:
            wrong = replace(item, answer=opposite.get(item.answer, "1" if item.about.endswith("row") else "unicorn"))
            if item.about != "open color thing":
                assert not right(wrong, about), wrong


def test_questions_about_a_picture_differ():
    for _, items in asked(300):
        assert len({item.question for item in items}) == len(items) == 6


def test_aids_can_be_left_out():
    assert not any(
        item.about.removeprefix("open ") in questions.AIDS for _, items in asked(300, aids=False) for item in items
    )


def test_claims_are_true_half_of_the_time():
    answers = [
        item.answer for _, items in asked(1500) for item in items if item.about in ("thing", "color", "color thing")
    ]
    assert answers.count("Yes") / len(answers) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize(
    ("away", "aligned", "above", "below"),
    [
        (0.0, True, False, False),
        (0.04, True, False, False),
        (-0.04, True, False, False),
        (0.05, None, None, None),
        (-0.08, None, None, None),
        (0.09, False, False, True),
        (-0.09, False, True, False),
        (0.6, False, False, True),
    ],
)
def test_lines(away: float, aligned: bool | None, above: bool | None, below: bool | None):
    assert [questions._line(kind, away) for kind in ("aligned", "above", "below")] == [aligned, above, below]


@pytest.mark.parametrize(
    ("row", "low", "high", "middle"),
    [
        (0.2, False, True, False),
        (0.37, False, True, None),
        (0.4, False, None, None),
        (0.45, False, False, True),
        (0.5, False, False, True),
        (0.57, None, False, True),
        (0.6, None, False, None),
        (0.63, True, False, None),
        (0.88, True, False, False),
    ],
)
def test_horizons(row: float, low: bool | None, high: bool | None, middle: bool | None):
    assert [questions._horizon(kind, row) for kind in (LOW, HIGH, MIDDLE)] == [low, high, middle]


def test_texts_for_tokenizers_depend_on_the_seed_alone():
    first = questions.corpus(2, 50, WORDINGS)
    assert first == questions.corpus(2, 50, WORDINGS) != questions.corpus(3, 50, WORDINGS)
    assert len(first) == 50 * 6 * 2


def test_wordings_are_merged_by_kind():
    assert BOTH["thing"] == WORDINGS["thing"] + OTHER_WORDINGS["thing"]
    assert BOTH["high"] == WORDINGS["high"]
    assert set(OTHER_WORDINGS) <= set(WORDINGS)
