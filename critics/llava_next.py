"""The LLaVA-NeXT family (1.6): a CLIP tower that sees tiles of a picture, one sequence of positions.

It packs, and it is shown several pictures at once as it is shown one.
"""

from __future__ import annotations

from pathlib import Path

from . import anyres
from .anyres import Tiled, Tiles, configured, tiles
from .chat import Chat, read_chat
from .configs import Config, processor_of
from .costs import Sizes
from .reading import stock_model


def config(folder: Path) -> Config:
    """`config.json` and what it leaves out; `InputError` for a vision tower or a choice of features of another kind."""
    return configured(folder, "llama", ("clip_vision_model", "CLIP's"), "default")


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
    return anyres.sizes(config(folder), cut(folder))


def load(folder: Path, dtype: str, device: str) -> Tiled:
    """The critic of a model folder, frozen and in evaluation mode. `dtype` as torch names it: float32, bfloat16."""
    from transformers import LlavaNextForConditionalGeneration

    from .pixels import normal

    model = stock_model(folder, LlavaNextForConditionalGeneration, dtype, device)
    return Tiled(model, chat(folder), cut(folder), normal(*processor_of(folder)))
