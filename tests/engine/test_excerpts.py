"""Excerpts: the right line, and a caret under the right cell, whatever stands before it."""

from __future__ import annotations

from pathlib import Path

import pytest
from control_recipes.engine.errors import Place
from control_recipes.engine.excerpts import Excerpts
from rich.cells import cell_len


def under(folder: Path, line: str, column: int, widest: int = 100) -> str:
    """What the excerpt shows from the caret on."""
    (folder / "r.yaml").write_bytes(f"first\n{line}\nlast\n".encode())
    found = Excerpts(widest).of(Place(str(folder / "r.yaml"), 2, column))
    assert found is not None
    assert cell_len(found.text) <= widest
    cells = 0
    for at, letter in enumerate(found.text):
        if cells == found.caret:
            return found.text[at:]
        cells += cell_len(letter)
    return ""


@pytest.mark.parametrize(
    "before",
    [
        "",
        "key: ",
        "\tkey:\t",
        "宽的键: ",
        "é́: ",
        "😀: ",
        "\ufeff",
        "\x1b[31m",
        "\u202e: ",
        "a" * 99,
        "宽" * 500,
        "\t" * 60,
    ],
)
def test_the_caret_is_under_its_character(tmp_path: Path, before: str) -> None:
    for after in ("", " and more", "宽" * 200, "\t\t", "y" * 5000):
        assert under(tmp_path, f"{before}Xy{after}", len(before) + 1).startswith("Xy"), after


def test_a_long_line_is_cut_on_both_sides(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("a" * 300 + "X" + "b" * 300)
    found = Excerpts(40).of(Place(str(tmp_path / "r.yaml"), 1, 301))
    assert found is not None
    assert found.text == "…" + "a" * 27 + "X" + "b" * 10 + "…"


def test_a_line_that_fits_is_whole(tmp_path: Path) -> None:
    assert under(tmp_path, "key: value", 1) == "key: value"


def test_lines_are_counted_as_they_are_read(tmp_path: Path) -> None:
    for name, ends in (("r.yaml", ("\n", "\r\n", "\r", "\x85", "\u2028")), ("p.csv", ("\n", "\r\n"))):
        for end in ends:
            (tmp_path / name).write_bytes(f"\ufeffone{end}two{end}three".encode())
            found = Excerpts().of(Place(str(tmp_path / name), 2, 1))
            assert found is not None
            assert found.text == "two"


def test_an_override_is_its_own_line() -> None:
    found = Excerpts().of(Place("--set train.lr=fast", 1, 10))
    assert found is not None
    assert (found.text, found.caret) == ("train.lr=fast", 9)


@pytest.mark.parametrize("file", ["/nowhere", "/", "/dev/zero", "a\0b", "x" * 9000])
def test_where_there_is_no_line_there_is_no_excerpt(file: str, tmp_path: Path) -> None:
    assert Excerpts().of(Place(file)) is None
    (tmp_path / "r.yaml").write_text("one\n\n")
    for line in (0, 2, 9):
        assert Excerpts().of(Place(str(tmp_path / "r.yaml"), line)) is None


@pytest.mark.parametrize("name", ["a.safetensors", "a.lock"])
def test_what_nobody_writes_is_not_shown(name: str, tmp_path: Path) -> None:
    for path in (tmp_path / name, tmp_path / "a.yaml"):
        path.write_text("{\n", "utf-8")
    assert Excerpts().of(Place(str(tmp_path / "a.yaml"), 1, 1)) is not None
    assert Excerpts().of(Place(str(tmp_path / name), 1, 1)) is None
