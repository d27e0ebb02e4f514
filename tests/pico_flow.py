"""Pico folders of the newer flow models: real classes of a few neurons, from their own configs, in the hub's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pico_parts as parts
import torch
from diffusers import (
    ChromaPipeline,
    ChromaTransformer2DModel,
    FlowMatchEulerDiscreteScheduler,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from transformers import Qwen2Tokenizer, Qwen3Config, Qwen3ForCausalLM


def saved(pipeline: Any, folder: Path) -> Path:
    """The folder that the stock class loads."""
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def chroma_folder(folder: Path, *, seed: int = 0, wide: bool = False) -> Path:
    """Save a pico `ChromaPipeline` of random weights: f = 4, 4 latent channels, text of 16 tokens."""
    width = parts.WIDE if wide else parts.WIDTH
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = ChromaPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0),
            vae=flow_autoencoder(wide=wide),
            text_encoder=parts.t5(width=width),
            tokenizer=parts.t5_tokenizer(),
            transformer=ChromaTransformer2DModel(
                in_channels=16,
                num_layers=1,
                num_single_layers=1,
                attention_head_dim=16,
                num_attention_heads=width // 8,
                joint_attention_dim=width,
                axes_dims_rope=(4, 6, 6),
                approximator_num_channels=8,
                approximator_hidden_dim=width,
                approximator_layers=1,
            ),
        )
        return saved(pipeline, folder)


# a chat of two tokens around a prompt, and of one more where it is told not to think
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.content }}<|im_end|>{% endfor %}"
    "{% if not enable_thinking %}<think>{% endif %}"
)


def qwen_tokenizer(*words: str) -> Qwen2Tokenizer:
    """Every letter is a token, and so is every one of `words`."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>"]
    vocabulary = {piece: at for at, piece in enumerate([*special, *parts.LETTERS, "Ġ"])}
    made = Qwen2Tokenizer(vocabulary, [], model_max_length=parts.TOKENS, extra_special_tokens=special[1:])
    made.add_tokens(list(words))
    made.chat_template = CHAT
    return made


def qwen3(*, width: int = parts.WIDTH, layers: int = 2) -> Qwen3ForCausalLM:
    """A language model for the tokenizer above."""
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(parts.LETTERS) + 5,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=layers,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=width // 2,
            max_position_embeddings=64,
        )
    )


def flow_autoencoder(*, wide: bool) -> Any:
    """The decoder of `pico_parts`, as flow models have it."""
    channels = {"block_out_channels": parts.WIDE_CHANNELS} if wide else {}
    return parts.autoencoder(shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False, **channels)


def z_image_folder(folder: Path, *, seed: int = 0, wide: bool = False) -> Path:
    """Save a pico `ZImagePipeline` of random weights: f = 4, 4 latent channels, text of 16 tokens."""
    width, heads = (parts.WIDE, 8) if wide else (parts.WIDTH, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = ZImageTransformer2DModel(
            in_channels=4,
            dim=width,
            n_layers=2 if wide else 1,
            n_refiner_layers=1,
            n_heads=heads,
            n_kv_heads=heads,
            cap_feat_dim=width,
            axes_dims=[4, 6, 6],
            axes_lens=[128, 32, 32],
        )
        torch.nn.init.normal_(transformer.x_pad_token)
        torch.nn.init.normal_(transformer.cap_pad_token)
        pipeline = ZImagePipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=flow_autoencoder(wide=wide),
            text_encoder=qwen3(width=width),
            tokenizer=qwen_tokenizer(),
            transformer=transformer,
        )
        return saved(pipeline, folder)
