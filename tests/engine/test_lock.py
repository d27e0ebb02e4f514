"""The lock: a text that git can show, and words for what is stale."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import made
import pytest
from control_recipes.engine import lock, lockfile
from control_recipes.engine.errors import InputError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return made.run_folder(tmp_path) / "horizon_low.lock"


def test_what_is_read_is_what_was_written(path: Path):
    read = lock.read(path)
    text = path.read_text("utf-8")
    lock.write(read, path)
    assert path.read_text("utf-8") == text
    assert read.outcome is not None
    assert read.outcome.steps == 120
    assert json.loads(text)["digest"] == lock.digest(read)


def test_values_stand_on_lines_of_their_own_sorted(path: Path):
    text = path.read_text("utf-8")
    assert list(json.loads(text)) == sorted(json.loads(text))
    assert '   "lr": 0.0005,' in text


def test_nothing_is_stale_for_the_same_plan(path: Path):
    assert lock.stale(lock.read(path), made.plan()) == []


def test_stale_names_what_changed(path: Path):
    plan = made.plan()
    changed = replace(plan, train=replace(plan.train, lr=1e-3), questions=plan.questions[:2])
    lines = lock.stale(lock.read(path), changed)
    assert "training: lr was 0.0005, is now 0.001" in lines
    assert any(
        line.startswith("loss: question what: is gone (watched; wording “What is in the image?”") for line in lines
    )


def test_a_plan_of_another_version_is_stale_without_words(path: Path):
    read = lock.read(path)
    data = json.loads(read.inputs.plan)
    del data["train"]["stay"]
    other = replace(read, inputs=replace(read.inputs, plan=json.dumps(data), plan_sha256="0" * 64))
    assert lock.stale(other, made.plan()) == [
        "it was written by another version of this program, which planned otherwise"
    ]


def test_an_edited_lock_is_refused(path: Path):
    path.write_text(path.read_text("utf-8").replace('"steps": 120', '"steps": 121'), "utf-8")
    with pytest.raises(InputError, match="edited or cut short"):
        lock.read(path)


@pytest.mark.parametrize("text", ["", "[]", '{"lock": 99}', "no json", "[" * 100_000])
def test_what_is_no_lock_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "x.lock"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError):
        lock.read(path)


def test_what_is_no_regular_file_of_a_locks_size_is_refused_unread(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pipe = tmp_path / "pipe.lock"
    os.mkfifo(pipe)  # without a writer, opening it would wait for ever
    with pytest.raises(InputError, match=r"pipe\.lock: cannot be read: is no file but a device or a pipe"):
        lock.read(pipe)
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        lock.read(tmp_path)
    assert lock.read(path)
    monkeypatch.setattr(lock, "LARGEST", 100)
    with pytest.raises(InputError, match="holds too many bytes"):
        lock.read(path)


def test_a_lock_whose_line_ends_git_changed_is_read(path: Path):
    before = lock.read(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert lock.read(path) == before


def test_outcome_goes_with_its_inputs(path: Path):
    read, plan = lock.read(path), made.plan()
    assert lock.renewed(read, lock.inputs(plan, "4" * 64)).outcome == read.outcome  # a changed comment is not stale
    other = lock.inputs(replace(plan, name="other"), "4" * 64)
    assert lock.renewed(read, other).outcome is None
    assert lock.renewed(None, other).platform is None


def test_paths_are_relative_to_the_lock(tmp_path: Path):
    assert lock.relative(tmp_path / "runs" / "a" / "a.safetensors", tmp_path / "a.lock") == "runs/a/a.safetensors"


def test_a_lock_without_inputs_is_refused(tmp_path: Path):
    path = tmp_path / "a.lock"
    path.write_text(lockfile.text({"lock": lock.VERSION}), "utf-8")
    with pytest.raises(InputError, match="lacks what a lock holds"):
        lock.read(path)
