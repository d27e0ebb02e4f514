"""What the decoder of a deep autoencoder (`AutoencoderDC`) costs, from its configuration alone, without torch.

The coefficients of `kept` were counted with `torch.autograd.graph.saved_tensors_hooks` on models of several sizes, in
float32; they hold within 5 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import cast

from ...critics.chat import integer, read_json, refuse
from ...critics.costs import Cost, together
from .. import plan
from .autoencoder_sizes import Autoencoder

_TILE, _STRIDE = 512, 448  # pixels of the stock tiles, and from one to the next
# values that a block keeps for each latent or pixel, in units of its channels, and for each further scale of attention
_RESIDUAL, _ATTENDING, _SCALE = 4.0, 40.2, 9.4
_END = 2.1  # those of the norm and convolution at the end


@dataclass(frozen=True, slots=True)
class _Stage:
    """What is computed at one size: enlarged first, where it is not the first, then its blocks."""

    before: int  # channels of the stage before; 0: this is the first
    channels: int
    blocks: int
    scales: int  # of attention, beside its own; -1: its blocks are residual ones
    head: int  # channels of a head of attention
    shuffled: bool  # enlarged by channels that become pixels
    area: float  # latents or pixels

    @property
    def weights(self) -> float:
        """Of the blocks, each read once for a latent or pixel."""
        here = self.channels
        if self.scales < 0:
            return 18.0 * self.blocks * here**2
        attention = 3 * here**2 + self.scales * 3 * here * (25 + self.head) + (1 + self.scales) * here**2
        return self.blocks * (attention + 12 * here**2 + 72 * here)

    @property
    def growing(self) -> float:
        """Weights of what enlarges it."""
        return 9.0 * self.before * self.channels * (4 if self.shuffled else 1)

    @property
    def cost(self) -> Cost:
        here = self.channels * self.area
        block = _RESIDUAL if self.scales < 0 else _ATTENDING + _SCALE * self.scales
        given = self.before * self.area / 4 or here
        kept = here * block * self.blocks + (given * (1 if self.shuffled else 4) if self.before else 0)
        flops = 2 * self.area * (self.weights + self.growing / (4 if self.shuffled else 1))
        flops += 4.0 * here * self.head * self.blocks * (1 + self.scales)
        widest = here * (20.0 if self.scales >= 0 else 6.0)
        return Cost(flops, kept, widest, given, kept)


@dataclass(frozen=True, slots=True)
class _Decoder:
    channels: tuple[int, ...]  # at each of its sizes, the last first, as its configuration lists them
    layers: tuple[int, ...]
    scales: tuple[int, ...]  # as in a stage
    head: int
    latents: int  # channels
    shuffled: bool

    def whole(self, width: int, height: int) -> Cost:
        """One picture of `width` × `height` latents."""
        pixels = width * height * 4.0 ** (len(self.channels) - 1)
        last = self.channels[0] if self.layers[0] else self.channels[1]
        kept = _END * last * pixels / (1 if self.layers[0] else 4)
        ends = Cost(
            18.0 * (width * height * self.latents * self.channels[-1] + pixels * 3 * last), kept, 0.0, kept, 0.0
        )
        return together(*(stage.cost for stage in self.stages(width * height)), ends)

    def tiled(self, width: int, height: int, grain: int) -> Cost:
        """The same in the stock tiles, which overlap."""
        least, stride = _TILE // grain, _STRIDE // grain
        if max(width, height) <= least:
            return self.whole(width, height)
        corners = product(range(0, width, stride), range(0, height, stride))
        tiles = Counter((min(least, width - left), min(least, height - top)) for left, top in corners)
        whole = together(*(together(self.whole(*size), times=count) for size, count in tiles.items()))
        largest = self.whole(min(least, width), min(least, height))
        return replace(whole, widest=largest.widest, layer=largest.layer)

    def parameters(self) -> float:
        """Norms and biases left out."""
        ends = 9.0 * (self.latents * self.channels[-1] + 3 * (self.channels[0] if self.layers[0] else self.channels[1]))
        return ends + sum(stage.weights + stage.growing for stage in self.stages(1.0))

    def stages(self, area: float) -> Iterator[_Stage]:
        """From the latents on; a stage without blocks is not enlarged by itself."""
        before = 0
        for at, here in reversed(list(enumerate(self.channels))):
            if before and self.layers[at]:
                area *= 4
            if self.layers[at]:
                yield _Stage(before, here, self.layers[at], self.scales[at], self.head, self.shuffled, area)
            before = here


def autoencoder(chosen: plan.Generator) -> Autoencoder:
    """The autoencoder of the plan's generator; raises `InputError` where its configuration does not say enough."""
    path = Path(chosen.model.folder) / "vae" / "config.json"
    # what is left out is as in the stock class
    config = {
        "decoder_block_out_channels": [128, 256, 512, 512, 1024, 1024], "decoder_layers_per_block": [3] * 6,
        "decoder_block_types": "ResBlock", "decoder_qkv_multiscales": [[], [], [], [5], [5], [5]],
        "upsample_block_type": "pixel_shuffle", "latent_channels": 32, "attention_head_dim": 32, **read_json(path),
    }  # fmt: skip
    channels, layers = config["decoder_block_out_channels"], config["decoder_layers_per_block"]
    kinds, scales = config["decoder_block_types"], config["decoder_qkv_multiscales"]
    count = len(cast(list[object], channels)) if isinstance(channels, list) else 0
    kinds = [kinds] * count if isinstance(kinds, str) else kinds
    lists = (channels, layers, kinds, scales)
    if count < 2 or any(not isinstance(one, list) or len(cast(list[object], one)) != count for one in lists):
        raise refuse(path, "`decoder_block_out_channels` and what stands beside it are no lists of one length")
    attends = [kind == "EfficientViTBlock" for kind in cast(list[str], kinds)]
    told = zip(attends, cast(list[list[int]], scales), strict=True)
    grain = 2 ** (count - 1)
    latents = integer(path, config, "latent_channels")
    decoder = _Decoder(
        channels=tuple(cast(list[int], channels)),
        layers=tuple(cast(list[int], layers)),
        scales=tuple(len(some) if attending else -1 for attending, some in told),
        head=integer(path, config, "attention_head_dim"),
        latents=latents,
        shuffled=config["upsample_block_type"] == "pixel_shuffle",
    )
    side = (chosen.width // grain, chosen.height // grain)
    decoded = decoder.tiled(*side, grain) if chosen.tiling else decoder.whole(*side)
    # its other half is about as large, and is loaded with it
    return Autoencoder(grain, latents * side[0] * side[1], decoded, 2 * decoder.parameters())
