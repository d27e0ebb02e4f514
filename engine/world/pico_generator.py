"""An untrained pico Flux: stock classes built from their own configs, in the layout that stock `FluxPipeline` loads."""

from __future__ import annotations

import json
import random
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5Tokenizer

from .captions import LEADS, NOTHING, PHRASES

TEXT_LENGTH = 24  # tokens, of both encoders
WIDTH = 64  # of the text encoders


def words() -> list[str]:
    """Every word of the captions, sorted."""
    phrases = [phrase for words in PHRASES.values() for said in words.values() for phrase in said]
    return sorted({word for phrase in [*phrases, *LEADS, *NOTHING, "a an the"] for word in phrase.split()})


def clip_tokenizer() -> CLIPTokenizer:
    """Byte pairs grown until every word of the captions is one token; other words fall to letters."""
    tokenizer = Tokenizer(BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    letters = list("abcdefghijklmnopqrstuvwxyz0123456789,.!?'-")
    trainer = BpeTrainer(
        vocab_size=4000, min_frequency=1, initial_alphabet=letters, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator([*words(), *letters], trainer)
    learnt = json.loads(tokenizer.to_str())["model"]
    vocabulary = {"<|startoftext|>": 0, "<|endoftext|>": 1}
    for token in sorted(learnt["vocab"], key=learnt["vocab"].__getitem__):
        vocabulary.setdefault(token, len(vocabulary))
    merges = [tuple(merge) for merge in learnt["merges"]]
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=TEXT_LENGTH)


def t5_tokenizer() -> T5Tokenizer:
    """Whole words; other words fall to letters."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789,.!?'-"
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -6.0)]
    pieces += [(f"▁{word}", -3.0) for word in words() if len(word) > 1] + [(letter, -8.0) for letter in letters]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=TEXT_LENGTH)


def build(vae: AutoencoderKL, seed: int) -> FluxPipeline:
    """The whole pipeline around a trained VAE; 1.7 M parameters in the transformer."""
    torch.manual_seed(seed)
    random.seed(seed)
    clip, t5 = clip_tokenizer(), t5_tokenizer()
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(clip), hidden_size=WIDTH, intermediate_size=2 * WIDTH, projection_dim=WIDTH,
            num_hidden_layers=1, num_attention_heads=4, max_position_embeddings=TEXT_LENGTH,
            bos_token_id=0, eos_token_id=1, pad_token_id=1,
        )
    )  # fmt: skip
    text_encoder_2 = T5EncoderModel(
        T5Config(
            vocab_size=len(t5), d_model=WIDTH, d_kv=16, d_ff=2 * WIDTH, num_layers=1, num_heads=4,
            feed_forward_proj="gated-gelu", dropout_rate=0.0, is_encoder_decoder=False,
            pad_token_id=0, eos_token_id=1,
        )
    )  # fmt: skip
    transformer = FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=2, num_single_layers=3, attention_head_dim=32,
        num_attention_heads=4, joint_attention_dim=WIDTH, pooled_projection_dim=WIDTH,
        guidance_embeds=False, axes_dims_rope=(8, 12, 12),
    )  # fmt: skip
    scheduler = FlowMatchEulerDiscreteScheduler(shift=1.0)
    return FluxPipeline(scheduler, vae, text_encoder, clip, text_encoder_2, t5, transformer)


def save(pipeline: FluxPipeline, folder: Path) -> None:
    """Write the folder that `FluxPipeline.from_pretrained` loads."""
    pipeline.save_pretrained(folder, safe_serialization=True)
