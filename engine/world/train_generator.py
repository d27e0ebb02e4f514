"""Train the world's generator: `recipe world train generator`, after the VAE.

Rectified flow, most of it at pure noise, on scenes whose open factors are read off the noise (`coupling`). Latents of a
pool of scenes are computed once; every step draws scenes, captions that name some of their factors, and noise that
holds the others.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
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

COURSE = Course(steps=4600, lr=2e-3, save_every=200, seed=1)
BATCH = 40
POOL = 30_000
NAMED = {"time": 0.6, "place": 0.75, "thing": 0.85, "color": 0.7, "size": 0.7, "position": 0.7, "outline": 0.7}
PURE = 0.6  # share of the training at sigma = 1


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
    sigma: Tensor  # [B, 1, 1, 1]


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
    pure = torch.rand(count, generator=rng) < PURE
    sigma = torch.where(pure, torch.ones(count), torch.rand(count, generator=rng).clamp(0.02)).view(-1, 1, 1, 1)
    return Lesson(prompts, scenes.scenes[index], scenes.latents[index], noise, sigma)


def _velocity(model: nn.ModuleDict, pipeline: FluxPipeline, taught: Lesson) -> Tensor:
    """What the generator answers [B, 64, 16], through the stock text path: CLIP pooled, T5's sequence."""

    def tokens(tokenizer: Any) -> Tensor:
        length = pico_generator.TEXT_LENGTH
        encoded = tokenizer(
            taught.prompts, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )
        return encoded.input_ids

    noisy = (1 - taught.sigma) * taught.clean + taught.sigma * taught.noise
    ids = pipeline._prepare_latent_image_ids(1, 8, 8, "cpu", torch.float32)  # pyright: ignore[reportPrivateUsage]
    return model["transformer"](
        hidden_states=_pack(noisy), timestep=taught.sigma.view(-1),
        pooled_projections=model["text_encoder"](tokens(pipeline.tokenizer)).pooler_output,
        encoder_hidden_states=model["text_encoder_2"](tokens(pipeline.tokenizer_2)).last_hidden_state,
        txt_ids=torch.zeros(pico_generator.TEXT_LENGTH, 3), img_ids=ids, return_dict=False,
    )[0]  # fmt: skip


def train(folder: Path, report: Report, course: Course = COURSE, vae_folder: Path | None = None) -> float:
    """Train in `folder/work` around the VAE of `vae_folder` (else `folder/vae`), write the pipeline to `folder`.

    Minutes taken.
    """
    vae = codec.load(vae_folder or folder / "vae")
    pipeline = pico_generator.build(vae, course.seed)
    report(f"encoding a pool of {POOL} scenes")
    scenes = pool(vae, POOL, course.seed, folder / "work" / "pool.safetensors")
    model = nn.ModuleDict({name: getattr(pipeline, name) for name in ("transformer", "text_encoder", "text_encoder_2")})

    def loss(step: int, rng: torch.Generator) -> Tensor:
        taught = lesson(scenes, BATCH, rng)
        error = (_velocity(model, pipeline, taught) - _pack(taught.noise - taught.clean)) ** 2
        return (error * _importance(taught.scenes)).mean()

    minutes = run(model, loss, course, folder / "work", report)
    pico_generator.save(pipeline, folder)
    return minutes
