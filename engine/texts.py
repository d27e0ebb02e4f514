"""Text files as people write them: UTF-8, of a size that a person writes."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from .errors import InputError, Place, Problem

LARGEST_FILE = 16 * 2**20  # bytes
LARGEST_RECIPE = 2**20  # bytes; whoever lists more prompts than go into one puts them into a file of their own


def load(path: Path, largest: int = LARGEST_FILE) -> tuple[str, str]:
    """Text and sha256 of a file. Raises InputError where it is none, cannot be read, is too long, or is no UTF-8."""
    data = beginning(path, largest + 1)
    if len(data) > largest:
        raise InputError([Problem(Place(str(path)), "", "holds too many bytes", f"at most {largest}")])
    try:
        return data.decode(), hashlib.sha256(data).hexdigest()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        # a zero byte is in no text: the lines of a picture or an adapter mean nothing
        place = Place(str(path)) if b"\0" in data else Place(str(path), line, column)
        raise InputError([Problem(place, "", "is no UTF-8 text")]) from error


def beginning(path: Path | str, most: int) -> bytes:
    """The first bytes of a file, `most` of them at most. Raises InputError where it is no file or cannot be read."""
    try:
        # without the flag, a pipe that no one writes to waits for ever; what is no file has no end either
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            kind = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(kind):
                said = "Is a directory" if stat.S_ISDIR(kind) else "is no file but a device or a pipe"
                raise InputError([Problem(Place(str(path)), "", f"cannot be read: {said}")])
            data = file.read(most)
            if data is None:  # pyright: ignore[reportUnnecessaryComparison]  # of the kernel
                raise InputError([Problem(Place(str(path)), "", "cannot be read: it holds nothing")])
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError([Problem(Place(str(path)), "", f"cannot be read: {said}")]) from error
    return data
