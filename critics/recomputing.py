"""Recomputing: a critic's layers are computed again in the backward pass instead of kept (gradient checkpointing)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def recompute(model: Any) -> None:
    """Make every layer of a stock model recompute, exactly as it computed, whenever gradients are asked for.

    The stock layers do so only while they are in training mode. They are, then, but nothing inside them: dropout stays
    off. Without gradients they are not, since recomputing and a cache of keys exclude each other.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    # transformers renamed it on the way from 5 to 6
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    for layer in model.modules():
        if isinstance(layer, GradientCheckpointingLayer):
            layer.register_forward_pre_hook(_follow)


def _follow(layer: nn.Module, given: object) -> None:
    layer.training = torch.is_grad_enabled()
