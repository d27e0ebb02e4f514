"""What a Z-Image folder costs, from its configurations alone, without torch.

The coefficients of `kept` were counted with `torch.autograd.graph.saved_tensors_hooks` on models of several sizes, in
float32; they hold within 5 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...critics.chat import integer, read_json
from ...critics.costs import Cost
from .. import plan
from . import autoencoder_sizes, chats, encoder_sizes
from .branches import guided
from .guided_sizes import GuidedSizes

TEXT_TOKENS = 512  # that Qwen3 is given at most, the chat around a prompt among them, as the stock pipeline has it
NEGATIVES = True
GUIDED_ABOVE = 0.0  # stock counts guidance from 0, not from 1
_TOGETHER = 32  # tokens that pictures and texts are padded to a multiple of
_TOLD = 256  # values that say the level to every block, at most
# values kept in a block that a level modulates and in one of a text alone, for each token, in units of the width
_KEPT = {"attention": (22.2, 22.2), "all": (29.8, 25.8)}


@dataclass(frozen=True, slots=True)
class ZImageSizes(GuidedSizes):
    """A Z-Image transformer at one picture size and text length, with its decoder and text encoder."""

    blocks: int  # of picture and text together
    refiners: int  # of the picture alone, and as many of the text alone
    width: int
    hidden: int  # of a feed-forward layer
    told: int  # values that say the level
    seen: int  # tokens of the picture
    read: int  # of the text

    def lora(self, rank: int, targets: str) -> float:
        """Parameters of an adapter of that rank."""
        blocks = self.blocks + 2 * self.refiners
        rows = blocks * 4 * 2 * self.width
        if targets == "all":
            rows += blocks * 3 * (self.width + self.hidden)
            rows += (self.blocks + self.refiners) * (self.told + 4 * self.width)
        return float(rank * rows)

    def denoised(self, rank: int, targets: str) -> Cost:
        """One pass of the transformer for one picture, in all branches."""
        block, plain = _KEPT[targets]
        lengths = [self.seen + self.read] * self.blocks + [self.seen] * self.refiners + [self.read] * self.refiners
        layers = 4 * self.width**2 + 3 * self.width * self.hidden
        flops = sum(2.0 * tokens * layers + 4.0 * tokens**2 * self.width for tokens in lengths)
        modulated = sum(lengths) - self.read * self.refiners
        kept = (block * modulated + plain * self.read * self.refiners) * self.width + 4.0 * rank * sum(lengths)
        given, widest = float(sum(lengths) * self.width), max(lengths)
        layer = widest * (block * self.width + 4.0 * rank)
        return self.in_all_branches(Cost(flops, kept, 14.0 * widest * self.width, given, layer))


def grain(folder: Path, factor: int) -> int:
    """A token is 2 × 2 latents; 8 pixels where the decoder does not say how many a latent is."""
    return 2 * factor or 8


def around(folder: Path) -> int:
    """Tokens of the chat around a prompt, of those that the encoder is given."""
    return chats.own_tokens(folder / "tokenizer", thinking=True)


def sizes(chosen: plan.Generator) -> ZImageSizes:
    """Raises `InputError` where a configuration does not say what is needed."""
    folder = Path(chosen.model.folder)
    path = folder / "transformer" / "config.json"
    # what is left out is as in the stock class
    config = {
        "dim": 3840, "n_layers": 30, "n_refiner_layers": 2, "cap_feat_dim": 2560, "in_channels": 16, **read_json(path),
    }  # fmt: skip
    width, text = integer(path, config, "dim"), integer(path, config, "cap_feat_dim")
    blocks, refiners = integer(path, config, "n_layers"), integer(path, config, "n_refiner_layers")
    hidden, told = int(width / 3 * 8), min(width, _TOLD)
    autoencoder = autoencoder_sizes.autoencoder(chosen)
    side, channels = 2 * autoencoder.grain, 4 * integer(path, config, "in_channels")
    branches = 1 + guided(chosen, GUIDED_ABOVE)
    layers = 4 * width**2 + 3 * width * hidden
    transformer = (blocks + 2 * refiners) * layers + (blocks + refiners) * 4 * told * width
    transformer += width * (text + 2 * channels + told) + 1024 * (256 + told)
    return ZImageSizes(
        blocks=blocks,
        refiners=refiners,
        width=width,
        hidden=hidden,
        told=told,
        seen=_padded((chosen.width // side) * (chosen.height // side)),
        read=_padded(chosen.text_length),
        branches=branches,
        decoded=autoencoder.decoded,
        parameters=transformer + autoencoder.parameters,
        encoders=encoder_sizes.language_model(folder / "text_encoder" / "config.json"),
        conditioning=branches * chosen.text_length * (text + 1),
        latents=autoencoder.latents,
    )


def _padded(tokens: int) -> int:
    return -(-tokens // _TOGETHER) * _TOGETHER
