"""The Qwen2.5-VL family: pictures of any size as a grid of merged patches, positions in time, height and width."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from .chat import Chat, integer, read_chat, read_json, section
from .configs import longest, processor_of
from .costs import Sizes, Tower
from .grids import Grid, Gridded, grid
from .reading import stock_model

if TYPE_CHECKING:
    from torch import Tensor


def chat(folder: Path) -> Chat:
    """The chat of a model folder, without torch."""
    path = folder / "config.json"
    config = read_json(path)
    # older folders write the text's part at the top; what is left out is as in the stock class
    text = section(path, config, "text_config") if "text_config" in config else config
    usual = {"model_type": "qwen2_5_vl_text", "max_position_embeddings": 32768, "sliding_window": 4096}
    limit = longest(path, {**usual, **text})
    return read_chat(folder, integer(path, config, "image_token_id"), grid(folder).tokens, limit)


def sizes(folder: Path) -> Sizes:
    """What the model of a folder costs, without torch; what `config.json` leaves out is as in the stock class."""
    path = folder / "config.json"
    config = read_json(path)
    text = section(path, config, "text_config") if "text_config" in config else config
    vision = section(path, config, "vision_config")
    width, heads = integer(path, text, "hidden_size"), integer(path, text, "num_attention_heads")
    shared = integer(path, {"num_key_value_heads": heads, **text}, "num_key_value_heads") / heads
    depth, hidden = integer(path, text, "num_hidden_layers"), integer(path, text, "intermediate_size")
    seen = {"depth": 32, "hidden_size": 3584, "intermediate_size": 3420, **vision}
    cut = grid(folder)

    return Sizes(
        vision=Tower(
            integer(path, seen, "depth"), integer(path, seen, "hidden_size"), integer(path, seen, "intermediate_size"),
            matrices=3, narrow=1.0, kept_width=6.4, kept_hidden=3.5, masked=False,
        ),
        text=Tower(depth, width, hidden, matrices=3, narrow=shared, kept_width=6.0, kept_hidden=3.0, masked=True),
        vocabulary=integer(path, {"vocab_size": 152064, **text}, "vocab_size"),
        tied=config.get("tie_word_embeddings", text.get("tie_word_embeddings")) is True,
        patches=cut.count,
        tokens=cut.tokens,
    )  # fmt: skip


def load(folder: Path, dtype: str, device: str) -> Qwen:
    """The critic of a model folder, frozen and in evaluation mode. `dtype` as torch names it: float32, bfloat16."""
    from transformers import Qwen2_5_VLForConditionalGeneration

    from .pixels import normal

    model = stock_model(folder, Qwen2_5_VLForConditionalGeneration, dtype, device)
    return Qwen(model, chat(folder), grid(folder), normal(*processor_of(folder)))


@final
class Qwen(Gridded):
    """A critic of this family, and what it keeps of the grids that its vision tower was shown."""

    def look(self, pictures: Sequence[Tensor]) -> Tensor:
        import torch

        visual: Any = self.model.model.visual
        values = torch.cat([self.pixel_values(picture) for picture in pictures], 1)
        grids = tuple((1, *self.grid.patches(picture.shape[-1], picture.shape[-2])) for picture in pictures)
        facts = _vision_facts(grids * len(values), self.grid, int(visual.window_size), values.device)
        features: Tensor = visual(values.flatten(0, 1).to(visual.dtype), **facts).pooler_output
        return features.view(len(values), -1, features.shape[-1])

    def read(self, embeddings: Tensor, positions: Tensor, visible: Tensor | None, cache: Any = None) -> Tensor:
        return self.text(
            inputs_embeds=embeddings,
            position_ids=positions,
            attention_mask=visible,
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state


@lru_cache(maxsize=32)
def _vision_facts(grids: tuple[tuple[int, int, int], ...], grid: Grid, window: int, device: Any) -> dict[str, Any]:
    """What the vision tower works out from the grids alone: it loops over pictures, so that keeping it pays."""
    import torch
    from transformers import vision_utils as utils

    with torch.inference_mode(False):  # what an evaluation asks first, a training may ask for again
        sizes = torch.tensor(grids, device=device)
        index, windows = utils.get_vision_window_index(sizes, grid.merge, window, grid.patch)
        return {
            "grid_thw": sizes,
            "position_ids": utils.get_vision_position_ids(sizes, grid.merge),
            "cu_seqlens": utils.get_vision_cu_seqlens(sizes),
            "window_index": index,
            "cu_window_seqlens": windows,
        }
