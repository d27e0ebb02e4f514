"""Files that are whole or not there: written beside their place, flushed to the disk, then renamed.

While it is written a file is called `.NAME.XXXXXXXX.partial`, with its digest for a long NAME, and held by an
operating-system lock, so that what a killed process left behind can be told from what another is writing now.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

_PARTIAL = ".partial"
_LONGEST = 200  # bytes of a name, of the 255 that file systems take


def write(path: Path, data: bytes, keep: Path | None = None) -> None:
    """Replace `path` by `data` in one step; whoever reads it, or cuts the power, finds the old file or the new one.

    With `keep`, the file that was there goes to that place of the same folder instead of being lost. Raises `OSError`,
    which names the file; what was there is then untouched and nothing is left beside it. A link stays and what it leads
    to is replaced; who may read and write it stays as it was, and is for a new file what this process gives.
    """
    with named(path):
        path = Path(os.path.realpath(path)) if path.is_symlink() else path
        make(path.parent)
        mode = _mode(path)
        handle, partial = _begun(path)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
                if keep is not None and path.exists():
                    os.replace(path, keep)
                os.replace(partial, path)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise
        flush(path.parent)


def _mode(path: Path) -> int:
    """Who may read and write a file: as it is there, or as any other that this process makes."""
    with suppress(FileNotFoundError):
        return stat.S_IMODE(path.stat().st_mode) & 0o777
    return 0o666 & ~_umask()


def _umask() -> int:
    # asking for it means setting it, for all threads; there is no other call for it outside of Linux
    with suppress(OSError), open("/proc/self/status", encoding="ascii", errors="replace") as lines:
        return next(int(line.split()[1], 8) for line in lines if line.startswith("Umask:"))
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _begun(path: Path) -> tuple[int, str]:
    """A new file beside `path`, held: its handle and its name."""
    while True:
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{_short(path.name)}.", suffix=_PARTIAL)
        with suppress(OSError):  # a file system without locks: then nothing is ever swept there
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, partial
        os.close(handle)  # swept by another process before it was held


def _short(name: str) -> str:
    """A name beside which there is room for more: of any file that there can be, something can be written."""
    data = os.fsencode(name)
    return name if len(data) <= _LONGEST else hashlib.sha256(data).hexdigest()


def make(folder: Path) -> None:
    """Make a folder, and those above it, so that none of them is lost with the power. Raises `OSError`."""
    if folder.is_dir():
        return
    make(folder.parent)
    folder.mkdir(exist_ok=True)
    flush(folder.parent)


def flush(folder: Path) -> None:
    """Without this a new name, or another file under it, may be lost with the power, though the data is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path, name: str | None = None) -> int:
    """Delete what writers that were killed left in a folder, of one file or of all; how many there were."""
    pattern = f".{'*' if name is None else glob.escape(_short(name))}.????????{_PARTIAL}"
    return sum(map(_swept, sorted(folder.glob(pattern))))


def _swept(partial: Path) -> bool:
    """Delete a file unless its writer is at work."""
    try:
        handle = os.open(partial, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # gone meanwhile, or no file of ours
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        partial.unlink()
    except OSError:  # held by its writer, or the folder cannot be written
        return False
    finally:
        os.close(handle)
    return True


@contextmanager
def named(path: Path) -> Generator[None]:
    """Inside, an error of the operating system that names no file names this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
