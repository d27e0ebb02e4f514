"""Errors as people and programs read them: plain text, colours on a terminal, JSON."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import hollow
import pytest
from control_recipes.cli import main
from control_recipes.engine import console
from control_recipes.engine.errors import InputError, Place, Problem


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def error(tmp_path: Path) -> InputError:
    file = tmp_path / "r.yaml"
    file.write_text("recipe: 1\nhodl: " + "x" * 300 + "\n", encoding="utf-8")
    return InputError(
        [Problem(Place(str(file), 2, 1), "hodl", "unknown key `hodl`" + "!" * 200, "did you mean `hold`?")]
    )


def test_plain_text_is_never_wrapped(error: InputError, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    console.show(error)
    first, line, caret, hint = stream.getvalue().splitlines()
    place = error.problems[0].place
    assert first == f"{place}: hodl: unknown key `hodl`" + "!" * 200
    assert line.startswith("    2 │ hodl: xxx")
    assert line.endswith("x…")
    assert caret == "      │ ^"
    assert hint == "  hint: did you mean `hold`?"


def test_a_terminal_sees_the_same_in_colour(error: InputError, monkeypatch: pytest.MonkeyPatch) -> None:
    import re

    shown: list[str] = []
    for stream in (io.StringIO(), Terminal()):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", "109")
        console.show(error)
        shown.append(stream.getvalue())
    assert "\x1b[" not in shown[0]
    assert "\x1b[" in shown[1]
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown[1]) == shown[0]


def test_what_a_recipe_says_does_not_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console.show(InputError([Problem(Place("r\x1b[2J.yaml"), "a\nb", "found \x9b31m \u202e", "\x07")]))
    assert capsys.readouterr().err == "r\\x1b[2J.yaml: a\\nb: found \\x9b31m \\u202e\n  hint: \\x07\n"


def test_json_can_always_be_written() -> None:
    text = console.as_json([Problem(Place("r\udcff.yaml", 1, 1), "ключ", "half \ud800", "")])
    assert json.loads(text.encode())["problems"][0] == {
        "place": {"file": "r\udcff.yaml", "line": 1, "column": 1}, "key": "ключ", "message": "half \ud800", "hint": "",
    }  # fmt: skip
    assert console.as_json([]) == '{"ok": true, "problems": []}'


def test_a_file_that_is_no_text_has_no_line_and_no_column(capsys: pytest.CaptureFixture[str]) -> None:
    problem = Problem(Place("a.safetensors"), "", "is a pickle")
    console.show(InputError([problem, Problem(Place("r.yaml", 1, 1), "name", "is missing")]))
    assert capsys.readouterr().err == "a.safetensors: is a pickle\nr.yaml:1:1: name: is missing\n"
    (told,) = json.loads(console.as_json([problem]))["problems"]
    assert told["place"] == {"file": "a.safetensors", "line": None, "column": None}


@pytest.mark.parametrize("command", ["check", "show", "plan", "lock", "run", "eval"])
@pytest.mark.parametrize("text", ["recipe: 1\nnmae: x\n", None])
def test_every_command_that_reads_a_recipe_tells_what_is_wrong_as_json(
    command: str, text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path("r.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["recipe", command, "r.yaml", "--json"])
    with pytest.raises(SystemExit) as left:
        main()
    told = capsys.readouterr()
    assert left.value.code == 2
    (line,) = told.out.splitlines()
    said = json.loads(line)
    assert list(said) == ["ok", "problems"]
    assert said["ok"] is False
    first = said["problems"][0]
    assert first["place"]["file"] == "r.yaml"
    assert (first["place"]["line"] is None) == (text is None)
    at = "" if text is None else f":{first['place']['line']}:{first['place']['column']}"
    assert f"r.yaml{at}: " in told.err
    assert [path.name for path in tmp_path.iterdir()] == ([] if text is None else ["r.yaml"])


@pytest.mark.parametrize(
    ("words", "status"),
    [
        *((f"{command} none.yaml", 2) for command in ("check", "show", "plan", "lock", "eval", "run", "fmt")),
        ("diff none.yaml none.yaml", 2),
        ("world read none.png", 2),
        ("run r.yaml --locked", 1),  # there is no lock
    ],
)
def test_a_command_with_json_that_fails_says_so_as_data(
    words: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hollow.workplace(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["recipe", *words.split(), "--json"])
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr()
    assert left.value.code == status, said.err
    told = json.loads(said.out)  # exactly one object
    assert said.out.count("\n") == 1
    assert told["ok"] is False
    assert all(set(one) == {"place", "key", "message", "hint"} and one["message"] for one in told["problems"])
    assert all(set(one["place"]) == {"file", "line", "column"} for one in told["problems"])
