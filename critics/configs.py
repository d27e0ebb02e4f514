"""Configurations of model folders, without torch: what the files say, and what the stock classes add in silence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from .chat import integer, read_json, refuse, section
from .costs import Sizes, Tower

Json = Mapping[str, object]

# what a part's own class takes where its configuration is silent
DEFAULTS: Mapping[str, Json] = {
    "llama": {
        "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
        "vocab_size": 32000, "max_position_embeddings": 2048,
    },
    "mistral": {
        "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": 32000, "max_position_embeddings": 131072, "sliding_window": 4096,
    },
    "qwen2": {
        "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 32, "vocab_size": 151936, "max_position_embeddings": 32768,
    },
    "qwen3": {
        "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 32, "head_dim": 128, "vocab_size": 151936, "max_position_embeddings": 32768,
    },
    "qwen3_vl_text": {
        "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 32, "head_dim": 128, "vocab_size": 151936, "max_position_embeddings": 128000,
    },
    "gemma": {
        "hidden_size": 3072, "intermediate_size": 24576, "num_hidden_layers": 28, "num_attention_heads": 16,
        "num_key_value_heads": 16, "head_dim": 256, "vocab_size": 256000, "max_position_embeddings": 8192,
    },
    "gemma3_text": {
        "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26, "num_attention_heads": 8,
        "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262208, "max_position_embeddings": 131072,
        "sliding_window": 4096,
    },
    "clip_vision_model": {
        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "image_size": 224, "patch_size": 32,
    },
    "siglip_vision_model": {
        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "image_size": 224, "patch_size": 16,
    },
    "idefics2_vision": {
        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "image_size": 224, "patch_size": 32,
    },
    "idefics3_vision": {
        "hidden_size": 1152, "intermediate_size": 3072, "num_hidden_layers": 12, "image_size": 224, "patch_size": 32,
    },
    "smolvlm_vision": {
        "hidden_size": 1152, "intermediate_size": 3072, "num_hidden_layers": 12, "image_size": 224, "patch_size": 32,
    },
    "pixtral": {
        "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "image_size": 1024, "patch_size": 16,
    },
    "internvl_vision": {
        "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "image_size": 448, "patch_size": 14,
    },
    "qwen3_vl_vision": {"hidden_size": 1152, "intermediate_size": 4304, "depth": 27, "patch_size": 16},
}  # fmt: skip

# values that a layer keeps for each token, in units of its width and of its queries' width: some have norms of queries
# and keys, some norms behind each part
KEPT_WIDTH = {"qwen3": (2.0, 5.6), "qwen3_vl_text": (2.0, 5.6), "gemma3_text": (4.0, 5.6)}
# the same in units of its feed-forward part: gated, or with an activation that is written out
KEPT_HIDDEN = {"pixtral": 3.0, "clip_vision_model": 2.0}


@dataclass(frozen=True, slots=True)
class Config:
    """`config.json` with the parts of a vision-language model, each with what its stock class adds."""

    path: Path
    whole: Json
    text: Json
    vision: Json

    def integer(self, *names: str) -> int:
        """A whole number at the top; `InputError` where there is none."""
        return integer(self.path, self.whole, *names)

    def longest(self) -> int:
        """Tokens that a question may have, picture and answer included.

        What positions there are for, and what a sliding window reaches: within it, every layer sees everything.
        """
        return longest(self.path, self.text)

    def side(self) -> int:
        """Pixels on each side of what the vision tower sees at once; one number, or two that are equal."""
        return self._square("image_size")

    def patch(self) -> int:
        """Pixels on each side of a patch."""
        return self._square("patch_size")

    def _square(self, name: str) -> int:
        value = self.vision.get(name)
        if isinstance(value, list):
            sides = cast(list[object], value)
            if len(sides) != 2 or sides[0] != sides[1]:
                raise refuse(self.path, f"`{name}` {sides} is not square")
            value = sides[0]
        return integer(self.path, {name: value}, name)


def longest(path: Path, text: Json) -> int:
    """`Config.longest` of a language model's configuration, what its stock class adds among it."""
    positions, window = integer(path, text, "max_position_embeddings"), text.get("sliding_window")
    slides = text.get("use_sliding_window", "qwen" not in str(text.get("model_type")))
    return min(positions, window) if slides and isinstance(window, int) else positions


