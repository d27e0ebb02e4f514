"""The gallery's recipes: they are right, ask what critics are taught, and measure what the world has words for."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain
from pathlib import Path

import held_out_prompts
import pytest
from control_recipes.cli import main
from control_recipes.engine import resolve
from control_recipes.engine.plan import Ask, Drawing, Plan, Row, Scalar
from control_recipes.engine.recipe import read
from control_recipes.engine.world import claims
from control_recipes.engine.world.phrases import PHRASES
from control_recipes.engine.world.scales import HORIZON, SCALES
from control_recipes.engine.world.scenes import INDOOR, INKS, SIZE, WORDS
from control_recipes.engine.world.wordings import OVERLAID, SUFFIX, WORDINGS

Parameters = tuple[tuple[str, Scalar | tuple[Scalar, ...]], ...]

FOLDER = Path(__file__).parent.parent / "recipes"
RECIPES = sorted(FOLDER.glob("*.yaml"))
NAMES = {
    "blue_ball", "commonsense", "horizon_high", "horizon_low", "horizon_mid", "mondrian", "nearer", "palette_cool",
    "palette_warm", "robot_vacuum", "thick_lines", "thin_lines", "two_eyes",
}  # fmt: skip
# what a question of a kind speaks of, as visual prompts draw it
DRAWN = {"line": "line", "weight": "line", "swatches": "palette", "dots": "points", "reference": "reference"}
BESIDES = {
    "painting": {},
    "thing": PHRASES["thing"],
    "color thing": PHRASES["thing"],
}  # what `claims.said` does not say


@cache
def planned(stem: str) -> Plan:
    return resolve.resolve(read(FOLDER / f"{stem}.yaml"))


def every_row(plan: Plan) -> Iterator[Row]:
    return chain(plan.train_rows, plan.validate_rows, plan.test_rows)


def asked(plan: Plan) -> set[tuple[str, tuple[str, ...]]]:
    """Every question as critics read it, and the kinds of what it is asked with."""
    kinds = {drawing.key: drawing.kind for drawing in plan.drawings}
    return {
        (wording, tuple(kinds[key] for key in ask.see))
        for row in every_row(plan)
        for ask in row.asks
        for wording in ask.wordings
    }


def either(texts: Iterable[str]) -> str:
    return f"(?:{'|'.join(map(re.escape, texts))})"


def gaps(kind: str, claimed: str) -> Mapping[str, str]:
    """What may fill the gaps of a kind's templates, as patterns."""
    nouns = [noun for said in PHRASES["thing"].values() for noun in said]
    shades = [shade for said in PHRASES["color"].values() for shade in said]
    noun = f"(?:{either(shades)} )?{either([*nouns, 'thing', 'object'])}"
    one = "[AB]" if kind == "dots" else noun
    filled = {"noun": one, "other": one, "only": "(?:thing|object)", "ink": either(INKS)}
    filled["room"] = either(claims.plain("place", room) for room in INDOOR)
    if kind in ("thing", "color thing"):
        adjective = f"{either(shades)} " if kind == "color thing" else ""
        return filled | {"word": f"an? {adjective}{either(nouns)}"}
    if kind in ("swatches", "weight", "reference", "dots", "painting", "caption", "fit", "fact"):
        return filled
    said = claims.said(kind)
    words = [claimed] if claimed else list(said)
    filled["word"] = either(phrase for word in words for phrase in said.get(word, ()))
    return filled | {"plain": either(claims.plain(kind, word) for word in words)}


