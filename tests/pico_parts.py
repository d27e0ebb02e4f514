"""Parts that several pico pipelines are made of: tokenizers, encoders and a decoder, real classes of a few neurons."""

from __future__ import annotations

import string
from typing import Any

from diffusers import AutoencoderDC, AutoencoderKL
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPTextConfig,
    CLIPTokenizer,
    Gemma2Config,
    Gemma2Model,
    GemmaTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

LETTERS = [*string.ascii_lowercase, *string.digits]
TOKENS = 16  # that every tokenizer reads
WIDTH = 16  # of every encoder
# of models on which sizes are counted: wide enough that norms and biases are few
WIDE = 128
WIDE_CHANNELS = (32, 64, 64)


def clip_tokenizer() -> CLIPTokenizer:
    """Every letter is a token."""
    pieces = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[], model_max_length=TOKENS)


def t5_tokenizer() -> T5Tokenizer:
    """Every letter is a token."""
    scores = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((letter, -3.0) for letter in LETTERS)]
    return T5Tokenizer(vocab=scores, extra_ids=0, model_max_length=TOKENS)


def clip(kind: Any, *, layers: int = 1, width: int = WIDTH) -> Any:
    """A CLIP text encoder of class `kind`, for the tokenizer above."""
    words = 2 * len(LETTERS) + 2
    return kind(
        CLIPTextConfig(
            vocab_size=words,
            hidden_size=width,
            intermediate_size=width,
            projection_dim=width,
            num_hidden_layers=layers,
            num_attention_heads=2,
            max_position_embeddings=TOKENS,
            bos_token_id=words - 2,
            eos_token_id=words - 1,
            pad_token_id=words - 1,
        )
    )


def t5(*, width: int = WIDTH) -> T5EncoderModel:
    """A T5 encoder for the tokenizer above."""
    return T5EncoderModel(
        T5Config(vocab_size=len(LETTERS) + 4, d_model=width, d_kv=8, d_ff=width, num_layers=1, num_heads=2)
    )


def gemma_tokenizer(before: str = "") -> GemmaTokenizer:
    """Every letter is a token, and so is the whole text that a pipeline puts before a prompt."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    vocabulary = {piece: at for at, piece in enumerate([*special, "▁", *LETTERS])}
    tokenizer = GemmaTokenizer(vocab=vocabulary, merges=[], model_max_length=TOKENS)
    first = TemplateProcessing(single="<bos> $A", pair="<bos> $A <bos> $B", special_tokens=[("<bos>", 2)])
    tokenizer.backend_tokenizer.post_processor = first
    tokenizer.add_tokens([before] if before else [])
    return tokenizer


def gemma(*, width: int = WIDTH) -> Gemma2Model:
    """A Gemma 2 of two layers for the tokenizer above."""
    return Gemma2Model(
        Gemma2Config(
            vocab_size=len(LETTERS) + 7,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
            query_pre_attn_scalar=8,
        )
    )


def deep_autoencoder(*, wide: bool) -> AutoencoderDC:
    """f = 4, 4 latent channels; attention at the smallest size."""
    kinds, scales = ("ResBlock", "ResBlock", "EfficientViTBlock"), ((), (), (5,))
    channels = WIDE_CHANNELS if wide else (8, 8, 16)
    return AutoencoderDC(
        latent_channels=4,
        attention_head_dim=8,
        encoder_block_types=kinds,
        decoder_block_types=kinds,
        encoder_block_out_channels=channels,
        decoder_block_out_channels=channels,
        encoder_layers_per_block=(1, 1, 1),
        decoder_layers_per_block=(1, 1, 1),
        encoder_qkv_multiscales=scales,
        decoder_qkv_multiscales=scales,
        upsample_block_type="interpolate",
        downsample_block_type="Conv",
        scaling_factor=0.5,
    )


def autoencoder(**changes: object) -> AutoencoderKL:
    """f = 4, 4 latent channels."""
    settings: dict[str, object] = {
        "block_out_channels": (8, 8, 8),
        "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3,
        "latent_channels": 4,
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "mid_block_add_attention": False,
        "scaling_factor": 0.5,
    }
    return AutoencoderKL(**{**settings, **changes})
