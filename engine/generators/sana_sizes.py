"""What a Sana folder costs, from its configurations alone, without torch.

The coefficients of `kept` were counted with `torch.autograd.graph.saved_tensors_hooks` on models of several sizes, in
float32; they hold within 5 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...critics.chat import integer, read_json, refuse
from ...critics.costs import Cost
from .. import plan
from . import deep_autoencoder_sizes, encoder_sizes, reading
from .branches import guided
from .guided_sizes import GuidedSizes, patch_grain

TEXT_TOKENS = 300  # that are kept of a prompt at most, as the stock pipeline has it
NEGATIVES = True
LOWERED = True

# values that a block keeps for each latent token, in units of its width and of its hidden one, and for each of text
_KEPT = {"attention": (12.7, 7.9, 2.0), "all": (16.7, 7.9, 2.0)}
_NORMALISED = (3.0, 1.0)  # what normalised queries and keys keep, for each latent token and each of text


@dataclass(frozen=True, slots=True)
class SanaSizes(GuidedSizes):
    """A transformer of Sana at one picture size and text length, with its decoder and text encoder."""

    blocks: int
    width: int
    across: int  # width of attention to the text
    head: int  # channels of a head of attention to the picture
    hidden: int  # of the feed-forward convolutions
    caption: int  # width of what Gemma says of a token
    normalised: bool  # queries and keys
    seen: int  # tokens of the picture
    read: int  # of the text

    def lora(self, rank: int, targets: str) -> float:
        """Parameters of an adapter of that rank."""
        rows = self.blocks * (8 * self.width + 4 * (self.width + self.across))
        return rank * (rows + (7 * self.width if targets == "all" else 0))

    def denoised(self, rank: int, targets: str) -> Cost:
        """One pass of the transformer for one picture, in all branches."""
        width, (here, hidden, there) = self.width, _KEPT[targets]
        block = 4 * width**2 + 2 * width * self.across + self.hidden * (3 * width + 18)
        flops = 2.0 * self.blocks * (block * self.seen + 2 * width * self.across * self.read)
        flops += 4.0 * self.blocks * self.seen * (width * self.head + self.read * self.across)
        flops += 2.0 * self.read * width * (self.caption + width)
        layer = self.seen * (here * width + hidden * self.hidden) + there * width * self.read
        layer += self.normalised * width * (_NORMALISED[0] * self.seen + _NORMALISED[1] * self.read)
        layer += rank * (6 * self.seen + 2 * self.read)
        given = self.blocks * self.seen * width
        widest = self.seen * (4.0 * width + 6.0 * self.hidden)
        return self.in_all_branches(Cost(flops, self.blocks * layer, widest, given, layer))


def before() -> str | None:
    """The instruction behind which a prompt is read."""
    return reading.stock_text("sana.pipeline_sana", "complex_human_instruction")


def around(folder: Path) -> int:
    """Of what is kept, two places are the first token's and the instruction's last."""
    return 2


def grain(folder: Path, factor: int) -> int:
    """A token is a square of latents; at least 32 pixels, as the stock pipeline asks."""
    return max(32, patch_grain(folder, factor, usual=1))


def sizes(chosen: plan.Generator, branches: int | None = None) -> SanaSizes:
    """With one branch more where there is guidance, unless it is said how many `branches` there are.

    Raises `InputError` where a configuration does not say what is needed.
    """
    folder = Path(chosen.model.folder)
    path = folder / "transformer" / "config.json"
    # what is left out is as in the stock class
    config = {
        "num_layers": 20, "num_attention_heads": 70, "attention_head_dim": 32, "num_cross_attention_heads": 20,
        "cross_attention_head_dim": 112, "caption_channels": 2304, "mlp_ratio": 2.5, "patch_size": 1,
        "in_channels": 32, **read_json(path),
    }  # fmt: skip
    blocks, head = integer(path, config, "num_layers"), integer(path, config, "attention_head_dim")
    width = integer(path, config, "num_attention_heads") * head
    across = integer(path, config, "num_cross_attention_heads") * integer(path, config, "cross_attention_head_dim")
    caption, patch = integer(path, config, "caption_channels"), integer(path, config, "patch_size")
    ratio = config["mlp_ratio"]
    if not isinstance(ratio, int | float):
        raise refuse(path, "`mlp_ratio` is no number")
    hidden = int(ratio * width)
    autoencoder = deep_autoencoder_sizes.autoencoder(chosen)
    grain = patch * autoencoder.grain
    told = 2 if config.get("guidance_embeds") is True else 1
    transformer = blocks * (4 * width**2 + 4 * width * across + hidden * (3 * width + 18))
    transformer += width * (caption + width + told * (256 + width) + 6 * width)
    transformer += 2 * width * patch**2 * integer(path, config, "in_channels")
    branches = 1 + guided(chosen) if branches is None else branches
    return SanaSizes(
        blocks=blocks,
        width=width,
        across=across,
        head=head,
        hidden=hidden,
        caption=caption,
        normalised=config.get("qk_norm") is not None,
        seen=(chosen.width // grain) * (chosen.height // grain),
        read=chosen.text_length,
        branches=branches,
        decoded=autoencoder.decoded,
        parameters=transformer + autoencoder.parameters,
        encoders=encoder_sizes.language_model(folder / "text_encoder" / "config.json"),
        conditioning=branches * chosen.text_length * (caption + 1),
        latents=autoencoder.latents,
    )
