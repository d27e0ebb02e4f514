"""Files are whole or not there, and what killed writers leave behind goes."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from control_recipes.engine import files


def test_write_replaces_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "folder" / "a"
    files.write(path, b"one")
    files.write(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_the_file_before_is_kept_where_it_is_asked_for(tmp_path):
    path, before = tmp_path / "a", tmp_path / "before"
    for data in (b"one", b"two", b"three"):
        files.write(path, data, keep=before)
    assert (path.read_bytes(), before.read_bytes()) == (b"three", b"two")


def test_what_was_there_survives_a_failure_that_names_the_file(tmp_path, monkeypatch):
    path = tmp_path / "a"
    files.write(path, b"one")

    def fail(handle: int) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full") as caught:
        files.write(path, b"two", keep=tmp_path / "before")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_who_may_read_a_file_stays_as_it_was(tmp_path):
    path = tmp_path / "a"
    before = os.umask(0o077)
    try:
        files.write(path, b"one")
        assert path.stat().st_mode & 0o777 == 0o600
        path.chmod(0o640)
        files.write(path, b"two")
        assert path.stat().st_mode & 0o777 == 0o640
        os.umask(0o022)
        files.write(tmp_path / "b", b"three")
        assert (tmp_path / "b").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    path, link = tmp_path / "folder" / "a", tmp_path / "link"
    files.write(path, b"one")
    link.symlink_to("folder/a")
    files.write(link, b"two")
    assert link.is_symlink()
    assert path.read_bytes() == b"two"
    path.unlink()
    files.write(link, b"three")
    assert (link.is_symlink(), path.read_bytes()) == (True, b"three")


KILLED = """
import os, signal, sys
from pathlib import Path
from control_recipes.engine import files
flush = os.fsync
def die(handle):
    os.fsync = flush
    os.kill(os.getpid(), signal.{how})
os.fsync = die
files.write(Path(sys.argv[1]), b"half")
"""


def writer(path: Path, how: str) -> subprocess.Popen[bytes]:
    """A process that is killed, or stopped, while it writes a file."""
    return subprocess.Popen([sys.executable, "-c", KILLED.replace("{how}", how), str(path)])


def test_what_a_killed_writer_left_is_swept_and_nothing_else(tmp_path):
    path, other = tmp_path / "a", tmp_path / ".a.12345678.partially"
    files.write(path, b"one")
    other.write_bytes(b"a person's own")
    assert writer(path, "SIGKILL").wait(timeout=60) == -signal.SIGKILL
    left = list(tmp_path.glob(".a.*.partial"))
    assert len(left) == 1
    assert files.sweep(tmp_path, "b") == 0
    assert files.sweep(tmp_path, "a") == 1
    assert files.sweep(tmp_path) == 0
    assert sorted(tmp_path.iterdir()) == [other, path]
    assert path.read_bytes() == b"one"


@pytest.mark.parametrize("length", [200, 201, 255])
def test_a_file_of_a_long_name_is_written_and_swept_as_any(tmp_path, length):
    path = tmp_path / ("é" * (length // 2) + "r" * (length % 2))
    files.write(path, b"one")
    assert path.read_bytes() == b"one"
    assert writer(path, "SIGKILL").wait(timeout=60) == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    assert files.sweep(tmp_path, "r" * length) == 0
    assert files.sweep(tmp_path, path.name) == 1


def test_what_is_being_written_is_not_swept(tmp_path):
    path = tmp_path / "a"
    writing = writer(path, "SIGSTOP")
    try:
        os.waitid(os.P_PID, writing.pid, os.WSTOPPED)
        assert len(list(tmp_path.glob(".a.*.partial"))) == 1
        assert files.sweep(tmp_path) == 0
    finally:
        writing.send_signal(signal.SIGCONT)
        assert writing.wait(timeout=60) == 0
    assert path.read_bytes() == b"half"
    assert list(tmp_path.iterdir()) == [path]
