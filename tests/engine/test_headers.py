"""Headers of safetensors files, read without torch: honest ones as the library reads them, hostile ones refused."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

import hostile_headers
import pytest
from control_recipes.engine import adapter, digests, headers
from control_recipes.engine.errors import InputError

CASES = dict(hostile_headers.cases())
BYTES = 200 * 2**20
SECONDS = 2.0


def test_shapes_and_metadata_are_those_that_were_saved(tmp_path: Path):
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(()), "c": torch.zeros(0, 4)}, path, {"who": "me"})
    found = headers.read(path)
    assert found.shapes == {"a": (2, 3), "b": (), "c": (0, 4)}
    assert found.values == 7
    assert found.metadata == {"who": "me"}


def test_every_kind_of_number_is_known(tmp_path: Path):
    import torch
    from safetensors.torch import save_file

    kinds = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool]
    kinds += [torch.float8_e4m3fn, torch.float8_e5m2, torch.int32, torch.int16, torch.int8]
    path = tmp_path / "a.safetensors"
    save_file({str(kind): torch.zeros(3).to(kind) for kind in kinds}, path)
    assert set(headers.read(path).shapes.values()) == {(3,)}


def test_texts_come_back_whatever_they_hold(tmp_path: Path):
    said = {"recipe": 'a: "b"\n\\{}[],:\t\x00\U0001f600é', "": "", "inputs": '{"a": [1, {"b": null}]}' * 1000}
    path = tmp_path / "a.safetensors"
    data = hostile_headers.header({"__metadata__": said, "a.b": hostile_headers.TENSOR})
    path.write_bytes(data)
    assert headers.of_adapter(path).metadata == said
    length = struct.unpack("<Q", data[:8])[0]
    padded = struct.pack("<Q", length + 5) + data[8 : 8 + length] + b" \n\t  " + hostile_headers.BODY
    path.write_bytes(padded)
    assert headers.read(path).metadata == said


def peak() -> int:
    """Bytes that this process held at most since `forget`."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def forget() -> int:
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    return peak()


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_header_is_refused_soon_in_little_memory_with_one_message(tmp_path: Path, name: str):
    path = hostile_headers.made(tmp_path, CASES[name])
    held, started = forget(), time.process_time()
    try:
        assert headers.of_adapter(path).shapes == {}
        told = None
    except InputError as error:
        told = error
    assert time.process_time() - started < SECONDS
    assert peak() - held < BYTES
    if told is None:
        assert name.startswith("one text")  # odd, but the format lets it be said
        return
    (problem,) = told.problems
    assert problem.place.file == str(path)
    assert len(str(problem)) < 400
    assert "\n" not in str(problem).partition("\n  hint: ")[0]


def test_the_guards_see_what_parsing_as_a_whole_takes(tmp_path: Path):
    import json

    path = hostile_headers.made(tmp_path, hostile_headers.repeated("[],", 2**24, "[", "0]"))
    held = forget()
    json.loads(path.read_bytes()[8:-8])
    assert peak() - held > BYTES


OTHERS = {
    "it is a text": b"a shopping list\n",
    "it is a PNG picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "it is cut short: it holds 3 bytes": b"abc",
    "it is cut short: it holds 0 bytes": b"",
    "it is cut short within its header": hostile_headers.header({hostile_headers.NAME: hostile_headers.TENSOR})[:40],
    "it is cut short": hostile_headers.header({hostile_headers.NAME: hostile_headers.TENSOR})[:-1],
    "it is a folder": None,
    "its header is no JSON": hostile_headers.raw('{"dtype" "F32"}'),
    "a text in its header is no Unicode: half of a pair of surrogates stands alone": hostile_headers.header(
        {"__metadata__": {"control_recipes.recipe": "\ud800"}, hostile_headers.NAME: hostile_headers.TENSOR}
    ),
    "its header is no UTF-8 text": hostile_headers.header(b'{"\xff": 1}'),
}


@pytest.mark.parametrize("why", OTHERS)
def test_what_is_no_adapter_is_told_in_one_manner_with_its_cause(tmp_path: Path, why: str):
    path, data = tmp_path / "a.safetensors", OTHERS[why]
    path.mkdir() if data is None else path.write_bytes(data)
    for act in (headers.of_adapter, digests.tensors_sha256, adapter.load):
        with pytest.raises(InputError) as raised:
            act(path)
        assert str(raised.value) == f"{path}: is no safetensors file: {why}"


def test_a_file_that_is_not_there_is_not_told_what_it_is_not(tmp_path: Path):
    with pytest.raises(InputError, match=r"a\.safetensors: cannot be read: No such file or directory$"):
        headers.read(tmp_path / "a.safetensors")


@pytest.mark.parametrize("name", ["a pickle", "an old pickle", "torch's archive"])
def test_a_pickle_is_told_for_what_it_is(tmp_path: Path, name: str):
    with pytest.raises(InputError, match="is a pickle, whatever it is called\n  hint: reading a pickle runs whatever"):
        headers.read(hostile_headers.made(tmp_path, CASES[name]))


@pytest.mark.parametrize("ending", sorted(headers.PICKLES | {".PT"}))
def test_a_file_that_is_called_as_pickles_are_is_not_opened(tmp_path: Path, ending: str):
    os.mkfifo(tmp_path / f"a{ending}")
    with pytest.raises(InputError, match=r"is a pickle\n  hint: .* only \.safetensors files are read"):
        headers.read(tmp_path / f"a{ending}")
