"""The tutorial, followed from its first line to its last: its recipes are written, its commands run, its outputs come.

A file is a block of YAML whose first line is `# NAME`. A command leaves with 0, or with what `# exits N` says. What
trains is run with few steps and pictures: then `expect` need not be met, and of what is printed only the first word of
every line must come.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pico
import pytest
from control_recipes.cli import main

TUTORIAL = Path(__file__).parent.parent / "docs" / "tutorial.md"
FEW = ["--set", "train.steps=2", "--set", "evaluate.seeds=1", "--set", "evaluate.scales=[1.0]"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with pico.one_thread():  # a few pictures at a time
        yield


def blocks(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^```(yaml|sh|text)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def recipe(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit status of a command, and all that it says."""
    before, sys.argv = sys.argv, ["recipe", *words]
    try:
        main()
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else 0
    else:
        status = 0
    finally:
        sys.argv = before
    said = capsys.readouterr()
    return status, said.out + said.err


def follow(text: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Do what a page says, in the folder that is current; the commands that were run."""
    ran: list[str] = []
    said, trained = "", False
    for kind, block in blocks(text):
        if kind == "yaml":
            name = re.match(r"# ([\w/.-]+\.yaml)\n", block)
            assert name, f"a recipe without a name: {block[:40]}"
            Path(name[1]).write_text(block, encoding="utf-8")
        elif kind == "sh":
            said, trained = "", False
            for line in block.splitlines():
                command, *words = shlex.split(line, comments=True)
                assert command == "recipe", line
                wanted = re.search(r"# exits (\d)", line)
                trained = trained or words[0] == "run"
                status, output = recipe([*words, *FEW] if words[0] == "run" else words, capsys)
                allowed = {int(wanted[1])} if wanted else {0, 1} if words[0] in ("run", "eval") else {0}
                assert status in allowed, (line, status, output)
                said += output
                ran.append(line)
        else:
            for line in block.splitlines():
                assert (line.split()[0] if trained else line.strip()) in said, (line, said)
    return ran


def test_the_tutorial_can_be_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    ran = follow(TUTORIAL.read_text(encoding="utf-8"), capsys)
    assert {line.split()[1] for line in ran} >= {"init", "check", "plan", "run", "show", "generate", "eval", "lock"}
    assert (tmp_path / "runs" / "blue" / "report.html").exists()


@pytest.mark.parametrize(
    "text",
    [
        "```yaml\nrecipe: 1\n```\n",
        "```sh\nrecipe check nowhere.yaml\n```\n",
        "```sh\nrecipe check horizon_low.yaml   # exits 2\n```\n",
        "```sh\nrecipe gallery\n```\n\n```text\nno such recipe\n```\n",
    ],
)
def test_the_guard_sees_a_page_that_cannot_be_followed(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError):
        follow(text, capsys)
