"""Models of the hub: their folder on this machine, and in plain words why one cannot be had."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_COMMIT = re.compile(r"[0-9a-f]{40}")


def snapshot(address: str, patterns: tuple[str, ...], kept: bool) -> Path:
    """The folder of `org/name@revision` with the files that match `patterns`, fetched where they are not there yet.

    `kept` takes the folder of a commit as it is, without asking the hub. Raises ValueError, `what is wrong; a hint`.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = address.partition("@")
    chosen: dict[str, Any] = {"repo_id": name, "revision": revision or None, "allow_patterns": list(patterns)}
    try:
        if kept and _COMMIT.fullmatch(revision):
            try:
                return Path(snapshot_download(**chosen, local_files_only=True))
            except LocalEntryNotFoundError:
                # fails at once where there is no such model or no hub; asked of a commit, it tries for half a minute
                snapshot_download(name, allow_patterns=[])
        return Path(snapshot_download(**chosen))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise ValueError(_words(error, address)) from error


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
        return f"the hub does not give {address}: {error.response.status_code} {error.response.reason_phrase}"
    why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
    return f"{address} is not on this machine, and {why}; once fetched it is kept, or name a folder: ./folder"
