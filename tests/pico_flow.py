"""Pico folders of the newer flow models: real classes of a few neurons, from their own configs, in the hub's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pico_parts as parts
import torch
from diffusers import (
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    ChromaPipeline,
    ChromaTransformer2DModel,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
)


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


# the words of the chat that Qwen-Image writes around a prompt, of which it leaves out the first 34 tokens
FRAME = (
    *("system", "user", "assistant", "\n", "Describe", ":", ",", " the", " image", " by", " detailing", " color"),
    *(" shape", " size", " texture", " quantity", " text", " spatial", " relationships", " of", " objects", " and"),
    " background",
)


def qwen2_5_vl(*, words: int, width: int = parts.WIDTH) -> Qwen2_5_VLForConditionalGeneration:
    """A language model that could see, for a tokenizer of so many tokens."""
    text = {
        "vocab_size": words, "hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 128,
        "rope_parameters": {
            "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [width // 4 - 2, 1, 1],
        },
        "bos_token_id": None, "eos_token_id": 0, "pad_token_id": 0,
    }  # fmt: skip
    vision = {
        "depth": 1, "hidden_size": width, "intermediate_size": width, "num_heads": 2, "patch_size": 4,
        "spatial_merge_size": 2, "out_hidden_size": width, "window_size": 16, "fullatt_block_indexes": [0],
    }  # fmt: skip
    return Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=vision))


def qwen_image_folder(folder: Path, *, seed: int = 0, wide: bool = False) -> Path:
    """Save a pico `QwenImagePipeline` of random weights: f = 4, 4 latent channels, text of 16 tokens."""
    width, heads = (parts.WIDE, 8) if wide else (parts.WIDTH, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = qwen_tokenizer(*FRAME)
        pipeline = QwenImagePipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
            vae=AutoencoderKLQwenImage(
                base_dim=32 if wide else 8,
                z_dim=4,
                dim_mult=[1, 2, 2],
                num_res_blocks=1,
                temperal_downsample=[False, True],
                latents_mean=[0.1, -0.2, 0.3, 0.0],
                latents_std=[1.5, 2.0, 1.0, 0.5],
            ),
            text_encoder=qwen2_5_vl(words=len(tokenizer), width=width),
            tokenizer=tokenizer,
            transformer=QwenImageTransformer2DModel(
                in_channels=16,
                out_channels=4,
                num_layers=2,
                attention_head_dim=16,
                num_attention_heads=heads,
                joint_attention_dim=width,
                axes_dims_rope=(4, 6, 6),
            ),
        )
        return saved(pipeline, folder)


def flux2_klein_folder(folder: Path, *, seed: int = 0, distilled: bool = False, wide: bool = False) -> Path:
    """Save a pico `Flux2KleinPipeline` of random weights: f = 4, 4 latent channels, text of 16 tokens."""
    width, heads = (parts.WIDE, 8) if wide else (parts.WIDTH, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vae = AutoencoderKLFlux2(
            block_out_channels=parts.WIDE_CHANNELS if wide else (8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=4,
            mid_block_add_attention=False,
            sample_size=32,
        )
        vae.bn.running_mean.normal_(std=0.3)
        vae.bn.running_var.uniform_(0.5, 2.0)
        pipeline = Flux2KleinPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0),
            vae=vae,
            text_encoder=qwen3(width=max(8, width // 4), layers=28),  # stock reads what layers 9, 18 and 27 say
            tokenizer=qwen_tokenizer(),
            transformer=Flux2Transformer2DModel(
                in_channels=16,
                num_layers=1,
                num_single_layers=1,
                attention_head_dim=16,
                num_attention_heads=heads,
                joint_attention_dim=3 * max(8, width // 4),
                timestep_guidance_channels=32,
                axes_dims_rope=(4, 4, 4, 4),
                guidance_embeds=False,
            ),
            is_distilled=distilled,
        )
        return saved(pipeline, folder)
