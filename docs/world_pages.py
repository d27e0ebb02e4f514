"""Writes what docs/world.md shows of the embedded world: factors in words and pictures, and how often models are right.

Words and ranges are those of the code, pictures are painted, accuracies are those of the cards beside the checkpoints.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import marked
import numpy as np
from control_recipes.engine.world.scales import HORIZON, SCALES
from control_recipes.engine.world.scenes import WORD_SHARES, WORDS
from PIL import Image

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "world.md"
FIGURES = ROOT / "docs" / "figures"
CHECKPOINTS = ROOT / "engine" / "world" / "checkpoints"
GAP, TIMES = 4, 2  # pixels between pictures, and how much they are enlarged
FACTORS = (*WORDS, "horizon", *SCALES)
LARGEST = 40_000  # bytes of a figure

# what each picture shows but for one factor
PLAIN = {
    "time": "day", "place": "grass", "thing": "house", "color": "red", "season": "summer", "lamp": "on",
    "other": "none", "other_color": "blue", "ink": "black", "arrangement": "red_blue_yellow", "horizon": "0.5",
    "position": "0.5", "size": "medium", "outline": "medium", "camera": "high", "other_position": "0.66",
    "depth": "farther", "grade": "neutral", "split_x": "middle", "split_y": "middle",
}  # fmt: skip
# where a factor can be seen, or better seen
TWO = {"other": "vase", "position": "0.38"}
WHERE: Mapping[str, Mapping[str, str]] = {
    "lamp": {"place": "living_room"}, "camera": {"place": "kitchen"}, "other": {"position": "0.38"},
    "other_color": TWO, "other_position": {"other": "vase", "position": "0.22"}, "depth": TWO,
    "ink": {"outline": "thick", "color": "yellow"}, "color": {"thing": "ball"},
    **{name: {"place": "painting"} for name in ("arrangement", "split_x", "split_y")},
}  # fmt: skip
ROWS = ("0.25", "0.4", "0.55", "0.7", "0.85")  # horizons that are shown

# what the numbers of continuous factors are
ABOUT = {
    "size": "half the thing's width, of the picture's, seen from eye level; larger things stand nearer",
    "position": "the thing's middle, of the width",
    "outline": "pixels",
    "camera": "a robot vacuum's at 0, eye level at 1; in rooms",
    "other_position": "the other thing's middle, of the width",
    "depth": "of the other thing: below 0 behind the first, and at least 0.25 away from it",
    "grade": "of the colours, from cool to warm",
    "split_x": "the upright line of a painting, of the width",
    "split_y": "the level line of a painting, of the height",
}
# what they are where nobody says, if not anything
OPEN = {
    "horizon": "mostly near the middle",
    "position": "mostly near the middle",
    "size": "mostly medium",
    "outline": "mostly medium",
    "camera": "four in five near eye level",
    "depth": "three in four farther",
    "grade": "near neutral",
    "other_position": "beside the first: half of the farther one is seen",
}


def marks() -> dict[str, str]:
    """What belongs behind every mark that the page must have."""
    return {"factors": factors(), "pictures": pictures(), "accuracy generator": generator(), "accuracy critics": eyes()}


def renewed(text: str) -> str:
    """The page with everything between marks as code and cards have it now."""
    return marked.renewed(text, marks())


def wrong(text: str) -> list[str]:
    """What is wrong with the page and its figures."""
    known = {file(factor).name for factor in FACTORS}
    there = {path.name: path for path in FIGURES.glob("world_*.png")}
    lines = [f"docs/figures/{name} is missing" for name in sorted(known - there.keys())]
    lines += [f"docs/figures/{name} is of no factor" for name in sorted(there.keys() - known)]
    lines += [f"docs/figures/{name} is too large" for name, path in there.items() if path.stat().st_size > LARGEST]
    return marked.wrong("world.md", text, marks(), "code and cards say") + lines


def write() -> None:
    """Write the page and its figures anew."""
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    for factor in FACTORS:
        strip(factor).save(file(factor), optimize=True)


# --- factors --------------------------------------------------------------------------------------------------------


def factors() -> str:
    """The table of all factors."""
    head = "| factor | words or range | where nobody says |\n|---|---|---|\n"
    rows = [f"| `{name}` | {', '.join(words)} | {_open(name)} |\n" for name, words in WORDS.items()]
    low, high = HORIZON
    rows.append(f"| `horizon` | its row, from {low} to {high} of the height from the top | {_open('horizon')} |\n")
    for name, scale in SCALES.items():
        said = f"{', '.join(scale.words)}: {ABOUT[name]}, from {scale.low:g} to {scale.high:g}"
        rows.append(f"| `{name}` | {said} | {_open(name)} |\n")
    return head + "".join(rows)


def _open(factor: str) -> str:
    """How often each of a factor's words comes up where a caption leaves it open."""
    shares = WORD_SHARES.get(factor)
    if shares is None:
        return OPEN.get(factor, "each word as often" if factor in WORDS else "anything")
    often = max(shares)
    return f"{often:.0%} {WORDS[factor][shares.index(often)]}".replace("%", " %")


