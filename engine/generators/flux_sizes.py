"""What a Flux folder costs, from its configurations alone, without torch.

The coefficients of `kept` were counted with `torch.autograd.graph.saved_tensors_hooks` on models of several sizes, in
float32; they hold within 3 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...critics.chat import integer, read_json
from ...critics.costs import Cost
from .. import plan
from . import autoencoder_sizes, encoder_sizes

TEXT_TOKENS = 512  # that T5 is given at most, as the stock pipeline has it
NEGATIVES = False
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


def grain(folder: Path, factor: int) -> int:
    """A token is 2 × 2 latents; 8 pixels where the decoder does not say how many a latent is."""
    return 2 * factor or 8


def sizes(chosen: plan.Generator) -> FluxSizes:
    """Raises `InputError` where a configuration does not say what is needed."""
    folder = Path(chosen.model.folder)
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
    autoencoder = autoencoder_sizes.autoencoder(chosen)
    grain = 2 * autoencoder.grain
    transformer = (36 * double + 15 * single) * inner**2 + inner * (read + pooled + 2 * 256 + 3 * inner)
    t5, clip = (folder / f"text_encoder{number}" / "config.json" for number in ("_2", ""))
    return FluxSizes(
        double=double,
        single=single,
        width=inner,
        tokens=(chosen.width // grain) * (chosen.height // grain) + chosen.text_length,
        decoded=autoencoder.decoded,
        parameters=transformer + autoencoder.parameters,
        encoders=encoder_sizes.t5(t5) + encoder_sizes.clip(clip),
        conditioning=chosen.text_length * read + pooled,
        latents=autoencoder.latents,
    )
