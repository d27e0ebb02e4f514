"""What every family does with a stock pipeline: open its folder, freeze its parts, encode, draw noise, decode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import devices, lengths, model_facts, plan
from ..errors import InputError, Place, Problem
from ..offloading import Turns
from ..quiet import quiet
from . import decoding, text_room
from .branches import Refusal
from .levels import Draws, fresh, over

ENCODED_AT_ONCE = 16  # prompts; bounds the memory of a full-size T5
ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")  # as the stock pipelines number them


class Piped:
    """A generator made of a stock pipeline that holds all its parts; every weight is frozen."""

    lora_prefix: str  # what the pipeline calls its backbone

    def __init__(self, pipeline: Any, chosen: plan.Generator) -> None:
        self._pipeline: Any = pipeline
        self._vae: Any = pipeline.vae
        self._chosen = chosen
        self.backbone: nn.Module = getattr(pipeline, self.lora_prefix)
        self._device = devices.found(chosen.device)
        self.turns = Turns(self._device, chosen.offload)
        freeze(pipeline, self.backbone, chosen, self.turns)
        self._dtype = devices.dtype(chosen.dtype)

    def release_encoders(self) -> None:
        """Drop the text encoders; prompts cannot be encoded afterwards."""
        self.turns.drop(*encoders(self._pipeline))
        release_encoders(self._pipeline, self._device)

    def noise(self, seeds: Sequence[int]) -> Tensor:
        """z at the first level, bit for bit what the stock pipeline draws for one picture from a CPU generator."""
        return torch.cat([self._drawn(seed) for seed in seeds])

    def _drawn(self, seed: int) -> Any:
        """What the stock pipeline prepares for one picture: z, and what else it needs of its size."""
        stream = torch.Generator("cpu").manual_seed(seed)
        channels, size = self._channels, (self._chosen.height, self._chosen.width)
        return self._pipeline.prepare_latents(1, channels, *size, self._latents_dtype, self._device, stream)

    def _mixed(
        self, denoised: Tensor, sigma: Tensor, draws: Draws | None, shares: Callable[[Tensor], tuple[Tensor, Tensor]]
    ) -> Tensor:
        """z at noise level sigma [] or [B], in the dtype of z on its device, of x̂0 and fresh noise.

        `shares` are those of both at a level.
        """
        exact = devices.precise(self._dtype)
        drawn = fresh(denoised.shape, draws, exact).to(self._device)
        kept, noisy = shares(over(sigma.to(self._device), denoised, exact))
        return (kept * denoised.to(self._device, exact) + noisy * drawn).to(self._latents_dtype)

    @property
    def _latents_dtype(self) -> torch.dtype:
        """In which z is kept."""
        return self._dtype

    @property
    def _channels(self) -> int:
        """Of the latents."""
        settings: Any = self.backbone.config
        return int(settings.in_channels)

    def image(self, denoised: Tensor) -> Tensor:
        """Pixels [B, 3, H, W] in [0, 1] of x̂0; the clamp passes gradients straight through."""
        return decoding.pixels(self._vae, denoised.to(self._dtype))


def opened(stock: Any, chosen: plan.Generator, **without: object) -> Any:
    """The pipeline of class `stock` in the folder `chosen.model.folder`, safetensors only, in the plan's dtype.

    Parts that are not wanted are given as `None`.
    """
    with quiet():
        return stock.from_pretrained(
            chosen.model.folder,
            dtype=devices.dtype(chosen.dtype),
            use_safetensors=True,
            local_files_only=True,
            **without,
        )


def freeze(pipeline: Any, backbone: Any, chosen: plan.Generator, turns: Turns) -> None:
    """Put backbone, decoder and encoders on the plan's device, or let them take turns there, without gradients.

    What else the plan saves memory by is turned on, by diffusers' own switches.
    """
    for group in ((backbone,), (pipeline.vae,), encoders(pipeline)):
        for part in group:
            part.requires_grad_(False).eval()
        turns.add(*group)
    for part in (backbone, *encoders(pipeline)):
        turns.led(part, "forward")
    turns.led(pipeline.vae, "decode")
    if chosen.slicing:
        pipeline.vae.enable_slicing()
    if chosen.tiling:
        pipeline.vae.enable_tiling()
    if chosen.checkpoint_decoder:
        decoding.recompute(pipeline.vae)
    if chosen.checkpoint_backbone:
        backbone.enable_gradient_checkpointing()


def set_apart(scheduler: Any, steps: int, **settings: object) -> Any:
    """A scheduler of the same settings, set to N steps: the pipeline's own stays as it was."""
    own = type(scheduler).from_config(scheduler.config)
    own.set_timesteps(steps, **settings)
    return own


