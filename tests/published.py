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


# name -> family, backbone, its stock pipeline, and the part of a name that all layers which take an adapter have
MODELS: dict[str, tuple[str, Callable[[], nn.Module], str, str]] = {
    "flux-dev": ("flux", diffusers.FluxTransformer2DModel, "FluxPipeline", "transformer_blocks."),
    "sd-1.5": (
        "sd", lambda: diffusers.UNet2DConditionModel(cross_attention_dim=768), "StableDiffusionPipeline", "attentions.",
    ),
    "sdxl-base": ("sdxl", _sdxl, "StableDiffusionXLPipeline", "attentions."),
    "sd3.5-medium": ("sd3", _sd35, "StableDiffusion3Pipeline", "transformer_blocks."),
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
        if isinstance(part, nn.Linear) and MODELS[name][3] in module
    }
