"""The LLaVA-OneVision family: a SigLIP tower that sees tiles of a picture, Qwen2 that reads.

It packs. Several pictures at once are refused: the stock processor then shows none of them in tiles, so that a picture
would be seen otherwise than alone. Features of many tiles are made fewer (bilinear); on CUDA that has no
deterministic backward pass.
"""

from __future__ import annotations

from pathlib import Path

from . import anyres
from .anyres import Tiled, Tiles, configured, tiles
from .chat import Chat, read_chat, refuse
from .configs import Config, processor_of
from .costs import Sizes
from .reading import stock_model


def config(folder: Path) -> Config:
    """`config.json` and what it leaves out; `InputError` for a vision tower or a choice of features of another kind."""
    return configured(folder, "qwen2", ("siglip_vision_model", "SigLIP's"), "full")


def cut(folder: Path) -> Tiles:
    """How a picture becomes tiles."""
    read = config(folder)
    said = str(read.whole.get("vision_aspect_ratio", "anyres_max_9"))
    most = said.removeprefix("anyres_max_")
    if not most.isdecimal():
        raise refuse(read.path, f"`vision_aspect_ratio` {said!r} is not supported: anyres_max_N is")
    return tiles(folder, read, int(most))


def chat(folder: Path) -> Chat:
    """The chat of a model folder, without torch."""
    read = config(folder)
    image = read.integer("image_token_id", "image_token_index")
    return read_chat(folder, image, cut(folder).tokens, read.longest(), most=1)


def sizes(folder: Path) -> Sizes:
    """What the model of a folder costs, without torch; what `config.json` leaves out is as in the stock classes."""
    return anyres.sizes(config(folder), cut(folder))


def load(folder: Path, dtype: str, device: str) -> Tiled:
    """The critic of a model folder, frozen and in evaluation mode. `dtype` as torch names it: float32, bfloat16."""
    from transformers import LlavaOnevisionForConditionalGeneration

    from .pixels import normal

    model = stock_model(folder, LlavaOnevisionForConditionalGeneration, dtype, device)
    return Tiled(model, chat(folder), cut(folder), normal(*processor_of(folder)))
