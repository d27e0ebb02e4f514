"""What a Lumina 2 folder costs, from its configurations alone, without torch.

The coefficients of `kept` were counted with `torch.autograd.graph.saved_tensors_hooks` on models of several sizes, in
float32; they hold within 5 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...critics.chat import integer, read_json, refuse
from ...critics.costs import Cost
from .. import plan
from . import autoencoder_sizes, encoder_sizes, reading
from .branches import guided
from .guided_sizes import GuidedSizes, patch_grain

TEXT_TOKENS = 256  # that Gemma is given at most, system prompt included, as the stock pipeline has it
NEGATIVES = True
SHARED = True
START = " <Prompt Start> "  # that the stock pipeline puts between its system prompt and a prompt

# values that a block keeps for each token, in units of its width, that of keys and values, and that of its hidden part
_KEPT = {"attention": (10.3, 0.9, 3.1), "all": (14.9, 0.9, 4.0)}


@dataclass(frozen=True, slots=True)
class Lumina2Sizes(GuidedSizes):
    """A transformer of Lumina 2 at one picture size and text length, with its decoder and text encoder."""

    blocks: int
    refiners: int  # as many of the picture alone and of the text alone
    width: int
    shared: int  # width of keys and values
    hidden: int  # of the feed-forward part
    told: int  # width of what blocks are told of time
    caption: int  # width of what Gemma says of a token
    seen: int  # tokens of the picture
    read: int  # of the text

    @property
    def block(self) -> int:
        """Weights that are read once for a token in a block."""
        return 2 * self.width * (self.width + self.shared) + 3 * self.width * self.hidden

    def lora(self, rank: int, targets: str) -> float:
        """Parameters of an adapter of that rank."""
        rows = 4 * self.width + 2 * (self.width + self.shared)
        rows += 3 * (self.width + self.hidden) if targets == "all" else 0
        modulated = (self.blocks + self.refiners) * (self.told + 4 * self.width) if targets == "all" else 0
        return rank * ((self.blocks + 2 * self.refiners) * rows + modulated)

    def denoised(self, rank: int, targets: str) -> Cost:
        """One pass of the transformer for one picture, in all branches."""
        wide, shared, hidden = _KEPT[targets]
        both = self.seen + self.read
        tokens = self.blocks * both + self.refiners * both  # every token goes through its own refiners
        pairs = self.blocks * both**2 + self.refiners * (self.seen**2 + self.read**2)
        flops = 2.0 * self.block * tokens + 4.0 * pairs * self.width + 2.0 * self.read * self.caption * self.width
        token = wide * self.width + shared * self.shared + hidden * self.hidden + rank * (7 if targets == "all" else 4)
        kept, layer = tokens * token, both * token
        given = self.blocks * both * self.width + self.refiners * both * token  # refiners are not recomputed
        widest = both * (6.0 * self.width + 3.0 * self.hidden)
        return self.in_all_branches(Cost(flops, kept, widest, given, layer))


def before() -> str | None:
    """The system prompt, and what stands between it and a prompt."""
    said = reading.stock_text("lumina2.pipeline_lumina2", "system_prompt")
    return None if said is None else said + START


def grain(folder: Path, factor: int) -> int:
    """A token is a square of latents; 16 pixels where the decoder does not say how many a latent is."""
    return patch_grain(folder, factor) or 16


def sizes(chosen: plan.Generator) -> Lumina2Sizes:
    """Raises `InputError` where a configuration does not say what is needed."""
    folder = Path(chosen.model.folder)
    path = folder / "transformer" / "config.json"
    # what is left out is as in the stock class
    config = {
        "num_layers": 26, "num_refiner_layers": 2, "hidden_size": 2304, "num_attention_heads": 24, "num_kv_heads": 8,
        "multiple_of": 256, "ffn_dim_multiplier": None, "cap_feat_dim": 1024, "patch_size": 2, "in_channels": 16,
        **read_json(path),
    }  # fmt: skip
    blocks, refiners = integer(path, config, "num_layers"), integer(path, config, "num_refiner_layers")
    width, caption = integer(path, config, "hidden_size"), integer(path, config, "cap_feat_dim")
    shared = width * integer(path, config, "num_kv_heads") // integer(path, config, "num_attention_heads")
    multiplier, multiple = config["ffn_dim_multiplier"], integer(path, config, "multiple_of")
    if not isinstance(multiplier, int | float | None):
        raise refuse(path, "`ffn_dim_multiplier` is no number")
    hidden = 4 * width if multiplier is None else int(multiplier * 4 * width)
    hidden = -(-hidden // multiple) * multiple
    patch, told = integer(path, config, "patch_size"), min(width, 1024)
    autoencoder = autoencoder_sizes.autoencoder(chosen)
    grain = patch * autoencoder.grain
    branches = 1 + guided(chosen)
    block = 2 * width * (width + shared) + 3 * width * hidden
    transformer = (blocks + 2 * refiners) * block + (blocks + refiners) * 4 * width * told
    transformer += width * caption + told * (256 + told) + told * width
    transformer += 2 * width * patch**2 * integer(path, config, "in_channels")
    return Lumina2Sizes(
        blocks=blocks,
        refiners=refiners,
        width=width,
        shared=shared,
        hidden=hidden,
        told=told,
        caption=caption,
        seen=(chosen.width // grain) * (chosen.height // grain),
        read=chosen.text_length,
        branches=branches,
        decoded=autoencoder.decoded,
        parameters=transformer + autoencoder.parameters,
        encoders=encoder_sizes.language_model(folder / "text_encoder" / "config.json"),
        conditioning=branches * chosen.text_length * (caption + 1),
        latents=autoencoder.latents,
    )
