"""Strict YAML: the core schema, places, and everything that is refused."""

from __future__ import annotations

import pytest
from control_recipes.engine.document import Document, override, parse
from control_recipes.engine.errors import InputError, Place


def refused(text: str) -> list[str]:
    try:
        return [str(problem) for problem in parse(text, "r.yaml").problems]
    except InputError as error:
        return [str(problem) for problem in error.problems]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *(
            (word, word)
            for word in ("Yes", "No", "on", "off", "y", "n", "12:30", "2001-01-01", "1_000", "0b1", "1e", "e5")
        ),
        ("5e-5", 5e-5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-3", -3),
        ("+3", 3),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ('"true"', "true"),
        (".inf", float("inf")),
        ("1e400", float("inf")),
    ],
)
def test_scalars_mean_what_the_core_schema_says(written: str, meant: object) -> None:
    found = parse(f"x: {written}\n", "r.yaml").data
    assert found == {"x": meant}
    assert isinstance(found, dict)
    assert type(found["x"]) is type(meant)


def test_keys_are_text_whatever_they_look_like() -> None:
    assert parse("yes: 1\n1: 2\nnull: 3\n<<: {a: 4}\n", "r").data == {"yes": 1, "1": 2, "null": 3, "<<": {"a": 4}}


def test_values_and_keys_have_places() -> None:
    document = parse("a:\n  - x\n  - {b: 2,\n     c: 3}\n", "r.yaml")
    assert document.place(("a", 1, "c")) == Place("r.yaml", 4, 9)
    assert document.key_place(("a", 1, "c")) == Place("r.yaml", 4, 6)
    assert document.place(("a",)) == Place("r.yaml", 2, 3)
    assert document.place(("a", 1, "nothing")) == document.place(("a", 1))


def test_columns_count_characters_not_bytes() -> None:
    assert parse('{"é€😀": x}\n', "r").place(("é€😀",)) == Place("r", 1, 9)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "r.yaml:3:1: a: a duplicate key"),
        ("x:\n  a: 1\n  a: 2\n", "r.yaml:3:3: x.a: a duplicate key"),
        ("a: !!python/object:os.system x\n", "r.yaml:1:4: a: the tag"),
        ("a: !b {c: 1}\n", "r.yaml:1:4: a: the tag !b"),
        ("? !!str a\n: 1\n", "r.yaml:1:3: a: the tag"),
        ("a:\n\tb: 1\n", "r.yaml:2:1: a tab"),
        ("a:\n  b: 1\n  \tc: 1\n", "r.yaml:3:3: a tab"),
        ("", "r.yaml:1:1: the file is empty"),
        ("# only a comment\n", "r.yaml:1:1: the file is empty"),
        ("a: 1\n---\nb: 2\n", "r.yaml:2:1: a second document"),
        ("near: {{ height }}\n", "r.yaml:1:8: near: a key must be text"),
        ("a: 'open\n", "cannot be read as YAML"),
        ("a: b: c\n", "r.yaml:1:5: cannot be read as YAML"),
        ("a: *b\n", "a: the alias *b has no anchor"),
        ("a: &a [*a]\n", "a.0: the alias *a contains itself"),
        ("a: \x00\n", "r.yaml:1:4: the character"),
        ("[" * 60, "nested deeper"),
        ("[" * 50_000, "nested deeper"),
        ("a: " + "9" * 5000, "too long"),
    ],
)
def test_refused(text: str, said: str) -> None:
    assert any(said in one for one in refused(text)), refused(text)


def test_an_anchor_bomb_is_refused_and_a_plain_alias_is_not() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "anchor bomb" in refused("\n".join(levels))[-1]
    assert parse("a: &a [1, 2]\nb: *a\n", "r").data == {"a": [1, 2], "b": [1, 2]}


def test_what_was_found_before_the_text_breaks_off_is_not_lost() -> None:
    assert [one.split(":")[1] for one in refused("a: 1\na: 2\nb: 'open\n")] == ["2", "4"]


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert parse("\ufeffa: 1\n", "r").data == {"a": 1}


def applied(*assignments: str) -> Document:
    document = parse("train: {steps: 1}\nlist: [a, b]\n", "r.yaml")
    for assignment in assignments:
        document = override(document, assignment)
    return document


