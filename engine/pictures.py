"""Pictures from an adapter file: the generator that it was trained for, at any scale, for any prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from . import adapter as adapters
from . import fitting, flow, generators, models, visuals
from . import plan as plans


def generate(adapter: Path, prompts: Sequence[str], seed: int, scale: float, out: Path) -> list[Path]:
    """Paint every prompt from one seed and write PNGs to `out`; files that are there are not replaced but numbered on.

    Raises `InputError` where the file is no adapter of ours, or its generator is not to be found or is another one.
    """
    tensors, header = adapters.load(adapter)
    chosen = plans.parse(fitting.carried(adapter, header).plan).generator
    model = models.complete(models.locate(chosen.model.address, Path(), revision=chosen.model.revision))
    fitting.refuse_another(adapter, header, model)
    generator = generators.load(replace(chosen, model=model))
    conditioning = generator.condition(prompts, [chosen.negative] * len(prompts))
    adapters.install(generator, tensors).scale(scale)
    out.mkdir(parents=True, exist_ok=True)
    with torch.inference_mode():
        noise = generator.noise([seed] * len(prompts))
        painted = generator.image(flow.sample(generator, conditioning, noise, chosen.steps)).float()
    paths: list[Path] = []
    for index, picture in enumerate(painted):
        paths.append(_free(out, f"seed{seed}_scale{scale:g}_{index}"))
        visuals.save(picture.permute(1, 2, 0).cpu().numpy(), paths[-1])
    return paths


def _free(folder: Path, stem: str) -> Path:
    path, number = folder / f"{stem}.png", 1
    while path.exists():
        path, number = folder / f"{stem}.{number}.png", number + 1
    return path