@cache
def taught() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Every template that critics are taught, as a pattern, with its kind."""
    found: list[tuple[str, re.Pattern[str]]] = []
    for kind, templates in WORDINGS.items():
        for claimed, texts in templates.items():
            filled = gaps(kind, claimed)
            for text in texts:
                parts = re.split(r"{(\w+)}", text)
                if all(gap in filled for gap in parts[1::2]):
                    pattern = "".join(filled[part] if at % 2 else re.escape(part) for at, part in enumerate(parts))
                    found.append((kind, re.compile(f"{pattern} {re.escape(SUFFIX)}")))
    return tuple(found)


def kinds_of(question: str) -> set[str]:
    """The kinds of question that this may be; none where critics are not taught it."""
    return {kind for kind, pattern in taught() if pattern.fullmatch(question)}


def wanted(plan: Plan, measure: str, row: Row) -> dict[str, str]:
    """The words that a measure asks for, whatever the row's prompt names."""
    words = [word for target in row.targets if target.measure == measure for word in _tuple(target.parameters, "is")]
    return dict(zip(words[::2], words[1::2], strict=True))


def _tuple(parameters: Parameters, name: str) -> tuple[str, ...]:
    """A parameter that has several values."""
    value = dict(parameters).get(name, ())
    return tuple(map(str, value)) if isinstance(value, tuple) else (str(value),)


def number(parameters: Parameters, name: str) -> float:
    value = dict(parameters)[name]
    assert not isinstance(value, tuple)
    return float(value)


def drawing(plan: Plan, ask: Ask) -> Drawing:
    (key,) = ask.see
    return next(drawing for drawing in plan.drawings if drawing.key == key)


def goal(plan: Plan, row: Row) -> Ask:
    return next(ask for ask in row.asks if ask.question == plan.goal_question)


def test_there_are_thirteen():
    assert {path.stem for path in RECIPES} == NAMES


def test_check_finds_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "argv", ["recipe", "check", *map(str, RECIPES)])
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code, capsys.readouterr().err


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_opens_with_what_it_is_for_and_what_to_expect(path: Path):
    lines = path.read_text("utf-8").splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == ["# Intent", "# Run", "# Expect"]
    assert lines[1].startswith(f"# Run:    recipe run {path.name} ")
    assert f"name: {path.stem}" in lines


@pytest.mark.parametrize("stem", sorted(NAMES))
def test_all_that_is_asked_is_what_critics_are_taught(stem: str):
    for question, shown in asked(planned(stem)):
        kinds = kinds_of(question)
        assert kinds, question
        assert [DRAWN[kind] for kind in kinds if kind in OVERLAID] == list(shown), question


@pytest.mark.parametrize(
    "question", ["Is the ball heavy?", "Is the sofa in the grass?", "Is the ball low?", "Is the ball red", ""]
)
def test_the_guard_sees_a_question_that_no_critic_was_taught(question: str):
    assert not kinds_of(f"{question} {SUFFIX}")
    assert kinds_of(f"Is the ball red? {SUFFIX}") == {"color"}


@pytest.mark.parametrize("stem", sorted(NAMES))
def test_what_is_measured_has_words(stem: str):
    known = {**WORDS, **{name: tuple(scale.words) for name, scale in SCALES.items()}}
    for row in every_row(planned(stem)):
        for target in row.targets:
            for factor, word in wanted(planned(stem), target.measure, row).items():
                assert word in known[factor], (factor, word)
            assert set(_tuple(target.parameters, "keep")) <= set(known)


@pytest.mark.parametrize("stem", sorted(NAMES))
def test_truth_is_measured_on_a_thousand_pictures_and_what_must_stay_is_measured_too(stem: str):
    plan = planned(stem)
    assert len(plan.test_rows) * len(plan.evaluate.seeds) >= 1000
    assert len(plan.test_rows) == 64 or stem == "commonsense"
    assert {judge.model.address for judge in plan.judges} == {"builtin:judge"}
    assert {measure.name: measure.kind for measure in plan.measures}.items() >= {
        "named": "factors",
        "sharp": "sharpness",
    }.items()
    assert plan.goal_question
    (expected,) = plan.expect
    bounds = {"at_least": 0.85} if stem != "commonsense" else {"gain": 0.2}
    assert (expected.name, {expected.bound: expected.value}) == (plan.goal_measure, bounds)
    assert any(question.hold for question in plan.questions)
    assert not {row.prompt for row in plan.test_rows} & {row.prompt for row in (*plan.train_rows, *plan.validate_rows)}


