"""Figures of the benches, as the command line promises them: one JSON object a line on stdout."""

from __future__ import annotations

import json
from typing import TypedDict


class Figure(TypedDict):
    bench: str
    value: float
    unit: str
    target: float | None
    met: bool


def figure(bench: str, value: float, unit: str, at_most: float | None = None, at_least: float | None = None) -> Figure:
    """One figure; without a target it is met."""
    target = at_most if at_least is None else at_least
    met = (at_most is None or value <= at_most) and (at_least is None or value >= at_least)
    return {"bench": bench, "value": float(f"{value:.4g}"), "unit": unit, "target": target, "met": met}


def tell(bench: str, value: float, unit: str, at_most: float | None = None, at_least: float | None = None) -> Figure:
    """Print one figure, and return it."""
    made = figure(bench, value, unit, at_most, at_least)
    print(json.dumps(made), flush=True)
    return made
