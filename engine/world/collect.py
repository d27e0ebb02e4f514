"""Pools of pictures for the critics' second course: reconstructions, generated ones, and those of trainings under way.

The last are the adversarial round: short control trainings with random lines, rates and colours, against the critic as
it is, pictured every few steps and labelled by the reader. What convinced the critic wrongly then, it learns from next.
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
from . import captions, painter, pictures, reader
from .audit import reconstructed
from .train_generator import NAMED
from .training import Report, stream


def reconstructions(vae: AutoencoderKL, count: int, seed: int) -> pictures.Pool:
    """Painted pictures through the VAE, with the truth they were painted from."""
    scenes = painter.draw(count, stream(seed, 0))
    parts = [
        pictures.to_bytes(reconstructed(vae, painter.paint(scenes[slice(i, i + 64)]))) for i in range(0, count, 64)
    ]
    return pictures.Pool(torch.cat(parts), scenes)


def _labelled(shown: Tensor) -> pictures.Pool:
    return pictures.Pool(pictures.to_bytes(shown), reader.read(shown).scenes)


def _prompts(count: int, rng: random.Random) -> list[str]:
    """Captions that name each factor as often as the generator's training did."""

    def words() -> dict[str, str]:
        return {name: rng.choice(list(captions.PHRASES[name])) for name, share in NAMED.items() if rng.random() < share}

    return [captions.caption(words(), rng) for _ in range(count)]


@torch.no_grad()
def generated(generator: generators.Generator, count: int, seed: int) -> pictures.Pool:
    """Pictures of the bare generator for random captions, truth by the reader; three in four from a single step."""
    rng = random.Random(seed)
    parts: list[Tensor] = []
    for start in range(0, count, 64):
        prompts = _prompts(64, rng)
        given = generator.condition(prompts, [""] * 64)
        noise = generator.noise([seed * 1_000_000 + start + each for each in range(64)])
        parts.append(generator.image(flow.sample(generator, given, noise, rng.choice((1, 1, 1, 4)))).clamp(0, 1))
    return _labelled(torch.cat(parts)[:count])


RECIPE = """
recipe: 1
name: round
generator: {{model: "{generator}", steps: 1, size: {{width: 64, height: 64}}}}
critics: {{eyes: {{model: "{critic}"}}}}
visuals: {{ruler: {{line: {{y: {line}, thickness: 0.02, color: red}}}}}}
prompts:
  train:
    template: "a {{{{ color }}}} {{{{ thing }}}} {{{{ place }}}}"
    for:
      color: [red, blue, green, yellow, purple, white]
      thing: [ball, box, tent, tree, house]
      place: [in the grass, on the sand, in the snow, on the water]
    sample: 40
  test: [{{prompt: "a red ball in the grass", color: red, thing: ball, place: in the grass}}]
questions:
  goal: {{ask: "{goal}", suffix: "Answer with Yes or No.", answer: "Yes", against: "No"{see}}}
  thing:
    ask: "Is there a {{{{ color }}}} {{{{ thing }}}} in the image?"
    suffix: "Answer with Yes or No."
    answer: "Yes"
    against: "No"
    hold: 0.9
    weight: {hold}
  place:
    ask: "Is the {{{{ thing }}}} {{{{ place }}}}?"
    suffix: "Answer with Yes or No."
    answer: "Yes"
    against: "No"
    hold: 0.9
    weight: {hold}
stay: {{weight: {stay}}}
adapter: {{rank: 16, alpha: {alpha}, targets: attention}}
train: {{steps: {steps}, batch: 8, lr: {lr}, warmup: 5, seed: {seed}, augment: {{blur: 0.5, noise: 0.03, shift: 2}}}}
evaluate: {{seeds: 1, every: 1000}}
"""

GOALS = (
    "Is the overlaid red line aligned with the horizon of the scene?", "Does the red line lie on the horizon?",
    "Is the {{ thing }} blue?", "Is the {{ thing }} red?", "Is the horizon low in the image?",
)  # fmt: skip


def _recipe(generator: Path, critic: Path, count: int, rng: random.Random) -> str:
    goal = rng.choice((GOALS[0], GOALS[0], GOALS[1], *GOALS))
    return RECIPE.format(
        generator=generator.absolute(), critic=critic.absolute(), line=round(rng.uniform(0.22, 0.86), 2), goal=goal,
        see=", see: ruler" if "line" in goal else "",
        hold=rng.choice((0.05, 0.5, 1.0)), stay=rng.choice((0.02, 0.1, 0.3)),
        alpha=rng.choice((16, 16, 48)), lr=rng.choice((3e-4, 5e-4, 1e-3)), seed=rng.randrange(10**6), steps=count,
    )  # fmt: skip


@torch.no_grad()
def _shot(desk: steps.Desk, count: int, rng: random.Random) -> Tensor:
    """Pictures of the adapter as it is, for random training rows."""
    rows = rng.choices(desk.plan.train_rows, k=count)
    noise = desk.generator.noise([rng.randrange(2**31) for _ in rows])
    return desk.generator.image(flow.sample(desk.generator, desk.given(rows), noise, 1)).clamp(0, 1)


def trainings(
    generator: Path, critic: Path, rounds: int, count: int, every: int, seed: int, report: Report, shots: int = 32
) -> pictures.Pool:
    """Pictures from `rounds` trainings of `count` steps, `shots` of them every `every` steps, truth by the reader."""
    rng = random.Random(seed)
    parts: list[Tensor] = []
    for number in range(rounds):
        plan = _plan(_recipe(generator, critic, count, rng))
        desk = steps.prepare(plan)
        weights = desk.learned.weights()
        optimizer = torch.optim.AdamW(weights.values(), lr=plan.train.lr, weight_decay=0.0)
        state = State(weights, optimizer, Progress(plans.digest(plan)))
        loss = math.nan
        for step in range(1, count + 1):
            loss = steps.take(desk, state, step).loss
            if step % every == 0:
                parts.append(_shot(desk, shots, rng))
        report(f"training {number + 1}/{rounds}: {plan.questions[0].name}, loss {loss:.4f}")
    return _labelled(torch.cat(parts))


def _plan(text: str) -> plans.Plan:
    """The plan of a recipe that is no file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "round.yaml"
        path.write_text(text, encoding="utf-8")
        return resolve.resolve(recipe.read(path))
