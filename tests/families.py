"""Every family of generators as the tests know it: its pico folders, and what the stock pipeline is called with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pico
import pico_dit
import pico_flow
import pico_sd
import torch
from control_recipes.engine import plan
from torch import Tensor


def flow(z: Tensor, sigma: Tensor, output: Tensor) -> Tensor:
    """x̂0 of a model that says the velocity v = noise − x0."""
    return z - sigma * output


def flow_of_tokens(z: Tensor, sigma: Tensor, output: Tensor) -> Tensor:
    """The same where the model says it of tokens, one behind the other."""
    return z - sigma * output.transpose(1, 2).reshape(z.shape)


def noise(z: Tensor, sigma: Tensor, output: Tensor) -> Tensor:
    """x̂0 of a model that says ε, with z = x0 + σ ε, and of some channels a variance behind it."""
    return z - sigma * output[:, : z.shape[1]]


def toward_pictures(z: Tensor, sigma: Tensor, output: list[Tensor]) -> Tensor:
    """x̂0 of a model that says x0 − noise, a picture of one frame at a time."""
    return z + sigma * torch.stack(output).squeeze(2)


def velocity(z: Tensor, sigma: Tensor, output: Tensor) -> Tensor:
    """x̂0 of a model that says v = √ᾱ ε − √(1 − ᾱ) x0: √ᾱ (√ᾱ z) − √(1 − ᾱ) v, with ᾱ = 1 / (1 + σ²)."""
    kept = 1 / (1 + sigma**2)
    return kept * z - (1 - kept).sqrt() * output


def turned(z: Tensor, sigma: Tensor, output: Tensor) -> Tensor:
    """x̂0 of a model that says −v = x0 − noise."""
    return z + sigma * output


def trigonometric(z: Tensor, sigma: Tensor, output: Tensor) -> Tensor:
    """x̂0 of a flow that says v at its share of noise, with z = cos(t) x0 + sin(t) noise."""
    whole = sigma.cos() + sigma.sin()
    return z / whole - sigma.sin() / whole * output


@dataclass(frozen=True)
class Case:
    """A kind of folder of a family, and how both sides make a picture of it."""

    name: str
    family: str
    build: Callable[..., Path]  # with `wide=True` one that sizes are counted on
    estimated: Callable[[Tensor, Tensor, Any], Tensor]  # z, σ and what the backbone said -> x̂0
    guidance: float = 0.0
    negative: str = ""
    called: Mapping[str, object] = field(
        default_factory=dict[str, object]
    )  # beside prompt, size, steps, guidance; by steps
    without: tuple[str, ...] = ()  # parts that the folder has not, of which stock has to be told
    side: int | None = 32  # of the pictures that the folder says it makes, in pixels
    tolerance: float = 2e-6  # of pixels in [0, 1]; the order of roundings in a step of Euler differs from stock
    shapes: tuple[tuple[int, int], ...] = ((32, 32), (48, 16))  # widths and heights of pictures, in pixels
    draws: bool = False  # its sampler puts fresh noise on every clean estimate
    loads: str = "pipeline.load_lora_weights(file)"  # how stock takes an adapter

    def chosen(self, folder: Path, **changes: object) -> plan.Generator:
        """The plan's generator."""
        settings: dict[str, Any] = {"family": self.family, "guidance": self.guidance, **changes}
        negative = settings.pop("negative", self.negative)
        return replace(pico.generator(folder, **settings), negative=negative)

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
            **{key: value(chosen.steps) if callable(value) else value for key, value in self.called.items()},
        }


T5 = {"max_sequence_length": 16}
PIXART = {**T5, "clean_caption": False, "use_resolution_binning": False}
SANA = {**T5, "use_resolution_binning": False}
# where stock has no loader of its own, the lines of docs/models.md
PEFT = (Path(__file__).parents[1] / "docs" / "models.md").read_text("utf-8").split("```python\n")[1].split("```")[0]
CASES = [
    Case("flux-schnell", "flux", pico.flux_folder, flow, called=T5),
    Case("flux-dev", "flux", partial(pico.flux_folder, guidance=True, dynamic=True), flow, 3.5, called=T5),
    Case("sd-1", "sd", pico_sd.sd_folder, noise, 7.5, "a tent", tolerance=1e-5),
    Case("sd-2", "sd", partial(pico_sd.sd_folder, velocity=True, linear=True), velocity, 3.0, tolerance=1e-5),
    Case("sd-turbo", "sd", partial(pico_sd.sd_folder, kind="trailing", linear=True), noise, tolerance=1e-5),
    Case("sdxl", "sdxl", pico_sd.sdxl_folder, noise, 5.0, "a tent", tolerance=1e-5),
    Case("sdxl-lightning", "sdxl", partial(pico_sd.sdxl_folder, kind="trailing"), noise, tolerance=1e-5),
    Case("sd3", "sd3", pico_sd.sd3_folder, flow, 4.0, "a tent", called=T5, tolerance=5e-6),
    Case(
        "sd3.5",
        "sd3",
        partial(pico_sd.sd3_folder, newer=True, t5=False),
        flow,
        without=("text_encoder_3", "tokenizer_3"),
        tolerance=5e-6,
    ),
    Case("pixart", "pixart", pico_dit.pixart_folder, noise, 4.5, "a tent", PIXART, tolerance=1e-5, loads=PEFT),
    Case("sana", "sana", pico_dit.sana_folder, flow, 4.5, "a tent", SANA, shapes=((32, 32), (64, 32))),
    Case(
        "sana-sprint",
        "sana_sprint",
        pico_dit.sana_sprint_folder,
        trigonometric,
        4.5,
        called={**SANA, "intermediate_timesteps": lambda steps: 1.3 if steps == 2 else None},
        shapes=((32, 32), (64, 32)),
        draws=True,
    ),
    Case("lumina2", "lumina2", pico_dit.lumina2_folder, turned, 4.0, "a tent", T5, tolerance=5e-6),
    Case("z-image", "z_image", pico_flow.z_image_folder, toward_pictures, 3.0, "a tent", tolerance=5e-6),
    Case(
        "qwen-image",
        "qwen_image",
        pico_flow.qwen_image_folder,
        flow,
        4.0,
        "a tent",
        called={**T5, "true_cfg_scale": 4.0},
        side=None,
        tolerance=5e-6,
    ),
    Case("flux2-klein", "flux2_klein", pico_flow.flux2_klein_folder, flow_of_tokens, 4.0, called=T5, tolerance=5e-6),
    Case("chroma", "chroma", pico_flow.chroma_folder, flow, 4.0, "a tent", called=T5, tolerance=5e-6),
]


def stock(case: Case, folder: Path, prompt: str, seed: int, chosen: plan.Generator, dtype: str = "float32") -> Tensor:
    """The picture [3, H, W] of the stock pipeline as it is."""
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(folder, dtype=getattr(torch, dtype), **dict.fromkeys(case.without))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(prompt=prompt, generator=torch.Generator("cpu").manual_seed(seed), **case.calls(chosen)).images[0]
