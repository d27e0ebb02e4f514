"""A finished run for tests that look at what it left: pico models, an include, a file of prompts and a picture."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import conftest
import pico
from control_recipes.engine import jobs, running
from control_recipes.engine.gallery import Source
from control_recipes.engine.recipe import read
from PIL import Image

ROWS = '{"prompt": "a green ball", "color": "green", "thing": "ball"}\n{"prompt": "a green tree", "color": "green", "thing": "tree"}\n'  # noqa: E501
_INLINE = '[{prompt: "a green ball", color: green, thing: ball}, {prompt: "a green tree", color: green, thing: tree}]'
RECIPE = (
    conftest.RECIPE.replace(_INLINE, "{file: assets/test.jsonl}")
    .replace("color: red}}}\n", "color: red}}, card: {image: assets/card.png, at: bottom, height: 0.15}}\n")
    .replace("see: ruler", "see: [ruler, card]")
    .replace("recipe: 1\n", "recipe: 1\ninclude: [base.yaml]\n")
    .replace("steps: 3,", "steps: 2,")
)


class Heard(list[str]):
    """A listener that keeps what it is told."""

    def say(self, text: str) -> None:
        self.append(text)

    def step(self, step: object) -> None: ...

    def looked(self, progress: object) -> None: ...

    def fetched(self, fetched: object) -> None: ...


def workplace(folder: Path) -> Path:
    """A folder with tiny.yaml, and everything that it names."""
    folder.mkdir(parents=True, exist_ok=True)
    pico.flux_folder(folder / "flux")
    pico.critic_folder(folder / "critic")
    pico.critic_folder(folder / "second", seed=3)
    (folder / "assets").mkdir()
    (folder / "assets" / "test.jsonl").write_text(ROWS, encoding="utf-8")
    Image.new("RGBA", (32, 16), (200, 120, 40, 128)).save(folder / "assets" / "card.png")
    (folder / "base.yaml").write_text("stay: {weight: 0.05}\n", encoding="utf-8")
    (folder / "tiny.yaml").write_text(RECIPE, encoding="utf-8")
    return folder


def run(mode: jobs.Mode = "keep", again: bool = False, sets: tuple[str, ...] = (), fast: bool = False) -> Heard:
    """What `recipe run tiny.yaml` does in the working folder, and what it says."""
    heard = Heard()
    job = jobs.job(
        Source(Path("tiny.yaml"), False),
        None,
        sets,
        mode,
        lambda source, given: read(source.path, given),
        False,
        heard.say,
    )
    running.run(job.recipe, job.plan, job.folder, job.target, heard, again, fast, job.name, job.path)
    return heard


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Works in a folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def finished(folder: Path) -> Path:
    """A workplace in which tiny.yaml was run."""
    with inside(workplace(folder)):
        run()
    return folder


def copied(finished: Path, folder: Path) -> Path:
    """A copy of a workplace, to be spoilt."""
    return shutil.copytree(finished, folder, dirs_exist_ok=True)
