"""Who paints and who looks: the keys of `generator`, `critics` and `judges`, their ranges and defaults."""

from typing import Annotated, cast

from pydantic import BeforeValidator, Field, PlainSerializer

from . import meant
from .template import LONGEST_TEXT
from .values import Address, Device, Dtype, Keys, Quantize, Share, Text, Weight, Whole


class PictureSize(Keys):
    width: Whole = Field(
        ge=8, le=8192, description="from left to right, in pixels: a multiple of what the model can do, often 8 or 16"
    )
    height: Whole = Field(
        ge=8, le=8192, description="from top to bottom, in pixels: a multiple of what the model can do, often 8 or 16"
    )


class _Checkpointed(Keys):
    """What is computed again in the backward pass instead of kept."""

    backbone: bool = Field(default=False, description="the network that makes the picture, which the adapter changes")
    decoder: bool = Field(default=False, description="the decoder, from latents to pixels")


def _checkpointing(value: object) -> object:
    if not isinstance(value, (bool, dict, _Checkpointed)):
        raise ValueError(f"must be true, false or a mapping; {meant.truth(value)}")
    return {"backbone": value, "decoder": value} if isinstance(value, bool) else value


Checkpointing = Annotated[_Checkpointed, BeforeValidator(_checkpointing, json_schema_input_type=bool | _Checkpointed)]


class Companion(Keys):
    """An adapter that is merged into the generator."""

    file: Text = Field(description="the adapter's file, or peft's folder, relative to the recipe")
    weight: Share = Field(default=1.0, description="scale at which it is merged: 1 is as it was trained")


def _companions(value: object) -> object:
    """Files alone, or with weights; one of them needs no list."""
    listed = cast(list[object], value) if isinstance(value, list) else [value]
    if not all(isinstance(one, (str, dict)) for one in listed):
        raise ValueError("must be an adapter's file, {file: NAME, weight: W}, or a list of these")
    return [{"file": one} if isinstance(one, str) else one for one in listed]


def _written(companions: list[Companion]) -> list[str | dict[str, str | float]]:
    return [one.file if one.weight == 1 else {"file": one.file, "weight": one.weight} for one in companions]


Companions = Annotated[
    list[Companion],
    BeforeValidator(_companions, json_schema_input_type=Text | Companion | list[Text | Companion]),
    PlainSerializer(_written),
]


class Generator(Keys):
    """The image generator that the adapter is for."""

    model: Address
    steps: Whole = Field(
        default=1,
        ge=1,
        le=1000,
        description="steps of the sampler that one picture takes; the gradient goes through one of them, or through "
        "all with `train.optimize: latents`",
    )
    size: PictureSize | None = Field(
        default=None, description="width and height of a picture; left out, what the model was made for"
    )
    guidance: float = Field(default=0.0, ge=0, description="guidance scale, as the family of the model understands it")
    negative: str = Field(
        default="",
        max_length=LONGEST_TEXT,
        description="negative prompt: what should not be seen, for families that have one",
    )
    dtype: Dtype = "float32"
    device: Device = "auto"
    companions: Companions = Field(
        default=[],
        alias="with",
        description="adapters, files or peft's folders, relative to the recipe, that are merged into the generator and "
        "stay as they are",
    )
    offload: bool = Field(default=False, description="parts wait in main memory until they are needed")
    slicing: bool = Field(default=False, description="decode one picture at a time: less memory")
    tiling: bool = Field(default=False, description="decode a picture piece by piece: less memory, not exact")
    checkpointing: Checkpointing = Field(
        default_factory=_Checkpointed, description="compute again in the backward pass instead of keeping: less memory"
    )


class Critic(Keys):
    """A frozen vision-language model whose gradient teaches the adapter."""

    model: Address
    weight: Weight = Field(default=1.0, description="how much its answers count beside those of the other critics")
    dtype: Dtype = "float32"
    device: Device = "auto"
    checkpointing: bool = Field(
        default=False, description="compute again in the backward pass instead of keeping: less memory"
    )
    quantize: Quantize = None


class Judge(Keys):
    """A vision-language model that is asked, and never in a loss."""

    model: Address
    dtype: Dtype = "float32"
    device: Device = "auto"
    quantize: Quantize = None
