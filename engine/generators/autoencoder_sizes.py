"""What a stock autoencoder's decoder costs, from its configuration alone, without torch.

The coefficients of `kept` were counted with `torch.autograd.graph.saved_tensors_hooks` on models of several sizes, in
float32; they hold within 3 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import cast

from ...critics.chat import integer, read_json, refuse
from ...critics.costs import Cost, together
from .. import plan


@dataclass(frozen=True, slots=True)
class Autoencoder:
    """An `AutoencoderKL` of pictures of one size."""

    grain: int  # pixels to a latent, in width and in height
    latents: float  # values of one picture's
    decoded: Cost  # one picture decoded
    parameters: float


def autoencoder(chosen: plan.Generator) -> Autoencoder:
    """The autoencoder of the plan's generator; raises `InputError` where its configuration does not say enough."""
    path = Path(chosen.model.folder) / "vae" / "config.json"
    settings = read_json(path)
    # some decoders are narrower than their encoders
    channels = settings.get("decoder_block_out_channels") or settings.get("block_out_channels")
    if not isinstance(channels, list) or not all(isinstance(one, int) for one in cast(list[object], channels)):
        raise refuse(path, "`block_out_channels` is missing")
    sizes = tuple(cast(list[int], channels))
    grain = 2 ** (len(sizes) - 1)
    layers = integer(path, {"layers_per_block": 1, **settings}, "layers_per_block")
    latents = integer(path, {"latent_channels": 4, **settings}, "latent_channels")
    decoder = Decoder(sizes, layers, latents, settings.get("mid_block_add_attention", True) is True)
    side = (chosen.width // grain, chosen.height // grain)
    decoded = decoder.tiled(*side, _side(path, settings) // grain) if chosen.tiling else decoder.whole(*side)
    # its other half is about as large, and is loaded with it
    return Autoencoder(grain, latents * side[0] * side[1], decoded, 1.7 * decoder.parameters())


def _side(path: Path, settings: Mapping[str, object]) -> int:
    """Pixels of the pictures that an autoencoder was made for, which are its tiles too."""
    size = settings.get("sample_size", 32)
    first = cast(list[object], size)[0] if isinstance(size, list) and size else size
    return integer(path, {"sample_size": first}, "sample_size")


class Tiled:
    """A decoder that may work in tiles."""

    __slots__ = ()

    def whole(self, width: int, height: int) -> Cost:
        """One picture of `width` × `height` latents."""
        raise NotImplementedError

    def tiled(self, width: int, height: int, least: int) -> Cost:
        """The same in tiles of `least` latents, each a quarter over the next (diffusers)."""
        if max(width, height) <= least:
            return self.whole(width, height)
        corners = product(range(0, width, int(0.75 * least)), range(0, height, int(0.75 * least)))
        tiles = Counter((min(least, width - left), min(least, height - top)) for left, top in corners)
        whole = together(*(together(self.whole(*size), times=count) for size, count in tiles.items()))
        largest = self.whole(least, least)
        return replace(whole, widest=largest.widest, layer=largest.layer)


@dataclass(frozen=True, slots=True)
class Decoder(Tiled):
    """What a decoder is made of: channels at each of its sizes, the last first, as its configuration lists them."""

    channels: tuple[int, ...]
    layers: int  # residual blocks in the encoder at each size; the decoder has one more
    latents: int  # channels
    attends: bool

    def whole(self, width: int, height: int) -> Cost:
        """One picture of `width` × `height` latents."""
        costs = [stage.cost for stage in self._stages(width, height)]
        area, first, last = width * height, self.channels[-1], self.channels[0]
        ends = 18.0 * area * (self.latents * first + 4 ** (len(self.channels) - 1) * last * 3)
        kept = 3.0 * last * area * 4 ** (len(self.channels) - 1)
        return together(*costs, Cost(ends, kept, 0.0, kept, 0.0))

    def parameters(self) -> float:
        """Of the decoder, norms and attention left out."""
        ends = 9.0 * (self.latents * self.channels[-1] + self.channels[0] * 3)
        return ends + sum(stage.parameters for stage in self._stages(1, 1))

    def _stages(self, width: int, height: int) -> Iterator[_Stage]:
        """The middle, then one for each size: what is recomputed as one."""
        before, area = self.channels[-1], float(width * height)
        yield _Stage([(before, before)] * 2, area, attends=self.attends, grows=False)
        for at, here in enumerate(reversed(self.channels)):
            grows = at < len(self.channels) - 1
            yield _Stage([(before, here), *[(here, here)] * self.layers], area, attends=False, grows=grows)
            before, area = here, 4 * area if grows else area


@dataclass(frozen=True, slots=True)
class _Stage:
    """Residual blocks (channels in, channels out) on one area, and what comes after them."""

    blocks: Sequence[tuple[int, int]]
    area: float  # latents or pixels
    attends: bool
    grows: bool  # twice as wide and high at its end

    @property
    def cost(self) -> Cost:
        """A residual block keeps what its two norms, activations and convolutions read: 3 × input and 3 × output."""
        last = self.blocks[-1][1]
        kept = 3.0 * sum(one + other for one, other in self.blocks) * self.area
        kept += 4.0 * last * self.area * (self.attends + self.grows)
        widest = max(2.0 * (one + other) for one, other in self.blocks) * self.area
        # enlarged, convolved, and both once more in the order that a convolution likes
        widest = max(widest, 16.0 * last * self.area if self.grows else 0.0)
        flops = 18.0 * self.area * (sum(self._weights()) + (4 * last**2 if self.grows else 0))
        return Cost(flops, kept, widest, self.blocks[0][0] * self.area, kept)

    @property
    def parameters(self) -> float:
        return 9.0 * (sum(self._weights()) + (self.blocks[-1][1] ** 2 if self.grows else 0))

    def _weights(self) -> Iterator[int]:
        """Products of channels of each convolution."""
        yield from (other * (one + other) for one, other in self.blocks)
