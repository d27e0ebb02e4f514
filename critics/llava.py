"""The LLaVA family (1.5 and alike): a CLIP vision tower that sees a square, one sequence of positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, final

from .chat import Chat, integer, read_chat, read_json, refuse, section
from .configs import DEFAULTS, longest, processor_of, refuse_features
from .costs import Sizes, Tower
from .reading import Reader, stock_model

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import LlavaForConditionalGeneration

    from .pixels import Normal


@dataclass(frozen=True, slots=True)
class Square:
    """How a picture becomes patches: resized, then its middle cut out. Sizes in pixels."""

    patch: int
    side: int  # of the square that the vision tower sees
    edge: tuple[int, int] | int  # (height, width) after resizing, or the shorter side

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(height, width) after resizing, before the middle is cut out."""
        if not isinstance(self.edge, int):
            return self.edge
        longer = int(self.edge * max(width, height) / min(width, height))
        return (longer, self.edge) if width <= height else (self.edge, longer)

    def tokens(self, width: int, height: int) -> int:
        """Tokens that the language model reads for a picture, whatever its size."""
        return (self.side // self.patch) ** 2


def square(folder: Path) -> Square:
    """Reads `preprocessor_config.json` and `config.json`; `InputError` where the two do not fit together."""
    path, data = processor_of(folder)
    config = read_json(folder / "config.json")
    vision = section(folder / "config.json", config, "vision_config")
    if vision.get("model_type", "clip_vision_model") != "clip_vision_model":
        raise refuse(folder / "config.json", f"the vision tower {vision['model_type']!r} is not supported: CLIP's is")
    refuse_features(folder / "config.json", config, "default")
    if data.get("do_center_crop", True) is not True:
        raise refuse(path, "`do_center_crop: false` is not supported")
    side = integer(folder / "config.json", vision, "image_size")
    crop, size = data.get("crop_size", 224), data.get("size", 224)
    if crop not in (side, {"height": side, "width": side}):
        raise refuse(path, f"`crop_size` {crop!r} is not what the vision tower sees: {side} pixels square")
    if isinstance(size, dict):
        named = cast(dict[str, object], size)
        size = integer(path, named, "shortest_edge") if "shortest_edge" in named else (
            integer(path, named, "height"), integer(path, named, "width")
        )  # fmt: skip
    elif not isinstance(size, int):
        raise refuse(path, "`size` is no whole number")
    return Square(integer(folder / "config.json", vision, "patch_size"), side, size)


def cut(pictures: Tensor, square: Square, normal: Normal) -> Tensor:
    """Pictures [B, 3, H, W] → [B, 3, side, side], as the stock processor makes them."""
    from .pixels import crop, normalise, resize

    height, width = square.size(pictures.shape[-1], pictures.shape[-2])
    values = resize(pictures, height, width, normal.kernel)
    return normalise(crop(values, square.side, square.side), normal)


def chat(folder: Path) -> Chat:
    """The chat of a model folder, without torch."""
    path = folder / "config.json"
    config = read_json(path)
    part = section(path, config, "text_config")
    # it leaves out what is as in the stock class
    text = {"max_position_embeddings": 2048, **DEFAULTS.get(str(part.get("model_type", "llama")), {}), **part}
    image = integer(path, config, "image_token_id", "image_token_index")
    return read_chat(folder, image, square(folder).tokens, longest(path, text))


def sizes(folder: Path) -> Sizes:
    """What the model of a folder costs, without torch; what `config.json` leaves out is as in the stock classes."""
    path = folder / "config.json"
    config = read_json(path)
    text = {
        "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
        "vocab_size": 32000, **section(path, config, "text_config"),
    }  # fmt: skip
    vision = section(path, config, "vision_config")
    heads, seen = integer(path, text, "num_attention_heads"), square(folder)
    shared = integer(path, {"num_key_value_heads": heads, **text}, "num_key_value_heads") / heads

    def patches(width: int, height: int) -> int:
        return seen.tokens(width, height) + 1  # the class token

    return Sizes(
        vision=Tower(
            integer(path, vision, "num_hidden_layers"), integer(path, vision, "hidden_size"),
            integer(path, vision, "intermediate_size"),
            matrices=2, narrow=1.0, kept_width=5.5, kept_hidden=2.3, masked=False,
        ),
        text=Tower(
            integer(path, text, "num_hidden_layers"), integer(path, text, "hidden_size"),
            integer(path, text, "intermediate_size"),
            matrices=3, narrow=shared, kept_width=6.0, kept_hidden=3.0, masked=True,
        ),
        vocabulary=integer(path, text, "vocab_size"),
        tied=config.get("tie_word_embeddings", text.get("tie_word_embeddings")) is True,
        patches=patches,
        tokens=seen.tokens,
    )  # fmt: skip


def load(folder: Path, dtype: str, device: str) -> Llava:
    """The critic of a model folder, frozen and in evaluation mode. `dtype` as torch names it: float32, bfloat16."""
    from transformers import LlavaForConditionalGeneration

    from .pixels import normal

    model = stock_model(folder, LlavaForConditionalGeneration, dtype, device)
    return Llava(model, chat(folder), square(folder), normal(*processor_of(folder)))


@final
class Llava(Reader):
    """A critic made of a stock model (with `sdpa` attention), a chat and how it cuts pictures. It freezes nothing."""

    def __init__(self, model: LlavaForConditionalGeneration, chat: Chat, square: Square, normal: Normal) -> None:
        super().__init__(model, chat, normal)
        self.square = square

    def pixel_values(self, pictures: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] → [B, 3, side, side], as the stock processor makes them."""
        return cut(pictures, self.square, self.normal)

    def look(self, pictures: Sequence[Tensor]) -> Tensor:
        import torch

        model: Any = self.model.model
        values = torch.stack([self.pixel_values(picture) for picture in pictures], 1)
        seen = model.get_image_features(values.flatten(0, 1).to(model.dtype), return_dict=True)
        features = torch.stack(list(seen.pooler_output))
        return features.view(len(values), -1, features.shape[-1])
