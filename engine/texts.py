"""Text files as people write them: UTF-8, of a size that a person writes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .errors import InputError, Place, Problem

LARGEST = 16 * 2**20  # bytes


def load(path: Path) -> tuple[str, str]:
    """Text and sha256 of a file. Raises InputError where it is not there, too long or no UTF-8."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError([Problem(Place(str(path)), "", f"cannot be read: {error.strerror}")]) from error
    if len(data) > LARGEST:
        raise InputError([Problem(Place(str(path)), "", f"{len(data)} bytes are too many", f"at most {LARGEST}")])
    try:
        return data.decode(), hashlib.sha256(data).hexdigest()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise InputError([Problem(Place(str(path), line, column), "", "is no UTF-8 text")]) from error
