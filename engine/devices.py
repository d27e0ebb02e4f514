"""Words of a recipe for dtypes and devices, and the torch objects they mean."""

from __future__ import annotations

import torch

from . import processes
from .errors import InputError, Place, Problem, no_device

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}


def dtype(word: str) -> torch.dtype:
    """The torch dtype that `word` names: float32, bfloat16 or float64."""
    return DTYPES[word]


def device(word: str) -> torch.device:
    """The torch device that `word` names; `auto` is CUDA's first device where there is one, otherwise the CPU.

    Of several processes on a machine, `auto` and `cuda` mean the next device for each, from the first again where there
    are fewer.
    """
    if word == "auto" and not torch.cuda.is_available():
        return torch.device("cpu")
    if word == "auto" or (word == "cuda" and processes.started() > 1):
        return torch.device("cuda", processes.local_rank() % max(1, torch.cuda.device_count()))
    return torch.device(word)


def found(word: str) -> torch.device:
    """As `device`, where this machine has it; raises `InputError` where it has not."""
    chosen = device(word)
    if chosen.type == "cuda":
        number = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (chosen.index or 0) >= number:
            raise InputError([Problem(Place(f"device: {word}"), "", *no_device(word, number))])
    return chosen


def precise(kind: torch.dtype) -> torch.dtype:
    """The dtype for sums and updates of values kept in `kind`: at least float32."""
    return torch.promote_types(kind, torch.float32)
