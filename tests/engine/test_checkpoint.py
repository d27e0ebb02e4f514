"""Checkpoints and the journal beside them: damaged in any way, training still ends as if nothing had happened."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pico
import pytest
from control_recipes.engine import adapter, checkpoint, journal, plan, training

STATE, PREVIOUS = "state.safetensors: ", "previous.safetensors: "
STEPS = 6


def timeless(folder: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (folder / training.METRICS).read_text("utf-8").splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


@dataclass(frozen=True)
class Work:
    """A plan trained to its end, and a folder where it was interrupted after step 5, its checkpoints of 4 and 5."""

    plan: plan.Plan
    whole: training.Trained
    metrics: list[dict[str, object]]
    parts: Path


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    folder = tmp_path_factory.mktemp("work")
    flux, critic = pico.flux_folder(folder / "flux"), pico.critic_folder(folder / "critic")
    stop = plan.Stop((("eyes", "aligned", 2.0),), 1)
    replay = plan.Replay(3, 2, (0.2, 0.8))
    chosen = pico.plan_of(pico.generator(flux), critic, steps=STEPS, ema=0.5, stop=stop, replay=replay)
    whole = training.train(chosen, folder / "whole")

    def interrupt(told: training.Step) -> None:
        if told.step == STEPS - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train(chosen, folder / "parts", interrupt)
    return Work(chosen, whole, timeless(folder / "whole"), folder / "parts")


def resumed(work: Work, folder: Path, damage: Callable[[Path], None]) -> tuple[list[str], list[int]]:
    """What is said, and which steps are taken, when the interrupted folder goes on after it was damaged."""
    shutil.copytree(work.parts, folder)
    damage(folder)
    said, taken = list[str](), list[int]()
    trained = training.train(work.plan, folder, lambda told: taken.append(told.step), say=said.append)
    assert trained.tensors_sha256 == work.whole.tensors_sha256
    assert trained.adapter.read_bytes() == work.whole.adapter.read_bytes()
    assert timeless(folder) == work.metrics
    return [text.replace(f"{folder}/checkpoint/", "") for text in said], taken


def flipped(at: float) -> Callable[[Path], None]:
    """Turn one bit of the last checkpoint, at that share of its length."""

    def damage(folder: Path) -> None:
        path = folder / checkpoint.FILE
        data = bytearray(path.read_bytes())
        data[int(at * (len(data) - 1))] ^= 1
        path.write_bytes(data)

    return damage


def cut(path: Path, share: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


def test_undamaged_it_goes_on_after_the_last_step(work: Work, tmp_path: Path):
    said, taken = resumed(work, tmp_path / "run", lambda folder: None)
    assert said == ["pico: goes on after step 5 of 6"]
    assert taken == [6]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9999])
def test_a_checkpoint_cut_short_gives_way_to_the_one_before(work: Work, tmp_path: Path, share: float):
    said, taken = resumed(work, tmp_path / "run", lambda folder: cut(folder / checkpoint.FILE, share))
    why = "is damaged: it cannot be read; it is passed over"
    assert said == [STATE + why, "pico: goes on after step 4 of 6"]
    assert taken == [5, 6]


@pytest.mark.parametrize("at", [0.0, 0.05, 0.6, 1.0])
def test_a_checkpoint_with_one_bit_turned_gives_way_to_the_one_before(work: Work, tmp_path: Path, at: float):
    said, taken = resumed(work, tmp_path / "run", flipped(at))
    assert said[0].startswith(STATE + "is damaged")
    assert said[1:] == ["pico: goes on after step 4 of 6"]
    assert taken == [5, 6]


def test_where_both_are_damaged_training_starts_again_and_says_so(work: Work, tmp_path: Path):
    def damage(folder: Path) -> None:
        cut(folder / checkpoint.FILE, 0.5)
        cut(folder / checkpoint.PREVIOUS, 0.5)

    said, taken = resumed(work, tmp_path / "run", damage)
    assert [text.partition("is")[0] for text in said[:2]] == [STATE, PREVIOUS]
    assert said[2:] == ["pico: no sound checkpoint is left, so training starts again"]
    assert taken == [1, 2, 3, 4, 5, 6]


def test_killed_between_two_renames_only_the_one_before_is_there(work: Work, tmp_path: Path):
    said, taken = resumed(work, tmp_path / "run", lambda folder: (folder / checkpoint.FILE).unlink())
    assert said == ["pico: goes on after step 4 of 6"]
    assert taken == [5, 6]


def test_a_checkpoint_of_another_version_is_passed_over(work: Work, tmp_path: Path):
    def damage(folder: Path) -> None:
        for file in (checkpoint.FILE, checkpoint.PREVIOUS):
            tensors, metadata = adapter.load(folder / file)
            progress = json.dumps({**json.loads(metadata["progress"]), "mood": "good"})
            sealed = {"progress": progress, "sha256": checkpoint._seal(tensors, progress)}
            adapter.save(folder / file, tensors, sealed)

    said, _ = resumed(work, tmp_path / "run", damage)
    assert said[0] == STATE + "was written by another version of this program; it is passed over"


@pytest.mark.parametrize("torn", [b'{"step": 6, "lo', b'{"step": 6}\n{"step"', b"\0" * 300])
def test_lines_behind_the_checkpoint_are_cut_off_and_written_again(work: Work, tmp_path: Path, torn: bytes):
    def damage(folder: Path) -> None:
        path = folder / training.METRICS
        path.write_bytes(path.read_bytes() + torn)

    said, taken = resumed(work, tmp_path / "run", damage)
    assert (said, taken) == (["pico: goes on after step 5 of 6"], [6])


def test_a_torn_line_that_the_checkpoint_counts_on_sends_it_back_to_the_one_before(work: Work, tmp_path: Path):
    def damage(folder: Path) -> None:
        path = folder / training.METRICS
        path.write_bytes(path.read_bytes()[:-20])

    said, taken = resumed(work, tmp_path / "run", damage)
    why = "the steps that it counts on are not in metrics.jsonl any more; it is passed over"
    assert said == [STATE + why, "pico: goes on after step 4 of 6"]
    assert taken == [5, 6]


@pytest.mark.parametrize("lost", ["deleted", "changed"])
def test_without_its_first_lines_training_starts_again(work: Work, tmp_path: Path, lost: str):
    def damage(folder: Path) -> None:
        path = folder / training.METRICS
        if lost == "deleted":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes().replace(b'"step": 1', b'"step": 7', 1))

    said, taken = resumed(work, tmp_path / "run", damage)
    assert len(said) == 3
    assert taken == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("refused", [checkpoint.FILE, checkpoint.PREVIOUS])
def test_a_checkpoint_that_cannot_be_read_at_all_is_no_damaged_one(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Path
):
    shutil.copytree(work.parts, tmp_path / "run")
    (tmp_path / "run" / checkpoint.FILE).write_bytes(b"damaged")
    kept = (tmp_path / "run" / refused).read_bytes()
    opened = os.open

    def only_others(path: str | Path, *args: int, **kwargs: int) -> int:
        if Path(path).name == refused.name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", only_others)
    with pytest.raises(PermissionError) as caught:
        training.train(work.plan, tmp_path / "run")
    assert caught.value.filename == str(tmp_path / "run" / refused)
    assert (tmp_path / "run" / refused).read_bytes() == kept


def test_a_journal_knows_its_bytes(tmp_path: Path):
    path = tmp_path / "new" / "metrics.jsonl"
    with journal.opened(path, 0) as lines:
        lines.write({"step": 1})
        size, sha256 = lines.size, lines.sha256
        lines.write({"step": 2})
    assert journal.holds(path, size, sha256)
    assert journal.holds(tmp_path / "nowhere", 0, "")
    assert not journal.holds(path, size + 1, sha256)
    assert not journal.holds(path, 1000, sha256)
    assert not journal.holds(tmp_path / "nowhere", size, sha256)
    with journal.opened(path, size) as lines:
        assert lines.sha256 == sha256
        lines.write({"step": 3})
    assert path.read_text("utf-8") == '{"step": 1}\n{"step": 3}\n'
