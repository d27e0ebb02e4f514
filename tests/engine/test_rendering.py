"""Where templates stand, what they see, and that numbers, colours and words are read after they are rendered."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import hollow
import pytest
from control_recipes.engine import rendering
from control_recipes.engine.errors import InputError
from control_recipes.engine.plan import Plan
from control_recipes.engine.recipe import json_schema, read
from control_recipes.engine.template import Value
from jsonschema import Draft202012Validator


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return hollow.workplace(tmp_path)


def resolved(file: Path, *changes: tuple[str, str]) -> Plan:
    made = hollow.resolved(file, *changes)
    Draft202012Validator(json_schema()).validate(read(file).document.data)
    return made


def refused(file: Path, *changes: tuple[str, str]) -> list[str]:
    with pytest.raises(InputError) as caught:
        resolved(file, *changes)
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


CARD = "card: {image: assets/card.png, height: 0.15}"
VARS = "vars: {height: 0.80}"
SEE = ("see: ruler", "see: card")


@pytest.mark.parametrize(
    ("visual", "values", "wanted"),
    [
        ("{image: 'assets/{{ v }}.png'}", "card", {"at": "bottom", "height": 1.0, "opacity": 1.0}),
        ("{image: assets/card.png, at: '{{ v }}'}", "top", {"at": "top"}),
        ("{image: assets/card.png, opacity: '{{ v }}'}", "5e-1", {"opacity": 0.5}),
        ("{image: assets/card.png, opacity: '{{ v / 4 }}'}", "1", {"opacity": 0.25}),
        ("{palette: ['{{ v }}', '#000000'], height: ' {{ w }} '}", "red", {"palette": ("#ff0000ff", "#000000ff")}),
        ("{line: {x: '{% if v %}0.{{ v }}{% endif %}'}}", "25", {"x": 0.25}),
        ("{points: {A: ['{{ v }}', 0.5]}, radius: '{{ v }}', color: '{{ c }}'}", "0.1", {"points": ("A", 0.1, 0.5)}),
        ("{region: {x: ['{{ v }}', '{{ w }}'], y: [0, 1]}}", "0.1", {"x": (0.1, 0.5)}),
        ("{text: 'No. {{ v }}', at: [0.5, '{{ w }}'], color: '{{ c }}'}", "7", {"text": "No. 7", "at": (0.5, 0.5)}),
    ],
)
def test_any_text_or_number_of_a_visual(file: Path, visual: str, values: str, wanted: dict[str, object]) -> None:
    given = (VARS, f'vars: {{height: 0.80, v: {values}, w: 0.5, c: "#00ff00"}}')
    made = resolved(file, (CARD, f"card: {visual}"), given, SEE)
    assert wanted.items() <= dict(made.drawings[0].parameters).items()


@pytest.mark.parametrize(
    ("measure", "value", "wanted"),
    [
        ("{horizon_row: {near: '{{ v }}', within: '{{ v }}'}}", "0.25", {"near": 0.25, "within": 0.25}),
        ("{factors: {keep: ['{{ v }}', color], is: {time: '{{ w }}'}}}", "thing", {"keep": ("thing", "color")}),
        ("{sharpness: {at_least: '{{ v }}', relative_to: '{{ b }}'}}", "2", {"at_least": 2.0, "relative_to": "base"}),
        ("{drift: {at_most: '{{ v }}'}}", "0.25", {"at_most": 0.25}),
        (
            '{palette_distance: {swatches: ["{{ v }}"], within: 2}}',
            "red",
            {"swatches": ("#ff0000ff",), "within": 2.0},
        ),
    ],
)
def test_any_text_or_number_of_a_measure(file: Path, measure: str, value: str, wanted: dict[str, object]) -> None:
    given = (VARS, f"vars: {{height: 0.80, v: {value}, w: night, b: base}}")
    made = resolved(file, ("{factors: {keep: [thing, color]}}", measure), given)
    assert wanted.items() <= dict(made.test_rows[0].targets[1].parameters).items()


@pytest.mark.parametrize(
    ("visual", "value", "said"),
    [
        ("{line: {y: '{{ v }}'}}", "1.5", "y: must be less than or equal to 1, found 1.5"),
        ("{line: {y: '{{ v }}'}}", "high", "y: must be a number, found 'high'"),
        ("{line: {y: '{{ v }}'}}", "''", "y: must be a number, found nothing"),
        ("{line: {y: '{{ v }}'}}", "Yes", "y: must be a number, found 'Yes'"),
        ("{line: {y: 0.5, thickness: '{{ v }}'}}", "0", "thickness: must be greater than 0, found 0"),
        (
            "{line: {y: 0.5, color: '{{ v }}'}}",
            "redd",
            "color: is no colour, found 'redd'\n  hint: did you mean `red`?",
        ),
        ("{image: assets/card.png, at: '{{ v }}'}", "middle", "at: must be 'top' or 'bottom', found 'middle'"),
        ("{image: '{{ v }}'}", "assets/none.png", "image: there is no file assets/none.png"),
        ("{image: '{{ v }}'}", "../../x.png", "image: lies outside"),
        ("{region: {x: ['{{ v }}', 0.4], y: [0, 1]}}", "0.5", "`x` must go from a smaller to a larger number"),
        ("{text: '{{ v }}', at: [0, 0]}", "' '", "text: is empty"),
        ("{text: '{{ nothing }}', at: [0, 0]}", "1", "unknown variable `nothing`"),
    ],
)
def test_what_it_renders_to_is_checked_at_the_templates_place(file: Path, visual: str, value: str, said: str) -> None:
    given = (VARS, f"vars: {{height: 0.80, v: {value}}}")
    found = refused(file, (CARD, f"card: {visual}"), given)
    assert len(found) == 1, found
    assert said in found[0]
    assert found[0].startswith("11:")


def test_a_word_of_the_world_is_checked_after_rendering(file: Path) -> None:
    words = ("keep: [thing, color]", "is: {color: '{{ c }}'}")
    (told,) = refused(file, words, (VARS, "vars: {height: 0.8, c: blu}"))
    assert "measures.named.factors.is.color: there is no color `blu`\n  hint: did you mean `blue`?" in told
    resolved(file, words, (VARS, "vars: {height: 0.8, c: blue}"))


def test_a_row_that_renders_wrong_is_told_once(file: Path) -> None:
    found = refused(file, ("color: red}}", "color: '{{ prompt }}'}}"))
    assert len(found) == 1
    assert "is no colour, found 'a red ball'" in found[0]


def test_templates_see_vars_the_row_and_the_prompt_and_the_row_wins(file: Path) -> None:
    made = resolved(
        file,
        ("a {{ color }} {{ thing }}?", "{{ prompt }}, {{ color }}, {{ height }}?"),
        (VARS, "vars: {height: 0.80, color: none}"),
    )
    assert made.test_rows[0].asks[1].wordings == ("Is there a white ball, white, 0.8?",)


def test_a_prompts_template_sees_vars_and_its_own_variables_and_no_prompt(file: Path) -> None:
    made = resolved(file, ('"a {{ color }} {{ thing }}"', '"{{ color }} {{ thing }} at {{ height }}"'))
    assert made.train_rows[0].prompt == "red ball at 0.8"
    (told,) = refused(file, ('"a {{ color }} {{ thing }}"', '"{{ prompt }}"'))
    assert "prompts.train.template: unknown variable `prompt`" in told


@pytest.mark.parametrize(
    "change",
    [
        (VARS, "vars: {height: 0.80, x: '{{ height }}'}"),
        (VARS, "vars: {height: 0.80, x: [a, '{% if a %}{% endif %}']}"),
        ("{model: ./generator}", "{model: ./generator, negative: '{{ height }}'}"),
        ("[red, blue]", "[red, '{{ height }}']"),
        ("color: white", "color: '{{ height }}'"),
    ],
)
def test_where_no_template_stands_one_is_refused(file: Path, change: tuple[str, str]) -> None:
    (told,) = refused(file, change)
    assert "is no place for a template" in told


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('suffix: "Answer with Yes or No."', 'suffix: "{{ nothing }}"'), "questions.aligned.suffix: unknown variable"),
        (('against: "No"', 'against: "{{ nothing }}"'), "questions.aligned.against: unknown variable"),
        (('answer: "Yes"\n    hold', 'answer: ["Yes", "{{ nothing }}"]\n    hold'), "still_there.answer.1: unknown"),
        (("Does it lie", "{% if nothing %}Does it{% endif %} lie"), "questions.aligned.ask.1: unknown variable"),
        (('answer: "Yes"\n    hold', "answer: \"{{ '' }}\"\n    hold"), "still_there.answer: renders to an empty text"),
        (
            ("Does it lie", "{% for x in range(9) %}{% endfor %}Does it lie"),
            "aligned.ask.1: is no template that is allowed",
        ),
    ],
)
def test_a_mistake_in_any_part_of_a_question_is_told_there(file: Path, change: tuple[str, str], said: str) -> None:
    found = refused(file, change)
    assert len(found) == 1, found
    assert said in found[0]


def test_a_wording_that_renders_to_nothing_leaves_the_others(file: Path) -> None:
    made = resolved(file, ("Does it lie on the horizon?", "{% if color == 'red' %}Does it lie there?{% endif %}"))
    counts = {row.prompt.split()[1]: len(row.asks[0].wordings) for row in made.train_rows}
    assert counts == {"red": 2, "blue": 1}


def test_rendered_braces_are_not_rendered_again(file: Path) -> None:
    made = resolved(file, ("a {{ color }} {{ thing }}?", "{{ '{' ~ '{ color }' ~ '}' }}?"))
    assert made.test_rows[0].asks[1].wordings == ("Is there {{ color }}?",)


@pytest.mark.parametrize("enough", [3, 20])
def test_a_template_that_fails_is_given_up_after_some_rows(
    file: Path, monkeypatch: pytest.MonkeyPatch, enough: int
) -> None:
    tried: list[str] = []
    plainly = rendering.render

    def render(text: str, variables: Mapping[str, Value]) -> str:
        tried.extend([text] if "nowhere" in text else [])
        return plainly(text, variables)

    monkeypatch.setattr(rendering, "render", render)
    monkeypatch.setattr(rendering, "_ENOUGH", enough)
    things = ("thing: [ball, house, tree, tent, box]", f"thing: [{', '.join(f't{at}' for at in range(40))}]")
    found = refused(file, ("Is there a {{ color }}", "Is there a {{ nowhere }} {{ color }} {{ prompt }}"), things)
    assert len(tried) == enough  # of eighty rows and one
    assert all("unknown variable `nowhere`" in one for one in found)
