"""The docs: they build, their links lead somewhere, their commands exist, their recipes are recipes."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer
from control_recipes.cli import app, main
from control_recipes.engine import document

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
CHEAP = (
    "check",
    "plan",
    "show",
    "gallery",
    "init",
    "schema",
    "lock",
    "diff",
    "fmt",
)  # what is run; the others are parsed


def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(text: str) -> list[list[str]]:
    """Words after `recipe` on every line of code that starts with it, and of a recipe's own `# Run:` line."""
    lines = re.findall(r"^(?: {4}|# Run:\s*)?recipe ((?!is |run`)[a-z][^\n`]*)$", text, re.MULTILINE)
    return [shlex.split(line.partition(" > ")[0], comments=True) for line in lines]


def parse(words: list[str]) -> None:
    """Raise where the command line has no such command, option or argument."""
    group = typer.main.get_command(app)
    with group.make_context("recipe", list(words)) as context:
        name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None
        inner = command.make_context(name, rest, parent=context)
        if hasattr(command, "commands"):
            name, command, rest = command.resolve_command(inner, [*inner._protected_args, *inner.args])
            command.make_context(name, rest, parent=inner)


FOUND = [(page.name, words) for page in [*PAGES, *RECIPES] for words in commands(page.read_text("utf-8"))]


def test_docs_build_and_their_links_lead_somewhere(tmp_path: Path):
    assert builder().build(tmp_path) == []
    assert "<h1>control-recipes</h1>" in (tmp_path / "index.html").read_text("utf-8")


def test_the_guard_sees_a_broken_link():
    text = "[a](nowhere.md) [b](#no-such-part) [c](docs/runs.md#the-lock) [d](LICENSE)"
    wrong = builder().broken(ROOT / "README.md", text)
    assert [line.split()[1] for line in wrong] == ["nowhere.md", "#no-such-part"]


def test_every_command_is_documented():
    documented = {words[0] for name, words in FOUND if name == "commands.md"}
    assert documented >= {command.name or command.callback.__name__ for command in app.registered_commands}


@pytest.mark.parametrize(
    ("page", "words"), FOUND, ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_every_command_exists(page: str, words: list[str]):
    parse(words)


@pytest.mark.parametrize("words", [["fly"], ["run", "a.yaml", "--fly"], ["gallery", "too", "much"]])
def test_the_guard_sees_a_command_that_does_not_exist(words: list[str]):
    with pytest.raises(Exception, match=r"No such|unexpected"):
        parse(words)


def test_cheap_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    seen: set[str] = set()
    for page, words in FOUND:
        if (
            words[0] not in CHEAP
            or "--measure" in words
            or " ".join(words) in seen
            or (page == "commands.md" and words[0] == "init")
        ):
            continue
        seen.add(" ".join(words))
        monkeypatch.setattr(sys, "argv", ["recipe", *words])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 0, (words, capsys.readouterr().err)
    assert {words.split()[0] for words in seen} == set(CHEAP)


def blocks(text: str) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("page", "block"), [(page, block) for page in PAGES for block in blocks(page.read_text("utf-8"))], ids=lambda _: ""
)
def test_every_recipe_is_one(page: Path, block: str, tmp_path: Path):
    if not block.startswith("recipe: 1"):
        assert document.parse(block, page.name).problems == ()
        return
    from control_recipes import read, resolve

    (tmp_path / "shown.yaml").write_text(block, encoding="utf-8")
    assert resolve(read(tmp_path / "shown.yaml")).test_rows


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_gallery_recipes_open_with_what_a_reader_needs(path: Path):
    text = path.read_text("utf-8")
    for head in ("# Intent: ", f"# Run:    recipe run {path.name}", "# Expect: "):
        assert f"\n{head}" in f"\n{text}", head
    assert re.search(rf"^name: {path.stem}$", text, re.MULTILINE)


MISTAKES = re.findall(
    r"^```diff\n- (.*)\n\+ (.*)\n! (.*)\n```$", (ROOT / "docs" / "errors.md").read_text("utf-8"), re.MULTILINE
)


@pytest.mark.parametrize(("right", "wrong", "said"), MISTAKES)
def test_every_mistake_of_the_page_is_told_so(right: str, wrong: str, said: str, tmp_path: Path):
    import hollow
    from control_recipes import read, resolve
    from control_recipes.engine.errors import InputError

    file = hollow.workplace(tmp_path)
    assert resolve(read(file))
    assert f"\n{right}\n" in hollow.RECIPE
    changed = hollow.RECIPE.replace(f"\n{right}\n", f"\n{wrong}\n", 1)
    file.write_text(changed, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        resolve(read(file))
    assert any(said in problem.message for problem in caught.value.problems), str(caught.value)


def test_the_page_of_mistakes_has_examples():
    assert len(MISTAKES) == (ROOT / "docs" / "errors.md").read_text("utf-8").count("```diff") > 8
