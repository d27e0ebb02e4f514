"""The Qwen3-VL family: pictures of any size as a grid of merged patches, seen by several layers (DeepStack).

It packs. Features of the vision tower's inner layers are added to the first layers of the language model, where the
picture stands: they travel beside the embeddings, D wide each, and are nought for words.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, final

from .chat import Chat, integer, read_chat
from .configs import Config, processor_of, read_config
from .configs import sizes as sizes_of
from .costs import Sizes, Tower
from .grids import Gridded, grid
from .reading import stock_model

if TYPE_CHECKING:
    from torch import Tensor


def config(folder: Path) -> Config:
    """`config.json` and what it leaves out."""
    return read_config(folder, "qwen3_vl_text", "qwen3_vl_vision")


def chat(folder: Path) -> Chat:
    """The chat of a model folder, without torch."""
    read = config(folder)
    image = integer(read.path, {"image_token_id": 151655, **read.whole}, "image_token_id")
    return read_chat(folder, image, grid(folder).tokens, read.longest())


def sizes(folder: Path) -> Sizes:
    """What the model of a folder costs, without torch; what `config.json` leaves out is as in the stock class."""
    read, cut = config(folder), grid(folder)
    width, deep = (
        integer(read.path, read.vision, "hidden_size"),
        read.vision.get("deepstack_visual_indexes", (8, 16, 24)),
    )
    merged = width * cut.merge**2
    joined = merged**2 + merged * integer(read.path, read.text, "hidden_size")

    tower = Tower(
        integer(read.path, read.vision, "depth"), width, integer(read.path, read.vision, "intermediate_size"),
        matrices=2, narrow=1.0, kept_width=6.4, kept_hidden=1.0, masked=False,
    )  # fmt: skip
    return sizes_of(read, tower, cut.count, cut.tokens, False, (1 + len(cast(Sequence[int], deep))) * joined)


def load(folder: Path, dtype: str, device: str) -> Qwen3:
    """The critic of a model folder, frozen and in evaluation mode. `dtype` as torch names it: float32, bfloat16."""
    from transformers import Qwen3VLForConditionalGeneration

    from .pixels import normal

    model = stock_model(folder, Qwen3VLForConditionalGeneration, dtype, device)
    return Qwen3(model, chat(folder), grid(folder), normal(*processor_of(folder)))


@final
class Qwen3(Gridded):
    """A critic of this family, whose features of inner layers travel beside the embeddings."""

    def look(self, pictures: Sequence[Tensor]) -> Tensor:
        import torch

        visual: Any = self.model.model.visual
        values = torch.cat([self.pixel_values(picture) for picture in pictures], 1)
        shapes = [(1, *self.grid.patches(picture.shape[-1], picture.shape[-2])) for picture in pictures]
        grids = torch.tensor(shapes * len(values), device=values.device)
        seen = visual(values.flatten(0, 1).to(visual.dtype), grid_thw=grids)
        features = torch.cat([seen.pooler_output, *seen.deepstack_features], -1)
        return features.view(len(values), -1, features.shape[-1])

    def embed(self, tokens: Tensor) -> Tensor:
        import torch

        words = super().embed(tokens)
        deep = len(self.model.config.vision_config.deepstack_visual_indexes)
        return torch.nn.functional.pad(words, (0, deep * words.shape[-1]))

    def read(self, embeddings: Tensor, positions: Tensor, visible: Tensor | None, cache: Any = None) -> Tensor:
        import torch

        width: int = self.model.config.text_config.hidden_size
        words, *deep = embeddings.split(width, -1)
        everywhere = torch.ones(words.shape[:2], dtype=torch.bool, device=words.device)
        return self.text(
            inputs_embeds=words,
            position_ids=positions,
            attention_mask=visible,
            past_key_values=cache,
            use_cache=cache is not None,
            visual_pos_masks=everywhere,
            deepstack_visual_embeds=[features.flatten(0, 1) for features in deep],
        ).last_hidden_state
