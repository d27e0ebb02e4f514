"""Prompts from lists, templates and files."""

from __future__ import annotations

import os
from pathlib import Path

import hollow
import pytest
from control_recipes.engine import models, tables
from control_recipes.engine.errors import InputError
from control_recipes.engine.plan import Row
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve
from tokenizers import Tokenizer

TEST = "test: [{prompt: a white ball, color: white, thing: ball}]"


def held_out(folder: Path, source: str, name: str = "", text: str = "") -> tuple[Row, ...]:
    file = folder / "r.yaml"
    if not file.exists():
        hollow.workplace(folder)
    if name:
        (folder / name).write_text(text, encoding="utf-8")
    file.write_text(hollow.RECIPE.replace(TEST, f"test: {source}"))
    return resolve(read(file)).test_rows


def refused(folder: Path, source: str, name: str = "", text: str = "") -> str:
    with pytest.raises(InputError) as caught:
        held_out(folder, source, name, text)
    return str(caught.value).replace(str(folder), "")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", 'prompt,color,thing\n"a red ball, big",red,ball\n\na blue tree,blue,tree\n'),
        (
            "p.jsonl",
            '{"prompt": "a red ball, big", "color": "red", "thing": "ball"}\n\n'
            '{"prompt": "a blue tree", "color": "blue", "thing": "tree"}\n',
        ),
        ("p.CSV", '\ufeffprompt,color,thing\r\n"a red ball, big",red,ball\r\na blue tree,blue,tree\r\n'),
    ],
)
def test_columns_are_variables(tmp_path: Path, name: str, text: str) -> None:
    rows = held_out(tmp_path, f"{{file: {name}}}", name, text)
    assert [row.prompt for row in rows] == ["a red ball, big", "a blue tree"]
    assert rows[1].variables == (("color", "blue"), ("thing", "tree"))
    assert rows[1].asks[1].wordings == ("Is there a blue tree?",)


def test_a_text_file_holds_a_prompt_a_line(tmp_path: Path) -> None:
    file = hollow.workplace(tmp_path)
    (tmp_path / "p.txt").write_text("a ball\n\n  a tree  \r\n")
    file.write_text(hollow.RECIPE.replace(TEST, "test: {file: p.txt}").replace("a {{ color }} {{ thing }}?", "a ball?"))
    assert [row.prompt for row in resolve(read(file)).test_rows] == ["a ball", "a tree"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.txt", "\n \n", "r.yaml:16:16: prompts.test.file: the file is empty: p.txt"),
        ("p.csv", "", "p.csv:1:1: a column `prompt` is missing"),
        ("p.csv", "prompt,color\n", "the file holds no prompts: p.csv"),
        ("p.csv", "color\nred\n", "p.csv:1:1: a column `prompt` is missing"),
        ("p.csv", "prompt,color\na ball\n", "p.csv:2:1: has not 2 columns"),
        ("p.csv", "prompt,color\na ball,red,ball\n", "p.csv:2:1: has not 2 columns"),
        ("p.jsonl", '{"prompt": "a"}\n{"prompt": ""}\n', "p.jsonl:2:1: prompt: is empty"),
        ("p.jsonl", '{"prompt": 5}\n', "p.jsonl:1:1: prompt: is empty or no text: 5"),
        ("p.jsonl", '{"color": "red"}\n', "p.jsonl:1:1: prompt: is missing"),
        ("p.jsonl", "{\n", "p.jsonl:1:1: cannot be read as JSON"),
        ("p.jsonl", "[1]\n", "p.jsonl:1:1: must be an object, found a list"),
        ("p.jsonl", '{"prompt": "a", "x": {"y": 1}}\n', "p.jsonl:1:1: `x` must be text"),
        ("p.jsonl", '{"prompt": "a", "x": NaN}\n', "p.jsonl:1:1: cannot be read as JSON: NaN"),
        ("p.jsonl", "[" * 100_000, "p.jsonl:1:1: cannot be read as JSON"),
        ("p.jsonl", '{"prompt": "a", "x": 1e999}\n', "p.jsonl:1:1: `x` must be text"),
        ("p.jsonl", '{"prompt": "a", "x": null}\n', "p.jsonl:1:1: `x` must be text"),
        ("p.jsonl", '{"prompt": "a", "x": 1, "x": 2}\n', "p.jsonl:1:1: cannot be read as JSON: a duplicate key `x`"),
        ("p.csv", "prompt,color,color\na ball,red,blue\n", "p.csv:1:1: a duplicate column `color`"),
        ("p.csv", 'prompt,color\n"a ball,red\n', "p.csv:2:1: cannot be read as CSV"),
        ("p.txt", "a {{ color }} ball\n", "p.txt:1:1: prompt: is no place for a template"),
        ("p.csv", "prompt,color\na ball,{{ red }}\n", "p.csv:2:1: color: is no place for a template"),
        ("p.yaml", "a", "is no file of prompts, found 'p.yaml'"),
    ],
)
def test_a_file_that_is_no_list_of_prompts(tmp_path: Path, name: str, text: str, said: str) -> None:
    assert said in refused(tmp_path, f"{{file: {name}}}", name, text)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{file: none.txt}", "there is no file none.txt"),
        ("{file: assets}", "is no regular file but a folder: assets"),
        ("{file: ../p.txt}", "lies outside"),
        ("{fiel: p.txt}", "unknown key `fiel`"),
        ("{sample: 3}", "unknown key `sample`"),
        ("{file: a.txt, template: b, for: {x: [1]}}", "several things at once: `file` and `template`"),
        ("a ball", "must be a list of prompts, or a mapping with one of template, file, found 'a ball'"),
        ("['']", "prompts.test.0: is empty"),
        ("['a {{ color }} ball']", "a prompt of a list is no template"),
        ("[{prompt: a ball, x: '{{ color }}'}]", "prompts.test.0.x: is no place for a template"),
        ("{template: 'a {{ x }}', for: {x: ['{{ y }}']}}", "prompts.test.for.x: is no place for a template"),
        ("{template: 'a {{ x }}', for: {x: []}}", "prompts.test.for.x: is empty"),
        ("{template: 'a {{ x }}', for: {prompt: [a], x: [b]}}", "`prompt` is the rendered prompt's own name"),
        ("{template: '{{ x }}', for: {x: ['']}}", "renders to nothing"),
        ("{template: a, for: {x: [" + "1, " * 999 + "1], y: [" + "1, " * 999 + "1]}}", "makes 1000000 prompts"),
    ],
)
def test_refused(tmp_path: Path, source: str, said: str) -> None:
    assert said in refused(tmp_path, source)


