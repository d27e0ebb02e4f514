"""The history of a training: metrics.jsonl, one object a line, as curves. Free of torch."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import InputError, Place, Problem

Points = tuple[tuple[int, float], ...]  # (step, value)
_Curves = defaultdict[tuple[str, str], list[tuple[int, float]]]


@dataclass(frozen=True, slots=True)
class History:
    """Curves over training steps."""

    steps: int  # the last one
    loss: Points
    p: dict[tuple[str, str], Points]  # (question, critic) -> p on the training pictures
    looks: dict[tuple[str, str], Points]  # (question, critic or judge) -> mean p on the validation rows
    norms: dict[str, Points]  # question -> length of its own gradient on the pictures, where that was looked at
    cosines: dict[tuple[str, str], Points]  # two questions -> how their gradients lie: 1 alike, -1 opposed


def read(path: Path) -> History:
    """Read a metrics file; a last line that was cut short by a kill is left out, a missing file is an empty history.

    Raises `InputError` for any other line that is none of a training's.
    """
    loss: list[tuple[int, float]] = []
    p: _Curves = defaultdict(list)
    looks: _Curves = defaultdict(list)
    norms: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    cosines: _Curves = defaultdict(list)
    for number, line in enumerate(_lines(path), 1):
        try:
            entry = json.loads(line)
            step = int(entry["step"])
            if "loss" in entry:
                loss.append((step, float(entry["loss"])))
            _add(p, entry.get("questions", {}), step)
            _add(looks, entry.get("look", {}), step)
            lie = entry.get("conflict", {"norms": {}, "cosines": {}})
            for question, norm in lie["norms"].items():
                norms[question].append((step, float(norm)))
            for one, others in lie["cosines"].items():
                for other, cosine in others.items():
                    cosines[one, other].append((step, float(cosine)))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            hint = "the report is made of these lines; `recipe run` with --again writes them anew, by training anew"
            raise InputError([Problem(Place(str(path), number, 1), "", "is no line of a training", hint)]) from error
    return History(
        max((step for step, _ in loss), default=0),
        tuple(loss),
        {key: tuple(points) for key, points in sorted(p.items())},
        {key: tuple(points) for key, points in sorted(looks.items())},
        {question: tuple(points) for question, points in sorted(norms.items())},
        {key: tuple(points) for key, points in sorted(cosines.items())},
    )


def _add(curves: _Curves, said: Any, step: int) -> None:
    for question, by_critic in said.items():
        for critic, seen in by_critic.items():
            curves[question, critic].append((step, float(seen["p"])))


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []
