"""What a person does with the world by hand: paint scenes into files, read factors from files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from .. import visuals
from ..errors import InputError, Place, Problem
from . import painter, reader
from .scenes import HORIZON, SCALES, SIZE, WORDS


def paint(wanted: Sequence[str], count: int, seed: int, out: Path) -> list[Path]:
    """Paint `count` scenes into `out`; `wanted` are FACTOR=VALUE, factors left out are drawn from `seed`.

    A value is one of the factor's words, or a number for the horizon and for factors on a scale. Raises `InputError`
    for factors and values that there are not.
    """
    values = dict(_value(one) for one in wanted)
    scenes = painter.draw(count, torch.Generator().manual_seed(seed))
    fixed = {name: torch.full((count,), value).to(getattr(scenes, name)) for name, value in values.items()}
    out.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for index, picture in enumerate(painter.paint(replace(scenes, **fixed))):
        paths.append(out / f"scene{seed}_{index:03d}.png")
        visuals.save(picture.permute(1, 2, 0).numpy(), paths[-1])
    return paths


def read(paths: Sequence[Path]) -> list[Mapping[str, str | float]]:
    """Factor -> word for every picture file, and the horizon's row as a fraction from the top.

    Raises `InputError` for a file that is no picture of the world's size.
    """
    readings = reader.read(torch.stack([_picture(path) for path in paths]))
    words = {factor: readings.words(factor) for factor in (*WORDS, *SCALES)}
    rows: list[float] = readings.horizon.tolist()
    return [
        {factor: words[factor][index] for factor in words} | {"horizon": round(row, 3)}
        for index, row in enumerate(rows)
    ]


def _value(assignment: str) -> tuple[str, float]:
    name, _, text = assignment.partition("=")
    known = (*WORDS, *SCALES, "horizon")
    if name not in known:
        close = get_close_matches(name, known, 1)
        raise _refuse(
            assignment, f"there is no factor `{name}`", f"did you mean `{close[0]}`?" if close else _list(known)
        )
    if name in WORDS:
        if text not in WORDS[name]:
            raise _refuse(assignment, f"`{text}` is no {name}", _list(WORDS[name]))
        return name, float(list(WORDS[name]).index(text))
    if name in SCALES and text in SCALES[name].words:
        return name, SCALES[name].words[text]
    low, high = HORIZON if name == "horizon" else (SCALES[name].low, SCALES[name].high)
    if not re.fullmatch(r"\d*\.?\d+", text) or not low <= float(text) <= high:
        words = _list([*SCALES[name].words]) + ", or " if name in SCALES else ""
        raise _refuse(assignment, f"`{text}` is no {name}", f"{words}a number from {low:g} to {high:g}")
    return name, float(text)


def _picture(path: Path) -> Tensor:
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"), np.float32) / 255
    except (FileNotFoundError, IsADirectoryError, UnidentifiedImageError) as error:
        raise _refuse(str(path), "is no picture that can be read", "") from error
    if pixels.shape[:2] != (SIZE, SIZE):
        found = f"{pixels.shape[1]} × {pixels.shape[0]}"
        raise _refuse(str(path), f"is {found}, and the reader knows pictures of {SIZE} × {SIZE} alone", "")
    return torch.from_numpy(pixels).permute(2, 0, 1)  # pyright: ignore[reportUnknownMemberType]


def _list(words: Sequence[str]) -> str:
    return f"one of {', '.join(words)}"


def _refuse(where: str, message: str, hint: str) -> InputError:
    return InputError([Problem(Place(where), "", message, hint)])
