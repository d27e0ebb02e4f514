"""What several tests share: pico models and a recipe that trains on them in seconds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pico
import pytest

RECIPE = """\
# Intent: a line lies on the horizon
recipe: 1
name: tiny
vars: {height: 0.75}
generator: {model: ./flux, steps: 1, size: {width: 64, height: 64}}
critics: {eyes: {model: ./critic}}
judges: {second: {model: ./second}}
visuals: {ruler: {line: {y: "{{ height }}", thickness: 0.06, color: red}}}
prompts:
  train: {template: "a {{ color }} {{ thing }}", for: {color: [red, blue], thing: [ball, tree, house]}}
  test: [{prompt: "a green ball", color: green, thing: ball}, {prompt: "a green tree", color: green, thing: tree}]
questions:
  zed: {ask: "Is the line on the horizon?", see: ruler, answer: "Yes", against: "No"}
  there: {ask: "Is there a ball?", answer: "Yes", hold: 0.75, weight: 0.5}
  what: {ask: "What is in the image?", answer: ["a {{ color }} ball", "{{ color }} ball"], watch: true}
measures:
  sharp: {sharpness: {at_least: 0.9, relative_to: base}}
  horizon: {horizon_row: {near: "{{ height }}", within: 0.06}}
  named: {factors: {keep: [thing, color]}}
goal: {measure: horizon, question: zed}
adapter: {rank: 2, alpha: 4}
train: {steps: 3, batch: 2, lr: 1e-3, save_every: 1}
evaluate: {seeds: 2, every: 3}
expect: {zed: {judge: second, at_most: 1.0}, sharp: {at_least: 0.0}}
"""

LONGEST = "test_horizon_low.py"  # which trains a recipe of the gallery: begun last, other processes would wait for it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name != LONGEST)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pico models: flux, critic, second."""
    folder = tmp_path_factory.mktemp("models")
    pico.flux_folder(folder / "flux")
    pico.critic_folder(folder / "critic")
    pico.critic_folder(folder / "second", seed=3)
    return folder


@pytest.fixture(scope="session")
def tiny_recipe() -> str:
    """A recipe on those models, in their folder."""
    return RECIPE


@pytest.fixture
def tiny(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An own working folder with tiny.yaml and its models, for one thread; the recipe's path, from there."""
    shutil.copytree(tiny_models, tmp_path, dirs_exist_ok=True)
    (tmp_path / "tiny.yaml").write_text(RECIPE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # of processes that a test starts
    with pico.one_thread():
        yield Path("tiny.yaml")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the recipe of `ran` was run, left as it is."""
    import ran  # which makes its recipe of the one above

    return ran.finished(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def here(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to work in and to spoil."""
    import ran

    monkeypatch.chdir(ran.copied(finished, tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def paired_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the two recipes of `paired` were run and composed, left as it is."""
    import paired

    return paired.finished(tmp_path_factory.mktemp("paired"))


@pytest.fixture
def pair(paired_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it, to work in and to spoil, for one thread."""
    import ran

    monkeypatch.chdir(ran.copied(paired_folder, tmp_path))
    with pico.one_thread():
        yield tmp_path
