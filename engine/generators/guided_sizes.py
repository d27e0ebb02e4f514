"""What the sizes of every family hold whose guidance takes a second branch, and grains of square patches. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...critics.chat import integer, read_json
from ...critics.costs import Cost, together


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidedSizes:
    """A backbone at one picture size and text length, with its decoder and text encoders."""

    branches: int  # 2 with guidance
    decoded: Cost  # one picture decoded
    parameters: float  # of the backbone and the decoder's autoencoder
    encoders: float  # parameters of the text encoders
    conditioning: float  # values kept for one prompt
    latents: float  # values of one picture's

    def in_all_branches(self, one: Cost) -> Cost:
        """A pass in all branches, which are in one batch: all of them are alive at once."""
        return together(one, times=self.branches)


def patch_grain(folder: Path, factor: int, usual: int = 2) -> int:
    """Pixels of a token that is a square of latents, 0 where the decoder does not say how many a latent is.

    `usual` is the side of the square where the folder does not say it.
    """
    path = folder / "transformer" / "config.json"
    config = read_json(path) if path.is_file() else {}
    return integer(path, {"patch_size": usual, **config}, "patch_size") * factor
