"""Writes what performance.md shows of the benches' figures, from docs/figures/*.json: tables between a mark and
`<!-- end -->`, and the plots beside the figures.

    <!-- figures NAME -->    a table; `marks` has the names

What stands around the marks is written by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import marked
import plots
from plots import Curve

FIGURES = Path(__file__).parent / "figures"
SOURCES = ("gradient", "control", "tricks")  # what tests/bench writes
Data = Mapping[str, Any]
_TRIAL = "**A trial of the bench itself, with tiny models and a few steps: these figures say nothing.** "
_AGAIN = "`make performance` measures them."


def read(folder: Path = FIGURES) -> dict[str, Data]:
    """The figures of every bench, by its name."""
    return {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in SOURCES}


def renewed(text: str, data: Mapping[str, Data]) -> str:
    """The page with everything between marks as the figures have it now."""
    return marked.renewed(text, marks(data))


def wrong(text: str, folder: Path = FIGURES) -> list[str]:
    """What is wrong with the page and its plots: a mark missing or unknown, or what is not what the figures say."""
    data = read(folder)
    lines = marked.wrong("performance.md", text, marks(data), "the figures say")
    for name, drawn in drawings(data).items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != drawn:
            lines.append(f"figures/{name}: is not what the figures say; `make format` draws it anew")
    return lines


def write(page: Path, folder: Path = FIGURES) -> None:
    """Write tables and plots anew."""
    data = read(folder)
    page.write_text(renewed(page.read_text(encoding="utf-8"), data), encoding="utf-8")
    for name, drawn in drawings(data).items():
        (folder / name).write_text(drawn, encoding="utf-8")


# --- tables ---------------------------------------------------------------------------------------------------------


def marks(data: Mapping[str, Data]) -> dict[str, str]:
    """What belongs behind every mark that the page must have."""
    return {
        "figures setting": _setting(data["gradient"]),
        "figures ratios": _ratios(data["gradient"]),
        "figures seconds": _seconds(data["gradient"]),
        "figures memory": _memory(data["gradient"]),
        "figures control": _control(data["control"]),
        "figures tricks": _tricks(data["tricks"]),
    }


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _note(data: Data) -> str:
    machine = data["machine"]
    threads = f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''}"
    trial = f"{_TRIAL}{_AGAIN} " if data["quick"] else ""
    return f"{trial}{machine['processor']}, {threads}, torch {machine['torch']}.\n\n"


def _setting(data: Data) -> str:
    rows = [(part, f"{count / 1e6:.3g} million") for part, count in data["models"].items()]
    return _note(data) + _table(("part", "parameters"), rows)


def _ratios(data: Data) -> str:
    rows = [
        (one["bench"], f"{one['value']:#.3g} {one['unit']}".strip(), _target(one))
        for one in data["figures"]
        if one["unit"] != "s"
    ]
    return _table(("what", "measured", "promised"), rows)


def _target(one: Data) -> str:
    if one["target"] is None:
        return ""
    least = "one by one" in one["bench"]
    return f"{'≥' if least else '≤'} {one['target']:g}{'' if one['met'] else ', **missed**'}"


def _seconds(data: Data) -> str:
    ways = ("one by one", "shared", "packed")
    rows = [
        (f"critic, {count}", *(f"{of[way]:.3g} s" for way in ways)) for count, of in data["seconds"]["critics"].items()
    ]
    rows += [
        (f"whole step, {count}", f"{of['one by one']:.3g} s", "", f"{of['step']:.3g} s")
        for count, of in data["seconds"]["whole"].items()
    ]
    parts = [(name, value) for name, value in next(reversed(data["seconds"]["whole"].values())).items()][2:]
    said = ", ".join(f"{name} {value:.3g} s" for name, value in parts)
    return _table(("questions", *ways), rows) + f"\nThe parts of the last one, each alone: {said}.\n"


def _memory(data: Data) -> str:
    rows = [
        (
            "recomputed" if one["checkpointing"] else "kept",
            str(one["questions"]),
            f"{one['peak'] / 2**20:.0f} MiB",
            f"{(one['peak'] - one['rest']) / 2**20:.0f} MiB",
        )
        for one in data["peaks"]
    ]
    return _table(("layers", "questions", "at most", "of that above the loaded models"), rows)


def _control(data: Data) -> str:
    rows: list[tuple[str, ...]] = []
    for row in data["rows"]:
        last = row["looks"][-1]
        reached = f"{row['reached']:.0f} s" if row["reached"] is not None else "never"
        rows.append((row["label"], f"{last['seconds']:.0f} s, {row['steps']} steps", reached, *_shares(last)))
    head = ("training", "takes", f"{_percent(data['wanted'])} obey after", "belief", "truth", "kept", "sharp")
    return _note(data) + _table(head, rows)


def _tricks(data: Data) -> str:
    rows = [("bare generator", *_shares(data["rows"][0]["before"]))] if data["rows"] else []
    rows += [(row["label"], *_shares(row)) for row in data["rows"]]
    return _note(data) + _table(("horizon_low", "belief", "truth", "kept", "sharp"), rows)


def _shares(row: Data) -> tuple[str, str, str, str]:
    belief, *rest = (row[name] for name in ("belief", "truth", "kept", "sharp"))
    truth, kept, sharp = map(_percent, rest)
    return f"{belief:.3f}", truth, kept, sharp


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


# --- plots ----------------------------------------------------------------------------------------------------------


def drawings(data: Mapping[str, Data]) -> dict[str, str]:
    """File name -> SVG."""
    return {
        "questions.svg": _questions(data["gradient"]),
        "batch.svg": _growth(data["gradient"], "batch", "Pictures of a step", "pictures"),
        "side.svg": _growth(data["gradient"], "side", "Side of the picture", "pixels"),
        "control.svg": _way(data["control"]),
    }


def _questions(data: Data) -> str:
    timed = data["seconds"]["critics"]
    named = (("one by one", 1), ("shared", 2), ("packed", 0))
    curves = [
        Curve(way, sorted((float(count), of[way]) for count, of in timed.items()), colour) for way, colour in named
    ]
    packed = sorted([*curves[-1].points, *((x, y) for x, y in data["growth"]["questions"])])
    return plots.plot(
        "Critic, forward and backward", "questions", "seconds", [*curves[:-1], Curve("packed", packed, 0)]
    )


def _growth(data: Data, name: str, title: str, unit: str) -> str:
    points = [(x, y) for x, y in data["growth"][name]]
    return plots.plot(f"{title}: a whole step", unit, "seconds", [Curve("5 questions", points)])


def _way(data: Data) -> str:
    curves: list[Curve] = []
    for colour, row in enumerate(data["rows"]):
        for what, dashed in (("truth", False), ("belief", True)):
            points = [(look["seconds"], look[what]) for look in row["looks"]]
            curves.append(Curve(f"{row['label']}: {what}", points, colour, dashed))
    return plots.plot("What is so, and what the critic believes", "seconds", "", curves, 1.0, data["wanted"])
