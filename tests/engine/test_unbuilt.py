"""What is not built yet: taken by `check`, refused by `run` at its place before anything is loaded or written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from control_recipes.cli import main
from control_recipes.engine import evaluate, step, unbuilt
from control_recipes.engine.errors import InputError
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve

# a key of the table -> what is changed in the recipe of the tests, and what stands where the fault is told
USES = {
    "generator.with": (
        "size: {width: 64, height: 64}}",
        "size: {width: 64, height: 64}, with: [o.safetensors]}",
        "[o.",
    ),
    "adapter.start": ("alpha: 4}", "alpha: 4, start: o.safetensors}", "o.safet"),
}


def changed(tiny: Path, key: str) -> tuple[str, str]:
    """Write the recipe with a key of the table in it; its text, and line and column of the value."""
    old, new, at = USES[key]
    text = tiny.read_text("utf-8")
    assert text.count(old) == 1
    text = text.replace(old, new)
    tiny.write_text(text, encoding="utf-8")
    Path("o.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    before = text[: text.index(at, text.index(new))]
    return text, f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def test_every_entry_is_tried_below() -> None:
    keys = {".".join(map(str, path)) for path in unbuilt.TABLE}
    each = {
        f"{part}.{name}.{key}" for part, name in (("critics", "eyes"), ("judges", "second")) for key in unbuilt.OF_EACH
    }
    assert set(USES) == keys | each


@pytest.mark.parametrize("key", USES)
def test_refused_at_its_place(tiny: Path, key: str) -> None:
    _, place = changed(tiny, key)
    recipe = read(tiny)
    made = resolve(recipe)
    with pytest.raises(InputError) as caught:
        unbuilt.refuse(made, recipe.document)
    assert str(caught.value) == f"{tiny}:{place}: {key}: is not built yet"


@pytest.mark.parametrize("key", USES)
def test_nothing_is_loaded_by_the_functions_that_would_ignore_it(tiny: Path, key: str) -> None:
    changed(tiny, key)
    made = resolve(read(tiny))
    for work in (lambda: step.prepare(made), lambda: evaluate.evaluate(made, Path("none.safetensors"))):
        with pytest.raises(InputError, match=f"{key}: is not built yet"):
            work()


def test_the_command_says_so_and_writes_nothing(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, place = changed(tiny, "adapter.start")
    before = sorted(Path().rglob("*"))
    for command, status in (("check", 0), ("show", 0), ("plan", 0), ("run", 2)):
        monkeypatch.setattr(sys, "argv", ["recipe", command, str(tiny)])
        left = 0
        try:
            main()
        except SystemExit as error:
            left = error.code
        assert left == status, command
    assert f"{tiny}:{place}: adapter.start: is not built yet" in capsys.readouterr().err
    assert sorted(Path().rglob("*")) == before


def test_a_plan_that_uses_none_of_it_is_let_through(tiny: Path) -> None:
    unbuilt.refuse(resolve(read(tiny)))
