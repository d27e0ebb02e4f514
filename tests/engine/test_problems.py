"""Problems of several recipes: a mistake in a file that two of them are made of is told once."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import hollow
import pytest
from control_recipes.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """base.yaml is wrong, a.yaml and sub/b.yaml include it, b.yaml has a mistake of its own; c.yaml is right."""
    hollow.workplace(tmp_path).rename(tmp_path / "c.yaml")
    (tmp_path / "sub").mkdir()
    (tmp_path / "base.yaml").write_text(hollow.RECIPE.replace("hold: 0.75", "hold: 7"), "utf-8")
    (tmp_path / "a.yaml").write_text("include: base.yaml\n", "utf-8")
    (tmp_path / "sub" / "b.yaml").write_text("include: ../base.yaml\ntrain: {steps: 0}\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["recipe", "check", *words, "--allow-outside"])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


@pytest.mark.parametrize("files", ["a.yaml base.yaml", "base.yaml a.yaml", "a.yaml base.yaml sub/b.yaml a.yaml"])
def test_a_mistake_that_files_share_is_told_once(
    folder: Path, files: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(monkeypatch, *files.split(), "c.yaml") == 2
    said = capsys.readouterr()
    assert said.err.count("must be less than 1, found 7") == 1
    assert said.err.count("steps: must be greater") == files.count("b.yaml")
    assert [line.split(":")[0] for line in said.out.splitlines()] == ["c.yaml"]  # the others are not called right


def test_it_is_told_once_as_data_as_well(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(monkeypatch, "a.yaml", "sub/b.yaml", "--json") == 2
    said = json.loads(capsys.readouterr().out)
    assert not said["ok"]
    assert [problem["key"] for problem in said["problems"]] == ["questions.still_there.hold", "train.steps"]


def test_like_mistakes_of_two_files_are_two(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.yaml").write_bytes((folder / "base.yaml").read_bytes())
    assert check(monkeypatch, "a.yaml", "base.yaml") == 2
    assert capsys.readouterr().err.count("must be less than 1, found 7") == 2
