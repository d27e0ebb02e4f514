"""Writes what composing.md shows of what is left of each control, from docs/figures/composed.json: tables between a
mark and `<!-- end -->`.

    <!-- figures composed -->    every way to make one adapter of several, by control
    <!-- figures pair -->        two controls that contradict each other

What stands around the marks is written by hand. While nothing was measured, the page says so there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import marked

FIGURES = Path(__file__).parent / "figures" / "composed.json"  # what tests/bench/composed.py writes
Data = Mapping[str, Any]
_NOT_YET = "Not measured yet: `make composed` does.\n"
_TRIAL = "**A trial of the bench itself, with a few steps or pictures: these figures say nothing.** `make composed` measures them. "  # noqa: E501


def read(file: Path = FIGURES) -> Data | None:
    """The figures; None while there are none."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def write(page: Path, file: Path = FIGURES) -> None:
    """Write the tables anew."""
    page.write_text(marked.renewed(page.read_text(encoding="utf-8"), marks(read(file))), encoding="utf-8")


def wrong(text: str, file: Path = FIGURES) -> list[str]:
    """What is wrong with the page: a mark missing or unknown, or what is not what the figures say."""
    return marked.wrong("composing.md", text, marks(read(file)), "the figures say")


def marks(data: Data | None) -> dict[str, str]:
    """What belongs behind every mark that the page must have."""
    if data is None:
        return {"figures composed": _NOT_YET, "figures pair": _NOT_YET}
    return {"figures composed": _note(data) + _ways(data), "figures pair": _pair(data) if "pair" in data else ""}


def _note(data: Data) -> str:
    least = min(one["pictures"] for way in data["ways"].values() for shares in way.values() for one in _goals(shares))
    trial = _TRIAL if data["quick"] else ""
    machine, steps = data["machine"], data["settings"]["polish_steps"]
    made = f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''}, torch {machine['torch']}"
    return f"{trial}{least:,} pictures a figure or more, polished by {steps} steps; {machine['processor']}, {made}.\n\n"


def _ways(data: Data) -> str:
    """Of every control the share of pictures, and in brackets how much that is of what it reaches alone."""
    names = data["settings"]["recipes"]
    bare = {name: _goal(data["ways"][f"{name} alone"][name])["before"] for name in names}
    alone = {name: _goal(data["ways"][f"{name} alone"][name])["share"] for name in names}
    rows = [["bare generator", *(f"{bare[name]:.1%}" for name in names), ""]]
    for way, shares in data["ways"].items():
        if way == "pair" or not {*names} <= shares.keys():
            continue  # of the two that contradict each other
        found = {name: _goal(shares[name])["share"] for name in names}
        kept = {name: found[name] / alone[name] if alone[name] else 0.0 for name in names}
        rows.append([way, *(f"{found[name]:.1%} ({kept[name]:.0%})" for name in names), f"{min(kept.values()):.0%}"])
    return _table(("", *names, "the least kept"), rows)


def _pair(data: Data) -> str:
    """What each of two reaches alone and together, and what is said of them."""
    names = data["pair"]["recipes"]
    rows = [
        (way, *(f"{_goal(shares[name])['share']:.1%}" if name in shares else "" for name in names))
        for way, shares in ((way, data["ways"][way]) for way in (*(f"{name} alone" for name in names), "pair"))
    ]
    said = "".join(f"\n> {text}\n" for text in data["pair"]["warnings"])
    return _table(("", *names), rows) + said


def _goals(shares: Data) -> list[Data]:
    return [one for one in shares.values() if one["goal"]]


def _goal(shares: Data) -> Data:
    return _goals(shares)[0]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