def read_config(folder: Path, text: str, vision: str) -> Config:
    """Reads `config.json`; `text` and `vision` are the model types of parts that do not say theirs.

    `InputError` where a part is missing or of a type that is not known here.
    """
    path = folder / "config.json"
    whole = read_json(path)
    return Config(path, whole, _part(path, whole, "text_config", text), _part(path, whole, "vision_config", vision))


def _part(path: Path, whole: Json, name: str, kind: str) -> Json:
    part = section(path, whole, name)
    found = str(part.get("model_type") or kind)
    # folders that were written before a part had a type of its own name the whole model's
    found = kind if found in (str(whole.get("model_type")), f"{whole.get('model_type')}_vision") else found
    if found not in DEFAULTS:
        raise refuse(path, f"`{name}` is of type {found!r}, which is not supported here", f"{', '.join(DEFAULTS)} are")
    # of nothing, only that there is no window is something said
    said = {key: value for key, value in part.items() if value is not None or key == "sliding_window"}
    return {**DEFAULTS[found], "model_type": found, **said}


def refuse_features(path: Path, config: Json, strategy: str) -> None:
    """Raises `InputError` where features are chosen by another strategy than the one that is known."""
    if config.get("vision_feature_select_strategy", strategy) != strategy:
        raise refuse(path, f"`vision_feature_select_strategy` other than {strategy} is not supported")


def processor_of(folder: Path) -> tuple[Path, Json]:
    """What a folder says of its image processor, and in which file.

    `preprocessor_config.json`, or the `image_processor` of `processor_config.json`, where newer folders have it.
    """
    path, joint = folder / "preprocessor_config.json", folder / "processor_config.json"
    if not path.is_file() and joint.is_file():
        data = read_json(joint)
        if isinstance(data.get("image_processor"), dict):
            return joint, section(joint, data, "image_processor")
    return path, read_json(path)


def sides(path: Path, data: Json, name: str, default: Mapping[str, int]) -> Mapping[str, int]:
    """An object of whole numbers such as `size`; a number alone is both sides."""
    value = data.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return {"height": value, "width": value}
    if value is None:
        return default
    if not isinstance(value, dict):
        raise refuse(path, f"`{name}` is no object of whole numbers")
    found = {key: side for key, side in cast(Json, value).items() if side is not None}
    return {key: integer(path, found, key) for key in found}


def text_tower(config: Config) -> Tower:
    """The language model: gated feed-forward, keys and values shared among heads, a tree mask."""
    path, text = config.path, config.text
    width, heads = integer(path, text, "hidden_size"), integer(path, text, "num_attention_heads")
    head = integer(path, {"head_dim": width // heads, **text}, "head_dim")
    shared = integer(path, {"num_key_value_heads": heads, **text}, "num_key_value_heads")
    plain, attention = KEPT_WIDTH.get(str(text["model_type"]), (2.0, 4.0))
    wide = heads * head / width
    return Tower(
        integer(path, text, "num_hidden_layers"), width, integer(path, text, "intermediate_size"), matrices=3,
        narrow=shared * head / width, kept_width=plain + attention * wide, kept_hidden=3.0, masked=True, wide=wide,
    )  # fmt: skip


def vision_tower(config: Config, matrices: int = 2) -> Tower:
    """A vision transformer as CLIP's and SigLIP's are."""
    path, vision = config.path, config.vision
    return Tower(
        integer(path, vision, "num_hidden_layers"), integer(path, vision, "hidden_size"),
        integer(path, vision, "intermediate_size"),
        matrices=matrices, narrow=1.0, kept_width=6.0, kept_hidden=KEPT_HIDDEN.get(str(vision["model_type"]), 1.0),
        masked=False,
    )  # fmt: skip


def sizes(
    config: Config,
    vision: Tower,
    patches: Callable[[int, int], int],
    tokens: Callable[[int, int], int],
    tied: bool,
    beside: float = 0.0,
    pieces: Callable[[int, int], int] | None = None,
) -> Sizes:
    """What the model costs; `tied` where `config.json` does not say, `beside` as in `Sizes`."""
    found = config.whole.get("tie_word_embeddings", config.text.get("tie_word_embeddings", tied))
    words = integer(config.path, config.text, "vocab_size")
    return Sizes(vision, text_tower(config), words, found is True, patches, tokens, beside, pieces)
