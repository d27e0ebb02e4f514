"""Digests of adapters without torch: those that torch comes to, and no file that lies about where its tensors are."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from control_recipes.engine import adapter, digests
from control_recipes.engine.errors import InputError


def test_the_digest_is_that_of_the_loaded_tensors(tmp_path: Path):
    stream = torch.Generator().manual_seed(0)
    tensors = {
        "b": torch.randn(3, 5, generator=stream),
        "a": torch.randn(700, 900, generator=stream).double(),  # longer than a piece
        "c": torch.randn(7, generator=stream).to(torch.bfloat16),
        "d": torch.zeros(0),
    }
    adapter.save(tmp_path / "a.safetensors", tensors, {"name": "é"})
    assert digests.tensors_sha256(tmp_path / "a.safetensors") == adapter.tensors_sha256(tensors)
    adapter.save(tmp_path / "b.safetensors", {**tensors, "b": tensors["b"] + 1}, {"name": "é"})
    assert digests.tensors_sha256(tmp_path / "b.safetensors") != adapter.tensors_sha256(tensors)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [1], "data_offsets": [0, 10**18]},
        {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]},
        {"dtype": "F32", "shape": [1], "data_offsets": "all"},
        {"dtype": "F32", "shape": [1]},
    ],
)
def test_tensors_outside_of_the_file_are_refused(tmp_path: Path, entry: dict[str, object]):
    text = json.dumps({"a": entry}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 4)
    with pytest.raises(InputError, match="is no safetensors file"):
        digests.tensors_sha256(path)
