"""Pools of pictures for the critics' later courses: reconstructions, generated ones, and those of trainings under way.

The last are the adversarial round: short control trainings with random goals, rates and colours (`rounds`), against the
critic as it is, pictured every few steps and labelled by the reader. What convinced the critic wrongly then, it learns
from next.
"""

from __future__ import annotations

import math
import random
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor

from .. import flow, generators, recipe, resolve
from .. import plan as plans
from .. import step as steps
from ..checkpoint import Progress, State
from . import abreast, captions, painter, pictures, rounds, sampling
from .audit import reconstructed, sayings
from .lessons import NAMED
from .training import Report


def reconstructions(vae: AutoencoderKL, count: int, seed: int) -> pictures.Pool:
    """Painted pictures through the VAE, with the truth they were painted from."""
    scenes = sampling.draw(count, torch.Generator().manual_seed(seed))
    parts = [
        pictures.to_bytes(reconstructed(vae, painter.paint(scenes[slice(i, i + 64)]))) for i in range(0, count, 64)
    ]
    return pictures.Pool(torch.cat(parts), scenes)


def _labelled(shown: Tensor) -> pictures.Pool:
    return pictures.Pool(pictures.to_bytes(shown), abreast.read(shown).scenes)


def prompts(count: int, rng: random.Random) -> list[str]:
    """Captions that name what the generator's training names, continuous factors twice as often."""
    return [captions.caption(sayings(rng, NAMED), rng) for _ in range(count)]


@torch.no_grad()
def generated(generator: generators.Generator, count: int, seed: int) -> pictures.Pool:
    """Pictures of the bare generator for random captions, truth by the reader; three in four from a single step."""
    rng = random.Random(seed)
    parts: list[Tensor] = []
    for start in range(0, count, 64):
        given = generator.condition(prompts(64, rng), [""] * 64)
        noise = generator.noise([seed * 1_000_000 + start + each for each in range(64)])
        parts.append(generator.image(flow.sample(generator, given, noise, rng.choice((1, 1, 1, 4)))).clamp(0, 1))
    return _labelled(torch.cat(parts)[:count])


@torch.no_grad()
def _shot(desk: steps.Desk, count: int, rng: random.Random) -> Tensor:
    """Pictures of the adapter as it is, for random training rows."""
    rows = rng.choices(desk.plan.train_rows, k=count)
    noise = desk.generator.noise([rng.randrange(2**31) for _ in rows])
    return desk.generator.image(flow.sample(desk.generator, desk.given(rows), noise, 1)).clamp(0, 1)


def _training(plan: plans.Plan, count: int, every: int, shots: int, rng: random.Random) -> tuple[list[Tensor], float]:
    """Pictures of one training, and its last loss."""
    desk = steps.prepare(plan)
    weights = desk.learned.weights()
    optimizer = torch.optim.AdamW(weights.values(), lr=plan.train.lr, weight_decay=0.0)
    state = State(weights, optimizer, Progress(plans.digest(plan)))
    found: list[Tensor] = []
    loss = math.nan
    for step in range(1, count + 1):
        loss = steps.take(desk, state, step).loss
        if step % every == 0:
            found.append(_shot(desk, shots, rng))
    return found, loss


def trainings(
    generator: Path, critic: Path, number: int, count: int, every: int, seed: int, report: Report, shots: int = 32
) -> pictures.Pool:
    """Pictures from `number` trainings of `count` steps, the kinds of controls in turn, truth by the reader.

    `shots` of them are taken every `every` steps.
    """
    rng = random.Random(seed)
    parts: list[Tensor] = []
    for each in range(number):
        kind = list(rounds.CONTROLS)[each % len(rounds.CONTROLS)]
        with TemporaryDirectory() as folder:
            plan = resolve.resolve(recipe.read(rounds.write(kind, generator, critic, count, rng, Path(folder))))
            found, loss = _training(plan, count, every, shots, rng)
        parts += found
        report(f"training {each + 1}/{number}: {kind}, loss {loss:.4f}")
    return _labelled(torch.cat(parts))
