"""Train the world's generator: `recipe world train generator`, after the VAE.

Scenes whose open factors are read off the noise (`coupling`); what a step shows is in `lessons`. Two courses: rectified
flow, most of it at pure noise; then the sampler's own path, where each of its steps mends what the steps before it
made. In both the transformer is told square by square what is to be seen there (`cells`): from the picture's error
alone it learns late that a second thing has a kind.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from torch import Tensor, nn

from ..quiet import quiet
from . import cells, codec, painter, pico_generator, schooling
from .lessons import Pool, lesson, pool
from .training import Course, Report, run


@dataclass(frozen=True, slots=True)
class Courses:
    """How long each of the two courses is."""

    first: Course
    second: Course


COURSES = Courses(
    Course(steps=16_000, lr=2e-3, save_every=100, seed=1), Course(steps=2400, lr=1e-3, save_every=100, seed=11)
)
# from the weights of another generator
WARM = Courses(
    Course(steps=6000, lr=1.2e-3, save_every=100, seed=81, floor=0.05),
    Course(steps=400, lr=7e-4, save_every=100, seed=91, floor=0.02),
)
BATCH = 40
POOL = 24_000
PURE = 0.75  # share of the first course at sigma = 1
WALKED = 0.5  # share of the rest at noise levels of the sampler, not even ones
SIDE = 8  # squares a side: tokens of the transformer
READ, READING = 24, 0.05  # prompts whose implied word is asked for each step, and the weight of that
TELLING = 0.2  # weight of what squares show
SAMPLERS = (1, 1, 2, 4, 4, 4, 4)  # steps of the samplers whose paths the second course walks, one drawn a step


def _pack(latents: Tensor) -> Tensor:
    return FluxPipeline._pack_latents(latents, *latents.shape)  # pyright: ignore[reportPrivateUsage]


def _tokens(tokenizer: Any, prompts: list[str]) -> Tensor:
    length = pico_generator.TEXT_LENGTH
    return tokenizer(prompts, padding="max_length", max_length=length, truncation=True, return_tensors="pt").input_ids


class Pupil:
    """The parts of a pipeline that learn, called as the stock pipeline calls them."""

    def __init__(self, pipeline: FluxPipeline, seed: int = 0) -> None:
        self.pipeline = pipeline
        names = ("transformer", "text_encoder", "text_encoder_2")
        # both thrown away after the training
        self.heads = schooling.heads(pico_generator.WIDTH, seed)
        self.cells = cells.heads(pipeline.transformer.inner_dim, seed)
        parts = {name: getattr(pipeline, name) for name in names}
        self.model = nn.ModuleDict({**parts, "heads": self.heads, "cells": self.cells})
        self._last: list[Tensor] = []
        pipeline.transformer.norm_out.register_forward_hook(lambda _module, _inputs, output: self._keep(output))

    def _keep(self, features: Tensor) -> None:
        self._last[:] = [features]

    def told(self, scenes: painter.Scenes) -> Tensor:
        """How badly the transformer knew what squares of pictures of these scenes show, at its last call (nats)."""
        (features,) = self._last
        return self.cells(features, cells.told(scenes, SIDE))

    def read(self, prompts: list[str]) -> dict[str, Tensor]:
        """The prompts through the stock text path: CLIP pooled, T5's sequence."""
        clip = self.model["text_encoder"](_tokens(self.pipeline.tokenizer, prompts))
        return {
            "pooled_projections": clip.pooler_output,
            "encoder_hidden_states": self.sequence(prompts),
            "txt_ids": torch.zeros(pico_generator.TEXT_LENGTH, 3),
        }

    def sequence(self, prompts: list[str]) -> Tensor:
        """What T5 makes of prompts, [B, T, width]."""
        return self.model["text_encoder_2"](_tokens(self.pipeline.tokenizer_2, prompts)).last_hidden_state

    def schooled(self, rng: torch.Generator) -> Tensor:
        """How badly the sequence encoder knows what prompts imply (nats)."""
        words = random.Random(int(torch.randint(2**31, (1,), generator=rng)))
        asked = schooling.readings(READ, words)
        return self.heads(self.sequence([text for text, _, _ in asked]), asked)

    def velocity(self, latents: Tensor, sigma: Tensor, read: dict[str, Tensor]) -> Tensor:
        """What it answers [B, 64, 16] about packed latents [B, 64, 16] at noise levels [B]."""
        ids = self.pipeline._prepare_latent_image_ids(1, 8, 8, "cpu", torch.float32)  # pyright: ignore[reportPrivateUsage]
        return self.model["transformer"](
            hidden_states=latents, timestep=sigma, img_ids=ids, return_dict=False, **read
        )[0]  # fmt: skip


