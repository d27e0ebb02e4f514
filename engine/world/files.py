"""Scenes as JSON lines and pictures as PNG files: what `recipe world paint` and `recipe world read` work with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ..errors import InputError, Place, Problem
from . import painter, reader
from .scenes import HORIZON, SCALES, SIZE, WORDS
from .training import stream


def scene_lines(scenes: painter.Scenes) -> list[str]:
    """Each scene as a line of JSON: words for time, place, thing and color, numbers for the rest."""
    words = {factor: scenes.words(factor) for factor in WORDS}
    numbers = {factor: getattr(scenes, factor).tolist() for factor in ("horizon", *SCALES)}
    return [
        json.dumps(
            {
                factor: each[row] if factor in WORDS else round(each[row], 4)
                for factor, each in (words | numbers).items()
            }
        )
        for row in range(len(scenes))
    ]


def scenes_from(path: Path) -> painter.Scenes:
    """Scenes from a file of JSON lines as `scene_lines` writes them; a scale may be a word too.

    Raises `InputError` for every line that is no scene.
    """
    problems: list[Problem] = []
    columns: dict[str, list[float]] = {factor: [] for factor in painter.FACTORS}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        place = Place(str(path), number)
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            problems.append(Problem(Place(str(path), number, error.colno), "", f"no JSON: {error.msg}"))
            continue
        if not isinstance(entry, dict) or set(entry) != set(columns):
            problems.append(Problem(place, "", "a scene has exactly the keys " + ", ".join(columns)))
            continue
        for factor, value in entry.items():
            number_or_none = _value(factor, value)
            if number_or_none is None:
                problems.append(Problem(place, factor, f"cannot be {value!r}", hint=_allowed(factor)))
            columns[factor].append(number_or_none or 0)
    if not problems and not columns["time"]:
        problems.append(Problem(Place(str(path)), "", "holds no scene"))
    if problems:
        raise InputError(problems)
    return painter.Scenes(
        **{name: torch.tensor(values, dtype=torch.long if name in WORDS else None) for name, values in columns.items()}
    )


def _value(factor: str, value: object) -> float | None:
    if factor in WORDS:
        return WORDS[factor].index(value) if isinstance(value, str) and value in WORDS[factor] else None
    if isinstance(value, str):
        return SCALES[factor].words.get(value) if factor in SCALES else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    low, high = HORIZON if factor == "horizon" else (SCALES[factor].low, SCALES[factor].high)
    return float(value) if low <= value <= high else None


def _allowed(factor: str) -> str:
    if factor in WORDS:
        return "one of " + ", ".join(WORDS[factor])
    if factor == "horizon":
        return f"a number from {HORIZON[0]} to {HORIZON[1]}"
    scale = SCALES[factor]
    return f"a number from {scale.low} to {scale.high}, or one of {', '.join(scale.words)}"


def paint(source: Path | None, count: int, seed: int, out: Path) -> list[Path]:
    """Paint the scenes of a file, or `count` random ones, as `out/0000.png` …, and write `out/scenes.jsonl`."""
    scenes = scenes_from(source) if source else painter.draw(count, stream(seed, 0))
    out.mkdir(parents=True, exist_ok=True)
    (out / "scenes.jsonl").write_text("\n".join(scene_lines(scenes)) + "\n", encoding="utf-8")
    paths: list[Path] = []
    for number, picture in enumerate(painter.paint(scenes)):
        paths.append(out / f"{number:04d}.png")
        pixels = (picture.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        Image.fromarray(pixels).save(paths[-1])
    return paths


def read(paths: Sequence[Path]) -> list[str]:
    """What the reader sees in picture files, a line of JSON each. Raises `InputError` for what is no 64 × 64 picture."""
    pictures: list[Tensor] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"), dtype=np.float32) / 255
        except (OSError, UnidentifiedImageError) as error:
            problems.append(Problem(Place(str(path)), "", f"cannot be read as a picture: {error}"))
            continue
        if pixels.shape != (SIZE, SIZE, 3):
            found = f"{pixels.shape[1]} × {pixels.shape[0]}"
            problems.append(Problem(Place(str(path)), "", f"is {found} pixels; the reader knows {SIZE} × {SIZE}"))
            continue
        pictures.append(torch.from_numpy(pixels).permute(2, 0, 1))
    if problems:
        raise InputError(problems)
    return scene_lines(reader.read(torch.stack(pictures)).scenes)
