"""Files that call themselves adapters: each is to be refused with one message, soon, in little memory."""

from __future__ import annotations

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from control_recipes.engine import headers

MUCH = 100 * 2**20  # bytes
SOME = headers.LARGEST_HEADER - 2**20
NAME = "transformer.transformer_blocks.0.attn.to_q.lora_A.weight"
TENSOR = {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}
BODY = bytes(8)

Case = bytes | Callable[[Path], None]


def header(data: object, body: bytes = BODY) -> bytes:
    """A file whose header says `data`: bytes as they are, anything else as JSON."""
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return struct.pack("<Q", len(text)) + text + body


def tensor(**changes: object) -> bytes:
    return header({NAME: TENSOR | changes})


def claim(length: int, size: int = 64) -> bytes:
    return struct.pack("<Q", length) + b"{" * size


def raw(entry: str, name: str = NAME, body: bytes = BODY) -> bytes:
    return header(f"{{{json.dumps(name)}:{entry}}}".encode(), body)


def sparse(size: int) -> Callable[[Path], None]:
    """A file of which nothing but its first bytes is on the disk."""

    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.write(struct.pack("<Q", size - 8) + b"{")
            file.truncate(size)

    return make


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps([1]))


def repeated(piece: str, size: int, head: str = "", tail: str = "") -> Callable[[Path], None]:
    """A header of so many bytes, made only when it is written."""

    def make(path: Path) -> None:
        path.write_bytes(header((head + piece * ((size - len(head) - len(tail)) // len(piece)) + tail).encode()))

    return make


def _entries(count: int) -> bytes:
    empty = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return header(("{" + ",".join(f'"{at}":{empty}' for at in range(count)) + "}").encode(), b"")


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _said(count: int) -> bytes:
    return header({"__metadata__": {str(at): "" for at in range(count)}, NAME: TENSOR})


def cases() -> Iterator[tuple[str, Case]]:
    yield "a hundred megabytes of brackets", repeated("[", MUCH)
    yield "a hundred megabytes of objects", repeated('"a":{},', MUCH, "{")
    yield "a hundred megabytes of spaces", repeated(" ", MUCH, "{", "}")
    yield "a hundred megabytes of one text", repeated("a", MUCH, '{"__metadata__":{"a":"', '"}}')
    yield "brackets", repeated("[", SOME)
    yield "braces", repeated('{"a":', SOME)
    yield "lists in an entry", repeated("[],", SOME, f'{{"{NAME}":{{"shape":[', "0]}}")
    yield "lists in metadata", repeated("[],", SOME, '{"__metadata__":[', "0]}")
    yield "commas", repeated(",", SOME, "{")
    yield "quotes", repeated('"', SOME, "{")
    yield "backslashes", repeated("\\", SOME, '{"')
    yield "a text without an end", repeated("a", SOME, '{"')
    yield "one text with wide letters", repeated("a", SOME, '{"__metadata__":{"a":"\U0001f600', '"}}')
    yield "one text of escapes", repeated("\\ud83d\\ude00", SOME, '{"__metadata__":{"a":"', '"}}')
    yield "one name", repeated("a", SOME, '{"', '":{}}')
    yield "too many tensors", lambda path: _write(path, _entries(headers.MOST_TENSORS + 1))
    yield "too much metadata", _said(headers.MOST_SAID + 1)
    yield "a terabyte", sparse(2**40)
    yield "nothing", b""
    yield "a few bytes", b"abc"
    yield "length alone", struct.pack("<Q", 2)
    yield "longest length", claim(2**64 - 1)
    yield "negative length", claim(2**63)
    yield "length beyond the end", claim(1000)
    yield "no JSON", header(b"hello")
    yield "no object", header(b"[]")
    yield "a number", header(b"1")
    yield "no UTF-8", header(b'{"\xff":1}')
    yield "half a letter", raw("{}", "\ud800")
    yield "half a letter in metadata", header({"__metadata__": {"control_recipes.recipe": "\ud800"}, NAME: TENSOR})
    yield "a byte order mark", header(b"\xef\xbb\xbf{}", b"")
    yield "more behind it", header(json.dumps({NAME: TENSOR}).encode() + b"{}")
    yield "nested deeply", header(b'{"a":' * 5000 + b"1" + b"}" * 5000)
    yield "metadata nested", header({"__metadata__": {"a": {"b": "c"}}, NAME: TENSOR})
    yield "metadata a number", header({"__metadata__": {"a": 1}, NAME: TENSOR})
    yield "metadata a list", header({"__metadata__": [], NAME: TENSOR})
    yield "metadata twice", header(b'{"__metadata__":{},"__metadata__":{}}', b"")
    yield "a key of metadata twice", header(b'{"__metadata__":{"a":"b","a":"c"}}', b"")
    yield "a tensor twice", header(f'{{"{NAME}":{json.dumps(TENSOR)},"{NAME}":{json.dumps(TENSOR)}}}'.encode())
    yield "a key of a tensor twice", raw('{"dtype":"F32","shape":[1,2],"shape":[2,1],"data_offsets":[0,8]}')
    yield "a tensor of nothing", raw("{}")
    yield "a tensor that is a list", raw("[]")
    yield "a tensor that is a number", raw("1")
    yield "without offsets", raw('{"dtype":"F32","shape":[1,2]}')
    yield "with something more", tensor(mood="good")
    yield "an unknown kind", tensor(dtype="F128")
    yield "a kind that is a number", tensor(dtype=32)
    yield "shape not a list", tensor(shape="1,2")
    yield "shape negative", tensor(shape=[-1, -2])
    yield "shape one negative", tensor(shape=[1, -2])
    yield "shape not whole", tensor(shape=[1.0, 2.0])
    yield "shape true", tensor(shape=[True, 2])
    yield "shape nothing", tensor(shape=[None, 2])
    yield "shape not a number", raw('{"dtype":"F32","shape":[NaN,2],"data_offsets":[0,8]}')
    yield "shape infinite", raw('{"dtype":"F32","shape":[Infinity,2],"data_offsets":[0,8]}')
    yield "shape exponential", raw('{"dtype":"F32","shape":[1e400,2],"data_offsets":[0,8]}')
    yield "shape huge", tensor(shape=[2**62, 2**62])
    yield "shape overflowing to the right size", tensor(shape=[2**32 + 1, 2**32, 2])
    yield "shape of many digits", raw('{"dtype":"F32","shape":[' + "9" * 1900 + '],"data_offsets":[0,8]}')
    yield "shape of many ones", tensor(shape=[1] * 600)
    yield "offsets negative", tensor(data_offsets=[-8, 0])
    yield "offsets backwards", tensor(data_offsets=[8, 0])
    yield "offsets three", tensor(data_offsets=[0, 8, 16])
    yield "offsets not whole", tensor(data_offsets=[0.0, 8.0])
    yield "offsets too few bytes", tensor(data_offsets=[0, 4])
    yield "offsets beyond the end", header({NAME: TENSOR | {"data_offsets": [8, 16]}})
    yield "offsets far beyond the end", header({NAME: TENSOR | {"shape": [1, 2**40], "data_offsets": [0, 2**42]}})
    yield "overlapping", header({NAME: TENSOR, "b": TENSOR})
    yield "overlapping in part", header({NAME: TENSOR, "b": TENSOR | {"data_offsets": [4, 12]}}, bytes(12))
    yield "a gap", header({NAME: TENSOR, "b": TENSOR | {"data_offsets": [16, 24]}}, bytes(24))
    yield "a gap at the start", header({NAME: TENSOR | {"data_offsets": [8, 16]}}, bytes(16))
    yield "more than its tensors", header({NAME: TENSOR}, bytes(9))
    yield "less than its tensors", header({NAME: TENSOR}, bytes(7))
    for name in ("../../etc/passwd", "/etc/passwd", "..\\..\\x", "a/b", "C:\\x", "a\0b", "a\nb", "..", "\x1b[2J"):
        yield f"a name {name!r}", header({name: TENSOR})
    yield "a pickle", pickle.dumps({"a": [1, 2, 3]})
    yield "an old pickle", pickle.dumps([1], protocol=2)
    yield "torch's archive", _zip
    yield "a folder", Path.mkdir
    yield "a pipe", os.mkfifo
    yield "a device", lambda path: path.symlink_to("/dev/zero")
    yield "a link to itself", lambda path: path.symlink_to(path.name)
    yield "nothing there", lambda path: None


def made(folder: Path, case: Case) -> Path:
    """The file of a case, in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bad.safetensors"
    if isinstance(case, bytes):
        path.write_bytes(case)
    else:
        case(path)
    return path
