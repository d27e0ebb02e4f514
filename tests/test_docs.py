"""The docs: they build, their links lead somewhere, their commands exist, their recipes are recipes."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import exports
import pico
import pytest
import reference
import torch
import typer
from control_recipes.cli import app, main
from control_recipes.engine import document
from control_recipes.engine.errors import InputError
from control_recipes.engine.kinds import MEASURES, VISUALS
from control_recipes.engine.schema_prompts import SOURCES
from PIL import Image
from safetensors.torch import save_file

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
REFERENCE = ROOT / "docs" / "reference.md"
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


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], list[str]]:
    """Every page of HTML by its name, and what is wrong."""
    folder = tmp_path_factory.mktemp("pages")
    wrong = builder().build(folder)
    return {path.name: path.read_text("utf-8") for path in folder.glob("*.html")}, wrong


def test_docs_build_and_their_links_lead_somewhere(built: tuple[dict[str, str], list[str]]):
    assert built[1] == []
    assert '<h1 id="control-recipes">control-recipes</h1>' in built[0]["index.html"]


def test_anchors_of_built_pages_are_there(built: tuple[dict[str, str], list[str]]):
    pages = built[0]
    led = [
        (name, link.partition("#"))
        for name, text in pages.items()
        for link in re.findall(r'href="((?!https?:)[^"]*#[^"]+)"', text)
    ]
    assert len(led) > 30
    assert [link for name, link in led if f'id="{link[2]}"' not in pages[link[0] or name]] == []
    assert '<tr id="train.stop.patience">' in pages["reference.html"]


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
        if page == "tutorial.md":  # test_tutorial.py follows it
            continue
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


SHOWN = [
    pytest.param(page, block, id=f"{page.stem}-{at}")
    for page in PAGES
    if page.stem != "tutorial"  # test_tutorial.py follows it
    for at, block in enumerate(blocks(page.read_text("utf-8")))
]
OF_RECIPES = ("recipes", "reference")  # whose every block is a recipe, or a part of one


def laid_over(block: str, name: str = "shown") -> dict[str, Any]:
    """A recipe that a block of some keys stands in: its visuals are seen."""
    found = cast(dict[str, Any], document.parse(block, "shown").data)
    if "recipe" in found:
        return found
    if "compose" in found:
        return {"recipe": 1, "name": name, **found}
    question = {"ask": "Is there a ball?", "answer": "Yes", "see": list(found.get("visuals", {}))}
    return {
        "recipe": 1,
        "name": name,
        "generator": {"model": "builtin:generator"},
        "critics": {"eyes": {"model": "builtin:critic"}},
        "prompts": {"train": ["a ball"]},
        "questions": {"asked": question},
        **found,
    }


def furnish(folder: Path) -> None:
    """The files that the examples name."""
    shutil.copytree(ROOT / "recipes" / "assets", folder / "assets")
    for path in RECIPES:
        shutil.copy(path, folder)
    for name in ("base", "low", "warm"):
        (folder / f"{name}.yaml").write_text(json.dumps(laid_over("stay: {weight: 0.1}", name)), encoding="utf-8")
    for name, text in {
        "txt": "a red ball\na tree\n",
        "csv": "prompt,thing\na tree,tree\n",
        "jsonl": '{"prompt": "a hut", "thing": "hut"}\n',
    }.items():
        (folder / "assets" / f"prompts.{name}").write_text(text, encoding="utf-8")
    Image.new("RGBA", (32, 16), (200, 120, 40, 128)).save(folder / "assets" / "card.png")
    for name in ("style", "sketch"):
        save_file({f"transformer.{name}.lora_A.weight": torch.ones(1, 2)}, folder / f"{name}.safetensors")


def checked(block: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit status of `recipe check` on a recipe, or on a part of one."""
    furnish(folder)
    text = block if block.startswith("recipe: 1") else json.dumps(laid_over(block))
    (folder / "shown.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["recipe", "check", str(folder / "shown.yaml")])
    try:
        main()
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 0
    return 0


@pytest.mark.parametrize(("page", "block"), SHOWN)
def test_every_recipe_and_every_part_of_one_is_right(
    page: Path, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if page.stem in OF_RECIPES or block.startswith("recipe: 1"):
        assert checked(block, tmp_path, monkeypatch) == 0
    else:
        assert document.parse(block, page.name).problems == ()


@pytest.mark.parametrize("block", ["visuals: {ruler: {line: {y: 2}}}", "questions: {}", "combine: [nowhere.yaml]"])
def test_the_guard_sees_a_part_that_is_wrong(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert checked(block, tmp_path, monkeypatch) == 2


def test_the_reference_has_an_example_of_every_kind():
    shown = [laid_over(block) for block in blocks(REFERENCE.read_text("utf-8"))]
    for part, kinds in (("visuals", VISUALS), ("measures", MEASURES)):
        assert {kind for data in shown for one in data.get(part, {}).values() for kind in kinds if kind in one} == {
            *kinds
        }
    sources = [source for data in shown for source in data.get("prompts", {}).values()]
    assert {next(iter(source)) for source in sources if isinstance(source, dict)} == {*SOURCES, "sample"}


def test_the_reference_is_what_the_schema_says():
    assert reference.wrong(REFERENCE.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("whole number from 1 to 1 000", "whole number", "is not what the schema says"),
        ("<!-- keys stay -->", "<!-- keys stya -->", "<!-- keys stay --> is missing"),
    ],
)
def test_the_guard_sees_a_reference_that_is_stale(old: str, new: str, said: str):
    text = REFERENCE.read_text("utf-8")
    assert old in text
    assert any(said in line for line in reference.wrong(text.replace(old, new)))
    assert reference.renewed(text.replace(old, new)) == text or old.startswith("<!--")


def test_what_reads_which_file_is_as_the_generators_have_it():
    page = (ROOT / "docs" / "export.md").read_text("utf-8")
    assert exports.wrong(page) == []
    assert any("is not what" in line for line in exports.wrong(page.replace("| `--to kohya` |\n", "| no |\n")))
    assert any("is missing" in line for line in exports.wrong(page.replace("<!-- readers -->", "")))


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


SMALL = """\
recipe: 1
name: mine
generator: {model: builtin:generator}
critics: {eyes: {model: builtin:critic}}
prompts: {train: [a red ball in the grass]}
questions: {blue: {ask: "Is the ball blue?", answer: "Yes", against: "No"}}
train: {steps: 1, batch: 1}
evaluate: {seeds: 1, scales: [1.0]}
"""


def test_the_python_of_the_readme_runs_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Trains for one step: nothing less shows that what is written can be loaded as the page says."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(SMALL, encoding="utf-8")
    loads, trains = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)
    said: dict[str, Any] = {}
    with pico.one_thread():
        exec(trains, said)
        exec(loads, {})
    assert said["trained"].adapter.absolute() == tmp_path / "runs" / "mine" / "mine.safetensors"
    with Image.open(tmp_path / "ball.png") as ball:
        assert ball.size == (64, 64)


def unsaid(page: str) -> list[str]:
    """Messages of the page's table that nothing in the program says."""
    code = "\n".join(path.read_text("utf-8") for path in (*ROOT.glob("engine/*.py"), *ROOT.glob("critics/*.py")))
    rows = re.findall(r"^\| (`.*?) \| .* \| .* \|$", page, re.MULTILINE)
    listed = [message for row in rows for message in re.findall(r"`([^`]+)`", row)]
    assert len(listed) > 30
    return [message for message in listed if message not in code]


def test_every_message_that_the_page_of_mistakes_lists_is_one_of_the_program():
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    assert unsaid(page) == []
    assert unsaid(page.replace("`includes itself`", "`eats itself`")) == ["eats itself"]
