"""The LLaVA-NeXT family (1.6): a CLIP tower that sees tiles of a picture, one sequence of positions.

It packs, and it is shown several pictures at once as it is shown one.
"""

from __future__ import annotations

from pathlib import Path

from .anyres import Tiled, Tiles, tiles
from .chat import Chat, read_chat, refuse
from .configs import Config, processor_of, read_config, vision_tower
from .configs import sizes as sizes_of
from .costs import Sizes
from .reading import stock_model


def config(folder: Path) -> Config:
    """`config.json` and what it leaves out; `InputError` for a vision tower or a choice of features of another kind."""
    read = read_config(folder, "llama", "clip_vision_model")
    if read.vision["model_type"] != "clip_vision_model":
        raise refuse(read.path, f"the vision tower {read.vision['model_type']!r} is not supported: CLIP's is")
    if read.whole.get("vision_feature_select_strategy", "default") != "default":
        raise refuse(read.path, "`vision_feature_select_strategy` other than default is not supported")
    return read


def cut(folder: Path) -> Tiles:
    """How a picture becomes tiles."""
    return tiles(folder, config(folder), None)


def chat(folder: Path) -> Chat:
    """The chat of a model folder, without torch."""
    read = config(folder)
    image = read.integer("image_token_id", "image_token_index")
    return read_chat(folder, image, cut(folder).tokens, read.longest())


def sizes(folder: Path) -> Sizes:
    """What the model of a folder costs, without torch; what `config.json` leaves out is as in the stock classes."""
    read, how = config(folder), cut(folder)
    return sizes_of(read, vision_tower(read), how.patches, how.tokens, False, pieces=how.count)


def load(folder: Path, dtype: str, device: str) -> Tiled:
    """The critic of a model folder, frozen and in evaluation mode. `dtype` as torch names it: float32, bfloat16."""
    from transformers import LlavaNextForConditionalGeneration

    from .pixels import normal

    model = stock_model(folder, LlavaNextForConditionalGeneration, dtype, device)
    return Tiled(model, chat(folder), cut(folder), normal(*processor_of(folder)))
