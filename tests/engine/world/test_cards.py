"""What docs/world.md says of the world: it is what the code does."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import world_pages
from control_recipes.engine.world import captions, overlays, truth
from control_recipes.engine.world.scenes import HORIZON, SCALES, WORDS
from PIL import Image

PAGE = (Path(__file__).parents[3] / "docs" / "world.md").read_text("utf-8")


def row(factor: str) -> str:
    """What docs/world.md says of a factor."""
    (found,) = re.findall(rf"^\| `{factor}` \| (.*) \| .* \|$", PAGE, re.MULTILINE)
    return found


@pytest.mark.parametrize("factor", WORDS)
def test_the_page_lists_the_words(factor: str):
    assert row(factor) == ", ".join(WORDS[factor])


@pytest.mark.parametrize("factor", SCALES)
def test_the_page_gives_the_ranges(factor: str):
    assert row(factor).startswith(", ".join(SCALES[factor].words))
    assert f"from {SCALES[factor].low:g} to {SCALES[factor].high:g}" in row(factor)


def test_the_page_has_the_codes_numbers():
    text = " ".join(PAGE.split())
    assert f"from {HORIZON[0]} to {HORIZON[1]}" in row("horizon")
    assert captions.HELD_OUT == 8
    assert "one in eight is never named together" in text
    for what, (near, far) in {
        "is it on the horizon?": (f"within {truth.ALIGNED} of the height", f"farther than {truth.APART}"),
        "do they match the colours?": (
            "a grade within {}".format(*overlays.GRADES),
            "{1} and more".format(*overlays.GRADES),
        ),
        "are the outlines as thick?": (
            "within {} pixels".format(*overlays.WEIGHTS),
            "{1} and more".format(*overlays.WEIGHTS),
        ),
        "are both composed alike?": (
            "splits within {}".format(*overlays.SPLITS),
            "{1} and more".format(*overlays.SPLITS),
        ),
    }.items():
        assert re.search(rf"\| {re.escape(what)} \| [^|]*{re.escape(near)}[^|]* \| {re.escape(far)}", PAGE), what
    assert f"at most {captions.LONGEST} words" in text


@pytest.mark.parametrize("factor", world_pages.FACTORS)
def test_the_figures_are_what_is_painted(factor: str):
    with Image.open(world_pages.file(factor)) as figure:
        shown = np.asarray(figure.convert("RGB"), dtype=int)
    painted = np.asarray(world_pages.strip(factor).convert("RGB"), dtype=int)
    assert shown.shape == painted.shape
    assert abs(shown - painted).mean() < 1
    values = len(WORDS[factor]) if factor in WORDS else len(SCALES[factor].words) if factor in SCALES else 5
    side = 64 * world_pages.TIMES
    columns = [painted[:, at * (side + world_pages.GAP) :][:, :side] for at in range(values)]
    assert all(abs(one - next_one).mean() > 0.5 for one, next_one in pairwise(columns))


def test_accuracies_are_those_of_the_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(world_pages, "CHECKPOINTS", tmp_path)
    assert world_pages.eyes().count("\n") == 2  # cards that are not there yet leave the table empty
    for name, share in (("critic", "97.5 %"), ("judge", "91.0 %")):
        (tmp_path / name).mkdir()
        table = f"## On held-out painted pictures\n\n| what | right | of |\n|---|---|---|\n| line | {share} | 300 |\n"
        (tmp_path / name / "CARD.md").write_text(f"# A card\n\n{table}", "utf-8")
    assert world_pages.eyes().splitlines()[2] == "| line | 97.5 % |  |  |  | 91.0 % |  |"
