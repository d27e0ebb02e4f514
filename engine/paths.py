"""Paths: which file one means that a recipe writes, whether the recipe may read it, and what no file may be called."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path, PurePosixPath

from .errors import InputError, Place, Problem

LONGEST_NAME = 255  # bytes, of a file in all file systems that are in use


class Refused(ValueError):
    """A path that leads to no file that may be read: what is wrong, and what would help."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def inside(folder: Path, name: str, allow_outside: bool) -> Path:
    """The file that `name` means in a recipe's folder, links followed. Raises `Refused`."""
    root = folder.resolve()
    try:
        found = (root / name).resolve()
        if not allow_outside and not found.is_relative_to(root):
            raise Refused(f"lies outside the recipe's folder: {name}", "allow it with --allow-outside")
        if found.is_file():
            return found
        if found.exists():
            kind = "a folder" if found.is_dir() else "a device or a pipe"
            raise Refused(f"is no regular file but {kind}: {name}", "name a file in it" if found.is_dir() else "")
    except (OSError, RuntimeError) as error:  # too long a name, links in a circle
        raise Refused(f"is no file's name: {error}", "") from error
    except ValueError as error:  # a zero byte
        raise error if isinstance(error, Refused) else Refused(f"is no file's name: {error}", "") from error
    raise Refused(f"there is no file {name}", f"it is looked for in {folder}")


def refuse_unwritable(path: Path) -> None:
    """Raises `InputError` where a file that a run will write could not be called so, or not be told of in a report.

    Locks, results and reports are UTF-8, and name files.
    """
    hint = "rename it, or work in another folder"
    for one in (str(path.absolute()), os.path.realpath(path)):
        if not utf8(one):
            raise InputError([Problem(Place(str(path)), "", f"its name is no UTF-8 text: {one}", hint)])
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        message = f"its name would be longer than {LONGEST_NAME} bytes"
        raise InputError([Problem(Place(str(path)), "", message, "give the recipe a shorter name")])


def utf8(text: str) -> bool:
    """Whether a text that the operating system gave is UTF-8: what is not is kept in halves of surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def rebased(name: str, folder: str) -> str:
    """A path that a file of `folder` wrote, as seen from the folder above; both with forward slashes.

    `..` is kept as it stands: behind a link it leads elsewhere than the name says.
    """
    if posixpath.isabs(name) or folder in ("", "."):
        return name
    made = str(PurePosixPath(folder, name))
    return f"./{made}" if name.startswith(".") and not made.startswith(("..", "/")) else made
