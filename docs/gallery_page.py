"""Writes docs/gallery.md and its pictures from finished runs: every recipe of the gallery, before and after.

A run folder must be the one that the recipe's lock tells of. The page's words come from recipes and locks alone, so
that whether it is stale can be seen without running anything.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from control_recipes.engine import figures, gallery
from control_recipes.engine import lock as locks
from control_recipes.engine.counting import counted
from control_recipes.engine.lock import Lock
from PIL import Image

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "gallery.md"
SHEETS = ROOT / "docs" / "gallery"  # NAME.png for each recipe
COLUMNS, GAP, TIMES = 8, 4, 2  # prompts on a sheet, pixels between pictures, and how much they are enlarged
HEAD = """\
# The gallery

Every recipe that comes with the package, before (above) and after (below): the same held-out prompts and the same
noise, first without the adapter, then with it. Shares are over all held-out pictures, read from their pixels by the
embedded world's reader, which no critic can talk into anything. What a measure asks for stands in its recipe.

`make gallery` trains all of them again and writes this page from what came out.
"""


def page(recipes: Sequence[Path]) -> str:
    """The page, from recipes and the locks beside them."""
    return "\n".join([HEAD, *(_section(recipe, _lock(recipe)) for recipe in recipes)])


def _lock(recipe: Path) -> Lock:
    return locks.read(recipe.with_suffix(".lock"))


def _section(recipe: Path, lock: Lock) -> str:
    """One recipe: what it is for, its sheet, and how many pictures satisfy each measure, the goal's first."""
    plan, told = locks.plan_of(lock), dict(lock.outcome.figures) if lock.outcome else {}
    steps = lock.outcome.steps if lock.outcome else 0
    pictures = len(plan.test_rows) * len(plan.evaluate.seeds)
    shown = " and ".join(f"“{row.prompt}”" for row in plan.train_rows[:2])
    more = len(plan.train_rows) > 2
    prompts = f"{counted(len(plan.train_rows), 'prompt')}, such as {shown}" if more else f"the prompt {shown}"
    rows: list[str] = []
    for measure in sorted((one.name for one in plan.measures), key=lambda one: (one != plan.goal_measure, one)):
        before, after = (100 * told[f"measures.{measure}.{when}"] for when in ("before", "after"))
        title = f"**{measure}**" if measure == plan.goal_measure else measure
        rows.append(f"| {title} | {before:.1f} % | {after:.1f} % |")
    lines = [
        f"## {recipe.stem}", "", gallery.intent(recipe.read_text("utf-8")), "", f"    recipe run {recipe.name}", "",
        f"![{recipe.stem}: before above, after below](gallery/{recipe.stem}.png)", "",
        f"Trained in {steps} steps on {prompts}.", "",
        f"| of {pictures:,} held-out pictures | before | after |", "|---|---|---|", *rows, "",
    ]  # fmt: skip
    return "\n".join(lines)


def sheet(folder: Path) -> Image.Image:
    """The first strips of a finished run side by side, the bare picture of each above the adapted one."""
    found = figures.read(folder / "evaluation.json")
    strips = [strip for strip in found.strips if not strip.missed]
    chosen = [strips[at * len(strips) // COLUMNS] for at in range(min(COLUMNS, len(strips)))]
    shots = [
        [next(shot for shot in strip.shots if shot.scale == scale) for scale in (0.0, found.scale)] for strip in chosen
    ]
    first = Image.open(folder / shots[0][0].file)
    width, height = first.width * TIMES + GAP, first.height * TIMES + GAP
    made = Image.new("RGB", (len(shots) * width - GAP, 2 * height - GAP), "white")
    for column, pair in enumerate(shots):
        for row, shot in enumerate(pair):
            with Image.open(folder / shot.file) as picture:
                large = picture.convert("RGB").resize((width - GAP, height - GAP), Image.Resampling.NEAREST)
                made.paste(large, (column * width, row * height))
    return made.quantize(256, dither=Image.Dither.NONE)


def write(recipes: Sequence[Path], runs: Path) -> list[str]:
    """Write the page and a sheet for each recipe from the folders in `runs`, or nothing; what is wrong then."""
    wrong: list[str] = []
    for recipe in recipes:
        folder, lock = runs / recipe.stem, recipe.with_suffix(".lock")
        if not (folder / "evaluation.json").is_file():
            wrong.append(f"{folder}: there is no finished run")
        elif not lock.is_file() or (made := locks.read(lock).outcome) is None:
            wrong.append(f"{lock}: tells of no run")
        elif figures.read(folder / "evaluation.json").tensors_sha256 != made.tensors_sha256:
            wrong.append(f"{folder}: is not the run that {lock.name} tells of")
    if wrong:
        return wrong
    SHEETS.mkdir(exist_ok=True)
    for recipe in recipes:
        sheet(runs / recipe.stem).save(SHEETS / f"{recipe.stem}.png", optimize=True)
    PAGE.write_text(page(recipes), encoding="utf-8")
    return []


def stale(recipes: Sequence[Path] | None = None) -> list[str]:
    """What of the page is not as recipes (by default those of the package) and locks have it, in words."""
    recipes = gallery.recipes() if recipes is None else recipes
    wrong = [f"docs/gallery/{recipe.stem}.png is missing" for recipe in recipes if not _sheet(recipe).is_file()]
    wrong += [
        f"docs/gallery/{path.name} is of no recipe"
        for path in sorted(SHEETS.glob("*.png"))
        if path.stem not in {recipe.stem for recipe in recipes}
    ]
    if not PAGE.is_file() or PAGE.read_text("utf-8") != page(recipes):
        wrong.append("docs/gallery.md is not what recipes and locks say: `make gallery`")
    return wrong


def _sheet(recipe: Path) -> Path:
    return SHEETS / f"{recipe.stem}.png"


if __name__ == "__main__":
    sys.exit("\n".join(write(gallery.recipes(), Path(sys.argv[1] if len(sys.argv) > 1 else "runs"))) or None)
