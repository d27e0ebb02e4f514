"""Questions: each has its right answer, as hand-made scenes and what captions and facts say elsewhere tell."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import pytest
import torch
from control_recipes.engine.world import captions, claims, facts, overlays, pictures, questions
from control_recipes.engine.world.questions import Item, merged
from control_recipes.engine.world.truth import Truth, complete, horizon_word, line_word, may_hold
from control_recipes.engine.world.wordings import (
    AIDS,
    KIND_SHARES,
    OPEN,
    OTHER_WORDINGS,
    OVERLAID,
    SUFFIX,
    WORDINGS,
)

BOTH = merged(WORDINGS, OTHER_WORDINGS)
PLAIN = {
    "time": "day", "place": "grass", "thing": "ball", "color": "red", "season": "summer", "lamp": "on", "other": "none",
    "other_color": "blue", "ink": "black", "arrangement": "red_blue_yellow", "size": "medium", "position": "middle",
    "outline": "medium", "camera": "high", "other_position": "right", "depth": "nearer", "grade": "neutral",
    "split_x": "left", "split_y": "low",
}  # fmt: skip
ROOM = complete(
    {
        **PLAIN, "place": "kitchen", "time": "night", "season": "winter", "lamp": "off", "camera": "low", "size": "",
        "thing": "ball", "color": "red", "position": "left", "other": "box", "other_color": "blue", "ink": "white",
        "outline": "thin", "grade": "warm",
    },
    0.7,
)  # fmt: skip
FIELD = complete({**PLAIN, "thing": "tent", "color": "yellow", "size": "small", "position": "right"}, 0.5)
PAINTING = complete({**PLAIN, "place": "painting", "outline": "thick", "ink": "red", "grade": "cool"}, 0.3)
RED = "red line overlaid at the bottom"
MANY = {"open": 3, "place": 8}  # kinds that are said in many ways are asked so many times as often
NAMES = {"room": ROOM, "field": FIELD, "painting": PAINTING}


def laid(truth: Truth, row: float | None = None, **words: str) -> Truth:
    """The same picture with something over it."""
    rows = truth.rows if row is None else {**truth.rows, "line row": row}
    return Truth({**truth.words, **{name.replace("_", " "): word for name, word in words.items()}}, rows)


RIGHT = {
    "room": {
        "Is there a ball in the image?": "Yes", "Is there a box in the image?": "Yes",
        "Is there a tent in the image?": "No", "Does the image show a vase?": "No",
        "Is the ball red?": "Yes", "Is the ball blue?": "No", "Is the box blue?": "Yes", "Is the box red?": "No",
        "Is there a red ball in the image?": "Yes", "Is there a blue box in the image?": "Yes",
        "Is there a blue ball in the image?": "No", "Is there a red box in the image?": "No",
        "Are there two things in the image?": "Yes", "Is there only one thing in the image?": "No",
        "Is the box nearer to the camera than the ball?": "Yes", "Is the ball behind the box?": "Yes",
        "Is the ball nearer to the camera than the box?": "No", "Is the box behind the ball?": "No",
        "Is the ball on the left?": "Yes", "Is the ball on the right?": "No", "Is the box on the right?": "Yes",
        "Is the ball in the kitchen?": "Yes", "Is the scene in the office?": "No",
        "Does the image show the kitchen?": "Yes", "Does the image show the art museum?": "No",
        "Is the scene indoors?": "Yes", "Is the scene outdoors?": "No", "Is it night?": "Yes", "Is it day?": "No",
        "Is it winter in the image?": "Yes", "Is it summer in the image?": "No",
        "Is the lamp off?": "Yes", "Is the lamp on?": "No", "Is the lamp lit?": "No", "Is the lamp unlit?": "Yes",
        "Is this the view of a robot vacuum?": "Yes", "Is the image seen from eye level?": "No",
        "Is the horizon low in the image?": "Yes", "Is the horizon high in the image?": "No",
        "Are the outlines white?": "Yes", "Are the outlines black?": "No", "Are the outlines thin?": "Yes",
        "Are the outlines thick?": "No", "Are the colors of the image warm?": "Yes",
        "Are the colors of the image cool?": "No", "Is the image an abstract painting?": "No",
        "What is in the image?": "a blue box and a red ball", "What is nearer to the camera?": "the box",
        "What color is the box?": "blue", "How many things are in the image?": "two",
        "What place does the image show?": "kitchen", "How high is the camera?": "low",
        "Is the lamp on or off?": "off", "What color are the outlines?": "white", "How far down is the horizon?": "70",
    },
    "field": {
        "Is the thing in the image a tent?": "Yes", "Is the object in the image a ball?": "No",
        "Is the thing yellow?": "Yes", "Is the tent small?": "Yes", "Is the tent large?": "No",
        "Is there a single thing in the image?": "Yes", "Is there a second thing in the image?": "No",
        "Is the tent in the grass?": "Yes", "Is the tent in the snow?": "No", "Is the scene in the garage?": "No",
        "Is the scene outdoors?": "Yes", "Is the scene in summer?": "Yes", "Is the scene in winter?": "No",
        "Is the horizon in the middle of the image?": "Yes", "Are the outlines thick?": "No",
        "Is the color palette of the image neutral?": "Yes",
        "What is in the image?": "a yellow tent", "What season is it?": "summer", "Where is the horizon?": "middle",
        "How thick are the outlines?": "medium", "On which side is the tent?": "right",
        "How large is the tent?": "small",
    },
    "painting": {
        "Is the image an abstract painting?": "Yes", "Is the scene in the kitchen?": "No",
        "Is this a painting of red, blue and yellow areas?": "Yes",
        "Is this a painting of white, red and blue areas?": "No",
        "Is this a painting divided at the left?": "Yes", "Is this a painting divided at the right?": "No",
        "Is this a painting divided near the bottom?": "Yes", "Is this a painting divided near the top?": "No",
        "Are the outlines red?": "Yes", "Are the outlines thick?": "Yes", "Are the colors of the image cool?": "Yes",
        "Which colors does the painting have?": "red, blue and yellow",
    },
}  # fmt: skip


def answers(truth: Truth, tries: int = 800, kinds: Sequence[str] = (*KIND_SHARES, *OVERLAID)) -> dict[str, set[str]]:
    """All that is answered to each of the questions of some kinds about one picture."""
    rng = random.Random(0)
    found: dict[str, set[str]] = defaultdict(set)
    for kind in kinds:
        for _ in range(tries * MANY.get(kind, 1)):
            aids = kind == "open" and rng.random() < 0.5
            item = questions._open(truth, rng, True) if aids else questions.ask(kind, truth, rng, BOTH)
            if item is not None:
                found[item.question.removesuffix(f" {SUFFIX}")].add(item.answer)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_hand_made_scenes_are_told_rightly(name: str):
    found = answers(NAMES[name])
    assert {question: found[question] for question in RIGHT[name]} == {
        question: {answer} for question, answer in RIGHT[name].items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_no_question_has_two_answers(name: str):
    assert {question: said for question, said in answers(NAMES[name]).items() if len(said) > 1} == {}


def test_the_check_sees_answers_of_another_scene():
    found = answers(laid(ROOM, color="blue", other_color="red"))
    wrong = [question for question, answer in RIGHT["room"].items() if found.get(question) not in (None, {answer})]
    assert {"Is the ball red?", "Is there a blue ball in the image?"} <= set(wrong)


@pytest.mark.parametrize(
    ("truth", "right"),
    [
        (
            laid(FIELD, 0.5, line="aligned"),
            {
                "Is the overlaid red line aligned with the horizon of the scene?": "Yes",
                "Is the red line above the horizon?": "No",
                "Is the red line below the horizon?": "No",
                "How far down is the red line?": "50",
            },
        ),
        (
            laid(FIELD, 0.3, line="above"),
            {
                "Is the overlaid red line aligned with the horizon of the scene?": "No",
                "Is the red line above the horizon?": "Yes",
                "Is the red line below the horizon?": "No",
            },
        ),
        (
            laid(ROOM, dots="B"),
            {
                "Is Point B much closer to the camera than Point A?": "Yes",
                "Is Point A much closer to the camera than Point B?": "No",
                "Is Point A farther from the camera than Point B?": "Yes",
                "Which point is closer to the camera?": "B",
            },
        ),
        (laid(FIELD, swatches="match"), {"Does the color palette overlaid at the bottom match the image?": "Yes"}),
        (laid(FIELD, swatches="differ"), {"Does the color palette overlaid at the bottom match the image?": "No"}),
        (
            laid(FIELD, weight="match", sample_color="red"),
            {f"Ignoring the line color, does the line weight of the image match the {RED}?": "Yes"},
        ),
        (
            laid(FIELD, weight="differ", sample_color="black"),
            {"Ignoring the color, are the outlines as thick as the black line at the bottom?": "No"},
        ),
        (laid(PAINTING, reference="match"), {"Does the composition of the image match the reference image?": "Yes"}),
        (laid(PAINTING, reference="differ"), {"Does the composition of the image match the reference image?": "No"}),
    ],
)
def test_what_lies_over_a_picture_is_told_rightly(truth: Truth, right: dict[str, str]):
    found = answers(truth, kinds=(*OVERLAID, "open"))
    assert {question: found[question] for question in right} == {each: {answer} for each, answer in right.items()}


def drawn(count: int, seed: int) -> list[Truth]:
    """Truths about random pictures under random overlays."""
    rng, draws = random.Random(seed), torch.Generator().manual_seed(seed)
    scenes = pictures.drawn(count, draws)
    known = overlays.numbers(scenes)
    found: list[Truth] = []
    for row, truth in enumerate(pictures.truths(scenes)):
        over = overlays.lay(truth, known, row, rng)
        match = {"reference": rng.choice(("match", "differ"))} if over.kind == "reference" else {}
        found.append(laid(over.added(truth), **match))
    return found


@pytest.fixture(scope="module")
def asked() -> list[tuple[Truth, list[Item]]]:
    rng = random.Random(4)
    return [(truth, questions.several(truth, 10, rng, BOTH)) for truth in drawn(3000, seed=3)]


def test_every_kind_is_asked_and_questions_of_a_picture_differ(asked: list[tuple[Truth, list[Item]]]):
    seen = {item.about for _, items in asked for item in items}
    assert seen == {*WORDINGS, *(f"open {kind}" for kind in OPEN)}
    assert all(len({item.question for item in items}) == len(items) == 10 for _, items in asked)


def test_yes_and_no_are_as_frequent(asked: list[tuple[Truth, list[Item]]]):
    said: dict[str, Counter[str]] = defaultdict(Counter)
    for _, items in asked:
        for item in items:
            said[item.about][item.answer] += 1
    yes = {kind: said[kind]["Yes"] / said[kind].total() for kind in WORDINGS}
    assert all(0.4 <= share <= 0.6 for share in yes.values()), yes
    assert min(said[kind].total() for kind in WORDINGS) >= 40


def test_captions_are_right_as_they_are_read(asked: list[tuple[Truth, list[Item]]]):
    seen = Counter[str]()
    for truth, items in asked:
        for item in (each for each in items if each.about == "caption"):
            text = re.sub(r"^(Does the image show|Does the picture fit the words:) |\?.*$", "", item.question)
            named = captions.named(text)
            assert named, item
            assert may_hold(named, truth.words) == (item.answer == "Yes"), (item, named, truth)
            seen[item.answer] += 1
    assert min(seen.values()) > 100


def test_pictures_fit_what_is_implied_and_named(asked: list[tuple[Truth, list[Item]]]):
    seen = Counter[str]()
    for truth, items in asked:
        for item in (each for each in items if each.about == "fit"):
            text = item.question.split("'")[1]
            implied = facts.implied(text)
            assert implied, item
            holds = all(truth.word(factor) == word for factor, word in implied.items())
            holds = holds and may_hold(captions.named(text), truth.words)
            assert holds == (item.answer == "Yes"), (item, implied, truth)
            seen[item.answer] += 1
    assert min(seen.values()) > 100


def test_facts_are_told_as_they_are():
    rng = random.Random(5)
    said: dict[str, set[str]] = defaultdict(set)
    for _ in range(20_000):
        item = questions.ask("fact", PAINTING, rng, BOTH)
        assert item is not None
        said[item.question.removesuffix(f" {SUFFIX}")].add(item.answer)
    assert [question for question, both in said.items() if len(both) > 1] == []
    assert said["Is it winter in January?"] == said["Is it true that in January it is winter?"] == {"Yes"}
    assert said["Is it summer in January?"] == {"No"}
    assert said["Is a lamp during a power cut switched off?"] == {"Yes"}
    true = {each.text.lower(): each.true for fact in facts.FACTS for each in facts.statements(fact)}
    told = {question: both for question, both in said.items() if question.startswith("Is it true that ")}
    known = {question: f"{question.removeprefix('Is it true that ').removesuffix('?').lower()}." for question in told}
    checked = [told[question] == {"Yes" if true[text] else "No"} for question, text in known.items() if text in true]
    assert all(checked)
    assert len(checked) > 200


def test_all_facts_are_asked_those_that_are_held_out_too():
    rng = random.Random(6)
    texts = " ".join(item.question for _ in range(20_000) if (item := questions.ask("fact", ROOM, rng, BOTH)))
    assert [cue for fact in facts.FACTS for side in fact.sides for cue in (side.taught, side.reworded, side.told)
            if cue not in texts] == []  # fmt: skip


def test_aids_can_be_left_out():
    rng = random.Random(7)
    items = [item for truth in drawn(100, 8) for item in questions.several(truth, 6, rng, BOTH, aids=False)]
    assert not any(item.about.removeprefix("open ") in AIDS for item in items)


@pytest.mark.parametrize(
    ("away", "word"),
    [
        (0.0, "aligned"),
        (0.04, "aligned"),
        (-0.04, "aligned"),
        (0.05, ""),
        (-0.08, ""),
        (0.09, "below"),
        (-0.09, "above"),
    ],
)
def test_lines(away: float, word: str):
    assert line_word(away) == word


@pytest.mark.parametrize(
    ("row", "word"), [(0.2, "high"), (0.4, ""), (0.45, "middle"), (0.57, "middle"), (0.6, ""), (0.63, "low")]
)
def test_horizons(row: float, word: str):
    assert horizon_word(row) == word


def test_a_claim_that_may_be_true_of_either_thing_is_not_called_wrong():
    assert may_hold({"thing": "box", "color": "blue"}, ROOM.words)
    assert may_hold({"thing": "box", "other": "ball", "depth": "farther"}, ROOM.words)
    assert not may_hold({"thing": "box", "color": "red"}, ROOM.words)
    assert not may_hold({"thing": "ball", "other": "box", "depth": "farther"}, ROOM.words)


def test_what_captions_cannot_be_said_of_is_not_claimed():
    rng = random.Random(8)
    assert all(claims.CLAIMS["lamp"](FIELD, rng) is None for _ in range(50))
    assert all(claims.CLAIMS["thing"](PAINTING, rng) is None for _ in range(50))
    same = laid(ROOM, other="ball")  # two balls: only their colours tell them apart
    assert all(claims.CLAIMS["color"](same, rng) is None for _ in range(50))
    told = [claims.CLAIMS["depth"](same, rng) for _ in range(50)]
    assert all(claim and len(claim.gaps["noun"].split()) == 2 for claim in told)


def test_texts_for_tokenizers_depend_on_the_seed_alone():
    first = questions.corpus(2, 50, WORDINGS)
    assert first == questions.corpus(2, 50, WORDINGS) != questions.corpus(3, 50, WORDINGS)
    assert len(first) == 50 * 6 * 2


def test_wordings_are_merged_by_kind_and_word():
    assert BOTH["line"]["above"] == (*WORDINGS["line"]["above"], *OTHER_WORDINGS["line"]["above"])
    assert BOTH["season"][""][-1] == OTHER_WORDINGS["season"][""][-1]
    assert set(OTHER_WORDINGS) <= set(WORDINGS) == {*KIND_SHARES, *OVERLAID} - {"open"}
