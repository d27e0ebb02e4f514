"""Prompts from lists, templates and files."""

from __future__ import annotations

from pathlib import Path

import hollow
import pytest
from control_recipes.engine import prompts
from control_recipes.engine.errors import InputError
from control_recipes.engine.plan import Row
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve

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
        ("p.yaml", "a", "is no file of prompts, found 'p.yaml'"),
    ],
)
def test_a_file_that_is_no_list_of_prompts(tmp_path: Path, name: str, text: str, said: str) -> None:
    assert said in refused(tmp_path, f"{{file: {name}}}", name, text)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{file: none.txt}", "there is no file none.txt"),
        ("{file: ../p.txt}", "lies outside"),
        ("{fiel: p.txt}", "unknown key `fiel`"),
        ("{sample: 3}", "unknown key `sample`"),
        ("{file: a.txt, template: b, for: {x: [1]}}", "several things at once: `file` and `template`"),
        ("a ball", "must be a list of prompts, or a mapping with one of template, file, found 'a ball'"),
        ("['']", "prompts.test.0: is empty"),
        ("['a {{ color }} ball']", "a prompt of a list is no template"),
        ("{template: 'a {{ x }}', for: {x: []}}", "prompts.test.for.x: is empty"),
        ("{template: 'a {{ x }}', for: {prompt: [a], x: [b]}}", "`prompt` is the rendered prompt's own name"),
        ("{template: '{{ x }}', for: {x: ['']}}", "renders to nothing"),
        ("{template: a, for: {x: [" + "1, " * 999 + "1], y: [" + "1, " * 999 + "1]}}", "makes 1000000 prompts"),
    ],
)
def test_refused(tmp_path: Path, source: str, said: str) -> None:
    assert said in refused(tmp_path, source)


def test_a_file_of_too_many_prompts_is_refused_and_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "MOST", 10)
    row = '{"prompt": "a red ball", "color": "red", "thing": "ball"}\n'
    assert len(held_out(tmp_path, "{file: p.jsonl}", "p.jsonl", 10 * row)) == 10
    assert "holds more than 10 prompts: p.jsonl" in refused(tmp_path, "{file: p.jsonl}", "p.jsonl", 11 * row)


def test_a_template_goes_over_the_product_in_order(tmp_path: Path) -> None:
    source = "{template: 'a {{ color }} {{ thing }}', for: {color: [red, blue], thing: [ball, tree, box]}}"
    rows = held_out(tmp_path, source)
    assert [row.prompt for row in rows] == [f"a {c} {t}" for c in ("red", "blue") for t in ("ball", "tree", "box")]
    drawn = held_out(tmp_path, source[:-1] + ", sample: 3}")
    assert len(drawn) == 3
    assert [row for row in rows if row in drawn] == list(drawn)
    assert held_out(tmp_path, source[:-1] + ", sample: 3}") == drawn


def test_without_test_prompts_those_of_validation_are_looked_at(tmp_path: Path) -> None:
    file = hollow.workplace(tmp_path)
    file.write_text(hollow.RECIPE.replace(f"  {TEST}\n", ""))
    made = resolve(read(file))
    assert made.test_rows == made.validate_rows
