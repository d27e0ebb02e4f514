"""Recipes that are horizon_low.yaml with something changed: what its training is held against, as plain data."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import control_recipes
from control_recipes.engine import document

GALLERY = Path(control_recipes.__file__).parent / "recipes"
RECIPE = "horizon_low"
GOAL = "aligned"
Recipe = dict[str, Any]
Change = Callable[[Recipe], None]


def no_augment(recipe: Recipe) -> None:
    del recipe["train"]["augment"]


def no_wordings(recipe: Recipe) -> None:
    """The first wording alone."""
    for question in recipe["questions"].values():
        if isinstance(question["ask"], list):
            question["ask"] = question["ask"][0]


def no_holds(recipe: Recipe) -> None:
    """The goal's question alone is asked in training; the others are watched."""
    for name, question in recipe["questions"].items():
        if name != GOAL:
            question.pop("hold")
            question["watch"] = True


def no_stay(recipe: Recipe) -> None:
    del recipe["stay"]


def second_critic(recipe: Recipe) -> None:
    """The judge, which is of another family and has other patches, teaches too; nobody is left to judge."""
    recipe["critics"] |= recipe.pop("judges")


def nothing(recipe: Recipe) -> None:
    for change in (no_augment, no_wordings, no_holds, no_stay):
        change(recipe)


def paper(rate: float) -> Change:
    """The paper's settings: 100 steps of one picture, one question by likelihood, rank 16, alpha 80, one rate."""

    def change(recipe: Recipe) -> None:
        nothing(recipe)
        recipe["questions"] = {GOAL: recipe["questions"][GOAL]}
        del recipe["questions"][GOAL]["against"]
        recipe["adapter"] = {"rank": 16, "alpha": 80, "targets": "attention"}
        recipe["train"] = {"steps": 100, "batch": 1, "lr": rate}

    return change


def short(recipe: Recipe) -> None:
    """As little of it as shows that it works."""
    recipe["train"] |= {"steps": 2, "batch": min(2, recipe["train"]["batch"])}
    recipe["train"].pop("warmup", None)
    recipe["prompts"]["test"] = {**recipe["prompts"]["train"], "sample": 4}
    recipe["evaluate"] = {"seeds": 1, "scales": [0, 1], "every": 2}


# what keeps a critic honest -> horizon_low without it; and with one more
TRICKS: dict[str, Change] = {
    "all of them": lambda recipe: None,
    "without augmentation": no_augment,
    "without wordings": no_wordings,
    "without holds": no_holds,
    "without stay": no_stay,
    "with a second critic": second_critic,
    "none of them": nothing,
}
SETTINGS: dict[str, Change] = {
    "horizon_low": lambda recipe: None,
    "paper, lr 5e-5": paper(5e-5),
    "paper, lr 1e-3": paper(1e-3),  # horizon_low's own, which this world bears
}


def slug(label: str) -> str:
    """A label as a recipe's name."""
    return "_".join(re.findall(r"\w+", label))


def write(folder: Path, label: str, change: Change, quick: bool = False, save_every: int = 0) -> Path:
    """Write the changed recipe into a folder, what it names beside it; the same change writes the same bytes."""
    path = GALLERY / f"{RECIPE}.yaml"
    found = document.parse(path.read_text(encoding="utf-8"), path.name)
    recipe: Recipe = deepcopy(found.data)  # pyright: ignore[reportAssignmentType]
    recipe["name"] = slug(label)
    change(recipe)
    if quick:
        short(recipe)
    if save_every:
        recipe["train"]["save_every"] = save_every
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(GALLERY / "assets", folder / "assets", dirs_exist_ok=True)
    made = folder / f"{recipe['name']}.yaml"
    made.write_text(json.dumps(recipe, indent=1) + "\n", encoding="utf-8")
    return made
