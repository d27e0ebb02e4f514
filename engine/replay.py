"""Replay: a buffer of finished pictures' latents, from which training starts again instead of from noise.

Pictures are painted by the adapter as it is, numbered as they come: picture number n lies in place n mod `buffer` until
another takes it. Which prompt and which noise a number has, and which numbers a step has painted, follow from the plan
alone, so that a checkpoint keeps nothing but the latents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from . import flow, processes
from .generators import Conditioning, Generator
from .plan import Plan, Train
from .streams import Share, derived, drawn, stream
from .values import EULER_STEP


@dataclass(frozen=True, slots=True)
class Start:
    """What one batch of a step starts from."""

    rows: tuple[int, ...]  # places of B training rows
    slots: tuple[int, ...]  # places of their latents in the buffer


def due(settings: Train, step: int) -> range:
    """The numbers of the pictures that are painted before step number `step`, from 1: at first a whole buffer."""
    replay = settings.replay
    if step == 1:
        return range(replay.buffer)
    if (step - 1) % replay.refresh:
        return range(0)
    first = painted(settings, step - 1)
    return range(first, first + min(settings.batch, replay.buffer))


def painted(settings: Train, step: int) -> int:
    """How many pictures were painted once step number `step`, from 1, is done."""
    replay = settings.replay
    return replay.buffer + (step - 1) // replay.refresh * min(settings.batch, replay.buffer)


def start(plan: Plan, step: int, part: int) -> Start:
    """Latents for batch number `part` of a step, drawn without taking one twice."""
    settings, size = plan.train, plan.train.replay.buffer
    order = torch.randperm(size, generator=stream(settings.seed, "replay", step, part))
    slots = [int(slot) for slot in order[: settings.batch]]
    last = painted(settings, step) - 1
    return Start(tuple(row(plan, last - (last - slot) % size) for slot in slots), tuple(slots))


def row(plan: Plan, number: int) -> int:
    """The training row of picture number `number`: every row once, in an order of its own, before any comes again."""
    epoch, place = divmod(number, len(plan.train_rows))
    order = torch.randperm(len(plan.train_rows), generator=stream(plan.train.seed, "replay order", epoch))
    return int(order[place])


def renew(
    plan: Plan, generator: Generator, given: Sequence[Conditioning], latents: Tensor, numbers: Sequence[range]
) -> Tensor:
    """The buffer [K, …] with pictures of these numbers in it; `given` is the conditioning of each range's rows.

    Of every range, each process paints its share; where there are more processes than pictures, all paint all of them.
    """
    fresh = latents.clone()
    for conditioning, some in zip(given, numbers, strict=True):
        share = processes.share(len(some)) if len(some) >= processes.count() else Share(0, len(some), len(some))
        z = generator.noise([derived(plan.train.seed, "replay noise", number) % 2**31 for number in share.own(some)])
        rng = stream(plan.train.seed, "replay path", some.start, share=share)
        rows = conditioning.rows(range(share.start, share.end))
        own = processes.agreed(partial(flow.sample, generator, rows, z, plan.generator.steps, rng))
        done = own if len(own) == share.of else processes.whole(own, share)
        if not len(fresh):
            fresh = done.new_zeros(plan.train.replay.buffer, *done.shape[1:])
        fresh[[number % plan.train.replay.buffer for number in some]] = done.to(fresh)
    return fresh


def estimate(
    generator: Generator, conditioning: Conditioning, latents: Tensor, settings: Train, rng: torch.Generator
) -> flow.Estimate:
    """From finished latents [B, …], made noisy by a share drawn for each, one step with a gradient.

    `estimate: noisy` is the paper's ablation: what is decoded is not x̂0 but z one Euler step less noisy.
    """
    low, high = settings.replay.sigma
    share = low + (high - low) * drawn(lambda many: torch.rand(many, generator=rng), len(latents), rng)
    sigma = generator.level(share)
    z = generator.renoised(latents, sigma, rng)
    denoised = generator.denoised(z, sigma, conditioning)
    if settings.estimate == "clean":
        return flow.Estimate(denoised, z, sigma, denoised)
    less = generator.level(share - EULER_STEP)
    return flow.Estimate(denoised, z, sigma, generator.advance(denoised, z, sigma, less, rng))