def test_an_override_is_yaml_with_a_place_of_its_own() -> None:
    document = applied("train.steps=200", "list.1=Yes", "new.deep.key=5e-5", "list.0={a: [1]}")
    assert document.data == {"train": {"steps": 200}, "list": [{"a": [1]}, "Yes"], "new": {"deep": {"key": 5e-5}}}
    assert document.place(("train", "steps")) == Place("--set train.steps=200", 1, 13)
    assert document.key_place(("train", "steps")) == Place("--set train.steps=200", 1, 7)
    assert document.key_place(("train",)) == Place("r.yaml", 1, 1)
    assert document.place(("list",)) == Place("r.yaml", 2, 7)


def test_an_override_of_nothing_takes_a_key_away() -> None:
    document = applied("train.steps=~", "list=~", "list.key=1", "new=~")
    assert document.data == {"train": {}, "list": {"key": 1}, "new": None}  # what is not there cannot be taken away
    assert document.key_place(("list",)) == Place("--set list.key=1", 1, 1)
    assert applied("list.0=~").data == {"train": {"steps": 1}, "list": [None, "b"]}


def test_an_override_leaves_the_document_it_changes_as_it_was() -> None:
    document = parse("train: {steps: 1}\n", "r.yaml")
    override(document, "train.steps=2")
    assert document.data == {"train": {"steps": 1}}


@pytest.mark.parametrize(
    "assignment", ["train.steps", "=3", "train..steps=1", "list.2=c", "train.steps.x=1", "a=[", "a=*b"]
)
def test_an_override_that_cannot_be_made_is_refused(assignment: str) -> None:
    with pytest.raises(InputError) as caught:
        raise InputError(applied(assignment).problems)
    assert caught.value.problems[0].place.file == f"--set {assignment}"


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("a.b:1:1:", "1: is no assignment"),
        ("a.steps=[", "10: a.steps: cannot be read as YAML"),
        ("a.steps='", "10: a.steps: cannot be read as YAML"),
        ("a.steps={b: 1", "14: a.steps: cannot be read as YAML"),
        ("a.steps=[\n[", "line 2, column 2: a.steps: cannot be read as YAML"),
        ("a.steps=b: c: d", "13: a.steps: cannot be read as YAML"),
        ("a.list.9=x", "8: a.list.9: 9 is no place in a list of 2"),
        ("a.list.1.x=5", "10: a.list.1.x: `x` has nowhere to go"),
        ("a.steps=" + "[" * 60, "50: a.steps.0.0"),
        ("a.steps=", "9: a.steps: nothing after `=`\n  hint: write `~` to take the key away"),
        ("a.steps=  ", "9: a.steps: nothing after `=`"),
        ("a.steps= # 3", "9: a.steps: nothing after `=`"),
    ],
)
def test_what_is_wrong_with_an_override_stands_in_a_column_of_it(assignment: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        override(parse("a: {steps: 1, list: [1, 2]}", "r.yaml"), assignment)
    where = "" if said.startswith("line") else "column "
    shown = assignment.replace("\n", "\\n")
    assert str(caught.value).startswith(f"in --set {shown}, {where}{said}")


@pytest.mark.parametrize(
    ("value", "column", "key"),
    [
        ("*x", 13, "a.list.1"),
        ("!!int 3", 13, "a.list.1"),
        ("{b: [*x]}", 18, "a.list.1.b.0"),
        ("{b: 1, b: 2}", 20, "a.list.1.b"),
    ],
)
def test_what_is_wrong_inside_the_value_of_an_override_has_its_whole_key(value: str, column: int, key: str) -> None:
    made = override(parse("a: {list: [1, 2]}", "r.yaml"), f"a.list.1={value}")
    (problem,) = made.problems
    assert (problem.place, problem.key) == (Place(f"--set a.list.1={value}", 1, column - 3), key)
    if "b: 2" not in value:
        assert made.unreadable[0][:3] == ("a", "list", 1)


def test_the_keys_of_an_override_stand_where_it_names_them() -> None:
    made = override(parse("a: {b: {c: 1}}", "r.yaml"), "a.b.d=2")
    assert made.key_place(("a", "b", "d")) == Place("--set a.b.d=2", 1, 5)
    assert made.key_place(("a", "b")) == Place("r.yaml", 1, 5)
    assert made.place(("a", "b", "d")) == Place("--set a.b.d=2", 1, 7)
