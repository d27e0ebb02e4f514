"""Who takes part in a plan: the generator, critics and judges, and the models and files they are named by.

A part of `plan.py`, which says what the defaults here mean.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Model:
    """A model named by what it holds. `folder` is where it lies here; it is no part of the digest."""

    address: str  # as written: builtin:generator, org/name@revision, ./folder
    family: str  # a word of the families' table: flux, qwen2_5_vl, llava
    revision: str  # a hub commit; empty for builtin models and folders
    files: tuple[tuple[str, str], ...]  # (relative path, sha256), sorted by path
    folder: str


@dataclass(frozen=True, slots=True)
class Asset:
    """A file named by what it holds. `source` is where it lies here; it is no part of the digest."""

    name: str  # as written, relative to the recipe
    sha256: str
    source: str


@dataclass(frozen=True, slots=True)
class Companion(Asset):
    """A fixed adapter of a generator, at its weight; or what peft wrote beside one."""

    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Generator:
    model: Model
    steps: int  # N sampler steps, >= 1
    width: int  # pixels
    height: int  # pixels
    guidance: float
    negative: str
    dtype: str  # float32 | bfloat16 | float64
    device: str  # auto | cpu | cuda | cuda:N
    text_length: int  # tokens that the sequence encoder pads to; 0 where the family has none
    companions: tuple[Companion, ...] = ()  # fixed adapters beside the one that is trained; behind peft's, its settings
    offload: bool = False  # parts wait in main memory until they are needed
    slicing: bool = False  # the decoder takes one picture at a time
    tiling: bool = False  # the decoder takes a picture piece by piece: not exact
    checkpoint_backbone: bool = False  # recomputed in the backward pass, not kept
    checkpoint_decoder: bool = False


@dataclass(frozen=True, slots=True)
class Critic:
    """A critic or a judge. A judge's weight is 0: it is never in a loss."""

    name: str
    model: Model
    weight: float
    dtype: str
    device: str
    checkpointing: bool = False  # recomputed in the backward pass, not kept
    quantize: str = ""  # 8bit | 4bit; empty: as they are