def encoders(pipeline: Any) -> tuple[nn.Module, ...]:
    """The text encoders that a pipeline has."""
    return tuple(part for name in ENCODERS if (part := getattr(pipeline, name, None)) is not None)


def encoded(
    prompts: Sequence[str], negatives: Sequence[str], encode: Callable[[list[str], list[str]], Iterable[Tensor | None]]
) -> list[Tensor | None]:
    """What `encode` makes of some prompts and negatives at a time, each part of it for all of them, B first.

    A part that `encode` leaves out stays None.
    """
    starts = range(0, len(prompts), ENCODED_AT_ONCE)
    ends = [slice(start, start + ENCODED_AT_ONCE) for start in starts]
    with quiet():
        parts = [encode(list(prompts[part]), list(negatives[part])) for part in ends]
    return [_joined(one) for one in zip(*parts, strict=True)]


def _joined(parts: Iterable[Tensor | None]) -> Tensor | None:
    found = [part for part in parts if part is not None]
    return torch.cat(found) if found else None


def room(chosen: plan.Generator) -> int:
    """Tokens that a prompt may have, of those that the last text encoder is given."""
    return text_room(chosen.model.family, Path(chosen.model.folder), chosen.text_length)


def refuse_cut(prompts: Iterable[str], tokenizer: Any, limit: int, chosen: plan.Generator) -> None:
    """Raises `InputError` for what the encoder would cut, where there was no file of a tokenizer to say so before."""
    if model_facts.reads(chosen.model) is None:
        refuse_longer(prompts, tokenizer, limit, chosen)


def refuse_longer(prompts: Iterable[str], tokenizer: Any, limit: int, chosen: plan.Generator, before: str = "") -> None:
    """Raises `InputError` for prompts of more tokens than `limit`, what stock puts `before` each among them."""
    own = len(tokenizer(before).input_ids) if before else 0
    for prompt in dict.fromkeys(prompts):
        with quiet():
            count = len(tokenizer(before + prompt).input_ids)
        if count > limit:
            said = lengths.said(prompt, count - own, limit - own)
            raise InputError([Problem(Place(chosen.model.address), "", said)])


def refuse_released(pipeline: Any) -> None:
    """Raises RuntimeError where the text encoders are gone."""
    if all(getattr(pipeline, name, None) is None for name in ENCODERS):
        raise RuntimeError("the text encoders were released")


def release_encoders(pipeline: Any, device: torch.device) -> None:
    """Drop the text encoders, and give their memory back."""
    pipeline.register_modules(**{name: None for name in ENCODERS if hasattr(pipeline, name)})
    if device.type == "cuda":
        torch.cuda.empty_cache()


def refuse(problems: Iterable[tuple[str, str]], chosen: plan.Generator) -> None:
    """Raises `InputError` for problems (key of the recipe, message), where there are any."""
    if found := [Problem(Place(chosen.model.address), key, message) for key, message in problems]:
        raise InputError(found)


def own_problems(found: Iterable[Refusal]) -> list[tuple[str, str]]:
    """What a family itself refuses, as (key of the recipe, message)."""
    return [(f"generator.{one.key}", one.message) for one in found]


def size_problems(chosen: plan.Generator, grain: int) -> list[tuple[str, str]]:
    """What is wrong with a picture's size, whose sides must be multiples of `grain` pixels."""
    if not chosen.width % grain and not chosen.height % grain:
        return []
    size = f"{chosen.width}×{chosen.height}"
    return [("generator.size", f"width and height must be multiples of {grain} for this model, found {size}")]
