"""Where locks lie, as a table of cases; and whose folders a run may take."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import made
import pytest
from commandline import recipe
from control_recipes.engine import gallery, lock, lock_places
from control_recipes.engine.gallery import Source

FILE, LOCK, RUN = Path("tiny.yaml"), Path("tiny.lock"), Path("runs/tiny")
SETS = ("train.steps=1",)
GALLERY = Source(gallery.FOLDER / "horizon_low.yaml", True)


def written(source: Source, found: Path, folder: Path, sets: tuple[str, ...] = ()) -> tuple[Path, list[str]]:
    said: list[str] = []
    old = lock.read(found) if found.exists() else None
    return lock_places.written(source, found, old, folder, sets, said.append), said


def placed(path: Path, sets: tuple[str, ...] = (), name: str = "") -> Path:
    """A lock as it is at that place, with overrides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    inputs = replace(lock.inputs(made.plan()), sets=sets)
    lock.write(lock.Lock(inputs, recipe=name), path)
    return path


def test_a_recipes_lock_lies_beside_it_and_a_trials_in_its_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    source = Source(FILE, False)
    assert lock_places.found(source) == lock_places.found(source, Path("out")) == LOCK
    assert written(source, LOCK, RUN) == (LOCK, [])
    place, said = written(source, LOCK, RUN, SETS)  # there is none to lose
    assert place == LOCK
    assert said[0].startswith("tiny.lock: will be the lock of this trial, --set train.steps=1")
    placed(LOCK)
    place, said = written(source, LOCK, RUN, SETS)
    assert place == RUN / "tiny.lock"
    assert said == [
        f"tiny.lock: left as it is, the lock of the recipe as written; with --set, this run's own is {place}"
    ]
    placed(LOCK, SETS)  # a trial's may be replaced
    assert written(source, LOCK, RUN, SETS) == (LOCK, [])


def test_of_the_gallery_it_lies_in_the_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    own = Path("runs/horizon_low/horizon_low.lock")
    assert lock_places.found(GALLERY) == own
    assert lock_places.found(GALLERY, Path("out")) == Path("out/horizon_low.lock")
    placed(own)
    assert lock_places.found(GALLERY, Path("out")) == own  # --frozen --out runs it elsewhere
    assert written(GALLERY, own, Path("out")) == (Path("out/horizon_low.lock"), [])
    place, said = written(GALLERY, own, own.parent, SETS)
    assert place == own
    assert "goes with its run" in said[0]


def test_beside_a_recipe_that_cannot_be_written_a_lock_counts_more_than_a_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    source, beside, own = Source(Path("theirs/tiny.yaml"), False), Path("theirs/tiny.lock"), RUN / "tiny.lock"
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != Path("theirs"))
    assert lock_places.found(source) == own
    placed(beside)
    assert lock_places.found(source) == beside
    assert written(source, beside, RUN)[0] == own
    placed(own, SETS)
    assert lock_places.found(source) == beside
    placed(own)
    assert lock_places.found(source) == own


def test_two_recipes_do_not_share_a_lock(here: Path, capsys: pytest.CaptureFixture[str]):
    shutil.copy(FILE, "tiny.yml")
    assert recipe("run", "tiny.yml", "--locked") == 2
    assert "tiny.lock: is the lock of tiny.yaml, which is there too" in capsys.readouterr().err
    FILE.unlink()
    assert recipe("lock", "tiny.yml", "--check") == 0  # it was renamed


def test_a_lock_is_no_recipe_and_neither_is_nothing(here: Path, capsys: pytest.CaptureFixture[str]):
    for words in (["run", "tiny.lock", "--frozen"], ["lock", "tiny.lock"]):
        assert recipe(*words) == 2
        assert "is a lock, and no recipe\n  hint: give its recipe, tiny.yaml" in capsys.readouterr().err
    for command in ("run", "check", "lock", "verify", "eval"):
        for file in ("", ".", "/", "runs"):
            assert recipe(command, file) == 2, (command, file)
            assert "give a recipe" in capsys.readouterr().err


def test_a_lock_is_run_where_its_recipe_is_gone(here: Path, capsys: pytest.CaptureFixture[str]):
    FILE.unlink()
    assert recipe("run", "tiny.yaml", "--frozen", "--out", "out") == 0
    assert "tiny.lock: the recipe cannot be resolved any more" in capsys.readouterr().err
    assert recipe("run", "tiny.yaml") == 2
    assert "Traceback" not in capsys.readouterr().err


