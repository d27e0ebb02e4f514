"""Headers of safetensors files, read without torch."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from control_recipes.engine import headers
from control_recipes.engine.errors import InputError


def test_shapes_and_metadata_are_those_that_were_saved(tmp_path: Path):
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(()), "c": torch.zeros(0, 4)}, path, {"who": "me"})
    found = headers.read(path)
    assert found.shapes == {"a": (2, 3), "b": (), "c": (0, 4)}
    assert found.values == 7
    assert found.metadata == {"who": "me"}


@pytest.mark.parametrize(
    "header",
    [
        b"no json",
        b"[]",
        b"[" * 100_000,
        json.dumps({"__metadata__": {"a": 1}}).encode(),
        json.dumps({"a": {"shape": [2, -3]}}).encode(),
        json.dumps({"a": {"shape": "2"}}).encode(),
        json.dumps({"a": {}}).encode(),
        json.dumps({"a": 3}).encode(),
    ],
)
def test_another_header_is_refused(tmp_path: Path, header: bytes):
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(InputError, match="is no safetensors file that can be read"):
        headers.read(path)


@pytest.mark.parametrize("data", [b"", b"short", struct.pack("<Q", 2**62) + b"{}", struct.pack("<Q", 3) + b"{}"])
def test_a_file_cut_short_is_refused(tmp_path: Path, data: bytes):
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    with pytest.raises(InputError, match="is no safetensors file that can be read"):
        headers.read(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="No such file"):
        headers.read(tmp_path / "none.safetensors")
