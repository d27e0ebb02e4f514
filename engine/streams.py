"""Random streams: one seed of the plan, and a name for every use of it, so that no use disturbs another."""

from __future__ import annotations

import hashlib

import torch


def stream(seed: int, *name: str | int) -> torch.Generator:
    """A fresh CPU generator for the use that `name` says, by steps too: what is drawn at step 7 needs no step 6.

    So a resumed training draws what an uninterrupted one draws, and a checkpoint keeps no random state.
    """
    return torch.Generator("cpu").manual_seed(derived(seed, *name))


def derived(seed: int, *name: str | int) -> int:
    """A seed in [0, 2⁶³) for the use that `name` says."""
    text = "/".join(str(part) for part in (seed, *name))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
