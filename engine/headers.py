"""Headers of safetensors files: which tensors there are, and what is said of them, read without torch.

8 bytes little-endian length, then JSON of that length, then the tensors' bytes without a gap
(https://huggingface.co/docs/safetensors, Format). A file may be anybody's: its header is scanned entry by entry and
never parsed as a whole, so that a hostile one costs no more than its own length, which is bounded.
"""

from __future__ import annotations

import codecs
import json
import math
import os
import re
import stat
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast, final

from .counting import counted
from .errors import InputError, Place, Problem, cut

LARGEST_HEADER = 16 * 2**20  # bytes of a header; the format allows 100 MB, and text may take eight times its bytes
MOST_TENSORS = 20_000
MOST_SAID = 1000  # entries of metadata
NONE = "is no safetensors file"
LATENTS = "latents"  # the one tensor of a file that holds the noise of a picture
PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}
WHY = "reading a pickle runs whatever code it holds; only .safetensors files are read"
# bits of a value
_BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
_SPACE = re.compile(rb"[ \t\n\r]*")
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_ENTRY = re.compile(rb"\{[^{}]{0,2000}\}")
_START = 512  # bytes, by which another file is known
_MARKS = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"RIFF": "a picture or a sound",
    b"GGUF": "a GGUF file",
    b"%PDF": "a PDF file",
}
_HALF = re.compile("[\ud800-\udfff]")  # JSON's escapes can say it, UTF-8 cannot
_PATH = re.compile(r"[/\\\x00-\x1f\x7f]|\.\.")


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the tensors of a file."""

    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str]
    places: dict[str, tuple[int, int]]  # of each tensor's bytes in the file: from, to

    @property
    def values(self) -> int:
        """How many numbers the file holds."""
        return sum(math.prod(shape) for shape in self.shapes.values())


@dataclass(frozen=True, slots=True)
class _Tensor:
    shape: tuple[int, ...]
    start: int
    end: int


def read(path: Path) -> Header:
    """The header of a safetensors file; `InputError` where it has none that can be read, or the tensors do not fit."""
    refuse_pickle(path)
    try:
        with _opened(path) as file:
            beginning = file.read(8)
            if len(beginning) < 8:
                raise ValueError(f"it is cut short: it holds {counted(len(beginning), 'byte')}")
            (length,) = struct.unpack("<Q", beginning)
            body = os.fstat(file.fileno()).st_size - 8 - length
            if length > LARGEST_HEADER:
                raise ValueError(f"its header is longer than {LARGEST_HEADER} bytes")
            if body < 0:
                raise ValueError("it is cut short within its header")
            tensors, metadata = _scanned(file.read(length))
        _check_places(list(tensors.values()), body)
    except (OSError, ValueError, RecursionError) as error:
        raise refused(path, error) from error
    places = {name: (8 + length + one.start, 8 + length + one.end) for name, one in tensors.items()}
    return Header({name: one.shape for name, one in tensors.items()}, metadata, places)


def of_adapter(path: Path) -> Header:
    """The header of an adapter: no name in it looks like a path. `InputError` as `read`."""
    found = read(path)
    if LATENTS in found.shapes:
        message = "holds the noise of one picture, and no adapter"
        hint = "its picture lies beside it, under images/; `train.optimize: adapter` trains an adapter"
        raise InputError([Problem(Place(str(path)), "", message, hint)])
    if strange := next((name for name in found.shapes if _PATH.search(name)), None):
        message = f"is no adapter: a tensor's name looks like a path, {cut(strange)!r}"
        raise InputError([Problem(Place(str(path)), "", message)])
    return found


def refuse_pickle(path: Path) -> None:
    """Raises `InputError` for what is called as pickles are."""
    if path.suffix.lower() in PICKLES:
        raise InputError([Problem(Place(str(path)), "", "is a pickle", WHY)])


def _opened(path: Path) -> BinaryIO:
    """The file, were it one: a pipe that no one writes to would wait for ever."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    kind = os.fstat(handle).st_mode
    if not stat.S_ISREG(kind):
        os.close(handle)
        raise ValueError("it is a folder" if stat.S_ISDIR(kind) else "it is a device or a pipe, no regular file")
    return os.fdopen(handle, "rb")


