"""A verification: what it looked at, and what it found, as frozen data. Free of torch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import visible

SHOWN = 12  # digits of a digest


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    part: str  # lock | recipe | files | models | adapter | parents | probes | retrained
    ok: bool | None  # None: it could not be looked at, or is only to be known
    text: str


@dataclass(frozen=True, slots=True)
class Composed:
    """What an adapter was composed of, and what of that is there."""

    wanted: dict[str, str]  # name -> digest of its tensors; in their order
    there: dict[str, Path]  # digest of tensors -> adapter

    @property
    def missing(self) -> list[str]:
        """Those that cannot be found with the tensors that were composed."""
        return [name for name, sha256 in self.wanted.items() if sha256 not in self.there]

    def findings(self) -> list[Finding]:
        """Whether all of them are still there; nothing where nothing was composed."""
        if not self.wanted:
            return []
        if gone := self.missing:
            return [Finding("parents", None, f"{', '.join(gone)}: gone, or trained again since")]
        return [Finding("parents", True, f"{', '.join(self.wanted)}: there, with the tensors that were composed")]


@dataclass(frozen=True, slots=True)
class Verification:
    """Everything that was found out about a lock and what it stands for."""

    lock: Path
    adapter: Path | None  # that was looked at
    findings: tuple[Finding, ...]

    @property
    def verified(self) -> bool:
        """Whether nothing that was looked at is otherwise than the lock says."""
        return all(one.ok is not False for one in self.findings)

    def text(self) -> str:
        """For people: a line for each finding, whatever a lock or an adapter says."""
        return "\n".join(visible(f"{_MARKS[one.ok]} {one.part}: {one.text}") for one in self.findings)

    def json(self) -> str:
        """One line of JSON; paths are absolute, or null where there is none."""
        told = {
            "verified": self.verified,
            "lock": str(self.lock.absolute()),
            "adapter": None if self.adapter is None else str(self.adapter.absolute()),
            "findings": [asdict(one) for one in self.findings],
        }
        return json.dumps(told, ensure_ascii=False)


_MARKS = {True: "✓", False: "✗", None: "·"}


def all_well(part: str, found: Iterable[Finding], text: str) -> list[Finding]:
    """The findings, or the one that all is well where there are none."""
    return list(found) or [Finding(part, True, text)]


def became(was: str, now: str) -> str:
    """What became of a digest, in words."""
    return f"sha256 {was[:SHOWN]}… in the lock, {now[:SHOWN]}… here"
