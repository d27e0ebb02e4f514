"""Given adapters: what a training begins with, and what is fixed beside it, read and held against the generator."""

from __future__ import annotations

from collections.abc import Sequence

from . import beside, fitting, foreign
from .composing import Factors
from .errors import Place
from .fitting import Layers
from .parts import Asset, Model
from .plan import Plan

START, WITH = "adapter.start", "generator.with"  # where recipes name them


def read(assets: Sequence[Asset], model: Model, layers: Layers, key: str) -> dict[str, Factors]:
    """The factors of an adapter that a plan names at `key`; behind it in `assets`, what peft wrote beside it.

    Raises as `foreign.of_plan`, and `InputError` where it is not of these layers; none are told by nothing.
    """
    factors = foreign.of_plan(assets, model)
    if layers:
        fitting.refuse(factors, layers, Place(foreign.shown(assets[0])), key)
    return factors


def refuse(plan: Plan) -> None:
    """Read all that a plan names, before a model is loaded and before anything gives way to its training."""
    model, start, fixed = plan.generator.model, plan.adapter.start, plan.generator.companions
    layers = fitting.stored(model) if start or fixed else {}
    for file in beside.files(start):
        read(beside.group(start, file), model, layers, START)
    for file in beside.companions(plan.generator):
        read(beside.group(fixed, file), model, layers, WITH)