def test_a_named_pipe_is_there_and_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert "is no regular file but a device or a pipe: pipe.txt" in refused(tmp_path, "{file: pipe.txt}")


def test_a_file_of_too_many_prompts_is_refused_and_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_PROMPTS", 10)
    row = '{"prompt": "a red ball", "color": "red", "thing": "ball"}\n'
    assert len(held_out(tmp_path, "{file: p.jsonl}", "p.jsonl", 10 * row)) == 10
    assert "holds more than 10 prompts: p.jsonl" in refused(tmp_path, "{file: p.jsonl}", "p.jsonl", 11 * row)


def test_an_empty_word_leaves_no_gap_in_a_prompt(tmp_path: Path) -> None:
    lists = "for: {size: ['', small], color: [red], thing: [ball], lines: ['']}"
    source = f"{{template: ' a {{{{ size }}}} {{{{ color }}}}   {{{{ thing }}}} {{{{ lines }}}} ', {lists}}}"
    assert [row.prompt for row in held_out(tmp_path, source)] == ["a red ball", "a small red ball"]
    written = '{"prompt": "a  red ball", "color": "red", "thing": "ball"}\n'
    assert [row.prompt for row in held_out(tmp_path, "{file: p.jsonl}", "p.jsonl", written)] == ["a  red ball"]


@pytest.mark.parametrize("part", ["tokenizer", "tokenizer_2"])
def test_the_worlds_generator_reads_a_gap_as_a_space(part: str) -> None:
    tokenizer = Tokenizer.from_file(str(models.CHECKPOINTS / "generator" / part / "tokenizer.json"))
    assert tokenizer.encode(" a  red\n\tball ").ids == tokenizer.encode("a red ball").ids


def test_a_template_goes_over_the_product_in_order(tmp_path: Path) -> None:
    source = "{template: 'a {{ color }} {{ thing }}', for: {color: [red, blue], thing: [ball, tree, box]}}"
    rows = held_out(tmp_path, source)
    # the longest list varies most slowly, in whatever order the keys are written
    assert [row.prompt for row in rows] == [f"a {c} {t}" for t in ("ball", "tree", "box") for c in ("red", "blue")]
    assert (
        held_out(
            tmp_path,
            source.replace(
                "color: [red, blue], thing: [ball, tree, box]", "thing: [ball, tree, box], color: [red, blue]"
            ),
        )
        == rows
    )
    drawn = held_out(tmp_path, source[:-1] + ", sample: 3}")
    assert len(drawn) == 3
    assert [row for row in rows if row in drawn] == list(drawn)
    assert held_out(tmp_path, source[:-1] + ", sample: 3}") == drawn


def test_without_test_prompts_those_of_validation_are_looked_at(tmp_path: Path) -> None:
    file = hollow.workplace(tmp_path)
    file.write_text(hollow.RECIPE.replace(f"  {TEST}\n", ""))
    made = resolve(read(file))
    assert made.test_rows == made.validate_rows


