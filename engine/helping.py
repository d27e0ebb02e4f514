"""Helping: what the processes beside the first do, which leads: their share of its trainings, step by step."""

from __future__ import annotations

import warnings

from . import orders, platforms, processes
from . import step as steps


def serve() -> None:
    """Help with every training that the leader tells of. Raises what any of the processes fails of."""
    order = processes.told()
    while True:
        order = _help(order) if isinstance(order, orders.Prepare) else processes.told()


def _help(order: orders.Prepare) -> object:
    """Help with one training; the first order that is none of it."""
    with warnings.catch_warnings(), platforms.threads(order.threads), platforms.deterministic(order.plan, order.fast):
        warnings.simplefilter("ignore")  # the leader has the same ones to tell
        desk = processes.agreed(lambda: steps.load(order.plan, order.begin))
        if not isinstance(begins := processes.told(), orders.Begin):
            return begins
        replay = begins.replay
        while isinstance(step := processes.told(), orders.Step):
            replay, _ = steps.pull(desk, replay, step.number, step.factors)
        return step
