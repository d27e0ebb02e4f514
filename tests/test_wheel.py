"""The wheel, installed outside the checkout, runs a gallery recipe from an empty folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHORT = ["train.steps=3", "evaluate.seeds=1", "train.batch=1"]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    hidden = ("PYTHONPATH", "PYTHONHOME", "COV_CORE_SOURCE", "COVERAGE_PROCESS_START")
    clean = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        list(map(str, command)), cwd=cwd, env=clean, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`recipe` in a venv that holds our wheel and sees the running one's dependencies, but not the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    # built from a copy: setuptools leaves its scratch beside the sources, and takes up what it finds there
    left_out = shutil.ignore_patterns(".git", ".venv", "runs", "build", "tests", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, folder / "source", ignore=left_out)
    flags = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    build = [sys.executable, "-m", "pip", "wheel", *flags, folder / "source"]
    built = run(*build, cwd=folder)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    into = run(
        sys.executable,
        "-m",
        "pip",
        "--quiet",
        "--python",
        python,
        "install",
        "--no-deps",
        "--no-index",
        wheel,
        cwd=folder,
    )
    assert into.returncode == 0, into.stderr
    # a path file names a folder without running the path files in it: the checkout's own editable install stays unseen
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).stdout.strip())
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    return folder / "venv" / "bin" / "recipe"


def test_only_one_name_lands_in_site_packages(installed: Path):
    found = run(
        installed.parent / "python",
        "-c",
        "import control_recipes; print(control_recipes.__file__)",
        cwd=installed.parent,
    )
    package = Path(found.stdout.strip()).parent
    assert package.is_relative_to(installed.parent.parent), found.stderr
    ours = {path.name for path in package.parent.iterdir()} - {"dependencies.pth", "__pycache__"}
    assert {name for name in ours if not name.endswith(".dist-info")} == {"control_recipes"}
    assert (package / "py.typed").exists()
    assert (package / "engine" / "report.html").exists()
    assert not (package / "tests").exists()


def test_short_run_from_an_empty_folder(installed: Path, tmp_path: Path):
    sets = [word for value in SHORT for word in ("--set", value)]
    done = run(installed, "run", "horizon_low.yaml", "--json", *sets, cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr  # three steps do not have to reach what the recipe expects
    told = json.loads(done.stdout)
    assert told["steps"] == 3
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}
    for path in (told["adapter"], told["lock"], told["report"]):
        assert Path(path).is_relative_to(tmp_path / "runs" / "horizon_low")
        assert Path(path).exists()
