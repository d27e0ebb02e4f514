"""What recipes are tested on: written by a script as it stands, unknown to the generator, and read as it is meant."""

from __future__ import annotations

import json
from pathlib import Path

import held_out_prompts
import numpy as np
import pytest
from control_recipes.engine.world import captions, facts
from control_recipes.engine.world.phrases import PHRASES
from held_out_prompts import PAINTING, TESTED, THING, Row
from PIL import Image

ASSETS = Path(__file__).parent.parent / "recipes" / "assets"
FILES = sorted(path.stem for path in ASSETS.glob("*.jsonl"))
DRAWN = sorted(TESTED)  # those whose prompts are drawn
# what a variable says of which factor; what is not here is for questions and measures alone
SAYS = {
    "color": "color", "thing": "thing", "place": "place", "what": "place", "when": "time", "ink": "ink",
    "width": "outline", "tone": "grade", "side": "position", "shade": "other_color", "other": "other",
}  # fmt: skip


def rows(stem: str) -> list[Row]:
    return [json.loads(line) for line in (ASSETS / f"{stem}.jsonl").read_text("utf-8").splitlines()]


def meant(row: Row) -> dict[str, str]:
    """The words that a row's variables say."""
    return {factor: word(factor, row[name]) for name, factor in SAYS.items() if row.get(name)}


def word(factor: str, said: str) -> str:
    """The word that a phrase stands for, with an article or without."""
    if said in PHRASES[factor]:
        return said
    bare = said.removeprefix("a ").removeprefix("an ")
    return next(word for word, phrases in PHRASES[factor].items() if said in phrases or bare in phrases)


def test_what_the_script_writes_is_what_is_there():
    made = held_out_prompts.files()
    assert sorted(made) == FILES
    for stem, table in made.items():
        assert (ASSETS / f"{stem}.jsonl").read_text("utf-8") == held_out_prompts.written(table), stem


def test_the_reference_is_as_the_script_paints_it():
    with Image.open(ASSETS / "mondrian.png") as image:
        shown = np.asarray(image.convert("RGB"), dtype=np.float32) / 255
    # another processor may round the last bit otherwise
    assert np.abs(shown - held_out_prompts.reference()).max() <= 1.01 / 255


@pytest.mark.parametrize("stem", FILES)
def test_prompts_are_read_as_their_rows_mean_them(stem: str):
    for row in rows(stem):
        assert captions.named(row["prompt"]) == meant(row), row["prompt"]


def test_the_guard_sees_a_row_that_says_something_else():
    row = rows("heldout_prompts")[0]
    other = next(color for color in PHRASES["color"] if color != word("color", row["color"]))
    assert captions.named(row["prompt"]) != meant({**row, "color": f"a {other}"})


@pytest.mark.parametrize("stem", DRAWN)
def test_there_are_as_many_different_prompts_as_are_tested_on(stem: str):
    assert len({row["prompt"] for row in rows(stem)}) == len(rows(stem)) == 64


@pytest.mark.parametrize("stem", DRAWN)
def test_the_generator_never_saw_thing_colour_and_place_together(stem: str):
    complete = [named for named in map(meant, rows(stem)) if all(factor in named for factor in THING)]
    assert all(map(captions.held_out, complete))
    least = {"heldout_paintings": 0, "heldout_balls": 24}  # colours are left open there, or there are no things
    assert len(complete) >= least.get(stem, 64)


@pytest.mark.parametrize(("stem", "recipe"), [(stem, recipe) for stem, names in TESTED.items() for recipe in names])
def test_no_combination_is_trained_on(stem: str, recipe: str):
    factors = PAINTING if stem == "heldout_paintings" else THING
    asked = {held_out_prompts.combination(row["prompt"], factors) for row in rows(stem)}
    trained = {held_out_prompts.combination(prompt, factors) for prompt in held_out_prompts.trained(recipe)}
    assert not asked & trained
    assert trained & {held_out_prompts.combination(prompt, factors) for prompt in held_out_prompts.trained(recipe)[:1]}


def test_a_ball_is_tested_where_its_colour_is_named_and_where_it_is_open_and_is_never_called_blue():
    colors = [meant(row).get("color", "") for row in rows("heldout_balls")]
    assert "blue" not in colors
    assert 24 <= colors.count("") <= 40


def test_rooms_are_others_than_the_one_that_is_learnt_in():
    places = {meant(row)["place"] for row in rows("heldout_rooms")}
    assert places == {"kitchen", "bedroom", "office", "garage", "museum"}


def test_facts_come_in_pairs_of_opposite_words_and_those_tested_are_not_trained_on():
    tested, trained = rows("heldout_facts"), rows("facts")
    for table in (tested, trained):
        for first, second in zip(table[::2], table[1::2], strict=True):
            assert first["pair"] == second["pair"]
            assert first["ask"] != second["ask"]
            assert (first["thing"], first["place"]) == (second["thing"], second["place"])
    names = [row["pair"] for row in tested]
    assert all(names.count(name) == 2 for name in names)
    assert not {row["prompt"] for row in tested} & {row["prompt"] for row in trained}
    held_out = {pair.name for pair in facts.pairs("held_out_fact")}
    assert held_out
    assert not held_out & {row["pair"] for row in trained}


def test_a_fact_is_asked_about_by_the_word_that_it_implies():
    for row in [*rows("facts"), *rows("heldout_facts")]:
        (implied,) = ((factor, row[factor]) for factor in held_out_prompts.ASKED if row[factor])
        assert facts.implied(row["prompt"]) == dict([implied])
