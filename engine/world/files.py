"""Scenes as JSON lines and pictures as PNG files: what `recipe world paint` and `recipe world read` work with."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from .. import files as made
from .. import visuals
from ..counting import counted
from ..errors import InputError, Place, Problem
from . import asked, painter, reader
from .asked import allowed, limits, refuse, value
from .scenes import SCALES, SIZE, WORDS

Entry = dict[str, str | float]  # a scene: words for the factors of `WORDS`, numbers for the others

SCENES = "scenes.jsonl"
CONFIDENCE = "confidence"  # what readings have besides the factors of a scene
_ELSEWHERE = "paint into another folder, with --out: what is there is never replaced"


def paint(wanted: Sequence[str], count: int, seed: int, out: Path) -> list[Path]:
    """Paint scenes as `out/0000.png` and on, and write them to `out/scenes.jsonl`, line by picture.

    What is there stays: numbers go on from the pictures of `out`, and its `scenes.jsonl` is added to. `wanted` is one
    file of JSON lines, or FACTOR=VALUE and captions for what `count` scenes drawn from `seed` have in common. Raises
    `InputError` for what is no scene, no factor, no value or no word of captions, and for a folder whose pictures are
    not those of its `scenes.jsonl`.
    """
    scenes = _scenes(wanted, count, seed)
    there = _there(out)
    made.make(out)
    paths: list[Path] = []
    for number, picture in enumerate(painter.paint(scenes), len(there)):
        paths.append(out / _name(number))
        visuals.save(picture.permute(1, 2, 0).numpy(), paths[-1])
    lines = [*there, *(json.dumps(entry) for entry in entries(scenes))]
    made.write(out / SCENES, ("\n".join(lines) + "\n").encode())
    return paths


def _name(number: int) -> str:
    return f"{number:04d}.png"


def _there(out: Path) -> list[str]:
    """The lines of a folder's `scenes.jsonl`, each of which tells its picture; `InputError` where they do not."""
    names = {one.name for one in out.iterdir()} if out.is_dir() else set[str]()
    pictures = sorted(name for name in names if re.fullmatch(r"\d{4,}\.png", name))
    path, lines = out / SCENES, list[str]()
    if SCENES in names:
        scenes_from(path)  # refuses what is not one of ours
        lines = [line for line in _text(path).splitlines() if line.strip()]
    strange = sorted(set(pictures) ^ {_name(number) for number in range(len(lines))})
    if strange and strange[0] in names:
        none = f"its {SCENES} does not tell" if lines else f"no {SCENES} tells"
        raise refuse(str(out), f"holds {strange[0]}, which {none}", _ELSEWHERE)
    if strange:
        raise refuse(str(path), f"tells {counted(len(lines), 'scene')}, but {strange[0]} is not there", _ELSEWHERE)
    return lines


@dataclass(frozen=True, slots=True)
class Seen:
    """What the reader sees in a picture, and for each factor the chance that it is right: 0 where nothing shows it."""

    scene: Entry
    confidence: dict[str, float]

    def entry(self) -> dict[str, object]:
        """Both as one object, which can be painted again."""
        return {**self.scene, CONFIDENCE: self.confidence}


def read(paths: Sequence[Path]) -> list[Seen]:
    """What the reader sees in picture files; numbers lie within what scenes have, so that each can be painted again.

    Raises `InputError` for files that are no pictures of 64 × 64.
    """
    pictures: list[Tensor] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            pictures.append(_picture(path))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    found = reader.read(torch.stack(pictures))
    seen = found.scenes
    within = {name: getattr(seen, name).clamp(*limits(name)) for name in ("horizon", *SCALES)}
    sure: dict[str, list[float]] = {name: each.tolist() for name, each in found.confidence.items()}
    return [
        Seen(entry, {factor: round(sure[factor][row], 3) for factor in entry})
        for row, entry in enumerate(entries(replace(seen, **within)))
    ]


def entries(scenes: painter.Scenes) -> list[Entry]:
    """Each scene in words and numbers."""
    words = {factor: scenes.words(factor) for factor in WORDS}
    numbers: dict[str, list[float]] = {factor: getattr(scenes, factor).tolist() for factor in ("horizon", *SCALES)}
    return [
        {factor: each[row] for factor, each in words.items()}
        | {factor: round(each[row], 4) for factor, each in numbers.items()}
        for row in range(len(scenes))
    ]


def scenes_from(path: Path) -> painter.Scenes:
    """Scenes from a file of JSON lines, each one an `Entry` or a `Seen.entry`; a word will do where a factor has words.

    Raises `InputError` for a file that cannot be read and for every line that is no scene.
    """
    columns: dict[str, list[float]] = {factor: [] for factor in painter.FACTORS}
    problems: list[Problem] = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        if line.strip():
            problems += _add(line, Place(str(path), number, 1), columns)
    if not problems and not columns["time"]:
        problems.append(Problem(Place(str(path)), "", "holds no scene"))
    if problems:
        raise InputError(problems)
    return painter.Scenes(
        **{name: torch.tensor(values, dtype=torch.long if name in WORDS else None) for name, values in columns.items()}
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise refuse(str(path), f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise refuse(str(path), "is no UTF-8 text") from error


def _add(line: str, place: Place, columns: dict[str, list[float]]) -> list[Problem]:
    """Append a line's scene to the columns; what is wrong with it."""
    try:
        entry: Any = json.loads(line)
    except json.JSONDecodeError as error:
        return [Problem(Place(place.file, place.line, error.colno), "", f"no JSON: {error.msg}")]
    if not isinstance(entry, dict) or set(entry) - {CONFIDENCE} != set(columns):
        return [Problem(place, "", "a scene has exactly the keys " + ", ".join(columns))]
    values = {factor: value(factor, entry[factor]) for factor in columns}
    for factor, found in values.items():
        columns[factor].append(found or 0)
    return [
        Problem(place, factor, f"`{entry[factor]}` is no {factor}", allowed(factor))
        for factor, found in values.items()
        if found is None
    ]


def _scenes(wanted: Sequence[str], count: int, seed: int) -> painter.Scenes:
    if len(wanted) == 1 and "=" not in wanted[0] and Path(wanted[0]).is_file():
        return scenes_from(Path(wanted[0]))
    return asked.scenes(wanted, count, seed)


def _picture(path: Path) -> Tensor:
    if path.is_dir():
        raise refuse(str(path), "is a folder, no picture", f"give its pictures, such as {path}/*.png")
    if not path.exists():
        raise refuse(str(path), "there is no such file")
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"), dtype=np.float32) / 255
    except UnidentifiedImageError as error:
        raise refuse(str(path), "is no picture that can be read") from error
    except OSError as error:
        raise refuse(str(path), f"is no picture that can be read: {error.strerror or error}") from error
    if pixels.shape != (SIZE, SIZE, 3):
        found = f"{pixels.shape[1]} × {pixels.shape[0]}"
        raise refuse(str(path), f"is {found} pixels; the reader knows pictures of {SIZE} × {SIZE}")
    return torch.from_numpy(pixels).permute(2, 0, 1)  # pyright: ignore[reportUnknownMemberType]
