"""Models of the hub: their folder on this machine, and in plain words why one cannot be had."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Fetched:
    """How far a download has come."""

    name: str  # of the model
    done: int  # bytes, of what was not here yet
    of: int
    seconds: float  # since it began


Listen = Callable[[Fetched], None]


def snapshot(address: str, patterns: tuple[str, ...], kept: bool, listen: Listen | None = None) -> Path:
    """The folder of `org/name@revision` with the files that match `patterns`, fetched where they are not there yet.

    `kept` takes the folder of a commit as it is, without asking the hub, unless files are missing that the hub has
    listed. A file is under its name once it is whole; one that was cut off is gone on with while the command lasts, and
    fetched anew by the next. `listen` is told of a download as it comes. Raises ValueError, `what is wrong; a hint`,
    `OSError` where it cannot be written.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    name, _, revision = address.partition("@")
    chosen: dict[str, Any] = {"repo_id": name, "revision": revision or None, "allow_patterns": list(patterns)}
    chosen["tqdm_class"] = _silent()
    try:
        if kept and _COMMIT.fullmatch(revision):
            try:
                return Path(snapshot_download(**chosen, local_files_only=True))
            except LocalEntryNotFoundError:
                # fails at once where there is no such model or no hub; asked of a commit, it tries for half a minute
                with _hushed():
                    snapshot_download(name, allow_patterns=[], tqdm_class=_silent())
        if not kept and (of := _missing(chosen)):
            # the library's own where nobody listens, and none where nothing comes
            chosen["tqdm_class"] = None if listen is None else _telling(name, of, listen)
        return Path(snapshot_download(**chosen))
    except (_broken(), HFValidationError, LocalEntryNotFoundError) as error:
        raise ValueError(_words(error, address)) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise ValueError(f"{address}: what came is not what the hub has; the same command fetches it again") from error


def _broken() -> type[Exception]:
    """What the library's HTTP client raises where a connection breaks off; the hub's own errors are made of it."""
    from huggingface_hub.errors import HfHubHTTPError

    return next(one for one in HfHubHTTPError.__mro__ if one.__name__ == "HTTPError")


@contextmanager
def _hushed() -> Generator[None]:
    """Inside, the library says nothing of files that nobody asked it for."""
    from huggingface_hub.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _missing(chosen: dict[str, Any]) -> int:
    """Bytes of the files that are not here yet; 0 where nobody can say."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import DryRunError

    try:
        return sum(one.file_size or 0 for one in snapshot_download(**chosen, dry_run=True) if one.will_download)
    except DryRunError:  # without the hub; what is here may be enough
        return 0


def _silent() -> type[Any]:
    """A progress bar that is not drawn."""
    from huggingface_hub.utils import tqdm

    class Silent(tqdm):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **{**named, "disable": True})

    return Silent


def _telling(name: str, of: int, listen: Listen) -> type[Any]:
    """A progress bar that tells how many bytes there are by now, and draws nothing; the library has several at once."""
    most, began, lock = 0, time.monotonic(), threading.Lock()

    class Telling(_silent()):
        def __init__(self, *given: Any, **named: Any) -> None:
            self._counts, self._done = named.get("unit") == "B", 0
            super().__init__(*given, **named)

        def update(self, n: float | None = 1) -> None:
            nonlocal most
            with lock:  # files come in several threads
                self._done += int(n or 0)
                if self._counts and most < min(self._done, of):
                    most = min(self._done, of)
                    listen(Fetched(name, most, of, time.monotonic() - began))

    return Telling


def _words(error: Exception, address: str) -> str:
    from huggingface_hub import constants, errors

    name, _, revision = address.partition("@")
    if isinstance(error, errors.GatedRepoError):
        return f"{name} is given only to who agreed to its terms; agree on its page, then log in with `hf auth login`"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"the hub has no model {name}, or hides it; check its name, or log in with `hf auth login`"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{name} has no revision `{revision}`; a revision is a branch, a tag, or all 40 digits of a commit"
    if isinstance(error, errors.HFValidationError):
        return f"{name} is no name that the hub can have; write org/name@revision"
    if isinstance(error, errors.HfHubHTTPError):
        status, reason = error.response.status_code, error.response.reason_phrase
        if status == 401:
            return "the hub does not know the token it was given; log in anew with `hf auth login`, or unset HF_TOKEN"
        return f"the hub does not give {address}: {status} {reason}; try again later: files that have come are kept"
    if isinstance(error, _broken()):
        return f"fetching {address} broke off; the same command fetches the files that are missing"
    why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
    if (Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "snapshots" / (revision or "-")).is_dir():
        return f"{address} is on this machine in parts only, and {why}; the same command fetches the rest once it can"
    return f"{address} is not on this machine, and {why}; once fetched it is kept, or name a folder: ./folder"
