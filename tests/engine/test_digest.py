"""The identity of a run, in both directions: layout changes nothing of it, and every value that matters changes it."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import hollow
import pytest
import whole
import yaml
from control_recipes.engine import document
from control_recipes.engine.plan import digest
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SETTINGS = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


# one that is plain, and one that has every key
TEXTS = [pytest.param(hollow.RECIPE, id="plain"), pytest.param(whole.RECIPE, id="whole")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return whole.workplace(tmp_path)


def digest_of(file: Path, text: str) -> str:
    file.write_text(text, encoding="utf-8")
    return digest(resolve(read(file)))


def plain(text: str) -> Any:
    return document.parse(text, "recipe.yaml").data


class Writer:
    """Writes data as YAML in as many ways as there are draws."""

    def __init__(self, draws: random.Random) -> None:
        self.draws = draws

    def value(self, value: Any, indent: int, flow: bool) -> str:
        """The text of a value that starts behind its key; block collections start on a line of their own."""
        if isinstance(value, dict) and value:
            items = list(value.items())
            self.draws.shuffle(items)
            if flow or self.draws.random() < 0.4:
                gap = self.draws.choice(["", " "])
                inner = f",{self.draws.choice([' ', '  '])}".join(
                    f"{self.text(key)}: {self.value(item, indent, True)}" for key, item in items
                )
                return f" {{{gap}{inner}{gap}}}"
            pad = " " * (indent + self.draws.choice([1, 2, 4])) if indent >= 0 else ""
            return "\n" + "\n".join(
                f"{self.comment(pad)}{pad}{self.text(key)}:{self.value(item, len(pad), False)}" for key, item in items
            )
        if isinstance(value, list) and value:
            if flow or self.draws.random() < 0.5:
                return f" [{', '.join(self.value(item, indent, True).strip() for item in value)}]"
            pad = " " * (indent + self.draws.choice([1, 2]))
            return "\n" + "\n".join(f"{pad}-{self.value(item, len(pad) + 1, True)}" for item in value)
        return f" {self.scalar(value)}" + ("" if flow else self.draws.choice(["", "  # said why"]))

    def scalar(self, value: Any) -> str:
        if isinstance(value, str):
            return self.text(value, always=True)
        if isinstance(value, float):
            return self.draws.choice([repr(value), f"{value:.6e}"])
        return json.dumps(value)

    def text(self, value: str, always: bool = False) -> str:
        """A text in one of the ways to quote it; a key may stand bare."""
        ways = [json.dumps(value, ensure_ascii=False), "'" + value.replace("'", "''") + "'"]
        return self.draws.choice(ways if always else [value, *ways])

    def comment(self, pad: str) -> str:
        return self.draws.choice(["", "", f"{pad}# for people\n", "\n", "# at the margin\n"])


@pytest.mark.parametrize("text", TEXTS)
@SETTINGS
@given(seed=st.integers(0, 2**32))
def test_comments_order_quotes_and_layout_change_nothing(file: Path, text: str, seed: int):
    before = digest_of(file, text)
    written = Writer(random.Random(seed)).value(plain(text), -1, False).strip() + "\n"
    assert plain(written) == plain(text)
    assert digest_of(file, written) == before, written


def test_carriage_returns_and_a_byte_order_mark_change_nothing(file: Path):
    before = digest_of(file, hollow.RECIPE)
    file.write_bytes(b"\xef\xbb\xbf" + hollow.RECIPE.replace("\n", "\r\n").encode())
    assert digest(resolve(read(file))) == before


def leaves(data: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    if isinstance(data, dict):
        return [leaf for key, value in data.items() for leaf in leaves(value, (*path, key))]
    if isinstance(data, list):
        return [leaf for at, value in enumerate(data) for leaf in leaves(value, (*path, at))]
    return [(path, data)]


# a change of each leaf that leaves the recipe right; what is not here gets a number next to it, or a word more
OTHERWISE: dict[str, Any] = {
    "recipe": None,  # there is one version
    "model": None,  # another model is another folder: below
    "see": None,
    "critics": None,
    "judge": None,
    "measure": None,
    "question": None,
    "file": None,
    "image": None,
    "reference": None,
    "with": None,
    "start": None,
    "keep": None,
    "relative_to": None,
    "optimizer": None,  # there is one
    "width": None,  # measures read one size
    "height": None,
    "sample": 9,
    "color": "blue",
    "palette": "#000000",
    "at": "top",
    "dtype": "float64",
    "device": "cuda",
    "quantize": "4bit",
    "targets": "all",
    "schedule": "linear",
    "estimate": "clean",
    "weights": "fixed",
    "negative": None,  # which Flux takes none of
    "optimize": None,  # the other is another recipe
    "name": "another",
}


def changed(text: str, path: tuple[str | int, ...], value: Any, amount: int) -> Any:
    """Another value for a leaf; None where there is no other that is right by itself."""
    keys = [step for step in path if isinstance(step, str)]
    if keys[:2] == ["visuals", "card"] and text == hollow.RECIPE:  # no question sees it
        return None
    is_key = keys[0] not in ("prompts", "vars") or keys[-1] in ("file", "sample")
    if is_key and keys[-1] in OTHERWISE and not isinstance(value, float):
        return OTHERWISE[keys[-1]]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + amount
    if isinstance(value, float):
        return value * (1 - amount / 128) or amount / 128
    if value == "{{ height }}":
        return 0.5
    return f"{value} {'again ' * amount}".strip() if isinstance(value, str) else None


@pytest.mark.parametrize("text", TEXTS)
def test_every_value_that_matters_changes_it(file: Path, text: str):
    before = digest_of(file, text)
    found = [(path, value) for path, value in leaves(plain(text)) if changed(text, path, value, 1) is not None]
    assert len(found) > 20
    for amount, (path, value) in zip(itertools.cycle((1, 2, 3)), found, strict=False):
        recipe = plain(text)
        inner = recipe
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = changed(text, path, value, amount)
        assert digest_of(file, yaml.safe_dump(recipe, sort_keys=False)) != before, (path, value, inner[path[-1]])


def test_what_no_question_sees_changes_nothing(file: Path):
    before = digest_of(file, hollow.RECIPE)
    assert digest_of(file, hollow.RECIPE.replace("height: 0.15", "height: 0.2")) == before
    assert digest_of(file, hollow.RECIPE.replace("see: ruler", "see: card")) != before


def test_a_byte_of_a_model_changes_it(file: Path):
    before = digest_of(file, whole.RECIPE)
    for config in sorted(file.parent.rglob("tokenizer_config.json")):
        text = config.read_text(encoding="utf-8")
        config.write_text(text + " ", encoding="utf-8")
        assert digest_of(file, whole.RECIPE) != before, config
        config.write_text(text, encoding="utf-8")
    assert digest_of(file, whole.RECIPE) == before


def test_the_guard_sees_a_digest_that_leaves_something_out(file: Path):
    before = digest_of(file, hollow.RECIPE)
    assert digest_of(file, hollow.RECIPE.replace("recipe: 1", "recipe: 1  # the same", 1)) == before
    assert digest_of(file, hollow.RECIPE.replace("0.80", "0.81", 1)) != before
