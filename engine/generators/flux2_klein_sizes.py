"""What a Flux.2 klein folder costs, from its configurations alone, without torch.

The coefficients of `kept` were counted with `torch.autograd.graph.saved_tensors_hooks` on models of several sizes, in
float32; they hold within 5 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...critics.chat import integer, read_json
from ...critics.costs import Cost
from .. import plan
from . import autoencoder_sizes, chats, encoder_sizes, flux_sizes
from .branches import Refusal, guided
from .guided_sizes import GuidedSizes

TEXT_TOKENS = 512  # that Qwen3 is given at most, the chat around a prompt among them, as the stock pipeline has it
NEGATIVES = False
grain = flux_sizes.grain
# values kept in a double and in a single block for each token, in units of the width, by what the adapter takes
_KEPT = {"attention": (18.3, 21.2), "all": (22.3, 21.2)}
_HIDDEN = 3  # width of a feed-forward layer, in units of the width, as all published models have it


@dataclass(frozen=True, slots=True)
class Flux2KleinSizes(GuidedSizes):
    """A Flux.2 transformer at one picture size and text length, with its decoder and text encoder."""

    double: int  # blocks
    single: int
    width: int
    tokens: int  # of one picture and its text together

    def lora(self, rank: int, targets: str) -> float:
        """Parameters of an adapter of that rank."""
        attention = self.double * 8 * 2 + self.single * (6 + 3 * _HIDDEN)
        rest = self.double * 2 * (2 + 3 * _HIDDEN)
        return float(rank * self.width * (attention + (rest if targets == "all" else 0)))

    def denoised(self, rank: int, targets: str) -> Cost:
        """One pass of the transformer for one picture, in all branches."""
        double, single = _KEPT[targets]
        blocks, tokens = self.double + self.single, self.tokens
        flops = 2.0 * blocks * (4 + 3 * _HIDDEN) * self.width**2 * tokens + 4.0 * blocks * tokens**2 * self.width
        kept = tokens * (double * self.double + single * self.single) * self.width + 4.0 * tokens * blocks * rank
        layer = tokens * (max(double, single) * self.width + 4.0 * rank)
        given = float(tokens * blocks * self.width)
        return self.in_all_branches(Cost(flops, kept, 14.0 * tokens * self.width, given, layer))


def refused(chosen: plan.Generator) -> list[Refusal]:
    """A model that was made for a few steps without guidance takes none."""
    distilled = read_json(Path(chosen.model.folder) / "model_index.json").get("is_distilled") is True
    if not (distilled and guided(chosen)):
        return []
    message = f"does nothing for a model that is distilled, found {chosen.guidance:g}"
    return [Refusal("guidance", message, "leave it out")]


def around(folder: Path) -> int:
    """Tokens of the chat around a prompt, of those that the encoder is given."""
    return chats.own_tokens(folder / "tokenizer", thinking=False)


def sizes(chosen: plan.Generator) -> Flux2KleinSizes:
    """Raises `InputError` where a configuration does not say what is needed."""
    folder = Path(chosen.model.folder)
    path = folder / "transformer" / "config.json"
    # what is left out is as in the stock class
    config = {
        "num_layers": 8, "num_single_layers": 48, "attention_head_dim": 128, "num_attention_heads": 48,
        "joint_attention_dim": 15360, "in_channels": 128, "timestep_guidance_channels": 256,
        **read_json(path),
    }  # fmt: skip
    double, single = integer(path, config, "num_layers"), integer(path, config, "num_single_layers")
    width = integer(path, config, "num_attention_heads") * integer(path, config, "attention_head_dim")
    read, channels = integer(path, config, "joint_attention_dim"), integer(path, config, "in_channels")
    autoencoder = autoencoder_sizes.autoencoder(chosen)
    side, branches = 2 * autoencoder.grain, 1 + guided(chosen)
    transformer = (4 + 3 * _HIDDEN) * (2 * double + single) * width**2
    # what modulates is shared by all blocks
    transformer += width * (18 * width + read + 2 * channels + integer(path, config, "timestep_guidance_channels"))
    return Flux2KleinSizes(
        double=double,
        single=single,
        width=width,
        tokens=(chosen.width // side) * (chosen.height // side) + chosen.text_length,
        branches=branches,
        decoded=autoencoder.decoded,
        parameters=transformer + autoencoder.parameters,
        encoders=encoder_sizes.language_model(folder / "text_encoder" / "config.json"),
        conditioning=branches * chosen.text_length * read,
        latents=autoencoder.latents,
    )
