"""Parts that several pico pipelines are made of: tokenizers, encoders and a decoder, real classes of a few neurons."""

from __future__ import annotations

import string
from typing import Any

from diffusers import AutoencoderKL
from transformers import CLIPTextConfig, CLIPTokenizer, T5Config, T5EncoderModel, T5Tokenizer

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
