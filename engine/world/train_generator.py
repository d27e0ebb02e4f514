"""Train the world's generator: `recipe world train generator`, after the VAE.

Scenes whose open factors are read off the noise (`coupling`). Latents of a pool of scenes are computed once; every step
draws scenes, captions that name some of their factors, and noise that holds the others. Two courses: rectified flow,
most of it at pure noise; then the sampler's own path, where each of its steps mends what the steps before it made.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from . import captions, codec, coupling, painter, pico_generator
from .scenes import SCALES, WORDS
from .training import Course, Report, run

FIRST = Course(steps=4600, lr=2e-3, save_every=200, seed=1)
SECOND = Course(steps=1200, lr=1e-3, save_every=100, seed=11)
BATCH = 40
POOL = 30_000
NAMED = {"time": 0.6, "place": 0.75, "thing": 0.85, "color": 0.7, "size": 0.7, "position": 0.7, "outline": 0.7}
PURE = 0.6  # share of the first course at sigma = 1
SAMPLERS = (1, 1, 2, 4, 4, 4, 4)  # steps of the samplers whose paths the second course walks, one drawn a step


@dataclass(frozen=True, slots=True)
class Pool:
    """Scenes, the numbers they came from, which scale factors have a word, and their latents."""

    scenes: painter.Scenes
    numbers: dict[str, Tensor]
    sayable: dict[str, Tensor]
    latents: Tensor  # [N, 4, 16, 16], standardised


def pool(vae: AutoencoderKL, count: int, seed: int, cache: Path) -> Pool:
    """Draw scenes; half of each scale factor's values are exactly those that its words stand for.

    Their latents are computed once and kept in the file `cache`.
    """
    rng = torch.Generator().manual_seed(seed)
    numbers = {name: torch.rand(count, generator=rng) for name in painter.FACTORS}
    sayable: dict[str, Tensor] = {}
    for name, scale in SCALES.items():
        values = torch.tensor([scale.words[word] for word in scale.phrases])
        chosen = values[torch.randint(len(values), (count,), generator=rng)]
        sayable[name] = torch.rand(count, generator=rng) < 0.5
        exact = (chosen - scale.low) / (scale.high - scale.low)
        numbers[name] = torch.where(sayable[name], exact, numbers[name])
    scenes = painter.from_uniform(numbers)
    if not cache.exists():
        parts: list[Tensor] = []
        with torch.no_grad():
            for start in range(0, count, 64):
                parts.append(codec.standardised(vae, painter.paint(scenes[slice(start, start + 64)]) * 2 - 1))
        cache.parent.mkdir(parents=True, exist_ok=True)
        save_file({"latents": torch.cat(parts)}, cache)
    return Pool(scenes, numbers, sayable, load_file(cache)["latents"])


def _name(scenes: Pool, index: Tensor, rng: torch.Generator) -> list[dict[str, str]]:
    """Which factors each caption names, and with which word."""
    some = scenes.scenes[index]
    words = {factor: some.words(factor) for factor in NAMED}
    draws = torch.rand(len(index), len(NAMED), generator=rng)
    found: list[dict[str, str]] = []
    for row in range(len(index)):
        named = {
            factor: words[factor][row]
            for column, (factor, share) in enumerate(NAMED.items())
            if draws[row, column] < share and (factor in WORDS or bool(scenes.sayable[factor][index[row]]))
        }
        if captions.held_out(named):
            del named["color"]
        found.append(named)
    return found


def _pack(latents: Tensor) -> Tensor:
    return FluxPipeline._pack_latents(latents, *latents.shape)  # pyright: ignore[reportPrivateUsage]


def _importance(scenes: painter.Scenes) -> Tensor:
    """Weight of each packed latent [B, 64, 1]: five-fold around the thing, two-fold at the horizon, mean 1."""
    y, x = torch.meshgrid((torch.arange(8) + 0.5) / 8, (torch.arange(8) + 0.5) / 8, indexing="ij")
    size, margin = scenes.size.view(-1, 1, 1), 0.06
    middle = (scenes.base - scenes.size).view(-1, 1, 1)
    near = ((x - scenes.position.view(-1, 1, 1)).abs() < 1.1 * size + margin) & (
        (y - middle).abs() < 1.1 * size + margin
    )
    edge = (y - scenes.horizon.view(-1, 1, 1)).abs() < 0.07
    weight = 1 + 4.0 * near + 1.0 * edge
    return (weight / weight.mean((1, 2), keepdim=True)).flatten(1).unsqueeze(2)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one step shows the generator: B captions, and latents [B, 4, 16, 16] that the flow leads from and to."""

    prompts: list[str]
    scenes: painter.Scenes
    clean: Tensor
    noise: Tensor

    def between(self, sigma: Tensor) -> Tensor:
        """Latents on the straight way from clean (sigma 0) to noise (sigma 1)."""
        return (1 - sigma) * self.clean + sigma * self.noise