def test_links_count_as_what_they_are_called(here: Path, capsys: pytest.CaptureFixture[str]):
    Path("scratch/deep").mkdir(parents=True)
    Path("runs").rename("scratch/deep/runs")
    Path("runs").symlink_to("scratch/deep/runs")
    assert recipe("run", "tiny.yaml", "--set", "train.steps=1", "--quiet") == 0
    assert recipe("verify", str(RUN / "tiny.lock")) == 0, capsys.readouterr().out
    FILE.rename("scratch/real.yaml")
    FILE.symlink_to("scratch/real.yaml")
    assert recipe("verify", "tiny.yaml") == 0, capsys.readouterr().out
    assert recipe("lock", "tiny.yaml", "--quiet") == 0
    assert recipe("verify", "tiny.lock") == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["images/holiday.png", "checkpoint/big.ckpt", "metrics.jsonl", "report.html", "plan.json", "result.json"]
)
def test_a_folder_that_is_no_runs_loses_nothing(here: Path, name: str, capsys: pytest.CaptureFixture[str]):
    path = Path("theirs") / name
    path.parent.mkdir(parents=True)
    path.write_text("{}", "utf-8")
    for more in ([], ["--again"]):
        assert recipe("run", "tiny.yaml", "--out", "theirs", *more) == 2
        assert f"theirs/{name.partition('/')[0]}: would be replaced" in capsys.readouterr().err
    assert path.read_text("utf-8") == "{}"
    assert sorted(Path("theirs").rglob("*")) == sorted({path, path.parent} - {Path("theirs")})


def test_again_deletes_nothing_but_what_a_run_wrote(here: Path):
    for name in ("images/holiday.png", "checkpoint/mine.safetensors", "notes.txt"):
        (RUN / name).write_text("mine", "utf-8")
    assert recipe("run", "tiny.yaml", "--again", "--quiet") == 0
    for name in ("images/holiday.png", "checkpoint/mine.safetensors", "notes.txt"):
        assert (RUN / name).read_text("utf-8") == "mine"


def test_a_folder_with_the_recipe_in_it_is_not_renamed(here: Path, capsys: pytest.CaptureFixture[str]):
    shutil.rmtree("runs")
    Path("proj").mkdir()
    for path in [one for one in Path().iterdir() if one.name != "proj"]:
        path.rename(Path("proj") / path.name)
    Path("proj/tiny.lock").unlink()
    assert recipe("run", "proj/tiny.yaml", "--out", "proj", "--quiet") == 0
    assert recipe("run", "proj/tiny.yaml", "--out", "proj", "--set", "train.steps=1") == 2
    assert "proj: holds a run of another plan, and the recipe lies in it" in capsys.readouterr().err
    assert Path("proj/tiny.yaml").exists()


def test_the_lock_of_another_recipe_of_that_name_follows_its_adapter(here: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe("run", "tiny.yaml", "--again", "--quiet") == 0  # here, where its lock is
    Path("b.yaml").write_text(FILE.read_text("utf-8").replace("lr: 1e-3", "lr: 2e-3"), "utf-8")
    assert recipe("run", "b.yaml") == 0
    assert "tiny.lock: its adapter is runs/tiny.1/tiny.safetensors now" in capsys.readouterr().err
    assert json.loads(LOCK.read_text("utf-8"))["outcome"]["adapter"] == "runs/tiny.1/tiny.safetensors"
    assert recipe("verify", "tiny.yaml") == recipe("verify", "b.yaml") == 0


def test_killed_between_lock_and_renaming_the_next_run_makes_it_true(here: Path, monkeypatch: pytest.MonkeyPatch):
    def die(*_: object) -> None:
        raise SystemExit(70)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", die)
        assert recipe("run", "tiny.yaml", "--set", "train.steps=1", "--quiet") == 70
    assert recipe("run", "tiny.yaml", "--set", "train.steps=1", "--quiet") == 0
    assert json.loads(LOCK.read_text("utf-8"))["outcome"]["adapter"] == "runs/tiny.1/tiny.safetensors"
    assert recipe("verify", "tiny.yaml") == 0


@pytest.mark.parametrize("gone", ["images", "evaluation.json"])
def test_a_finished_run_without_its_pictures_is_evaluated_again(
    here: Path, gone: str, capsys: pytest.CaptureFixture[str]
):
    LOCK.unlink()
    shutil.rmtree(RUN / gone) if (RUN / gone).is_dir() else (RUN / gone).unlink()
    assert recipe("run", "tiny.yaml") == 0
    told = capsys.readouterr().err
    assert "is gone, so the run is taken for unfinished" in told
    assert "training is done already" in told
    assert recipe("verify", "tiny.yaml") == 0
