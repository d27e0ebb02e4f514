"""The embedded world's judge before training: a LLaVA small enough for a laptop, and its folder in stock format."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, processors
from transformers import CLIPVisionConfig, GenerationConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from ...critics.chat import Chat
from ...critics.llava import Llava, Square
from ...critics.pixels import Normal
from .pico_critic import DEVIATION, MEAN, train_tokenizer, write

SPECIAL = ("<pad>", "<s>", "</s>", "<image>")
# LLaVA 1.5's own, with the end of an answer written out
TEMPLATE = (
    "{% for message in messages %}{{ message['role'].upper() + ':' }}"
    "{% for content in message['content'] if content['type'] == 'image' %}{{ ' <image>\\n' }}{% endfor %}"
    "{% for content in message['content'] if content['type'] == 'text' %}{{ ' ' + content['text'] }}{% endfor %}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% else %}{{ ' ' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)


def build(
    texts: Iterable[str],
    seed: int,
    width: int = 96,
    heads: int = 4,
    layers: int = 3,
    vision_width: int = 96,
    vision_heads: int = 4,
    vision_layers: int = 3,
    side: int = 64,
    patch: int = 8,
    vocabulary: int = 2048,
) -> tuple[LlavaForConditionalGeneration, Tokenizer]:
    """An untrained model and its tokenizer; `texts` are what it will read and say (questions and answers)."""
    # in this chat a space stands before every text, so that words are learnt with it
    tokenizer = train_tokenizer([f" {text}" for text in texts], vocabulary, SPECIAL, ("USER:", " ASSISTANT:"))
    ids: dict[str, Any] = {token: tokenizer.token_to_id(token) for token in SPECIAL}
    tokenizer.post_processor = processors.TemplateProcessing(  # pyright: ignore[reportAttributeAccessIssue]
        single="<s> $A", special_tokens=[("<s>", ids["<s>"])]
    )
    text = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=512,
        bos_token_id=ids["<s>"],
        eos_token_id=ids["</s>"],
        pad_token_id=ids["<pad>"],
        tie_word_embeddings=True,
    )
    vision = CLIPVisionConfig(
        hidden_size=vision_width,
        intermediate_size=2 * vision_width,
        projection_dim=vision_width,
        num_hidden_layers=vision_layers,
        num_attention_heads=vision_heads,
        image_size=side,
        patch_size=patch,
    )
    config = LlavaConfig(
        text_config=text,
        vision_config=vision,
        image_token_index=ids["<image>"],
        image_seq_length=(side // patch) ** 2,
        # so few layers that none is left out (LLaVA 1.5 takes the last but one)
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
        model = LlavaForConditionalGeneration(config)
    return model, tokenizer


def critic(model: LlavaForConditionalGeneration, tokenizer: Tokenizer) -> Llava:
    """The critic of a model in memory: weights stay as they are, trainable where they were."""
    config: Any = model.config
    side: int = config.vision_config.image_size
    square = Square(config.vision_config.patch_size, side, side)
    longest: int = config.text_config.max_position_embeddings
    chat = Chat(tokenizer, TEMPLATE, config.image_token_id, square.tokens, longest, "<s>", "</s>")
    return Llava(model, chat, square, Normal(3, MEAN, DEVIATION))


def save(model: LlavaForConditionalGeneration, tokenizer: Tokenizer, folder: Path) -> None:
    """Writes a folder that stock transformers loads, processor files for those who have torchvision included."""
    folder.mkdir(parents=True, exist_ok=True)
    config: Any = model.config
    text, side = config.text_config, config.vision_config.image_size
    model.generation_config = GenerationConfig(
        do_sample=False, bos_token_id=text.bos_token_id, eos_token_id=text.eos_token_id, pad_token_id=text.pad_token_id
    )
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    values = {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True, "do_resize": True, "do_center_crop": True, "do_rescale": True, "do_normalize": True,
        "resample": 3, "rescale_factor": 1 / 255, "image_mean": list(MEAN), "image_std": list(DEVIATION),
        "size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side},
    }  # fmt: skip
    processor = {"processor_class": "LlavaProcessor"}
    write(folder / "preprocessor_config.json", {**values, **processor})
    layout = {"patch_size": config.vision_config.patch_size, "num_additional_image_tokens": 1, "image_token": "<image>"}
    write(folder / "processor_config.json", {**layout, **processor, "vision_feature_select_strategy": "default"})
    named = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<pad>"}
    length: int = text.max_position_embeddings
    known = {"tokenizer_class": "PreTrainedTokenizerFast", "additional_special_tokens": ["<image>"], **named}
    write(folder / "tokenizer_config.json", {**known, **processor, "model_max_length": length, "padding_side": "left"})
