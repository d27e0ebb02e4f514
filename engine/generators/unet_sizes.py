"""What a `UNet2DConditionModel` costs, from its configuration alone, without torch.

The coefficients of `kept` were counted with `torch.autograd.graph.saved_tensors_hooks` on models of several sizes, in
float32; they hold within 5 %.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from ...critics.chat import integer, read_json, refuse
from ...critics.costs import Cost, together
from .. import plan
from . import autoencoder_sizes
from .branches import guided
from .guided_sizes import GuidedSizes

TEXT_TOKENS = 77  # that CLIP reads
NEGATIVES = True

# values that a layer of a transformer keeps for each latent and for each token of the text, in units of its width
_KEPT = {"attention": (23.1, 2.8), "all": (28.1, 2.8)}
_AROUND = {"attention": 2.9, "all": 4.2}  # those of its norm and projections, in units of width for each latent
_RESNET = 2.6  # values that a residual block keeps for each latent, in units of its channels in and out
_GROWN = 2.1  # those that a convolution after a size was doubled keeps of its output


@dataclass(frozen=True, slots=True)
class _Resnet:
    """A residual block."""

    before: int  # channels in
    after: int
    area: float  # latents

    def cost(self) -> Cost:
        weights = 9 * self.after * (self.before + self.after) + self._shortcut
        kept = _RESNET * (self.before + self.after) * self.area
        widest = 2.0 * (self.before + self.after) * self.area
        return Cost(2.0 * weights * self.area, kept, widest, self.before * self.area, kept)

    def parameters(self, told: int) -> float:
        """`told` is the width of what is told of time."""
        return 9 * self.after * (self.before + self.after) + self._shortcut + told * self.after

    @property
    def _shortcut(self) -> int:
        return self.before * self.after if self.before != self.after else 0


@dataclass(frozen=True, slots=True)
class _Transformer:
    """Layers of attention to the picture, attention to the text, and a gated feed-forward part."""

    depth: int
    width: int
    read: int  # width of the text's tokens
    area: float  # latents
    linear: bool  # its projections are no convolutions, so that they take an adapter

    def cost(self, tokens: int, rank: int, targets: str) -> Cost:
        flops = 2.0 * (18 * self.depth + 2) * self.width**2 * self.area
        flops += 4.0 * self.depth * tokens * self.width * self.read
        flops += 4.0 * self.depth * self.area * (self.area + tokens) * self.width
        here, there = _KEPT[targets]
        layer = self.width * (here * self.area + there * tokens)
        layer += rank * (6 * self.area + 2 * tokens + (2 * self.area if targets == "all" else 0))
        widest = 12.0 * self.width * self.area
        around = _AROUND[targets] * self.width * self.area
        given = self.depth * self.width * self.area
        return Cost(flops, self.depth * layer + around, widest, given + around, layer)

    def parameters(self) -> float:
        return self.depth * (18 * self.width**2 + 2 * self.width * self.read) + 2 * self.width**2

    def lora(self, targets: str) -> float:
        """Rows and columns of the layers that an adapter takes, which it has parameters of for each rank."""
        found = self.depth * (8 * self.width + 4 * self.width + 2 * (self.read + self.width))
        if targets == "all":
            found += self.depth * (9 * self.width + 5 * self.width) + (4 * self.width if self.linear else 0)
        return found


@dataclass(frozen=True, slots=True)
class _Resize:
    """A convolution between two sizes; `area` is that of its output."""

    channels: int
    area: float
    grows: bool

    def cost(self) -> Cost:
        values = self.channels * self.area
        kept = _GROWN * values if self.grows else 0.0
        return Cost(18.0 * self.channels * values, kept, 4 * values, kept, kept)

    def parameters(self) -> float:
        return 9.0 * self.channels**2


_Part = _Resnet | _Transformer | _Resize


@dataclass(frozen=True, slots=True)
class UNetSizes(GuidedSizes):
    """A UNet at one picture size and text length, with its autoencoder and text encoders."""

    parts: tuple[_Part, ...]
    tokens: int  # of the text

    def lora(self, rank: int, targets: str) -> float:
        """Parameters of an adapter of that rank."""
        return rank * sum(part.lora(targets) for part in self.parts if isinstance(part, _Transformer))

    def denoised(self, rank: int, targets: str) -> Cost:
        """One pass of the UNet for one picture, in all branches."""
        costs = [
            part.cost(self.tokens, rank, targets) if isinstance(part, _Transformer) else part.cost()
            for part in self.parts
        ]
        # what comes before the first layer of the adapter needs no gradient, so that nothing of it is kept
        first = next(at for at, part in enumerate(self.parts) if isinstance(part, _Transformer))
        costs[:first] = [replace(cost, kept=0.0, given=0.0, layer=0.0) for cost in costs[:first]]
        return self.in_all_branches(together(*costs))


def grain(folder: Path, factor: int) -> int:
    """As both stock pipelines ask: 8 pixels, whatever the UNet halves them to; a whole latent at least."""
    return max(8, factor)


def sizes(chosen: plan.Generator, encoders: float, pooled: int = 0) -> UNetSizes:
    """Of the plan's generator, whose text `encoders` have so many parameters and say a `pooled` vector of that width.

    Raises `InputError` where a configuration does not say what is needed.
    """
    path = Path(chosen.model.folder) / "unet" / "config.json"
    # what is left out is as in the stock class
    config = {
        "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2, "cross_attention_dim": 1280,
        "transformer_layers_per_block": 1, "in_channels": 4, "use_linear_projection": False,
        "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3, **read_json(path),
    }  # fmt: skip
    autoencoder = autoencoder_sizes.autoencoder(chosen)
    area = (chosen.width // autoencoder.grain) * (chosen.height // autoencoder.grain)
    parts = tuple(_parts(path, config, area))
    first, read = _numbers(path, config, "block_out_channels")[0], integer(path, config, "cross_attention_dim")
    branches = 1 + guided(chosen)
    told = 4 * first
    added = config.get("projection_class_embeddings_input_dim")
    unet = sum(part.parameters(told) if isinstance(part, _Resnet) else part.parameters() for part in parts)
    unet += 18 * first * integer(path, config, "in_channels") + told * (first + told)
    unet += told * (added + told) if isinstance(added, int) else 0
    return UNetSizes(
        parts=parts,
        tokens=chosen.text_length,
        branches=branches,
        decoded=autoencoder.decoded,
        parameters=unet + autoencoder.parameters,
        encoders=encoders,
        conditioning=branches * (chosen.text_length * read + pooled),
        latents=autoencoder.latents,
    )


def _parts(path: Path, config: Mapping[str, object], area: float) -> Iterator[_Part]:
    """Down, the middle, and up again, where every block reads what one on the way down said as well."""
    channels = _numbers(path, config, "block_out_channels")
    layers = _each(path, config, "layers_per_block", len(channels))
    depths = _each(path, config, "transformer_layers_per_block", len(channels))
    read, linear = integer(path, config, "cross_attention_dim"), config["use_linear_projection"] is True
    down, up = (_attends(path, config, f"{side}_block_types") for side in ("down", "up"))
    before, skipped = channels[0], [channels[0]]
    for at, here in enumerate(channels):
        for _ in range(layers[at]):
            yield _Resnet(before, here, area)
            if down[at]:
                yield _Transformer(depths[at], here, read, area, linear)
            before = here
            skipped.append(here)
        if at < len(channels) - 1:
            area /= 4
            yield _Resize(here, area, grows=False)
            skipped.append(here)
    yield from (_Resnet(before, before, area), _Transformer(depths[-1], before, read, area, linear))
    yield _Resnet(before, before, area)
    for at, here in enumerate(reversed(channels)):
        for _ in range(layers[-1 - at] + 1):
            yield _Resnet(before + skipped.pop(), here, area)
            if up[at]:
                yield _Transformer(depths[-1 - at], here, read, area, linear)
            before = here
        if at < len(channels) - 1:
            area *= 4
            yield _Resize(here, area, grows=True)


def _numbers(path: Path, config: Mapping[str, object], key: str) -> list[int]:
    found = config[key]
    if not isinstance(found, list) or not found or not all(isinstance(one, int) for one in cast(list[object], found)):
        raise refuse(path, f"`{key}` is no list of numbers")
    return cast(list[int], found)


def _each(path: Path, config: Mapping[str, object], key: str, count: int) -> list[int]:
    """A number for each of `count` blocks, where one may stand for all."""
    found = _numbers(path, config, key) if isinstance(config[key], list) else [integer(path, config, key)] * count
    if len(found) != count:
        raise refuse(path, f"`{key}` is not one for each block")
    return found


def _attends(path: Path, config: Mapping[str, object], key: str) -> list[bool]:
    """Whether each block attends to the text; other kinds of blocks than the stock models' are refused."""
    known = {"CrossAttnDownBlock2D": True, "DownBlock2D": False, "CrossAttnUpBlock2D": True, "UpBlock2D": False}
    kinds = config[key]
    if not isinstance(kinds, list) or not all(kind in known for kind in cast(list[str], kinds)):
        raise refuse(path, f"`{key}` has blocks that are not known here")
    return [known[kind] for kind in cast(list[str], kinds)]
