"""The PaliGemma family: a SigLIP tower that sees a square, and one that reads picture and question at once.

It loops, a pass for every question with its answers together: picture and question see each other in both directions,
so that the picture is read anew in the light of every question. It is published without a chat template: the question
stands between the start of the text and the end of a line, as the stock processor writes it. It is shown several
pictures at once as it is shown one. PaliGemma 2 is refused: its language model has no `sdpa` attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, final

from . import squares
from .chat import Chat, read_chat, refuse
from .configs import Config, processor_of, read_config, vision_tower
from .configs import sizes as sizes_of
from .costs import Sizes
from .reading import stock_model
from .squares import Squared

if TYPE_CHECKING:
    from torch import Tensor


PACKS = False
TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}"
    "{% for content in message['content'] if content['type'] == 'image' %}<image>{% endfor %}{{ bos_token }}"
    "{% for content in message['content'] if content['type'] == 'text' %}{{ content['text'] }}{% endfor %}{{ '\n' }}"
    "{% else %}{% for content in message['content'] %}{{ content['text'] }}{% endfor %}{{ eos_token }}{% endif %}"
    "{% endfor %}"
)


def config(folder: Path) -> Config:
    """`config.json` and what it leaves out; `InputError` where it and the processor's file do not fit together."""
    read, (path, data) = read_config(folder, "gemma", "siglip_vision_model"), processor_of(folder)
    if read.text["model_type"] != "gemma":
        raise refuse(read.path, f"the language model {read.text['model_type']!r} is not supported: Gemma's is")
    squares.refuse_other(read, path, data)
    if data.get("image_seq_length", tokens(read)) != tokens(read):
        raise refuse(path, f"`image_seq_length` is not what the vision tower makes: {tokens(read)}")
    return read


def tokens(read: Config) -> int:
    """Tokens that the language model reads for a picture, whatever its size."""
    return (read.side() // read.patch()) ** 2


def chat(folder: Path) -> Chat:
    """The chat of a model folder, without torch."""
    read = config(folder)
    image = read.integer("image_token_id", "image_token_index")
    return read_chat(
        folder, image, lambda width, height: tokens(read), read.longest(), template=TEMPLATE, bare=True
    )  # fmt: skip


def sizes(folder: Path) -> Sizes:
    """What the model of a folder costs, without torch; what `config.json` leaves out is as in the stock classes."""
    read = config(folder)
    count = tokens(read)
    return sizes_of(read, vision_tower(read), lambda width, height: count, lambda width, height: count, True)


def load(folder: Path, dtype: str, device: str) -> PaliGemma:
    """The critic of a model folder, frozen and in evaluation mode. `dtype` as torch names it: float32, bfloat16."""
    from transformers import PaliGemmaForConditionalGeneration

    from .pixels import normal

    path, data = processor_of(folder)
    usual = {"resample": 3, "image_mean": (0.5,) * 3, "image_std": (0.5,) * 3}
    model = stock_model(folder, PaliGemmaForConditionalGeneration, dtype, device)
    return PaliGemma(model, chat(folder), config(folder).side(), normal(path, {**usual, **data}))


@final
class PaliGemma(Squared):
    """A critic of this family."""

    packs: ClassVar[bool] = PACKS

    def embed(self, tokens: Tensor) -> Tensor:
        # the image token may lie behind the vocabulary
        return super().embed(tokens.masked_fill(tokens == self.chat.image_id, 0))

    def positions(self, head: Tensor, sizes: Sequence[tuple[int, int]]) -> tuple[Tensor, int]:
        import torch

        return torch.arange(1, len(head) + 1, device=head.device)[None], len(head) + 1

    def visible(self, tree: Tensor, tokens: Tensor, segment: Tensor) -> Tensor:
        prefix = (segment == 0) | (segment == 1)  # the head and the one question
        return tree | (prefix[:, None, :] & prefix[:, :, None])[:, None]
