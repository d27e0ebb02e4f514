"""Files are whole or not there."""

from __future__ import annotations

import os

import pytest
from control_recipes.engine import files


def test_write_replaces_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "folder" / "a"
    files.write(path, b"one")
    files.write(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_what_was_there_survives_a_failure(tmp_path, monkeypatch):
    path = tmp_path / "a"
    files.write(path, b"one")

    def fail(handle: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        files.write(path, b"two")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]