@pytest.mark.parametrize("stem", sorted(NAMES))
def test_what_prompts_name_is_held_or_is_what_the_recipe_changes(stem: str):
    plan = planned(stem)
    held = {question.name for question in plan.questions if question.hold} - {plan.goal_question}
    assert held & {"thing", "painting"}
    assert held & {"place", "painting"}


@pytest.mark.parametrize("stem", ["horizon_high", "horizon_low", "horizon_mid", "two_eyes"])
def test_lines_lie_where_horizons_can(stem: str):
    plan = planned(stem)
    row = plan.test_rows[0]
    at = number(drawing(plan, goal(plan, row)).parameters, "y")
    assert HORIZON[0] + 0.06 < at < HORIZON[1] - 0.06
    answers = {ask.question: ask.answers for ask in row.asks}
    assert (answers["above"], answers["below"]) == (("No",), ("No",))


@pytest.mark.parametrize("stem", ["thin_lines", "thick_lines"])
def test_samples_of_lines_are_as_thick_as_what_is_asked_for(stem: str):
    plan = planned(stem)
    row = plan.test_rows[0]
    pixels = SIZE * number(drawing(plan, goal(plan, row)).parameters, "thickness")
    assert pixels >= 1
    assert SCALES["outline"].word(pixels) == wanted(plan, plan.goal_measure, row)["outline"]


def test_ink_counts_where_it_is_named_alone():
    for stem in ("thin_lines", "thick_lines"):
        counted = [wanted(planned(stem), "inked", row) for row in planned(stem).test_rows]
        assert 32 <= sum(map(bool, counted)) < 64
        assert "red" not in {words.get("ink") for words in counted}  # the sample is


@pytest.mark.parametrize(("stem", "grade"), [("palette_warm", 0.8), ("palette_cool", -0.8)])
def test_swatches_are_what_a_grade_makes_of_grays(stem: str, grade: float):
    from control_recipes.engine.world import grading, overlays

    plan = planned(stem)
    row = plan.test_rows[0]
    palette = _tuple(drawing(plan, goal(plan, row)).parameters, "palette")
    assert palette == tuple(overlays.hexadecimal(color) for color in grading.swatches(grade))
    assert SCALES["grade"].word(grade) == wanted(plan, plan.goal_measure, row)["grade"]


def test_point_b_is_on_the_side_of_the_thing_that_is_named_first():
    plan = planned("nearer")
    for row in every_row(plan):
        label, far, _, other, x, _ = _tuple(drawing(plan, goal(plan, row)).parameters, "points")
        left = "left" in str(dict(row.variables)["side"])
        assert (label, other) == ("A", "B")
        assert (float(x) < float(far)) == left


def test_a_composition_is_measured_as_its_reference_is_painted():
    plan, painted = planned("mondrian"), held_out_prompts.REFERENCE
    words = {
        factor: SCALES[factor].word(value) if isinstance(value, float) else value for factor, value in painted.items()
    }
    for factor, word in wanted(plan, plan.goal_measure, plan.test_rows[0]).items():
        assert words[factor] == word


def test_a_robot_vacuum_is_taught_in_one_room():
    assert {dict(row.variables)["place"] for row in planned("robot_vacuum").train_rows} == {"in the living room"}


def test_pairs_of_facts_count_as_one():
    plan = planned("commonsense")
    names = [
        str(dict(target.parameters)["together"])
        for row in plan.test_rows
        for target in row.targets
        if target.measure == "pairs"
    ]
    assert len(names) == len(plan.test_rows)
    assert all(names.count(name) == 2 for name in names)


def test_two_critics_have_a_say_of_their_own():
    critics = {critic.model.address: critic.weight for critic in planned("two_eyes").critics}
    assert critics == {"builtin:critic": 1.0, "builtin:critic2": 0.5}
