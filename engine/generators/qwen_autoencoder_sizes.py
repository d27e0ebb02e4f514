"""What the decoder of `AutoencoderKLQwenImage` costs for a film of one frame, from its configuration alone, torch-free.

The coefficients of `kept` were counted with `torch.autograd.graph.saved_tensors_hooks` on models of several sizes, in
float32; they hold within 5 %.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ...critics.chat import integer, read_json, refuse
from ...critics.costs import Cost, together
from .. import plan
from . import autoencoder_sizes
from .autoencoder_sizes import Autoencoder

_TILE = 256  # pixels of a tile's side, as the stock class has it
_FRAMES = 3  # that a convolution reads for one: the two before are empty


def autoencoder(chosen: plan.Generator) -> Autoencoder:
    """The autoencoder of the plan's generator; raises `InputError` where its configuration does not say enough."""
    path = Path(chosen.model.folder) / "vae" / "config.json"
    # what is left out is as in the stock class
    settings = {
        "base_dim": 96, "z_dim": 16, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2,
        "temperal_downsample": [False, True, True], **read_json(path),
    }  # fmt: skip
    times, films = settings["dim_mult"], settings["temperal_downsample"]
    if not isinstance(times, list) or not isinstance(films, list):
        raise refuse(path, "`dim_mult` or `temperal_downsample` is no list")
    base, latents = integer(path, settings, "base_dim"), integer(path, settings, "z_dim")
    channels = tuple(base * int(one) for one in cast(list[int], times))
    decoder = Decoder(channels, integer(path, settings, "num_res_blocks"), latents, tuple(cast(list[bool], films)))
    grain = 2 ** len(films)
    side = (chosen.width // grain, chosen.height // grain)
    decoded = decoder.tiled(*side, _TILE // grain) if chosen.tiling else decoder.whole(*side)
    return Autoencoder(grain, latents * side[0] * side[1], decoded, decoder.parameters() + decoder.of_encoder())


@dataclass(frozen=True, slots=True)
class Decoder(autoencoder_sizes.Tiled):
    """What a decoder is made of: channels at each of its sizes, the last first, as its configuration lists them."""

    channels: tuple[int, ...]
    layers: int  # residual blocks in the encoder at each size; the decoder has one more
    latents: int  # channels
    films: tuple[bool, ...]  # at which sizes, the last first, frames grow in number too

    def whole(self, width: int, height: int) -> Cost:
        """One picture of `width` × `height` latents."""
        area, last = float(width * height), self.channels[0]
        pixels = area * 4 ** (len(self.channels) - 1)
        ends = 54.0 * (area * self.latents * self.channels[-1] + pixels * last * 3)
        kept = _read(self.latents, width, height) + 2.0 * last * pixels
        kept += _read(last, *(side * 2 ** (len(self.channels) - 1) for side in (width, height)))
        return together(*(stage.cost for stage in self._stages(width, height)), Cost(ends, kept, 0.0, kept, 0.0))

    def parameters(self) -> float:
        """Of the decoder, norms left out."""
        times = sum(6.0 * channels**2 for channels, film in zip(self.channels[1:], self.films, strict=True) if film)
        ends = 27.0 * (self.latents * self.channels[-1] + self.channels[0] * 3)
        return ends + times + sum(stage.parameters for stage in self._stages(1, 1))

    def of_encoder(self) -> float:
        """Parameters of the other half, which is loaded with it."""
        first, last = self.channels[0], self.channels[-1]
        total = 27.0 * (3 * first + 2 * self.latents * last) + _middle(last)
        before = first
        for at, here in enumerate(self.channels):
            blocks = [(before, here), *[(here, here)] * (self.layers - 1)]
            total += sum(map(_weights, blocks))
            if at < len(self.films):
                total += here**2 * (9.0 + 3.0 * self.films[at])
            before = here
        return total

    def _stages(self, width: int, height: int) -> Iterator[_Stage]:
        """The middle, then one for each size: what is recomputed as one."""
        before = self.channels[-1]
        yield _Stage([(before, before)] * 2, width, height, attends=True, grows=False)
        for at, here in enumerate(reversed(self.channels)):
            grows = at < len(self.channels) - 1
            yield _Stage([(before, here), *[(here, here)] * self.layers], width, height, attends=False, grows=grows)
            before = here // 2  # what grows in size has half as many channels then
            width, height = (2 * width, 2 * height) if grows else (width, height)


@dataclass(frozen=True, slots=True)
class _Stage:
    """Residual blocks (channels in, channels out) on pictures of one size, and what comes after them."""

    blocks: list[tuple[int, int]]
    width: int
    height: int
    attends: bool
    grows: bool  # twice as wide and high at its end

    @property
    def cost(self) -> Cost:
        """A residual block keeps what its two norms, activations and convolutions read, these with borders of zeros."""
        area, last = float(self.width * self.height), self.blocks[-1][1]
        kept = 0.0
        for one, other in self.blocks:
            kept += sum(2.0 * area * side + _read(side, self.width, self.height) for side in (one, other))
            kept += area * one * (one != other)
        kept += 6.0 * last * area * self.attends + 4.0 * last * area * self.grows
        widest = max(_read(one, self.width, self.height) + area * (one + 2 * other) for one, other in self.blocks)
        widest = max(widest, 16.0 * last * area if self.grows else 0.0)
        flops = 2.0 * area * (sum(map(_weights, self.blocks)) + (18.0 * last**2 if self.grows else 0.0))
        if self.attends:
            flops += 8.0 * area * last**2 + 4.0 * area**2 * last
        return Cost(flops, kept, widest, self.blocks[0][0] * area, kept)

    @property
    def parameters(self) -> float:
        last = self.blocks[-1][1]
        if self.attends:
            return _middle(last)
        return sum(map(_weights, self.blocks)) + (4.5 * last**2 if self.grows else 0.0)


def _middle(channels: int) -> float:
    """Parameters of two residual blocks around an attention."""
    return 2 * _weights((channels, channels)) + 4.0 * channels**2


def _weights(block: tuple[int, int]) -> float:
    """Parameters of a residual block's convolutions."""
    one, other = block
    return 27.0 * other * (one + other) + one * other * (one != other)


def _read(channels: int, width: int, height: int) -> float:
    """Values that a convolution reads: its picture with a border, and the empty frames before."""
    return float(_FRAMES * channels * (width + 2) * (height + 2))
