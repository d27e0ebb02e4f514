"""Writes docs/gallery.md and its pictures from finished runs: every recipe of the gallery, before and after.

A run folder must be the one that the recipe's lock tells of. The page's words come from recipes and locks alone, so
that whether it is stale can be seen without running anything.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from control_recipes.engine import figures, gallery
from control_recipes.engine import lock as locks
from control_recipes.engine.counting import counted
from control_recipes.engine.plan import Plan
from PIL import Image

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "gallery.md"
SHEETS = ROOT / "docs" / "gallery"  # NAME.png for each recipe
COLUMNS, GAP, TIMES = 12, 4, 2  # prompts on a sheet, pixels between pictures, and how much they are enlarged
NAMED, SHARP = "named", "sharp"  # measures that every recipe has: what prompts name is kept, and so is sharpness
HEAD = """\
# The gallery

Every recipe that comes with the package, before (above) and after (below): the same held-out prompts and the same
noise, first without the adapter, then with it. Shares are over all held-out pictures, read from their pixels by the
embedded world's reader, which no critic can talk into anything. What a measure asks for stands in its recipe.

`make gallery` trains those that are missing or stale and writes this page from what came out.
"""
OVERVIEW = """\
Belief is the share of pictures of which the critic that taught says afterwards what the recipe asks for.
Where it lies above what the reader reads, the critic was talked into something. A pair has no belief of its own.

| recipe | goal, before | after | named, before | after | sharp | belief − reader |
|---|---|---|---|---|---|---|
"""
UNTRAINED = "It has not been trained yet."


@dataclass(frozen=True, slots=True)
class Told:
    """A recipe that was trained: its plan, and the figures of its lock by their names."""

    plan: Plan
    steps: int
    figures: Mapping[str, float]

    def share(self, measure: str, when: str) -> float:
        """The share that satisfies a measure, `before` or `after`."""
        return self.figures[f"measures.{measure}.{when}"]

    def belief(self, critic: str) -> float:
        """The share of which a critic or judge says afterwards what the goal's question wants."""
        return self.figures[f"questions.{self.plan.goal_question}.{critic}.right"]

    def counted(self, measure: str) -> int:
        """Of how many the share is: pictures, or what counts as one of them."""
        targets = [
            (dict(target.parameters).get("together", at))
            for at, row in enumerate(self.plan.test_rows)
            for target in row.targets
            if target.measure == measure
        ]
        return len(set(targets)) * len(self.plan.evaluate.seeds)

    @property
    def pictures(self) -> int:
        return len(self.plan.test_rows) * len(self.plan.evaluate.seeds)

    @property
    def gap(self) -> float | None:
        """By how much the first critic's belief exceeds the reader's truth; none where the two count otherwise."""
        plan = self.plan
        if not plan.goal_question or self.counted(plan.goal_measure) != self.pictures:
            return None
        return self.belief(plan.critics[0].name) - self.share(plan.goal_measure, "after")


def page(recipes: Sequence[Path]) -> str:
    """The page, from recipes and the locks beside them."""
    told = {recipe: trained(recipe) for recipe in recipes}
    rows = [_row(recipe.stem, found) for recipe, found in told.items() if found]
    overview = [OVERVIEW + "\n".join(rows) + "\n"] if rows else []
    return "\n".join([HEAD, *overview, *(_section(recipe, found) for recipe, found in told.items())])


def trained(recipe: Path) -> Told | None:
    """What the lock beside a recipe tells; nothing where there is none, or none of a run."""
    path = recipe.with_suffix(".lock")
    lock = locks.read(path) if path.is_file() else None
    if lock is None or lock.outcome is None:
        return None
    return Told(locks.plan_of(lock), lock.outcome.steps, dict(lock.outcome.figures))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _row(stem: str, told: Told) -> str:
    """A recipe in the overview."""
    goal = told.plan.goal_measure
    shares = [_percent(told.share(*each)) for each in ((goal, "before"), (goal, "after"), (NAMED, "before"))]
    shares += [_percent(told.share(NAMED, "after")), _percent(told.share(SHARP, "after"))]
    gap = "" if told.gap is None else f"{100 * told.gap:+.1f}".replace("-", "−")
    return f"| [{stem}](#{stem}) | {' | '.join(shares)} | {gap} |"


def _section(recipe: Path, told: Told | None) -> str:
    """One recipe: what it is for, its sheet, and how many pictures satisfy each measure, the goal's first."""
    intent = gallery.intent(recipe.read_text("utf-8"))
    head = [f"## {recipe.stem}", "", intent[:1].upper() + intent[1:], "", f"    recipe run {recipe.name}", ""]
    if told is None:
        return "\n".join([*head, UNTRAINED, ""])
    plan = told.plan
    rows: list[str] = []
    for measure in sorted((one.name for one in plan.measures), key=lambda one: (one != plan.goal_measure, one)):
        title = f"**{measure}**" if measure == plan.goal_measure else measure
        shares = " | ".join(_percent(told.share(measure, when)) for when in ("before", "after"))
        rows.append(f"| {title} | {told.counted(measure):,} | {shares} |")
    lines = [
        *head, f"![{recipe.stem}: before above, after below](gallery/{recipe.stem}.png)", "",
        f"Trained in {told.steps} steps on {_prompts(plan)}. {_beliefs(told)}".strip(), "",
        "| held-out pictures | of | before | after |", "|---|---|---|---|", *rows, "",
    ]  # fmt: skip
    return "\n".join(lines)


def _prompts(plan: Plan) -> str:
    shown = " and ".join(f"“{row.prompt}”" for row in plan.train_rows[:2])
    more = len(plan.train_rows) > 2
    return f"{counted(len(plan.train_rows), 'prompt')}, such as {shown}" if more else f"the prompt {shown}"


def _beliefs(told: Told) -> str:
    """Of how many pictures critics and judges say afterwards what the goal's question wants."""
    if not told.plan.goal_question:
        return ""
    said = [
        f"{role} `{one.name}` of {_percent(told.belief(one.name))}"
        for role, some in (("the critic", told.plan.critics), ("the judge", told.plan.judges))
        for one in some
    ]
    return f"Asked `{told.plan.goal_question}`, {', '.join(said)} then says so."


def sheet(folder: Path) -> Image.Image:
    """The first strips of a finished run side by side, the bare picture of each above the adapted one."""
    found = figures.read(folder / "evaluation.json")
    strips = [strip for strip in found.strips if not strip.missed]
    chosen = [strips[at * len(strips) // COLUMNS] for at in range(min(COLUMNS, len(strips)))]
    shots = [
        [next(shot for shot in strip.shots if shot.scale == scale) for scale in (0.0, found.scale)] for strip in chosen
    ]
    with Image.open(folder / shots[0][0].file) as first:
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
    wrong = [
        f"docs/gallery/{recipe.stem}.png is missing"
        for recipe in recipes
        if trained(recipe) is not None and not _sheet(recipe).is_file()
    ]
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
