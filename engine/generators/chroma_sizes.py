"""What a Chroma folder costs, from its configurations alone, without torch.

The coefficients of `kept` were counted with `torch.autograd.graph.saved_tensors_hooks` on models of several sizes, in
float32; they hold within 5 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...critics.chat import integer, read_json
from ...critics.costs import Cost
from .. import plan
from . import autoencoder_sizes, encoder_sizes, flux_sizes
from .branches import guided
from .guided_sizes import GuidedSizes

TEXT_TOKENS = 512  # that T5 is given at most, as the stock pipeline has it
NEGATIVES = True
grain = flux_sizes.grain
# values kept in a double and in a single block for each token, in units of the width, by what the adapter takes
_KEPT = {"attention": (13.6, 12.2), "all": (18.6, 17.2)}


@dataclass(frozen=True, slots=True)
class ChromaSizes(GuidedSizes):
    """A Chroma transformer at one picture size and text length, with its decoder and text encoder."""

    double: int  # blocks
    single: int
    width: int
    tokens: int  # of one picture and its text together

    def lora(self, rank: int, targets: str) -> float:
        """Parameters of an adapter of that rank."""
        attention = self.double * 8 * 2 + self.single * 3 * 2
        rest = self.double * 4 * 5 + self.single * (5 + 6)
        return float(rank * self.width * (attention + (rest if targets == "all" else 0)))

    def denoised(self, rank: int, targets: str) -> Cost:
        """One pass of the transformer for one picture, in all branches."""
        double, single = _KEPT[targets]
        tokens, blocks = self.tokens, self.double + self.single
        layers = 24 * self.double * self.width**2 / 2 + 12 * self.single * self.width**2
        flops = 2.0 * layers * tokens + 4.0 * blocks * tokens**2 * self.width
        # of every block a number for each pair of tokens: how much one's padding counts for the other
        pairs = float(tokens**2)
        kept = tokens * (double * self.double + single * self.single) * self.width
        kept += 4.0 * tokens * blocks * rank + blocks * pairs
        given = float(tokens * blocks * self.width)
        layer = tokens * (max(double, single) * self.width + 4 * rank) + pairs
        return self.in_all_branches(Cost(flops, kept, 14.0 * tokens * self.width, given, layer))


def sizes(chosen: plan.Generator) -> ChromaSizes:
    """Raises `InputError` where a configuration does not say what is needed."""
    folder = Path(chosen.model.folder)
    path = folder / "transformer" / "config.json"
    # what is left out is as in the stock class
    backbone = {
        "num_layers": 19, "num_single_layers": 38, "attention_head_dim": 128, "num_attention_heads": 24,
        "joint_attention_dim": 4096, "in_channels": 64, "approximator_num_channels": 64,
        "approximator_hidden_dim": 5120, "approximator_layers": 5, **read_json(path),
    }  # fmt: skip
    double, single = integer(path, backbone, "num_layers"), integer(path, backbone, "num_single_layers")
    inner = integer(path, backbone, "num_attention_heads") * integer(path, backbone, "attention_head_dim")
    read, channels = integer(path, backbone, "joint_attention_dim"), integer(path, backbone, "in_channels")
    told, hidden = (integer(path, backbone, f"approximator_{name}") for name in ("num_channels", "hidden_dim"))
    autoencoder = autoencoder_sizes.autoencoder(chosen)
    side = 2 * autoencoder.grain
    transformer = (24 * double + 12 * single) * inner**2 + inner * (read + 2 * channels)
    transformer += hidden * (told + inner + 2 * integer(path, backbone, "approximator_layers") * hidden)
    branches = 1 + guided(chosen)
    return ChromaSizes(
        double=double,
        single=single,
        width=inner,
        tokens=(chosen.width // side) * (chosen.height // side) + chosen.text_length,
        branches=branches,
        decoded=autoencoder.decoded,
        parameters=transformer + autoencoder.parameters,
        encoders=encoder_sizes.t5(folder / "text_encoder" / "config.json"),
        conditioning=branches * chosen.text_length * (read + 1),
        latents=autoencoder.latents,
    )