def test_values_keep_their_types_and_a_cell_of_a_table_is_text(tmp_path: Path) -> None:
    row = '{"prompt": "a ball", "color": "red", "thing": "ball", "n": 3, "x": 0.5, "b": true, "l": ["a", 1]}\n'
    (jsonl,) = held_out(tmp_path, "{file: p.jsonl}", "p.jsonl", row)
    assert dict(jsonl.variables) == {"color": "red", "thing": "ball", "n": 3, "x": 0.5, "b": True}
    (table,) = held_out(tmp_path, "{file: p.csv}", "p.csv", "prompt,color,thing,n\na ball,red,ball,007\n")
    assert dict(table.variables)["n"] == "007"
    (listed,) = held_out(tmp_path, "[{prompt: a ball, color: red, thing: ball, n: 3, on: Yes, l: [1, 2]}]")
    assert dict(listed.variables) == {"color": "red", "thing": "ball", "n": 3, "on": "Yes"}


def test_quotes_and_lines_inside_a_cell(tmp_path: Path) -> None:
    text = 'prompt,color,thing\n"a ""red"" ball,\nbig",red,ball\n\na tree,red,tree\n'
    rows = held_out(tmp_path, "{file: p.csv}", "p.csv", text)
    assert [row.prompt for row in rows] == ['a "red" ball,\nbig', "a tree"]


OWN = """\
recipe: 1
name: own
generator: {model: ./generator}
critics: {eyes: {model: ./critic}}
visuals: {ruler: {line: {y: "{{ height }}"}}}
prompts:
  train: {file: own.jsonl}
  validate: [{prompt: a lemon, question: Is it sour?, expected: "Yes", height: 0.5}]
questions:
  brought: {ask: "{{ question }}", suffix: Answer., see: ruler, answer: "{{ expected }}", against: ["{{ other }}"]}
  always: {ask: "Is there {{ prompt }}?", answer: "Yes"}
"""


def test_a_row_brings_its_own_question_answer_and_visual(tmp_path: Path) -> None:
    file = hollow.workplace(tmp_path)
    lines = [
        '{"prompt": "a jar", "question": "Is it empty?", "expected": "Yes", "height": 0.25, "other": "No"}',
        '{"prompt": "ice", "question": "What is it?", "expected": "cold", "height": 0.75, "other": "hot"}',
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(lines), encoding="utf-8")
    file.write_text(OWN.replace(', expected: "Yes"', ', expected: "Yes", other: "No"'), encoding="utf-8")
    made = resolve(read(file))
    jar, ice = made.train_rows
    assert [ask.wordings for ask in jar.asks] == [("Is there a jar?",), ("Is it empty? Answer.",)]
    assert [(ask.answers, ask.against) for ask in ice.asks] == [(("Yes",), ()), (("cold",), ("hot",))]
    heights = {drawing.key: dict(drawing.parameters)["y"] for drawing in made.drawings}
    assert [heights[row.asks[1].see[0]] for row in (jar, ice)] == [0.25, 0.75]
    assert made.test_rows == made.validate_rows
    file.write_text(OWN, encoding="utf-8")
    with pytest.raises(InputError, match="unknown variable `other`"):  # the row to validate on lacks it
        resolve(read(file))


@pytest.mark.parametrize(("things", "held"), [(4, 1), (10, 1), (19, 1), (20, 2), (57, 5)])
def test_a_tenth_of_the_training_rows_is_held_back(tmp_path: Path, things: int, held: int) -> None:
    file = hollow.workplace(tmp_path)
    words = ", ".join(f"t{at}" for at in range(things))
    file.write_text(
        hollow.RECIPE.replace(
            "color: [red, blue], thing: [ball, house, tree, tent, box]", f"color: [a], thing: [{words}]"
        ),
        encoding="utf-8",
    )
    made = resolve(read(file))
    assert (len(made.train_rows), len(made.validate_rows)) == (things - held, held)
    assert not {row.prompt for row in made.train_rows} & {row.prompt for row in made.validate_rows}


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("[{prompt: a cup, color: red, thing: cup}]", ["a cup"]),
        ("{template: 'a {{ thing }}', for: {thing: [cup, pot], color: [red]}}", ["a cup", "a pot"]),
        ("{file: v.csv}", ["a jug"]),
    ],
)
def test_validation_rows_of_their_own_leave_training_whole(tmp_path: Path, source: str, wanted: list[str]) -> None:
    file = hollow.workplace(tmp_path)
    (tmp_path / "v.csv").write_text("prompt,color,thing\na jug,red,jug\n", encoding="utf-8")
    file.write_text(hollow.RECIPE.replace("  test:", f"  validate: {source}\n  test:"), encoding="utf-8")
    made = resolve(read(file))
    assert [row.prompt for row in made.validate_rows] == wanted
    assert len(made.train_rows) == 10


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("vars: {height: 0.80}", "vars: {height: 0.80, self: 1}"), "3:22: vars.self: `self` is a word of templates"),
        (("for: {color", "for: {loop: [a], color"), "15:11: prompts.train.for.loop: `loop` is a word of templates"),
        (("[{prompt: a", "[{none: 1, prompt: a"), "16:11: prompts.test.0.none: `none` is a word of templates"),
    ],
)
def test_a_variable_that_no_template_would_see_is_refused(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    found = hollow.problems(hollow.workplace(tmp_path), change)
    assert told in found[0]
    assert len(found) == 1, found