def lesson(scenes: Pool, count: int, rng: torch.Generator) -> Lesson:
    """Draw `count` scenes, captions that name some of their factors, and noise that holds the others."""
    index = torch.randint(len(scenes.latents), (count,), generator=rng)
    named = _name(scenes, index, rng)
    words = random.Random(int(torch.randint(2**31, (1,), generator=rng)))
    prompts = [captions.caption(names, words) for names in named]
    noise = torch.randn(scenes.latents[index].shape, generator=rng)
    for factor in painter.FACTORS:
        which = torch.tensor([factor not in names for names in named])
        coupling.imprint(noise, factor, scenes.numbers[factor][index], which)
    return Lesson(prompts, scenes.scenes[index], scenes.latents[index], noise)


class Pupil:
    """The parts of a pipeline that learn, called as the stock pipeline calls them."""

    def __init__(self, pipeline: FluxPipeline) -> None:
        self.pipeline = pipeline
        names = ("transformer", "text_encoder", "text_encoder_2")
        self.model = nn.ModuleDict({name: getattr(pipeline, name) for name in names})

    def read(self, prompts: list[str]) -> dict[str, Tensor]:
        """The prompts through the stock text path: CLIP pooled, T5's sequence."""

        def tokens(tokenizer: Any) -> Tensor:
            length = pico_generator.TEXT_LENGTH
            return tokenizer(
                prompts, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
            ).input_ids

        return {
            "pooled_projections": self.model["text_encoder"](tokens(self.pipeline.tokenizer)).pooler_output,
            "encoder_hidden_states": self.model["text_encoder_2"](tokens(self.pipeline.tokenizer_2)).last_hidden_state,
            "txt_ids": torch.zeros(pico_generator.TEXT_LENGTH, 3),
        }

    def velocity(self, latents: Tensor, sigma: Tensor, read: dict[str, Tensor]) -> Tensor:
        """What it answers [B, 64, 16] about packed latents [B, 64, 16] at noise levels [B]."""
        ids = self.pipeline._prepare_latent_image_ids(1, 8, 8, "cpu", torch.float32)  # pyright: ignore[reportPrivateUsage]
        return self.model["transformer"](
            hidden_states=latents, timestep=sigma, img_ids=ids, return_dict=False, **read
        )[0]  # fmt: skip


def first(pupil: Pupil, scenes: Pool, folder: Path, report: Report) -> float:
    """Rectified flow: the velocity on the straight way between clean latents and noise. Minutes taken."""

    def loss(_step: int, rng: torch.Generator) -> Tensor:
        taught = lesson(scenes, BATCH, rng)
        pure = torch.rand(BATCH, generator=rng) < PURE
        sigma = torch.where(pure, torch.ones(BATCH), torch.rand(BATCH, generator=rng).clamp(0.02))
        noisy = _pack(taught.between(sigma.view(-1, 1, 1, 1)))
        error = pupil.velocity(noisy, sigma, pupil.read(taught.prompts)) - _pack(taught.noise - taught.clean)
        return (error**2 * _importance(taught.scenes)).mean()

    return run(pupil.model, loss, FIRST, folder, report)


def second(pupil: Pupil, scenes: Pool, folder: Path, report: Report) -> float:
    """The sampler's own path: from where its earlier steps led, the estimate must be the clean latents.

    Minutes taken.
    """

    def loss(_step: int, rng: torch.Generator) -> Tensor:
        taught = lesson(scenes, BATCH, rng)
        steps = SAMPLERS[int(torch.randint(len(SAMPLERS), (), generator=rng))]
        sigmas = [1 - done / steps for done in range(1 + int(torch.randint(steps, (), generator=rng)))]
        reached, levels = _pack(taught.noise), [torch.full((BATCH,), sigma) for sigma in sigmas]
        with torch.no_grad():
            read = pupil.read(taught.prompts)
            for now, then in pairwise(levels):
                reached = reached + (then - now).view(-1, 1, 1) * pupil.velocity(reached, now, read)
        velocity = pupil.velocity(reached, levels[-1], pupil.read(taught.prompts))
        error = reached - sigmas[-1] * velocity - _pack(taught.clean)
        return (error**2 * _importance(taught.scenes)).mean()

    return run(pupil.model, loss, SECOND, folder, report)


def train(folder: Path, report: Report, vae_folder: Path | None = None) -> float:
    """Train in `folder/work` around the VAE of `vae_folder` (else `folder/vae`), write the pipeline to `folder`.

    Minutes taken.
    """
    vae = codec.load(vae_folder or folder / "vae")
    pipeline = pico_generator.build(vae, FIRST.seed)
    report(f"encoding a pool of {POOL} scenes")
    scenes = pool(vae, POOL, FIRST.seed, folder / "work" / "pool.safetensors")
    pupil = Pupil(pipeline)
    minutes = first(pupil, scenes, folder / "work" / "first", report)
    minutes += second(pupil, scenes, folder / "work" / "second", report)
    pico_generator.save(pipeline, folder)
    return minutes