def pictures() -> str:
    """A picture for each factor."""
    return "".join(
        f"`{name}`: {', '.join(_shown(name))}\n\n![{name}](figures/{file(name).name})\n\n" for name in FACTORS
    )


def _shown(factor: str) -> Sequence[str]:
    if factor == "horizon":
        return ROWS
    return WORDS[factor] if factor in WORDS else tuple(SCALES[factor].words)


def file(factor: str) -> Path:
    """Where the figure of a factor is."""
    return FIGURES / f"world_{factor}.png"


def strip(factor: str) -> Image.Image:
    """A picture of every value of a factor, from left to right."""
    from control_recipes.engine.world import asked, painter  # with torch, which the page needs not

    made: list[Image.Image] = []
    for value in _shown(factor):
        said = {**PLAIN, **WHERE.get(factor, {}), factor: value}
        scenes = asked.scenes([f"{name}={each}" for name, each in said.items()], 1, 0)
        pixels = painter.paint(scenes)[0].permute(1, 2, 0).numpy()
        made.append(Image.fromarray((pixels * 255).round().astype(np.uint8)))
    side = made[0].width * TIMES
    sheet = Image.new("RGB", (len(made) * (side + GAP) - GAP, side), "white")
    for column, picture in enumerate(made):
        sheet.paste(picture.resize((side, side), Image.Resampling.NEAREST), (column * (side + GAP), 0))
    return sheet.quantize(256, dither=Image.Dither.NONE)


# --- accuracies -----------------------------------------------------------------------------------------------------


def read(name: str) -> dict[str, dict[str, str]]:
    """The tables of a checkpoint's card: title, then what is right and how often; none where there is no card yet."""
    path = CHECKPOINTS / name / "CARD.md"
    found: dict[str, dict[str, str]] = {}
    title = ""
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        if line.startswith("## "):
            title = line.removeprefix("## ")
            found[title] = {}
        elif title and (row := re.fullmatch(r"\| (.+?) \| (\d.*?) \| \d+ \|", line)):
            found[title][row[1]] = row[2]
    return found


def _side_by_side(first: str, columns: Mapping[str, Mapping[str, str]]) -> str:
    """Tables as one, a column each."""
    rows = list(dict.fromkeys(what for column in columns.values() for what in column))
    head = f"| {first} | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}\n"
    lines = [f"| {what} | {' | '.join(column.get(what, '') for column in columns.values())} |\n" for what in rows]
    return head + "".join(lines)


def generator() -> str:
    """What the reader finds: in pictures of the painter, of the VAE and of the generator; and its common sense."""
    columns = {
        "painted": read("generator/vae").get("Reader on painted pictures", {}),
        "through the VAE": read("generator/vae").get("Reader on its reconstructions", {}),
        **{
            f"generated, {steps}": read("generator").get(f"Named factors right on held-out captions, {steps}", {})
            for steps in ("1 step", "4 steps")
        },
    }
    sense = read("generator").get("Common sense, 1 step", {})
    return f"{_side_by_side('factor', columns)}\n{_side_by_side('common sense', {'right': sense})}"


def eyes() -> str:
    """How often critics and judge are right, by kind of question."""
    columns = {
        f"{name}, {where}": read(name).get(title, {})
        for name in ("critic", "critic2", "judge")
        for where, title in (
            ("painted", "On held-out painted pictures"),
            ("generated", "On generated pictures, truth by the reader"),
        )
    }
    return _side_by_side("question", columns)
