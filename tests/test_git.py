"""docs/git.md, done: textconv, hooks and locks in a repository of their own."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import hollow
import pytest
import yaml

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "git.md").read_text("utf-8")
HOOKS = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))}


def block(language: str, word: str) -> str:
    """The page's block of code in a language that has a word in it."""
    return next(text for text in re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S) if word in text)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a workplace under recipes/, committed, and `recipe` on the path."""
    recipes, commands = tmp_path / "repository" / "recipes", tmp_path / "bin"
    recipes.mkdir(parents=True)
    hollow.workplace(recipes).rename(recipes / "low.yaml")
    commands.mkdir()
    code = "import control_recipes.cli as c; c.main()"
    (commands / "recipe").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c "{code}" "$@"\n', "utf-8")
    (commands / "recipe").chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.chdir(recipes.parent)
    (recipes.parent / ".gitattributes").write_text(block("gitattributes", "diff=recipe"), "utf-8")
    run("git init -q; git config user.email a@b; git config user.name a; git add .; git commit -qm first")
    return recipes


def run(command: str) -> tuple[int, str]:
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def test_git_diff_shows_meaning(here: Path):
    assert run(block("sh", "textconv"))[0] == 0
    change(here / "low.yaml", "name: horizon_low\n", "# why\nname:   'horizon_low'\n")
    assert run("git diff") == (0, "")
    assert "# why" in run("git diff --no-textconv")[1]
    change(here / "low.yaml", "hold: 0.75", "hold: 0.8")
    lines = run("git diff")[1].splitlines()
    assert [line for line in lines if re.match(r"[-+] ", line)] == ["-    hold: 0.75", "+    hold: 0.8"]


def test_a_recipe_that_git_cannot_show_is_shown_as_written(here: Path):
    run(block("sh", "textconv"))
    change(here / "low.yaml", "recipe: 1", "include: gone.yaml\nrecipe: 1")
    assert "+include: gone.yaml" in run("git diff")[1]


def test_a_recipe_that_builds_on_another_is_shown_as_written_before_and_after(here: Path):
    run(block("sh", "textconv"))
    (here / "warm.yaml").write_text("include: [low.yaml]\nname: warm\nstay: {weight: 0.1}\n", "utf-8")
    assert run("git add .; git commit -qm warm")[0] == 0
    change(here / "warm.yaml", "weight: 0.1", "weight: 0.2")
    lines = run("git diff")[1].splitlines()
    changed = [line for line in lines if re.match(r"[-+][^-+]", line)]
    assert changed == ["-stay: {weight: 0.1}", "+stay: {weight: 0.2}"]
    assert " # as written" in lines


def test_what_the_page_compares(here: Path):
    assert run("recipe lock --quiet recipes/low.yaml; git add .; git commit -qm lock")[0] == 0
    change(here / "low.yaml", "hold: 0.75", "hold: 0.8")
    status, said = run(block("sh", "before.lock"))
    assert status == 0
    assert "question still_there: was a hold at 0.75, weight 1, is now a hold at 0.8, weight 1" in said


def test_the_hooks_refuse_and_tidy(here: Path):
    low = here / "low.yaml"
    assert {"recipe-check", "recipe-lock-check", "recipe-fmt"} == set(HOOKS)
    for hook in HOOKS.values():
        assert re.search(hook["files"], "recipes/low.yaml")
        assert not re.search(hook["files"], "recipes/shared/base.yaml")
        assert hook["language"] == "python"
    check, lock, fmt = (HOOKS[name]["entry"] for name in ("recipe-check", "recipe-lock-check", "recipe-fmt"))
    assert run(f"{check} recipes/low.yaml")[0] == 0
    assert run(f"{lock} recipes/low.yaml")[0] == 1  # there is none
    run("recipe lock --quiet recipes/low.yaml")
    assert run(f"{lock} recipes/low.yaml")[0] == 0
    change(low, "name: horizon_low", "name:    horizon_low")
    assert run(f"{fmt} recipes/low.yaml")[0] == 0
    assert "name: horizon_low\n" in low.read_text("utf-8")
    assert run(f"{lock} recipes/low.yaml")[0] == 0  # what is tidied means the same
    change(low, "hold: 0.75", "hold: 0.8")
    assert run(f"{lock} recipes/low.yaml")[0] == 1
    change(low, "hold: 0.8", "hold: 8")
    assert run(f"{check} recipes/low.yaml")[0] == 2


def test_the_page_names_hooks_that_there_are():
    for text in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S):
        for hook in yaml.safe_load(text)["repos"][0]["hooks"]:
            assert hook["id"] in HOOKS
