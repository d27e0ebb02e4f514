"""The journal of a training, metrics.jsonl: a line for every step and look, appended and flushed as they come.

A checkpoint knows how many bytes of it belong to the steps done, and their digest: what a killed session wrote later is
cut off, and a file that was changed or cut short since is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import final

from . import files

_PIECE = 2**20  # bytes read at once


@final
class Journal:
    """A metrics file that a training appends to."""

    def __init__(self, path: Path, file: FileIO, size: int) -> None:
        """Go on after the first `size` bytes of a file that holds at least as many."""
        self._path, self._file, self.size = path, file, size
        self._digest = _digest(file, size)
        file.truncate(size)
        file.seek(size)

    def write(self, line: Mapping[str, object]) -> None:
        """Append a line. Raises `OSError`."""
        data = json.dumps(line).encode() + b"\n"
        rest = memoryview(data)
        with files.named(self._path):
            while rest:  # a disk that fills up takes a part, and refuses the next
                rest = rest[self._file.write(rest) :]
        self._digest.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """Of all bytes so far."""
        return self._digest.hexdigest()

    def keep(self) -> None:
        """Bring everything to the disk: a checkpoint never counts on bytes that a lost power took."""
        with files.named(self._path):
            os.fsync(self._file.fileno())


@contextmanager
def opened(path: Path, size: int) -> Generator[Journal]:
    """The journal at `path`, made where there is none, cut after its first `size` bytes."""
    files.make(path.parent)
    with path.open("r+b" if path.exists() else "w+b", buffering=0) as file:
        files.flush(path.parent)
        yield Journal(path, file, size)


def holds(path: Path, size: int, sha256: str) -> bool:
    """Whether the first `size` bytes of a file are there and have that digest."""
    if size == 0:
        return True
    if not path.is_file() or path.stat().st_size < size:
        return False
    with path.open("rb", buffering=0) as file:
        return _digest(file, size).hexdigest() == sha256


def _digest(file: FileIO, size: int) -> hashlib._Hash:  # pyright: ignore[reportPrivateUsage]  # its only name
    found = hashlib.sha256()
    while size and (piece := file.read(min(size, _PIECE))):
        found.update(piece)
        size -= len(piece)
    return found
