"""Backbones in the sizes in which they are published, without weights: what their linear layers are called and take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import torch
from torch import Tensor, nn

_UNET = ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D")


def _sdxl() -> nn.Module:
    return diffusers.UNet2DConditionModel(
        block_out_channels=(320, 640, 1280),
        down_block_types=_UNET,
        up_block_types=tuple(name.replace("Down", "Up") for name in reversed(_UNET)),
        transformer_layers_per_block=[1, 2, 10],
        attention_head_dim=[5, 10, 20],
        cross_attention_dim=2048,
        use_linear_projection=True,
    )


def _sd35() -> nn.Module:
    return diffusers.SD3Transformer2DModel(
        sample_size=128,
        num_layers=24,
        num_attention_heads=24,
        caption_projection_dim=1536,
        joint_attention_dim=4096,
        pos_embed_max_size=384,
        out_channels=16,
        dual_attention_layers=tuple(range(13)),
        qk_norm="rms_norm",
    )


def _klein() -> nn.Module:
    return diffusers.Flux2Transformer2DModel(
        num_layers=5, num_single_layers=20, num_attention_heads=24, joint_attention_dim=7680
    )


_BLOCKS, _REFINED = ("transformer_blocks.",), ("layers.", "refiner.")
# name -> family, backbone, its stock pipeline, and parts of names of which every layer that takes an adapter has one
MODELS: dict[str, tuple[str, Callable[[], nn.Module], str, tuple[str, ...]]] = {
    "flux-dev": ("flux", diffusers.FluxTransformer2DModel, "FluxPipeline", _BLOCKS),
    "sd-1.5": (
        "sd", lambda: diffusers.UNet2DConditionModel(cross_attention_dim=768), "StableDiffusionPipeline",
        ("attentions.",),
    ),
    "sdxl-base": ("sdxl", _sdxl, "StableDiffusionXLPipeline", ("attentions.",)),
    "sd3.5-medium": ("sd3", _sd35, "StableDiffusion3Pipeline", _BLOCKS),
    "chroma": ("chroma", diffusers.ChromaTransformer2DModel, "ChromaPipeline", _BLOCKS),
    "qwen-image": ("qwen_image", diffusers.QwenImageTransformer2DModel, "QwenImagePipeline", _BLOCKS),
    "z-image": ("z_image", diffusers.ZImageTransformer2DModel, "ZImagePipeline", _REFINED),
    "flux2-klein-4b": ("flux2_klein", _klein, "Flux2KleinPipeline", _BLOCKS),
    "lumina2": ("lumina2", diffusers.Lumina2Transformer2DModel, "Lumina2Pipeline", _REFINED),
    "pixart-sigma": ("pixart", diffusers.PixArtTransformer2DModel, "PixArtSigmaPipeline", _BLOCKS),
    "sana": ("sana", diffusers.SanaTransformer2DModel, "SanaPipeline", _BLOCKS),
    "sana-sprint": ("sana_sprint", diffusers.SanaTransformer2DModel, "SanaSprintPipeline", _BLOCKS),
}  # fmt: skip


def model(name: str) -> Any:
    """The backbone, on the meta device."""
    with torch.device("meta"):
        return MODELS[name][1]()


def adapter(name: str, backbone: nn.Module, prefix: str, rank: int = 1) -> dict[str, tuple[Tensor, Tensor]]:
    """Factors A [R, in] and B [out, R] for every layer of the backbone that takes an adapter, by module."""
    stream = torch.Generator().manual_seed(1)
    return {
        f"{prefix}.{module}": (
            torch.randn(rank, part.in_features, generator=stream),
            torch.randn(part.out_features, rank, generator=stream),
        )
        for module, part in backbone.named_modules()
        if isinstance(part, nn.Linear) and any(one in module for one in MODELS[name][3])
    }
