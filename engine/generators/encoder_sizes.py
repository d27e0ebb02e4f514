"""Parameters of the text encoders of stock pipelines, from their configurations alone, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...critics.chat import integer, read_json, section


def t5(path: Path) -> float:
    """Of a T5 encoder; none where there is no file."""
    if not path.is_file():
        return 0.0
    config = read_json(path)
    width, hidden = integer(path, config, "d_model"), integer(path, config, "d_ff")
    inner = integer(path, config, "num_heads") * integer(path, config, "d_kv")
    layer = 4 * width * inner + (3 if "gated" in str(config.get("feed_forward_proj", "")) else 2) * width * hidden
    return integer(path, config, "num_layers") * layer + integer(path, config, "vocab_size") * width


def clip(path: Path) -> float:
    """Of a CLIP text encoder; none where there is no file."""
    if not path.is_file():
        return 0.0
    config = read_json(path)
    width, hidden = integer(path, config, "hidden_size"), integer(path, config, "intermediate_size")
    layer = 4 * width**2 + 2 * width * hidden
    projects = "WithProjection" in str(config.get("architectures", ""))
    projection = width * integer(path, config, "projection_dim") if projects else 0
    words = integer(path, config, "vocab_size") * width
    return integer(path, config, "num_hidden_layers") * layer + words + projection


def language_model(path: Path) -> float:
    """Of a language model that reads prompts, and of its vision tower where it has one."""
    if not path.is_file():
        return 0.0
    whole = read_json(path)
    config = {**whole, **(section(path, whole, "text_config") if "text_config" in whole else {})}
    width, heads = integer(path, config, "hidden_size"), integer(path, config, "num_attention_heads")
    head = integer(path, {"head_dim": width // heads, **config}, "head_dim")
    shared = integer(path, {"num_key_value_heads": heads, **config}, "num_key_value_heads")
    layer = 2 * width * head * (heads + shared) + 3 * width * integer(path, config, "intermediate_size")
    speaks = "ForC" in str(whole.get("architectures", "")) and config.get("tie_word_embeddings") is not True
    words = integer(path, config, "vocab_size") * width * (1 + speaks)
    seen = _vision_tower(path, section(path, whole, "vision_config")) if "vision_config" in whole else 0
    return float(integer(path, config, "num_hidden_layers") * layer + words + seen)


def _vision_tower(path: Path, config: Mapping[str, object]) -> int:
    """Of Qwen2.5-VL's: blocks, then what makes one token of several patches."""
    width, merged = integer(path, config, "hidden_size"), integer(path, config, "spatial_merge_size") ** 2
    block = 4 * width**2 + 3 * width * integer(path, config, "intermediate_size")
    merger = merged * width * (merged * width + integer(path, config, "out_hidden_size"))
    return integer(path, config, "depth") * block + merger
