"""Digests of adapters, read from the file as it lies there: without torch, and without a tensor in memory."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from . import headers
from .errors import InputError, Place, Problem

SAID = "control_recipes.tensors_sha256"  # the entry of an adapter's header that says what its tensors are
_PIECE = 2**20  # bytes


def refuse_damaged(path: Path, metadata: Mapping[str, str]) -> None:
    """Raises `InputError` where an adapter's tensors are not what its header says; one of another tool says nothing."""
    if SAID in metadata and tensors_sha256(path) != metadata[SAID]:
        message = "its tensors are not what its header says: it was damaged or changed"
        hint = "bring it back as it was, or train it anew with `recipe run --again`"
        raise InputError([Problem(Place(str(path)), "", message, hint)])


def tensors_sha256(path: Path) -> str:
    """Digest of the tensors of a safetensors file, as `adapter.tensors_sha256` of what is loaded from it.

    Raises `InputError` where the file is none.
    """
    headers.read(path)  # refuses what is no header
    try:
        with path.open("rb") as file:
            return _digest(file, path.stat().st_size)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise headers.refused(path, error) from error


def _digest(file: BinaryIO, size: int) -> str:
    (length,) = struct.unpack("<Q", file.read(8))
    entries: dict[str, Any] = json.loads(file.read(length))
    whole = hashlib.sha256()
    for name in sorted(entries.keys() - {"__metadata__"}):
        start, end = entries[name]["data_offsets"]
        if not 0 <= start <= end <= size - 8 - length:
            raise ValueError(f"{name} lies outside of it")
        whole.update(json.dumps([name, entries[name]["dtype"], entries[name]["shape"]]).encode())
        file.seek(8 + length + start)
        for at in range(start, end, _PIECE):
            whole.update(file.read(min(_PIECE, end - at)))
    return whole.hexdigest()