def first(pupil: Pupil, scenes: Pool, plan: Course, folder: Path, report: Report) -> float:
    """Rectified flow: the velocity on the straight way between clean latents and noise. Minutes taken."""

    def loss(_step: int, rng: torch.Generator) -> Tensor:
        taught = lesson(scenes, BATCH, rng)
        pure = torch.rand(BATCH, generator=rng) < PURE
        even = torch.rand(BATCH, generator=rng).clamp(0.02)
        walked = torch.rand(BATCH, generator=rng) < WALKED
        sigma = torch.where(pure, torch.ones(BATCH), torch.where(walked, shifted(even), even))
        noisy = _pack(taught.between(sigma.view(-1, 1, 1, 1)))
        error = pupil.velocity(noisy, sigma, pupil.read(taught.prompts)) - _pack(taught.noise - taught.clean)
        return (error**2 * taught.weights).mean() + _besides(pupil, taught.scenes, rng)

    return run(pupil.model, loss, plan, folder, report)


def _besides(pupil: Pupil, scenes: painter.Scenes, rng: torch.Generator) -> Tensor:
    """What is learnt besides the velocity that was just asked for."""
    return TELLING * pupil.told(scenes) + READING * pupil.schooled(rng)


def shifted(sigma: Tensor) -> Tensor:
    """Noise levels as the sampler's scheduler shifts them."""
    return pico_generator.SHIFT * sigma / (1 + (pico_generator.SHIFT - 1) * sigma)


def _sigmas(steps: int) -> list[float]:
    """The noise levels at which a sampler of so many steps asks, from 1 down."""
    return shifted(torch.arange(steps, 0, -1) / steps).tolist()


def second(pupil: Pupil, scenes: Pool, plan: Course, folder: Path, report: Report) -> float:
    """The sampler's own path: from where its earlier steps led, the estimate must be the clean latents.

    Minutes taken.
    """

    def loss(_step: int, rng: torch.Generator) -> Tensor:
        taught = lesson(scenes, BATCH, rng)
        steps = SAMPLERS[int(torch.randint(len(SAMPLERS), (), generator=rng))]
        sigmas = _sigmas(steps)[: 1 + int(torch.randint(steps, (), generator=rng))]
        reached, levels = _pack(taught.noise), [torch.full((BATCH,), sigma) for sigma in sigmas]
        with torch.no_grad():
            read = pupil.read(taught.prompts)
            for now, then in pairwise(levels):
                reached = reached + (then - now).view(-1, 1, 1) * pupil.velocity(reached, now, read)
        velocity = pupil.velocity(reached, levels[-1], pupil.read(taught.prompts))
        error = reached - sigmas[-1] * velocity - _pack(taught.clean)
        return (error**2 * taught.weights).mean() + _besides(pupil, taught.scenes, rng)

    return run(pupil.model, loss, plan, folder, report)


def courses(start: Path | None) -> Courses:
    """The courses of a generator that begins with the weights in a folder, or with none."""
    return COURSES if start is None else WARM


def train(folder: Path, report: Report, vae_folder: Path | None = None, start: Path | None = None) -> float:
    """Train in `folder/work` around the VAE of `vae_folder` (else `folder/vae`), write the pipeline to `folder`.

    `start` is a pipeline to begin with the weights of, as far as they fit. Minutes taken.
    """
    plan = courses(start)
    vae = codec.load(vae_folder or folder / "vae")
    pipeline = pico_generator.build(vae, plan.first.seed)
    if start is not None:
        with quiet():
            left = pico_generator.take_over(pipeline, FluxPipeline.from_pretrained(start))
        report(f"begins with the weights of {start}; untrained: {', '.join(left) or 'nothing'}")
    report(f"encoding a pool of {POOL} scenes")
    scenes = pool(vae, POOL, plan.first.seed, folder / "work" / "pool.safetensors")
    pupil = Pupil(pipeline, plan.first.seed)
    minutes = first(pupil, scenes, plan.first, folder / "work" / "first", report)
    minutes += second(pupil, scenes, plan.second, folder / "work" / "second", report)
    pico_generator.save(pipeline, folder)
    return minutes