def refused(path: Path, error: Exception) -> InputError:
    """The one manner in which a file that is no safetensors file is told; `error` is what reading it came to."""
    start = _start(path)
    if isinstance(error, OSError):
        message, hint = f"cannot be read: {error.strerror or error}", ""
    elif start[:4] == b"PK\x03\x04" or (start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")):
        message, hint = "is a pickle, whatever it is called", WHY  # a ZIP archive, as torch's are, or pickle's own mark
    else:
        message, hint = f"{NONE}: {_another(start) or _cause(error)}", ""
    return InputError([Problem(Place(str(path)), "", message, hint)])


def _start(path: Path) -> bytes:
    """How a file begins; nothing where it cannot be read."""
    try:
        with _opened(path) as file:
            return file.read(_START)
    except (OSError, ValueError):
        return b""


def _another(start: bytes) -> str:
    """What a file is instead, by how it begins; empty where that does not show."""
    for mark, kind in _MARKS.items():
        if start.startswith(mark):
            return f"it is {kind}"
    text = codecs.getincrementaldecoder("utf-8")(errors="strict")
    try:
        return "it is a text" if len(start) >= 8 and b"\0" not in start and text.decode(start) else ""
    except UnicodeDecodeError:
        return ""


def _cause(error: Exception) -> str:
    """Why a header cannot be read, in words of ours: Python's and Rust's speak of their own doings."""
    if isinstance(error, json.JSONDecodeError):
        return "its header is no JSON"
    if isinstance(error, UnicodeDecodeError):
        return "its header is no UTF-8 text"
    if isinstance(error, RecursionError):
        return "its header is nested too deeply"
    return str(error) if isinstance(error, ValueError) else "its tensors are of a kind that cannot be loaded here"


def _scanned(data: bytes) -> tuple[dict[str, _Tensor], dict[str, str]]:
    scan = _Scan(data)
    tensors: dict[str, _Tensor] = {}
    metadata: dict[str, str] | None = None
    for name in scan.names(MOST_TENSORS):
        if name == "__metadata__":
            if metadata is not None:
                raise ValueError("its metadata is there twice")
            metadata = _said(scan)
        elif name in tensors:
            raise ValueError(f"the tensor {cut(name)!r} is there twice")
        else:
            tensors[name] = _tensor(name, scan.entry())
    scan.end()
    return tensors, metadata or {}


def _said(scan: _Scan) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in scan.names(MOST_SAID):
        if name in found:
            raise ValueError(f"{cut(name)!r} is there twice in its metadata")
        found[name] = scan.text()
    return found


def _tensor(name: str, entry: dict[str, Any]) -> _Tensor:
    kind, shape, places = entry.get("dtype"), _numbers(entry.get("shape")), _numbers(entry.get("data_offsets"))
    if len(entry) != 3 or not isinstance(kind, str) or shape is None or places is None or len(places) != 2:
        raise ValueError(f"the tensor {cut(name)!r} is not told as the format has it")
    if kind not in _BITS:
        raise ValueError(f"the tensor {cut(name)!r} is of a kind that is not known, {cut(kind)!r}")
    if math.prod(shape) * _BITS[kind] != 8 * (places[1] - places[0]):
        raise ValueError(f"the tensor {cut(name)!r} does not take the bytes that its shape asks for")
    return _Tensor(shape, *places)


def _numbers(value: object) -> tuple[int, ...] | None:
    """Whole numbers from 0; None where they are none, or so large that no file could have them."""
    listed = cast(list[object], value) if isinstance(value, list) else [None]
    found = tuple(one for one in listed if type(one) is int and 0 <= one < 2**63)
    return found if len(found) == len(listed) <= 64 else None


def _check_places(tensors: Sequence[_Tensor], body: int) -> None:
    """The tensors lie behind one another and take all the bytes there are."""
    end = 0
    for one in sorted(tensors, key=lambda tensor: (tensor.start, tensor.end)):
        if one.start != end:
            raise ValueError("its tensors overlap" if one.start < end else "there is a gap between its tensors")
        end = one.end
    if end != body:
        raise ValueError("it is cut short" if end > body else "there is more in it than its tensors")


@final
class _Scan:
    """Goes through the JSON of a header, which has objects in objects, texts, and short entries, and nothing else."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def names(self, most: int) -> Iterator[str]:
        """The keys of the object that begins here; each one's value is to be taken before the next."""
        self.expect(b"{")
        for number in range(most + 1):
            if self.take(b"}"):
                return
            if number:
                self.expect(b",")
            name = self.text()
            self.expect(b":")
            yield name
        raise ValueError("its header has too many entries")

    def text(self) -> str:
        found = str(json.loads(self._match(_TEXT, "a text")))
        if _HALF.search(found):
            raise ValueError("a text in its header is no Unicode: half of a pair of surrogates stands alone")
        return found

    def entry(self) -> dict[str, Any]:
        """A flat object of a tensor, parsed as a whole."""
        found: dict[str, Any] = json.loads(
            self._match(_ENTRY, "a tensor's entry"), object_pairs_hook=_once, parse_constant=_no_number
        )
        return found

    def take(self, mark: bytes) -> bool:
        self._skip()
        if there := self._data.startswith(mark, self._at):
            self._at += 1
        return there

    def expect(self, mark: bytes) -> None:
        if not self.take(mark):
            raise ValueError(f"{mark.decode()} is expected in its header, at byte {self._at}")

    def end(self) -> None:
        self._skip()
        if self._at != len(self._data):
            raise ValueError(f"its header goes on behind its end, at byte {self._at}")

    def _skip(self) -> None:
        found = _SPACE.match(self._data, self._at)
        self._at = found.end() if found else self._at

    def _match(self, pattern: re.Pattern[bytes], what: str) -> str:
        self._skip()
        found = pattern.match(self._data, self._at)
        if found is None:
            raise ValueError(f"{what} is expected in its header, at byte {self._at}")
        self._at = found.end()
        return found[0].decode()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice in a tensor's entry")
    return found


def _no_number(word: str) -> object:
    raise ValueError(f"{word} is no number of JSON")
