"""An untrained pico Flux: stock classes built from their own configs, in the layout that stock `FluxPipeline` loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5Tokenizer

from ..quiet import quiet
from . import facts, phrases
from .phrases import PHRASES, Said

TEXT_LENGTH = 40  # tokens, of both encoders
WIDTH = 64  # of the text encoders
LAYERS, SINGLE = 2, 4  # blocks of the transformer: of two streams, and of one
READING = 2  # layers of the second text encoder
# of the sampler's noise levels, towards low ones: with caption and noise known a picture is settled by its first step,
# and at high noise the transformer knows less of it than at pure noise
SHIFT = 0.1
GLUE = "a an the on that is painted colored it"  # what the grammar of captions puts between phrases
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.!?'-"  # all that a caption is made of, besides spaces


def words() -> list[str]:
    """Every word of the captions and of the prompts that imply facts, sorted."""
    tables: list[Said] = [*PHRASES.values(), phrases.DEPTHS, phrases.VIEWS, phrases.SETTINGS, phrases.BULBS]
    said = [phrase for table in tables for each in table.values() for phrase in each]
    said += [*phrases.LEADS, *phrases.NOTHING, *phrases.BLANKS, *phrases.JOINTS, *phrases.STANDS]
    said += [*phrases.MOMENTS.values(), GLUE]
    return sorted({word for phrase in said for word in phrase.split()} | set(facts.vocabulary()))


def clip_tokenizer() -> CLIPTokenizer:
    """Byte pairs grown until every word of the captions is one token; other words fall to letters."""
    tokenizer = Tokenizer(BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    # told to the trainer as special tokens, letters have fixed numbers; it would number those at a word's end at random
    letters = [*sorted(LETTERS), *(f"{letter}</w>" for letter in sorted(LETTERS))]
    trainer = BpeTrainer(
        vocab_size=4000, min_frequency=1, special_tokens=letters, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator([*(word.lower() for word in words()), *LETTERS], trainer)
    learnt = json.loads(tokenizer.to_str())["model"]
    vocabulary = {"<|startoftext|>": 0, "<|endoftext|>": 1}
    for token in sorted(learnt["vocab"], key=learnt["vocab"].__getitem__):
        vocabulary.setdefault(token, len(vocabulary))
    merges: Any = [tuple(merge) for merge in learnt["merges"]]  # pairs are right, though annotated otherwise
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=TEXT_LENGTH)


def t5_tokenizer() -> T5Tokenizer:
    """Whole words, capital or not; other words fall to letters."""
    known = sorted({form for word in words() for form in (word, word.lower())})
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -6.0)]
    pieces += [(f"▁{word}", -3.0) for word in known] + [(letter, -8.0) for letter in LETTERS]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=TEXT_LENGTH)


def build(vae: AutoencoderKL, seed: int) -> FluxPipeline:
    """The whole pipeline around a trained VAE; everything else is untrained, the same for the same seed."""
    clip, t5 = clip_tokenizer(), t5_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
        text_encoder, text_encoder_2 = _clip(len(clip)), _t5(len(t5))
        transformer = FluxTransformer2DModel(
            patch_size=1, in_channels=16, num_layers=LAYERS, num_single_layers=SINGLE, attention_head_dim=32,
            num_attention_heads=4, joint_attention_dim=WIDTH, pooled_projection_dim=WIDTH,
            guidance_embeds=False, axes_dims_rope=(8, 12, 12),
        )  # fmt: skip
    scheduler = FlowMatchEulerDiscreteScheduler(shift=SHIFT)
    return FluxPipeline(scheduler, vae, text_encoder, clip, text_encoder_2, t5, transformer)


def _clip(vocabulary: int) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary, hidden_size=WIDTH, intermediate_size=2 * WIDTH, projection_dim=WIDTH,
            num_hidden_layers=1, num_attention_heads=4, max_position_embeddings=TEXT_LENGTH,
            bos_token_id=0, eos_token_id=1, pad_token_id=1,
        )
    )  # fmt: skip


def _t5(vocabulary: int) -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(
            vocab_size=vocabulary, d_model=WIDTH, d_kv=16, d_ff=2 * WIDTH, num_layers=READING, num_heads=4,
            feed_forward_proj="gated-gelu", dropout_rate=0.0, is_encoder_decoder=False,
            pad_token_id=0, eos_token_id=1,
        )
    )  # fmt: skip


@torch.no_grad()
def take_over(pipeline: FluxPipeline, source: FluxPipeline) -> list[str]:
    """Give an untrained pipeline what a trained, smaller one knows; the names of the weights that stay untrained.

    Blocks that the source lacks change nothing at first: their last projections are zero. Tokens that both vocabularies
    have keep their vectors.
    """
    left: list[str] = []
    for part in ("transformer", "text_encoder", "text_encoder_2"):
        known: dict[str, torch.Tensor] = getattr(source, part).state_dict()
        for name, value in getattr(pipeline, part).state_dict().items():
            if name in known and known[name].shape == value.shape:
                value.copy_(known[name])
            elif name.endswith("position_embedding.weight"):
                value[: len(known[name])] = known[name]
            elif name.endswith(("token_embedding.weight", "shared.weight", "embed_tokens.weight")):
                both = ("tokenizer", "tokenizer") if part == "text_encoder" else ("tokenizer_2", "tokenizer_2")
                _share(value, getattr(pipeline, both[0]), known[name], getattr(source, both[1]))
            elif name not in known and name.endswith(LAST):
                value.zero_()
            else:
                left.append(f"{part}.{name}")
    return left


LAST = (
    "proj_out.weight", "proj_out.bias", "SelfAttention.o.weight", "DenseReluDense.wo.weight",
)  # fmt: skip


def _share(vectors: torch.Tensor, tokenizer: Any, known: torch.Tensor, others: Any) -> None:
    """Copy the vectors of tokens that two vocabularies have in common."""
    theirs: dict[str, int] = others.get_vocab()
    for token, number in tokenizer.get_vocab().items():
        if token in theirs:
            vectors[number] = known[theirs[token]]


def save(pipeline: FluxPipeline, folder: Path) -> None:
    """Write the folder that `FluxPipeline.from_pretrained` loads."""
    with quiet():
        pipeline.save_pretrained(folder, safe_serialization=True)
    # stock notes the folder that a part was loaded from, which means nothing elsewhere
    for config in (folder / "model_index.json", *folder.glob("*/config.json")):
        noted: dict[str, Any] = json.loads(config.read_text(encoding="utf-8"))
        if noted.pop("_name_or_path", None) is not None:
            config.write_text(json.dumps(noted, indent=2, sort_keys=True) + "\n", encoding="utf-8")
