"""What a Stable Diffusion 3 folder costs, from its configurations alone, without torch.

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

TEXT_TOKENS = 256  # that T5 is given at most, as the stock pipeline has it
CLIP_TOKENS = 77
NEGATIVES = True

# values kept in a block for each token, and for each of the picture's in its second attention, in units of the width
_KEPT = {"attention": (11.6, 7.9), "all": (19.5, 9.3)}
_NORMALISED = 2.2  # those of normalised queries and keys


@dataclass(frozen=True, slots=True)
class SD3Sizes(GuidedSizes):
    """A transformer of Stable Diffusion 3 at one picture size and text length, with its decoder and text encoders."""

    blocks: int
    dual: int  # blocks with a second attention, of the picture alone
    normalised: bool  # queries and keys
    width: int
    seen: int  # tokens of the picture
    read: int  # of the text

    def lora(self, rank: int, targets: str) -> float:
        """Parameters of an adapter of that rank: of the last block's text, only keys and values take one."""
        rows = self.blocks * 8 * 2 + self.dual * 4 * 2 - 2 * 2
        if targets == "all":
            # feed-forward of picture and text, then what modulates them
            rows += (2 * self.blocks - 1) * 10 + self.blocks * 7 + (self.blocks - 1) * 7 + 3 + self.dual * 3
        return rank * rows * self.width

    def denoised(self, rank: int, targets: str) -> Cost:
        """One pass of the transformer for one picture, in all branches."""
        block, second = _KEPT[targets]
        block += _NORMALISED * self.normalised
        tokens = self.seen + self.read
        flops = 24.0 * self.blocks * tokens * self.width**2 + 8.0 * self.dual * self.seen * self.width**2
        flops -= (
            18.0 * self.read * self.width**2
        )  # of the last block's text, only queries, keys and values are computed
        flops += 4.0 * self.blocks * tokens**2 * self.width + 4.0 * self.dual * self.seen**2 * self.width
        layer = tokens * (block * self.width + 4 * rank) + self.seen * second * self.width * (self.dual > 0)
        kept = self.blocks * tokens * (block * self.width + 4 * rank) + self.dual * self.seen * second * self.width
        given = self.blocks * tokens * self.width
        return self.in_all_branches(Cost(flops, kept, 14.0 * tokens * self.width, given, layer))


def grain(folder: Path, factor: int) -> int:
    """A token is a square of latents; 8 pixels where the decoder does not say how many a latent is."""
    return patch_grain(folder, factor) or 8


def sizes(chosen: plan.Generator) -> SD3Sizes:
    """Raises `InputError` where a configuration does not say what is needed."""
    folder = Path(chosen.model.folder)
    path = folder / "transformer" / "config.json"
    # what is left out is as in the stock class
    config = {
        "num_layers": 18, "attention_head_dim": 64, "num_attention_heads": 18, "joint_attention_dim": 4096,
        "pooled_projection_dim": 2048, "patch_size": 2, "in_channels": 16, "caption_projection_dim": 1152,
        "pos_embed_max_size": 96, "dual_attention_layers": [], **read_json(path),
    }  # fmt: skip
    blocks = integer(path, config, "num_layers")
    width = integer(path, config, "num_attention_heads") * integer(path, config, "attention_head_dim")
    text, pooled = integer(path, config, "joint_attention_dim"), integer(path, config, "pooled_projection_dim")
    second, patch = config["dual_attention_layers"], integer(path, config, "patch_size")
    dual = len(second) if isinstance(second, list) else 0
    autoencoder = autoencoder_sizes.autoencoder(chosen)
    grain = patch * autoencoder.grain
    first, other, t5 = (folder / f"text_encoder{number}" / "config.json" for number in ("", "_2", "_3"))
    read = _clip_tokens(folder) + (chosen.text_length if t5.is_file() else TEXT_TOKENS)
    branches = 1 + guided(chosen)
    # of the last block's text: queries, keys, values and two parts of modulation
    transformer = (36 * blocks + 7 * dual - 1 - 8 - 4) * width**2
    transformer += width * (
        text + pooled + 256 + 2 * width + 2 * width + 2 * patch**2 * integer(path, config, "in_channels")
    )
    return SD3Sizes(
        blocks=blocks,
        dual=dual,
        normalised=config.get("qk_norm") is not None,
        width=width,
        seen=(chosen.width // grain) * (chosen.height // grain),
        read=read,
        branches=branches,
        decoded=autoencoder.decoded,
        parameters=transformer + autoencoder.parameters,
        encoders=encoder_sizes.clip(first) + encoder_sizes.clip(other) + encoder_sizes.t5(t5),
        conditioning=branches * (read * text + pooled),
        latents=autoencoder.latents,
    )


def _clip_tokens(folder: Path) -> int:
    """Tokens that both CLIP encoders are padded to."""
    path = folder / "tokenizer" / "tokenizer_config.json"
    longest = read_json(path).get("model_max_length") if path.is_file() else None
    return int(longest) if isinstance(longest, int) and longest <= CLIP_TOKENS else CLIP_TOKENS
