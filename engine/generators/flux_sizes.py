"""What a Flux folder costs, from its configurations alone, without torch.

The coefficients of `kept` were counted with `torch.autograd.graph.saved_tensors_hooks` on models of several sizes, in
float32; they hold within 3 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ...critics.chat import integer, read_json, refuse
from ...critics.costs import Cost

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
        return Cost(flops, kept, 14 * self.tokens * self.width)


def sizes(folder: Path, width: int, height: int, text_length: int) -> FluxSizes:
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
    decoded, decoder = _decoder(cast(list[int], channels), layers, latents, attends, *side)
    transformer = (36 * double + 15 * single) * inner**2 + inner * (read + pooled + 2 * 256 + 3 * inner)
    return FluxSizes(
        double=double,
        single=single,
        width=inner,
        tokens=(width // grain) * (height // grain) + text_length,
        decoded=decoded,
        # the autoencoder's other half is about as large, and is loaded with it
        parameters=transformer + 1.7 * decoder,
        encoders=_t5(folder / "text_encoder_2" / "config.json") + _clip(folder / "text_encoder" / "config.json"),
        conditioning=text_length * read + pooled,
    )


def _decoder(
    channels: list[int], layers: int, latents: int, attends: bool, width: int, height: int
) -> tuple[Cost, float]:
    """One picture of `width` × `height` latents decoded, and the decoder's parameters.

    A residual block keeps what its two norms, activations and convolutions read: 3 × input and 3 × output.
    """
    first, area = channels[-1], float(width * height)
    convolutions = [(latents, first, area)]
    blocks = [(first, first, area)] * 2
    kept, widest = (4 * first * area if attends else 0.0), 0.0
    before = first
    for at, here in enumerate(reversed(channels)):
        for _ in range(layers + 1):
            blocks.append((before, here, area))
            before = here
        if at < len(channels) - 1:
            area *= 4
            convolutions.append((here, here, area))
            kept += here * area
            # enlarged, convolved, and both once more in the order that a convolution likes
            widest = max(widest, 4 * here * area)
    kept += 3 * before * area
    convolutions.append((before, 3, area))
    for one, other, size in blocks:
        kept += 3 * (one + other) * size
        convolutions += [(one, other, size), (other, other, size)]
        widest = max(widest, (2 * one + 2 * other) * size)
    flops = sum(18.0 * one * other * size for one, other, size in convolutions)
    parameters = sum(9.0 * one * other for one, other, _ in convolutions)
    return Cost(flops, kept, widest), parameters


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
