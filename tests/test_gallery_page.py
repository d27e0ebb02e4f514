"""The gallery's page: every recipe with what its lock tells, and those that were never trained without figures."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import gallery_page
import made
import pytest
from control_recipes.engine import gallery, lock
from control_recipes.engine.errors import InputError
from control_recipes.engine.plan import Target
from PIL import Image

FIGURES = {
    "measures.horizon.before": 0.03, "measures.horizon.after": 0.93, "measures.named.before": 0.98,
    "measures.named.after": 0.97, "measures.sharp.before": 1.0, "measures.sharp.after": 0.94,
    "questions.aligned.eyes.right": 0.96, "questions.aligned.second.right": 0.91,
}  # fmt: skip


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A recipe beside the lock of a run that lies in runs/."""
    folder = made.run_folder(tmp_path / "runs" / "horizon_low")
    told = lock.read(folder / "horizon_low.lock")
    assert told.outcome is not None
    lock.write(
        replace(told, outcome=replace(told.outcome, figures=tuple(FIGURES.items()))), tmp_path / "horizon_low.lock"
    )
    return Path(shutil.copy(folder / "recipe.yaml", tmp_path / "horizon_low.yaml"))


def test_the_page_is_as_recipes_and_locks_have_it():
    assert gallery_page.stale() == []
    some = gallery.recipes()[:1]
    assert "docs/gallery/horizon_low.png is of no recipe" in gallery_page.stale(some)
    assert any("is not what recipes and locks say" in line for line in gallery_page.stale(some))


def test_a_recipe_that_was_trained_is_shown_with_its_figures(trained: Path):
    page = gallery_page.page([trained])
    assert "| [horizon_low](#horizon_low) | 3.0 % | 93.0 % | 98.0 % | 97.0 % | 94.0 % | +3.0 |" in page
    assert "| **horizon** | 128 | 3.0 % | 93.0 % |" in page
    assert "![horizon_low: before above, after below](gallery/horizon_low.png)" in page
    assert "Asked `aligned`, the critic `eyes` of 96.0 %, the judge `second` of 91.0 % then says so." in page


def test_one_that_was_not_is_shown_without(trained: Path):
    trained.with_suffix(".lock").unlink()
    page = gallery_page.page([trained])
    assert gallery_page.UNTRAINED in page
    assert "%" not in page


def test_the_guard_sees_a_lock_that_somebody_wrote_into(trained: Path):
    path = trained.with_suffix(".lock")
    path.write_text(path.read_text("utf-8").replace('.after": 0.9', '.after": 0.8', 1), encoding="utf-8")
    with pytest.raises(InputError):
        gallery_page.page([trained])


def test_pairs_count_as_one_and_have_no_belief(trained: Path):
    told = gallery_page.trained(trained)
    assert told is not None
    assert (told.counted("horizon"), told.pictures) == (128, 128)
    rows = tuple(
        replace(row, targets=(Target("horizon", (*row.targets[0].parameters, ("together", at // 2))),))
        for at, row in enumerate(told.plan.test_rows)
    )
    paired = replace(told, plan=replace(told.plan, test_rows=rows))
    assert paired.counted("horizon") == 64
    assert paired.gap is None
    assert told.gap == pytest.approx(0.03)


def test_a_sheet_has_pictures_of_the_same_noise_above_each_other(trained: Path):
    folder = trained.parent / "runs" / "horizon_low"
    with Image.open(folder / "images" / "row000_seed3_scale0.png") as first:
        width, height = (gallery_page.TIMES * side for side in first.size)
    made_sheet = gallery_page.sheet(folder)
    assert made_sheet.height == 2 * height + gallery_page.GAP
    assert made_sheet.width == 8 * (width + gallery_page.GAP) - gallery_page.GAP


def test_a_gallery_is_written_from_finished_runs_alone(trained: Path, tmp_path: Path):
    empty = tmp_path / "nowhere"
    assert gallery_page.write([trained], empty) == [f"{empty / 'horizon_low'}: there is no finished run"]
    trained.with_suffix(".lock").unlink()
    assert gallery_page.write([trained], tmp_path / "runs") == [f"{trained.with_suffix('.lock')}: tells of no run"]
