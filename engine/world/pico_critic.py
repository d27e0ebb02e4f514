"""The embedded world's critic before training: a Qwen2.5-VL small enough for a laptop, its folder in stock format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import GenerationConfig, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from ...critics.chat import Chat
from ...critics.grids import Grid
from ...critics.pixels import Normal
from ...critics.qwen2_5_vl import Qwen

SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>",
    "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
PLACES = ("image_pad", "video_pad", "vision_start", "vision_end")
# how stock Qwen2 tokenizers cut text before byte-pair merges; AutoTokenizer builds the same again
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# the stock template without its system line: a pico model has no use for the tokens
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def train_tokenizer(texts: Iterable[str], vocabulary: int, special: Sequence[str], frame: Sequence[str]) -> Tokenizer:
    """A byte-level BPE tokenizer of at most `vocabulary` tokens, `special` ones included; merges seen twice or more.

    `frame` is the chat template's own text: it counts as often as needed for each of its words to be one token.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(special),
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*texts, *frame, *frame], trainer)
    tokenizer.add_special_tokens(list(special))
    return tokenizer


def build(
    texts: Iterable[str],
    seed: int,
    width: int = 96,
    heads: int = 4,
    layers: int = 3,
    vision_width: int = 96,
    vision_heads: int = 4,
    vision_layers: int = 3,
    patch: int = 8,
    merge: int = 2,
    vocabulary: int = 2048,
) -> tuple[Qwen2_5_VLForConditionalGeneration, Tokenizer]:
    """An untrained model and its tokenizer; `texts` are what it will read and say (questions and answers)."""
    tokenizer = train_tokenizer(texts, vocabulary, SPECIAL, ("user\n", "assistant\n"))
    ids: dict[str, Any] = {name: tokenizer.token_to_id(f"<|{name}|>") for name in PLACES}
    half = width // heads // 2
    text = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "max_position_embeddings": 512,
        # shares of time, height and width in half a head, as in the full-size model: a quarter, three eighths each
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [half - 2 * (3 * half // 8), 3 * half // 8, 3 * half // 8],
        },
        "bos_token_id": None,
        "eos_token_id": tokenizer.token_to_id("<|im_end|>"),
        "pad_token_id": tokenizer.token_to_id("<|endoftext|>"),
        "tie_word_embeddings": True,
    }
    vision = {
        "depth": vision_layers,
        "hidden_size": vision_width,
        "intermediate_size": 2 * vision_width,
        "num_heads": vision_heads,
        "patch_size": patch,
        "spatial_merge_size": merge,
        "temporal_patch_size": 2,
        "out_hidden_size": width,
        "window_size": 8 * patch * merge,
        "fullatt_block_indexes": list(range(vision_layers)),
    }
    config = Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["image_pad"],
        video_token_id=ids["video_pad"],
        vision_start_token_id=ids["vision_start"],
        vision_end_token_id=ids["vision_end"],
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
        model = Qwen2_5_VLForConditionalGeneration(config)
    return model, tokenizer


def critic(model: Qwen2_5_VLForConditionalGeneration, tokenizer: Tokenizer) -> Qwen:
    """The critic of a model in memory: weights stay as they are, trainable where they were."""
    vision: Any = model.config.vision_config
    grid = _grid(vision)
    text: Any = model.config.text_config
    image: int = model.config.image_token_id
    chat = Chat(tokenizer, TEMPLATE, image, grid.tokens, text.max_position_embeddings, eos="<|im_end|>")
    return Qwen(model, chat, grid, Normal(3, MEAN, DEVIATION))


def save(model: Qwen2_5_VLForConditionalGeneration, tokenizer: Tokenizer, folder: Path) -> None:
    """Writes a folder that stock transformers loads, processor files for those who have torchvision included."""
    folder.mkdir(parents=True, exist_ok=True)
    end, pad = "<|im_end|>", "<|endoftext|>"
    stop = [tokenizer.token_to_id(end), tokenizer.token_to_id(pad)]
    model.generation_config = GenerationConfig(do_sample=False, eos_token_id=stop, pad_token_id=stop[1])
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    grid = _grid(model.config.vision_config)
    area = {"shortest_edge": grid.least, "longest_edge": grid.most}
    values = {
        "do_convert_rgb": True, "do_resize": True, "do_rescale": True, "do_normalize": True, "resample": 3,
        "rescale_factor": 1 / 255, "image_mean": list(MEAN), "image_std": list(DEVIATION), "size": area,
        "patch_size": grid.patch, "merge_size": grid.merge, "temporal_patch_size": grid.temporal,
    }  # fmt: skip
    processor = {"processor_class": "Qwen2_5_VLProcessor"}
    write(folder / "preprocessor_config.json", {"image_processor_type": "Qwen2VLImageProcessor", **values, **processor})
    video = {"video_processor_type": "Qwen2VLVideoProcessor", **values, **processor}
    write(folder / "video_preprocessor_config.json", video)
    named = {
        "eos_token": end,
        "pad_token": pad,
        "unk_token": pad,
        "bos_token": None,
        "additional_special_tokens": list(SPECIAL),
    }
    length: int = cast(Any, model.config.text_config).max_position_embeddings
    config = {"tokenizer_class": "Qwen2Tokenizer", **processor, **named, "model_max_length": length}
    write(
        folder / "tokenizer_config.json", {**config, "clean_up_tokenization_spaces": False, "add_prefix_space": False}
    )


def _grid(vision: Any) -> Grid:
    unit: int = vision.patch_size * vision.spatial_merge_size
    # from one merged patch to sixteen times the world's own 64×64
    return Grid(vision.patch_size, vision.spatial_merge_size, vision.temporal_patch_size, unit**2, 16 * 64 * 64)


def write(path: Path, data: dict[str, Any]) -> None:
    """JSON with sorted keys: the same folder has the same bytes."""
    path.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n", encoding="utf-8")
