"""What a Flux folder costs, from its configurations alone, without torch.

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

# values kept in a double and in a single block for each token, in units of the width, by what the adapter takes
_KEPT = {"attention": (14.4, 12.05), "all": (23.9, 19.1)}


@dataclass(frozen=True, slots=True)
class FluxSizes:
    """A Flux transformer at one picture size and text length, with its decoder and text encoders."""

    double: int  # blocks
    single: int
    width: int
    tokens: int  # of one picture and its text together
    decoded: Cost  # one picture decoded
    parameters: float  # of the transformer and the decoder's autoencoder
    encoders: float  # parameters of the text encoders
    conditioning: float  # values kept for one prompt
    latents: float  # values of one picture's

    def lora(self, rank: int, targets: str) -> float:
        """Parameters of an adapter of that rank."""
        width = self.width
        attention = self.double * 8 * 2 * width + self.single * 3 * 2 * width
        rest = self.double * (4 * 5 + 2 * 7) * width + self.single * (5 + 6 + 4) * width
        return rank * (attention + (rest if targets == "all" else 0))

    def denoised(self, rank: int, targets: str) -> Cost:
        """One pass of the transformer for one picture."""
        double, single = _KEPT[targets]
        layers = 36 * self.double * self.width**2 / 2 + 15 * self.single * self.width**2
        flops = 2 * layers * self.tokens + 4 * (self.double + self.single) * self.tokens**2 * self.width
        kept = self.tokens * ((double * self.double + single * self.single) * self.width)
        kept += 4 * self.tokens * (self.double + self.single) * rank
        given = self.tokens * (self.double + self.single) * self.width
        layer = self.tokens * (max(double, single) * self.width + 4 * rank)
        return Cost(flops, kept, 14 * self.tokens * self.width, given, layer)


def sizes(folder: Path, width: int, height: int, text_length: int, tiling: bool) -> FluxSizes:
    """Raises `InputError` where a configuration does not say what is needed."""
    path = folder / "transformer" / "config.json"
    # what is left out is as in the stock class
    backbone = {
        "num_layers": 19, "num_single_layers": 38, "attention_head_dim": 128, "num_attention_heads": 24,
        "joint_attention_dim": 4096, "pooled_projection_dim": 768, "in_channels": 64, **read_json(path),
    }  # fmt: skip
    double, single = integer(path, backbone, "num_layers"), integer(path, backbone, "num_single_layers")
    heads = integer(path, backbone, "num_attention_heads")
    inner = heads * integer(path, backbone, "attention_head_dim")
    read, pooled = integer(path, backbone, "joint_attention_dim"), integer(path, backbone, "pooled_projection_dim")
    vae = folder / "vae" / "config.json"
    settings = read_json(vae)
    channels = settings.get("block_out_channels")
    if not isinstance(channels, list) or not all(isinstance(one, int) for one in cast(list[object], channels)):
        raise refuse(vae, "`block_out_channels` is missing")
    grain = 2 ** len(cast(list[int], channels))
    layers = integer(vae, {"layers_per_block": 1, **settings}, "layers_per_block")
    latents = integer(vae, {"latent_channels": 4, **settings}, "latent_channels")
    attends = settings.get("mid_block_add_attention", True) is True
    side = (2 * width // grain, 2 * height // grain)
    decoder = _Decoder(tuple(cast(list[int], channels)), layers, latents, attends)
    least = 2 * _side(vae, settings) // grain
    transformer = (36 * double + 15 * single) * inner**2 + inner * (read + pooled + 2 * 256 + 3 * inner)
    return FluxSizes(
        double=double,
        single=single,
        width=inner,
        tokens=(width // grain) * (height // grain) + text_length,
        decoded=decoder.tiled(*side, least) if tiling else decoder.whole(*side),
        # the autoencoder's other half is about as large, and is loaded with it
        parameters=transformer + 1.7 * decoder.parameters(),
        encoders=_t5(folder / "text_encoder_2" / "config.json") + _clip(folder / "text_encoder" / "config.json"),
        conditioning=text_length * read + pooled,
        latents=latents * side[0] * side[1],
    )


def _side(path: Path, settings: Mapping[str, object]) -> int:
    """Pixels of the pictures that an autoencoder was made for, which are its tiles too."""
    size = settings.get("sample_size", 32)
    first = cast(list[object], size)[0] if isinstance(size, list) and size else size
    return integer(path, {"sample_size": first}, "sample_size")


@dataclass(frozen=True, slots=True)
class _Decoder:
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

    def tiled(self, width: int, height: int, least: int) -> Cost:
        """The same in tiles of `least` latents, each a quarter over the next (diffusers, `AutoencoderKL`)."""
        if max(width, height) <= least:
            return self.whole(width, height)
        corners = product(range(0, width, int(0.75 * least)), range(0, height, int(0.75 * least)))
        tiles = Counter((min(least, width - left), min(least, height - top)) for left, top in corners)
        whole = together(*(together(self.whole(*size), times=count) for size, count in tiles.items()))
        largest = self.whole(least, least)
        return replace(whole, widest=largest.widest, layer=largest.layer)

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


def _t5(path: Path) -> float:
    if not path.is_file():
        return 0.0
    config = read_json(path)
    width, hidden = integer(path, config, "d_model"), integer(path, config, "d_ff")
    inner = integer(path, config, "num_heads") * integer(path, config, "d_kv")
    layer = 4 * width * inner + (3 if "gated" in str(config.get("feed_forward_proj", "")) else 2) * width * hidden
    return integer(path, config, "num_layers") * layer + integer(path, config, "vocab_size") * width


def _clip(path: Path) -> float:
    if not path.is_file():
        return 0.0
    config = read_json(path)
    width, hidden = integer(path, config, "hidden_size"), integer(path, config, "intermediate_size")
    layer = 4 * width**2 + 2 * width * hidden
    return integer(path, config, "num_hidden_layers") * layer + integer(path, config, "vocab_size") * width
