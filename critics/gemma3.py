"""The Gemma 3 family: a SigLIP tower that sees a square, and a language model that sees a whole picture at once.

It packs: tokens of a picture see each other in both directions, which no question changes. It is shown several
pictures at once as it is shown one. Most layers have a sliding window; a question must fit into it, so that every layer
sees all of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from . import squares
from .chat import Chat, integer, read_chat, refuse
from .configs import Config, processor_of, read_config, vision_tower
from .configs import sizes as sizes_of
from .costs import Sizes
from .reading import stock_model
from .squares import Squared

if TYPE_CHECKING:
    from torch import Tensor


START, IMAGE, END = "<start_of_image>", "<image_soft_token>", "<end_of_image>"


def config(folder: Path) -> Config:
    """`config.json` and what it leaves out; `InputError` where it and the processor's file do not fit together."""
    read, (path, data) = read_config(folder, "gemma3_text", "siglip_vision_model"), processor_of(folder)
    if data.get("do_pan_and_scan"):
        raise refuse(path, "`do_pan_and_scan: true` is not supported")
    squares.refuse_other(read, path, data)
    return read


def tokens(read: Config) -> int:
    """Tokens that the language model reads for a picture, whatever its size."""
    return integer(read.path, {"mm_tokens_per_image": 256, **read.whole}, "mm_tokens_per_image")


def written(text: str) -> str:
    """The chat as the stock processor has it, one image token left."""
    return text.replace(START, f"\n\n{START}{IMAGE}{END}\n\n")


def chat(folder: Path) -> Chat:
    """The chat of a model folder, without torch."""
    read = config(folder)
    usual = {"image_token_index": 262144, **read.whole}
    image = integer(read.path, usual, "image_token_id", "image_token_index")
    return read_chat(folder, image, lambda width, height: tokens(read), read.longest(), written=written)


def sizes(folder: Path) -> Sizes:
    """What the model of a folder costs, without torch; what `config.json` leaves out is as in the stock classes."""
    read = config(folder)
    patches = (read.side() // read.patch()) ** 2
    return sizes_of(
        read, vision_tower(read), lambda width, height: patches, lambda width, height: tokens(read), True
    )  # fmt: skip


def load(folder: Path, dtype: str, device: str) -> Gemma3:
    """The critic of a model folder, frozen and in evaluation mode. `dtype` as torch names it: float32, bfloat16."""
    from transformers import Gemma3ForConditionalGeneration

    from .pixels import normal

    path, data = processor_of(folder)
    usual = {"resample": 2, "image_mean": (0.5,) * 3, "image_std": (0.5,) * 3}
    model = stock_model(folder, Gemma3ForConditionalGeneration, dtype, device)
    return Gemma3(model, chat(folder), config(folder).side(), normal(path, {**usual, **data}))


@final
class Gemma3(Squared):
    """A critic of this family."""

    def visible(self, tree: Tensor, tokens: Tensor, segment: Tensor) -> Tensor:
        shown = tokens == self.chat.image_id
        starts = shown.clone()
        starts[:, 1:] &= ~shown[:, :-1]
        picture = starts.cumsum(1) * shown  # which picture a token belongs to; 0 for words
        return tree | ((picture[:, None, :] == picture[:, :, None]) & shown[:, :, None])[:, None]

    def read(self, embeddings: Tensor, positions: Tensor, visible: Any, cache: Any = None) -> Tensor:
        # one mask for layers of both kinds: no question is longer than the window
        kinds = ("full_attention", "sliding_attention")
        return super().read(embeddings, positions, None if visible is None else dict.fromkeys(kinds, visible), cache)
