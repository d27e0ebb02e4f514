"""What a PixArt-Σ folder costs, from its configurations alone, without torch.

The coefficients of `kept` were counted with `torch.autograd.graph.saved_tensors_hooks` on models of several sizes, in
float32; they hold within 5 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...critics.chat import integer, read_json
from ...critics.costs import Cost
from .. import plan
from . import autoencoder_sizes, encoder_sizes
from .branches import guided
from .guided_sizes import GuidedSizes, patch_grain

TEXT_TOKENS = 300  # that T5 is given at most, as the stock pipeline has it
NEGATIVES = True
LOWERED = True

# values that a block keeps for each latent token and for each of the text, in units of the width
_KEPT = {"attention": (14.1, 2.4), "all": (19.1, 2.4)}


@dataclass(frozen=True, slots=True)
class PixArtSizes(GuidedSizes):
    """A transformer of PixArt at one picture size and text length, with its decoder and text encoder."""

    blocks: int
    width: int
    caption: int  # width of what T5 says of a token
    seen: int  # tokens of the picture
    read: int  # of the text

    def lora(self, rank: int, targets: str) -> float:
        """Parameters of an adapter of that rank: two attentions of four layers, then the feed-forward part."""
        return rank * self.blocks * self.width * (2 * 4 * 2 + (2 * 5 if targets == "all" else 0))

    def denoised(self, rank: int, targets: str) -> Cost:
        """One pass of the transformer for one picture, in all branches."""
        width, (here, there) = self.width, _KEPT[targets]
        flops = 2.0 * self.blocks * width**2 * (14 * self.seen + 2 * self.read)
        flops += 4.0 * self.blocks * self.seen * (self.seen + self.read) * width
        flops += 2.0 * self.read * width * (self.caption + width)
        layer = width * (here * self.seen + there * self.read)
        layer += rank * ((8 if targets == "all" else 6) * self.seen + 2 * self.read)
        given = self.blocks * self.seen * width
        return self.in_all_branches(Cost(flops, self.blocks * layer, 12.0 * self.seen * width, given, layer))


def grain(folder: Path, factor: int) -> int:
    """A token is a square of latents; at least 8 pixels, as the stock pipeline asks."""
    return max(8, patch_grain(folder, factor))


def sizes(chosen: plan.Generator) -> PixArtSizes:
    """Raises `InputError` where a configuration does not say what is needed."""
    folder = Path(chosen.model.folder)
    path = folder / "transformer" / "config.json"
    # what is left out is as in the stock class
    config = {
        "num_layers": 28, "attention_head_dim": 72, "num_attention_heads": 16, "patch_size": 2, "in_channels": 4,
        "out_channels": 8, "caption_channels": 4096, **read_json(path),
    }  # fmt: skip
    blocks, patch = integer(path, config, "num_layers"), integer(path, config, "patch_size")
    width = integer(path, config, "num_attention_heads") * integer(path, config, "attention_head_dim")
    caption = integer(path, config, "caption_channels")
    autoencoder = autoencoder_sizes.autoencoder(chosen)
    grain = patch * autoencoder.grain
    ends = integer(path, config, "in_channels") + integer(path, config, "out_channels")
    transformer = 16 * blocks * width**2 + width * (caption + width + 256 + 7 * width + patch**2 * ends)
    branches = 1 + guided(chosen)
    return PixArtSizes(
        blocks=blocks,
        width=width,
        caption=caption,
        seen=(chosen.width // grain) * (chosen.height // grain),
        read=chosen.text_length,
        branches=branches,
        decoded=autoencoder.decoded,
        parameters=transformer + autoencoder.parameters,
        encoders=encoder_sizes.t5(folder / "text_encoder" / "config.json"),
        conditioning=branches * chosen.text_length * (caption + 1),
        latents=autoencoder.latents,
    )
