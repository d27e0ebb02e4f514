"""Hostile recipes: hand-made ones, and mutations of the gallery's by a seed."""
# ruff: noqa: E501  # a case a line, however long it is

from __future__ import annotations

import os
import random
import re
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import hollow
from control_recipes.engine import gallery

MUTATIONS = 300
Maker = Callable[[Path], None]  # puts something at a path


@dataclass(frozen=True)
class Case:
    """A recipe's text, what lies beside it, and how a check of it must end: `refused`, `fine` or `either`."""

    name: str
    text: bytes | None  # None: `beside` makes r.yaml itself
    wanted: str = "refused"
    beside: Mapping[str, bytes | Maker] = field(default_factory=dict)
    sets: tuple[str, ...] = ()

    @contextmanager
    def laid_out(self, folder: Path) -> Iterator[Path]:
        """The recipe's path while it and what lies beside it are in `folder`; afterwards they are gone."""
        made = [folder / "r.yaml"]
        if self.text is not None:
            made[0].write_bytes(self.text)
        else:
            made[0].unlink(missing_ok=True)
        for name, content in self.beside.items():
            path = folder / name
            made.append(path)
            content(path) if callable(content) else path.write_bytes(content)
        yield made[0]
        for path in made:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def workplace(folder: Path) -> Path:
    """A folder with hollow models and everything that the gallery's recipes need; returns a right recipe in it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = hollow.workplace(folder)
    for asset in (gallery.FOLDER / "assets").iterdir():
        shutil.copy(asset, folder / "assets" / asset.name)
    return file


def with_hollow_models(text: str) -> str:
    """A gallery recipe on models that cost nothing to digest."""
    return re.sub(r"builtin:(\w+)", r"./\1", text)


BASES = [hollow.RECIPE, *(with_hollow_models(path.read_text("utf-8")) for path in gallery.recipes())]


def changed(old: str, new: str) -> bytes:
    """The right recipe with one piece of text replaced."""
    assert hollow.RECIPE.count(old) >= 1, old
    return hollow.RECIPE.replace(old, new, 1).encode("utf-8", "surrogatepass")


def all_cases() -> Iterator[Case]:
    """Every case; names are unique, and begin with what they are about."""
    import hostile_files
    import hostile_reuse
    import hostile_templates
    import hostile_yaml

    yield from hostile_yaml.cases()
    yield from hostile_templates.cases()
    yield from hostile_files.cases()
    yield from hostile_reuse.cases()
    yield from mutated(MUTATIONS)


# --- mutations ------------------------------------------------------------------------------------------------------

_NASTY = ["", "~", "[]", "{}", "-1", "0", "1e309", ".nan", "-.inf", "9" * 400, "1e9", "true", "Yes", '"', "'", "&a *a",
          "*a", "!!python/object:os.system x", "!!binary a", "<<: *x", "{{ x }}", '"{{ x }}"', '"{% for %}"', "\t", "\x00",
          "\ufeff", "\u2028", "\U0001f600", "#", ":", "- ", "? ", "|\n", ">\n", "%YAML 1.1\n", "---\n", "...\n", "{", "[",
          "}", "]", ", ", "../../../etc/passwd", "/dev/zero", "builtin:generator", "a/b@c", "0x7fffffffffffffff",
          "1" * 5000, "x" * 10_000, "\r", "\r\n", "\x85", "\x1b[31m", "[[[[[[[[[[[[", "@", "`", "=", "horizon", "aligned"]  # fmt: skip


def _mutation(text: str, draw: random.Random) -> str:
    """One change: of a line, of a word, or of characters."""
    lines = text.split("\n")
    at, kind = draw.randrange(len(lines)), draw.randrange(9)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(draw.randrange(len(lines)), lines[at])
    elif kind == 2:
        lines[at] = " " * draw.randrange(6) + lines[at]
    elif kind == 3:
        lines[at] = lines[at][draw.randrange(3) :]
    elif kind in (4, 5):
        words = list(re.finditer(r"[\w./:-]+|\"[^\"]*\"", text))
        word = draw.choice(words)
        return text[: word.start()] + draw.choice(_NASTY) + text[word.end() :]
    elif kind == 6:
        place = draw.randrange(len(text))
        return text[:place] + draw.choice(_NASTY) + text[place:]
    elif kind == 7:
        start = draw.randrange(len(text))
        return text[:start] + text[start + draw.randrange(40) :]
    else:
        start, other = draw.randrange(len(text)), draw.randrange(len(text))
        return text[:start] + text[other : other + draw.randrange(80)] + text[start:]
    return "\n".join(lines)


def mutated(count: int) -> Iterator[Case]:
    """`count` mutations of the right recipe and the gallery's, by a fixed seed, of one to four changes each."""
    draw = random.Random(20250601)
    for number in range(count):
        text = draw.choice(BASES)
        for _ in range(draw.choice((1, 1, 1, 2, 4))):
            text = _mutation(text, draw)
        data = text.encode("utf-8", "surrogatepass")
        if draw.random() < 0.1:  # bytes that are no UTF-8
            at = draw.randrange(len(data))
            data = data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :]
        yield Case(f"mutation {number}", data, "either")


# --- pieces that several files of cases share -----------------------------------------------------------------------


def png(width: int, height: int, data: bytes = b"", color: int = 2) -> bytes:
    """A PNG that claims a size, and holds the compressed `data` instead of its pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def link(target: str) -> Maker:
    return lambda path: path.symlink_to(target)


def sparse(size: int) -> Maker:
    """A file of `size` zero bytes that take no room."""

    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(size)

    return make


def fifo(path: Path) -> None:
    os.mkfifo(path)
