"""Critics: frozen vision-language models that answer questions about a picture, differentiably.

A family is one file here and one word in `FAMILIES`; its torch-free part (limits, tokens per picture, the chat's
text) is at module level, everything that computes imports torch inside its functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, cast

from ..engine.errors import InputError, Place, Problem

if TYPE_CHECKING:
    from torch import Tensor

    from .chat import Chat
    from .costs import Sizes

# `model_type` in a model folder's config.json -> the family: the module of this package that knows it
FAMILIES = {
    "qwen2_5_vl": "qwen2_5_vl",
    "qwen3_vl": "qwen3_vl",
    "llava": "llava",
    "llava_next": "llava_next",
    "llava_onevision": "llava_onevision",
    "gemma3": "gemma3",
    "paligemma": "paligemma",
    "idefics2": "idefics2",
    "idefics3": "idefics3",
    "smolvlm": "idefics3",
    "pixtral": "pixtral",  # no model type of its own: `TOWERS`
    "internvl": "internvl",
}
# bytes of a value that is quantised, its share of scales included
BYTES_QUANTIZED = {"8bit": 1.01, "4bit": 0.5625}
# `model_type` of a model and of its vision tower -> the family, where the first alone does not tell
TOWERS = {("llava", "pixtral"): "pixtral"}
GENERIC = "generic"  # of any other model, whose image processor is a known one: `processors.KNOWN`


@dataclass(frozen=True, slots=True)
class View:
    """What a critic is shown: one picture, what is laid over it, and pictures set beside it."""

    picture: Tensor  # [3, H, W] in [0, 1], differentiable
    overlays: tuple[Tensor, ...] = ()  # each RGBA [4, H, W] in [0, 1], straight alpha, laid over in order
    references: tuple[Tensor, ...] = ()  # each [3, h, w] in [0, 1], shown as pictures of their own, after the picture


@dataclass(frozen=True, slots=True)
class Branch:
    """One question and one answer to it."""

    question: str
    answer: str
    closed: bool = False  # whether the end of the turn counts as a token of the answer


def family_of(config: Mapping[str, object]) -> str | None:
    """The family that knows a model, by its `config.json`; None where there is none."""
    kind, vision = config.get("model_type"), config.get("vision_config")
    tower = cast(Mapping[str, object], vision).get("model_type") if isinstance(vision, Mapping) else None
    return TOWERS.get((str(kind), str(tower))) or FAMILIES.get(str(kind))


def generic_of(folder: str | Path) -> str | None:
    """`GENERIC` where a folder without a family of its own has an image processor that is known; None otherwise."""
    from .processors import KNOWN, kind_of

    try:
        kind = kind_of(Path(folder))
    except InputError:  # no file says which
        return None
    return GENERIC if kind in KNOWN else None


def known_processors() -> list[str]:
    """The image processors that a model without a family of its own may have."""
    from .processors import KNOWN

    return list(KNOWN)


class Critic(Protocol):
    """A vision-language model as the engine sees it."""

    model: Any  # the stock model with all its weights

    def ask(self, views: Sequence[View], branches: Sequence[Sequence[Branch]]) -> list[list[Tensor]]:
        """Log-probabilities [T] of every answer token, for each view and each of its branches (nats)."""
        ...

    def reply(self, view: View, question: str, limit: int = 32) -> str:
        """The critic's own greedy answer, at most `limit` tokens: for people."""
        ...


def load(
    folder: str | Path, family: str, dtype: str, device: str, checkpointing: bool = False, quantize: str = ""
) -> Critic:
    """The critic of a model folder, frozen; `family` is a value of `FAMILIES`, or `GENERIC`.

    `dtype` as torch names it (float32, bfloat16, float64), `device` as torch names it, or `auto`: the first
    accelerator there is, else the processor. With `checkpointing`, layers are computed again in the backward pass
    instead of kept. `quantize` stores their weights in `8bit` or `4bit` before they come to the device. `InputError`
    where the folder cannot be used.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    critic = _module(folder, family).load(Path(folder), dtype, "cpu" if quantize else device)
    if quantize:
        from .quantizing import quantize as stored

        stored(critic.model, quantize)
        torch.nn.Module.to(critic.model, device)
    if checkpointing:
        from .recomputing import recompute

        recompute(critic.model)
    return critic


def chat_of(folder: str | Path, family: str) -> Chat:
    """The torch-free part of the critic of a model folder: tokens of questions and answers, lengths, limits."""
    return _module(folder, family).chat(Path(folder))


def sizes_of(folder: str | Path, family: str) -> Sizes:
    """What the critic of a model folder costs, from its configuration; `InputError` where that does not say."""
    return _module(folder, family).sizes(Path(folder))


def packs(family: str) -> bool:
    """Whether all questions about a view share one pass; otherwise each takes one of its own, with its answers."""
    return bool(getattr(import_module(f".{family}", __name__), "PACKS", True))


def readings(family: str, answers: Sequence[Sequence[int]]) -> int:
    """How many times one pass reads its pictures and its question for these answers, given as tokens: mostly once."""
    rows = getattr(import_module(f".{family}", __name__), "rows_of", None)
    return len(rows(answers)) if rows else 1


def _module(folder: str | Path, family: str) -> ModuleType:
    if family not in (*FAMILIES.values(), GENERIC):
        known = ", ".join(sorted(set(FAMILIES.values())))
        problem = Problem(Place(str(folder)), "", f"no critic of family {family!r} is known", f"there are: {known}")
        raise InputError([problem])
    return import_module(f".{family}", __name__)
