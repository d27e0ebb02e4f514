"""Digests of adapters, read from the file as it lies there: without torch, and without a tensor in memory."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any, BinaryIO

from . import headers

_PIECE = 2**20  # bytes


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
