"""Every family of generators as the tests know it: its pico folders, and what the stock pipeline is called with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pico
import torch
from control_recipes.engine import plan
from torch import Tensor


def flow(z: Tensor, sigma: Tensor, output: Tensor) -> Tensor:
    """x̂0 of a model that says the velocity v = noise − x0."""
    return z - sigma * output


@dataclass(frozen=True)
class Case:
    """A kind of folder of a family, and how both sides make a picture of it."""

    name: str
    family: str
    build: Callable[..., Path]  # with `wide=True` one that sizes are counted on
    estimated: Callable[[Tensor, Tensor, Tensor], Tensor]  # z, σ and what the backbone said -> x̂0
    guidance: float = 0.0
    negative: str = ""
    called: Mapping[str, object] = field(default_factory=dict[str, object])  # beside prompt, size, steps, guidance
    tolerance: float = 2e-6  # of pixels in [0, 1]; the order of roundings in a step of Euler differs from stock

    def chosen(self, folder: Path, **changes: object) -> plan.Generator:
        """The plan's generator."""
        settings = {"family": self.family, "guidance": self.guidance, **changes}
        made = pico.generator(folder, **settings)  # type: ignore[arg-type]
        return plan.Generator(**{**{name: getattr(made, name) for name in made.__slots__}, "negative": self.negative})

    def calls(self, chosen: plan.Generator) -> dict[str, object]:
        """What the stock pipeline is called with for the same picture."""
        negative = {"negative_prompt": self.negative} if self.negative else {}
        return {
            "num_inference_steps": chosen.steps,
            "width": chosen.width,
            "height": chosen.height,
            "guidance_scale": self.guidance,
            "output_type": "pt",
            **negative,
            **self.called,
        }


T5 = {"max_sequence_length": 16}
CASES = [
    Case("flux-schnell", "flux", pico.flux_folder, flow, called=T5),
    Case("flux-dev", "flux", partial(pico.flux_folder, guidance=True, dynamic=True), flow, 3.5, called=T5),
]


def stock(case: Case, folder: Path, prompt: str, seed: int, chosen: plan.Generator, dtype: str = "float32") -> Tensor:
    """The picture [3, H, W] of the stock pipeline as it is."""
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(folder, dtype=getattr(torch, dtype))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(prompt, generator=torch.Generator("cpu").manual_seed(seed), **case.calls(chosen)).images[0]
