"""What families cost by their configurations alone: full-size models on the meta device, and what autograd keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import picos
import pytest
import torch
import transformers
from allocated import kept_of
from control_recipes import critics
from control_recipes.critics import Branch, View

# config.json and the processor's file as the hub has them, as far as sizes go
FULL: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "Qwen3-VL-8B": (
        "qwen3_vl",
        {
            "model_type": "qwen3_vl", "image_token_id": 151655, "tie_word_embeddings": False,
            "text_config": {
                "model_type": "qwen3_vl_text", "hidden_size": 4096, "intermediate_size": 12288,
                "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
                "vocab_size": 151936, "max_position_embeddings": 262144,
            },
            "vision_config": {
                "model_type": "qwen3_vl", "depth": 27, "hidden_size": 1152, "intermediate_size": 4304,
                "num_heads": 16, "out_hidden_size": 4096, "deepstack_visual_indexes": [8, 16, 24],
            },
        },
        {"patch_size": 16, "merge_size": 2, "size": {"shortest_edge": 65536, "longest_edge": 16777216}},
    ),
    "llava-v1.6-mistral-7b": (
        "llava_next",
        {
            "model_type": "llava_next", "image_token_index": 32000, "tie_word_embeddings": False,
            "image_grid_pinpoints": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]],
            "text_config": {
                "model_type": "mistral", "intermediate_size": 14336, "max_position_embeddings": 32768,
                "num_key_value_heads": 8, "sliding_window": None, "vocab_size": 32064,
            },
            "vision_config": {
                "model_type": "clip_vision_model", "hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
                "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768,
            },
        },
        {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}},
    ),
    "llava-onevision-qwen2-7b": (
        "llava_onevision",
        {
            "model_type": "llava_onevision", "image_token_index": 151646, "tie_word_embeddings": False,
            "image_grid_pinpoints": [[384, 384], [384, 768], [768, 384], [768, 768]],
            "text_config": {
                "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
                "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152128,
            },
            "vision_config": {
                "model_type": "siglip_vision_model", "hidden_size": 1152, "image_size": 384,
                "intermediate_size": 4304, "num_attention_heads": 16, "num_hidden_layers": 26, "patch_size": 14,
                "vision_use_head": False,
            },
        },
        {"size": {"height": 384, "width": 384}},
    ),
    "Idefics3-8B-Llama3": (
        "idefics3",
        {
            "model_type": "idefics3", "image_token_id": 128257, "scale_factor": 2, "tie_word_embeddings": False,
            "text_config": {
                "model_type": "llama", "intermediate_size": 14336, "max_position_embeddings": 131072,
                "num_key_value_heads": 8, "vocab_size": 128259, "pad_token_id": 128002,
            },
            "vision_config": {
                "model_type": "idefics3", "hidden_size": 1152, "image_size": 364, "intermediate_size": 4304,
                "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14,
            },
        },
        {"size": {"longest_edge": 1456}, "max_image_size": {"longest_edge": 364}},
    ),
    "SmolVLM2-2.2B": (
        "idefics3",
        {
            "model_type": "smolvlm", "image_token_id": 49190, "scale_factor": 3, "tie_word_embeddings": False,
            "text_config": {
                "model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 24,
                "max_position_embeddings": 8192, "vocab_size": 49280, "pad_token_id": 2,
            },
            "vision_config": {
                "model_type": "smolvlm_vision", "hidden_size": 1152, "image_size": 384, "intermediate_size": 4304,
                "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14,
            },
        },
        {"size": {"longest_edge": 1536}, "max_image_size": {"longest_edge": 384}},
    ),
    "idefics2-8b": (
        "idefics2",
        {
            "model_type": "idefics2", "image_token_id": 32001, "tie_word_embeddings": False,
            "perceiver_config": {"model_type": "idefics2", "resampler_n_latents": 64},
            "text_config": {
                "model_type": "mistral", "max_position_embeddings": 32768, "vocab_size": 32003, "pad_token_id": 0,
            },
            "vision_config": {
                "model_type": "idefics2", "hidden_size": 1152, "image_size": 980, "intermediate_size": 4304,
                "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14,
            },
        },
        {"size": {"shortest_edge": 378, "longest_edge": 980}},
    ),
    "gemma-3-4b": (
        "gemma3",
        {
            "model_type": "gemma3", "image_token_index": 262144, "mm_tokens_per_image": 256,
            "text_config": {
                "model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240,
                "num_hidden_layers": 34, "sliding_window": 1024,
            },
            "vision_config": {
                "model_type": "siglip_vision_model", "hidden_size": 1152, "image_size": 896,
                "intermediate_size": 4304, "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14,
                "vision_use_head": False,
            },
        },
        {"size": {"height": 896, "width": 896}},
    ),
    "paligemma-3b-224": (
        "paligemma",
        {
            "model_type": "paligemma", "image_token_index": 257152, "projection_dim": 2048, "hidden_size": 2048,
            "text_config": {
                "model_type": "gemma", "hidden_size": 2048, "intermediate_size": 16384, "num_attention_heads": 8,
                "num_hidden_layers": 18, "num_key_value_heads": 1, "vocab_size": 257216,
            },
            "vision_config": {
                "model_type": "siglip_vision_model", "hidden_size": 1152, "image_size": 224,
                "intermediate_size": 4304, "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14,
                "vision_use_head": False,
            },
        },
        {"size": {"height": 224, "width": 224}},
    ),
    "pixtral-12b": (
        "pixtral",
        {
            "model_type": "llava", "image_token_index": 10, "vision_feature_layer": -1, "image_seq_length": 1,
            "vision_feature_select_strategy": "full", "tie_word_embeddings": False,
            "text_config": {
                "model_type": "mistral", "hidden_size": 5120, "head_dim": 128, "intermediate_size": 14336,
                "num_hidden_layers": 40, "num_key_value_heads": 8, "sliding_window": None, "vocab_size": 131072,
            },
            "vision_config": {"model_type": "pixtral", "head_dim": 64},
        },
        {"size": {"longest_edge": 1024}, "patch_size": {"height": 16, "width": 16}},
    ),
    "InternVL3-8B": (
        "internvl",
        {
            "model_type": "internvl", "image_token_id": 151667, "tie_word_embeddings": False,
            "text_config": {
                "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
                "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 151674,
            },
            "vision_config": {"model_type": "internvl_vision"},
        },
        {"size": {"height": 448, "width": 448}, "crop_to_patches": True},
    ),
    "aya-vision-8b": (
        "generic",
        {
            "model_type": "aya_vision", "image_token_index": 255036, "downsample_factor": 2,
            "alignment_intermediate_size": 28672,
            "text_config": {
                "model_type": "cohere2", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
                "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 256000,
            },
            "vision_config": {
                "model_type": "siglip_vision_model", "hidden_size": 1152, "image_size": 364,
                "intermediate_size": 4304, "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14,
                "vision_use_head": False,
            },
        },
        {"image_processor_type": "GotOcr2ImageProcessor", "size": {"height": 364, "width": 364}},
    ),
    "Mistral-Small-3.1-24B": (
        "generic",
        {
            "model_type": "mistral3", "image_token_index": 10, "spatial_merge_size": 2, "tie_word_embeddings": False,
            "text_config": {
                "model_type": "mistral", "hidden_size": 5120, "head_dim": 128, "intermediate_size": 32768,
                "num_hidden_layers": 40, "num_key_value_heads": 8, "sliding_window": None, "vocab_size": 131072,
            },
            "vision_config": {"model_type": "pixtral", "head_dim": 64, "image_size": 1540, "patch_size": 14},
        },
        {
            "image_processor_type": "PixtralImageProcessor", "size": {"longest_edge": 1540}, "patch_size": 14,
        },
    ),
    "vip-llava-7b": (
        "generic",
        {
            "model_type": "vipllava", "image_token_index": 32000, "tie_word_embeddings": False,
            "text_config": {"model_type": "llama", "max_position_embeddings": 4096, "vocab_size": 32064},
            "vision_config": {
                "model_type": "clip_vision_model", "hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
                "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768,
            },
        },
        {
            "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 336},
            "crop_size": {"height": 336, "width": 336},
        },
    ),
}  # fmt: skip


# processor_config.json
WRITERS = {
    "aya_vision": {"img_size": 364, "patch_size": 14, "downsample_factor": 2},
    "mistral3": {"patch_size": 14, "spatial_merge_size": 2},
}


@pytest.mark.parametrize("name", FULL)
def test_parameters_are_the_stock_models(tmp_path: Path, name: str) -> None:
    family, config, images = FULL[name]
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(images))
    if family == critics.GENERIC:  # whose processor has numbers of its own
        (tmp_path / "processor_config.json").write_text(json.dumps(WRITERS.get(str(config["model_type"]), {})))
    with torch.device("meta"):
        read = transformers.AutoConfig.from_pretrained(tmp_path)
        model = transformers.AutoModelForImageTextToText.from_config(read)
    counted = sum(weight.numel() for weight in model.parameters())
    assert critics.sizes_of(tmp_path, family).parameters() == pytest.approx(counted, rel=0.03)


@pytest.mark.parametrize("name", picos.CASES)
def test_what_is_kept_is_about_what_autograd_keeps(tmp_path: Path, name: str) -> None:
    case = picos.CASES[name]
    case.build(tmp_path / name, 8)  # wide enough that layers are what counts
    critic: Any = critics.load(tmp_path / name, case.family, "float32", "cpu")
    height, width = case.sizes[1]
    x = torch.rand(3, height, width, requires_grad=True)
    branches = [Branch("Is there a red ball? Answer with Yes or No.", "Yes")]
    with kept_of(critic.model) as kept:
        critic.ask([View(x)], [branches])
    tokens = critics.chat_of(tmp_path / name, case.family).length(branches[0].question, [(width, height)])
    told = critics.sizes_of(tmp_path / name, case.family).ask(width, height, tokens, 1).kept
    assert told == pytest.approx(sum(kept.values()), rel=0.1)
