"""A picture seen whole, as one square: a critic of families whose processor only resizes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .chat import Chat, refuse
from .configs import Config, Json, sides
from .reading import Reader

if TYPE_CHECKING:
    from torch import Tensor

    from .pixels import Normal


def refuse_other(read: Config, path: Path, data: Json, usual: int = 224) -> None:
    """Raises `InputError` where the processor's file, `data` at `path`, makes no square that the vision tower sees.

    Where it names no size, it is the `usual` one of the processor's class.
    """
    if set(sides(path, data, "size", {"height": usual, "width": usual}).values()) != {read.side()}:
        raise refuse(path, f"`size` is not what the vision tower sees: {read.side()} pixels square")


class Squared(Reader):
    """A critic made of a stock model (with `sdpa` attention), a chat and the side of what it sees."""

    def __init__(self, model: Any, chat: Chat, side: int, normal: Normal) -> None:
        super().__init__(model, chat, normal)
        self.side = side

    def pixel_values(self, pictures: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] → [B, 3, side, side], as the stock processor makes them."""
        from .pixels import normalise, resize

        return normalise(resize(pictures, self.side, self.side, self.normal.kernel), self.normal)

    def look(self, pictures: Sequence[Tensor]) -> Tensor:
        import torch

        model: Any = self.model.model
        values = torch.stack([self.pixel_values(picture) for picture in pictures], 1)
        seen: Tensor = model.get_image_features(values.flatten(0, 1).to(model.dtype), return_dict=True).pooler_output
        return seen.reshape(len(values), -1, seen.shape[-1])
