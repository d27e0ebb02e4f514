"""Paths that a recipe writes: which file they mean, and whether the recipe may read it."""

from __future__ import annotations

import posixpath
from pathlib import Path, PurePosixPath


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
            raise Refused(f"is no regular file but {kind}: {name}", "")
    except (OSError, RuntimeError) as error:  # too long a name, links in a circle
        raise Refused(f"is no file's name: {error}", "") from error
    except ValueError as error:  # a zero byte
        raise error if isinstance(error, Refused) else Refused(f"is no file's name: {error}", "") from error
    raise Refused(f"there is no file {name}", f"it is looked for in {folder}")


def rebased(name: str, folder: str) -> str:
    """A path that a file of `folder` wrote, as seen from the folder above; both with forward slashes.

    `..` is kept as it stands: behind a link it leads elsewhere than the name says.
    """
    if posixpath.isabs(name) or folder in ("", "."):
        return name
    made = str(PurePosixPath(folder, name))
    return f"./{made}" if name.startswith(".") and not made.startswith(("..", "/")) else made
