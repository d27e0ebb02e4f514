"""What a Qwen-Image folder costs, from its configurations alone, without torch.

The coefficients of `kept` were counted with `torch.autograd.graph.saved_tensors_hooks` on models of several sizes, in
float32; they hold within 5 %. A prompt is counted as long as the longest may be.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...critics.chat import integer, read_json
from ...critics.costs import Cost
from .. import plan
from . import encoder_sizes, flux_sizes, qwen_autoencoder_sizes
from .branches import Refusal, guided
from .guided_sizes import GuidedSizes

TEXT_TOKENS = 512  # that are kept of a prompt and the chat's end behind it at most, as the stock pipeline has it
NEGATIVES = True
grain = flux_sizes.grain
# values kept in a block for each token, in units of the width, by what the adapter takes
_KEPT = {"attention": 14.4, "all": 23.4}
_END = 2.5  # the same behind the blocks, of the picture alone


@dataclass(frozen=True, slots=True)
class QwenImageSizes(GuidedSizes):
    """A Qwen-Image transformer at one picture size and text length, with its decoder and text encoder."""

    blocks: int
    width: int
    seen: int  # tokens of the picture
    read: int  # of the text

    def lora(self, rank: int, targets: str) -> float:
        """Parameters of an adapter of that rank; of the last block's text, keys, values and modulation take one."""
        rows = self.blocks * 8 * 2 - 2 * 2
        if targets == "all":
            rows += self.blocks * (10 + 7 + 7) + (self.blocks - 1) * 10
        return float(rank * rows * self.width)

    def denoised(self, rank: int, targets: str) -> Cost:
        """One pass of the transformer for one picture, in all branches."""
        tokens = self.seen + self.read
        flops = 24.0 * self.blocks * tokens * self.width**2 + 4.0 * self.blocks * tokens**2 * self.width
        layer = tokens * (_KEPT[targets] * self.width + 4.0 * rank)
        kept = self.blocks * layer + _END * self.seen * self.width
        given = float(self.blocks * tokens * self.width)
        return self.in_all_branches(Cost(flops, kept, 14.0 * tokens * self.width, given, layer))


def refused(chosen: plan.Generator) -> list[Refusal]:
    """A decoder in tiles takes no switch by which it could be computed again."""
    if not (chosen.tiling and chosen.checkpoint_decoder):
        return []
    message = "cannot go with `tiling` for this family of generators"
    return [Refusal("checkpointing.decoder", message, "leave one of the two out")]


def sizes(chosen: plan.Generator) -> QwenImageSizes:
    """Raises `InputError` where a configuration does not say what is needed."""
    folder = Path(chosen.model.folder)
    path = folder / "transformer" / "config.json"
    # what is left out is as in the stock class
    config = {
        "num_layers": 60, "attention_head_dim": 128, "num_attention_heads": 24, "joint_attention_dim": 3584,
        "in_channels": 64, **read_json(path),
    }  # fmt: skip
    blocks = integer(path, config, "num_layers")
    width = integer(path, config, "num_attention_heads") * integer(path, config, "attention_head_dim")
    text, channels = integer(path, config, "joint_attention_dim"), integer(path, config, "in_channels")
    autoencoder = qwen_autoencoder_sizes.autoencoder(chosen)
    side, branches = 2 * autoencoder.grain, 1 + guided(chosen)
    transformer = 36 * blocks * width**2 + width * (text + 2 * channels + 256 + 3 * width)
    return QwenImageSizes(
        blocks=blocks,
        width=width,
        seen=(chosen.width // side) * (chosen.height // side),
        read=chosen.text_length,
        branches=branches,
        decoded=autoencoder.decoded,
        parameters=transformer + autoencoder.parameters,
        encoders=encoder_sizes.language_model(folder / "text_encoder" / "config.json"),
        conditioning=branches * chosen.text_length * (text + 1),
        latents=autoencoder.latents,
    )
