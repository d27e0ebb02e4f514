"""Two recipes of different ranks that were run, and composed: for tests of what is composed."""

from __future__ import annotations

from pathlib import Path

import conftest
import pico
import ran
from commandline import recipe

ONE, TWO = Path("runs/one/one.safetensors"), Path("runs/two/two.safetensors")
MADE = Path("runs/both/both.safetensors")
TINY = conftest.RECIPE.replace("steps: 3,", "steps: 2,")


def workplace(folder: Path) -> Path:
    """A folder with one.yaml and two.yaml, and their pico models."""
    pico.flux_folder(folder / "flux")
    pico.critic_folder(folder / "critic")
    pico.critic_folder(folder / "second", seed=3)
    one = TINY.replace("name: tiny", "name: one")
    two = TINY.replace("name: tiny", "name: two").replace("rank: 2, alpha: 4", "rank: 3, alpha: 9, targets: all")
    (folder / "one.yaml").write_text(one, encoding="utf-8")
    (folder / "two.yaml").write_text(two.replace("lr: 1e-3", "lr: 1e-3, seed: 7"), encoding="utf-8")
    return folder


def finished(folder: Path) -> Path:
    """A workplace in which both were run and composed as `both`."""
    with ran.inside(workplace(folder)), pico.one_thread():
        assert recipe("run", "one.yaml", "two.yaml", "--quiet") == 0
        assert recipe("compose", str(ONE), str(TWO), "--weights", "1,0.8", "--name", "both", "--quiet") == 0
    return folder
