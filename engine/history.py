"""The history of a training: metrics.jsonl, one object a line, as curves. Free of torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Points = tuple[tuple[int, float], ...]  # (step, value)


@dataclass(frozen=True, slots=True)
class History:
    """Curves over training steps."""

    steps: int  # the last one
    loss: Points
    p: dict[tuple[str, str], Points]  # (question, critic) -> p on the training pictures
    looks: dict[tuple[str, str], Points]  # (question, critic or judge) -> mean p on the validation rows


def read(path: Path) -> History:
    """Read a metrics file; a last line that was cut short by a kill is left out, a missing file is an empty history."""
    loss: list[tuple[int, float]] = []
    p: dict[tuple[str, str], list[tuple[int, float]]] = {}
    looks: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for entry in _lines(path):
        step = int(entry["step"])
        if "loss" in entry:
            loss.append((step, float(entry["loss"])))
        for question, by_critic in entry.get("questions", {}).items():
            for critic, seen in by_critic.items():
                p.setdefault((question, critic), []).append((step, float(seen["p"])))
        for question, by_critic in entry.get("look", {}).items():
            for critic, seen in by_critic.items():
                looks.setdefault((question, critic), []).append((step, float(seen["p"])))
    return History(
        max((step for step, _ in loss), default=0),
        tuple(loss),
        {key: tuple(points) for key, points in sorted(p.items())},
        {key: tuple(points) for key, points in sorted(looks.items())},
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]
