"""Quantising: the frozen weights of a critic's layers in 8 or 4 bits, and the gradient that goes through them.

Every linear layer in the layers of vision tower and language model is stored as whole numbers with scales; embeddings,
norms, biases, patches, what joins the two and the head stay as they are. The product is that with w = q s in the dtype
of what is given, and in the backward pass that with the same w, made anew: autograd keeps nothing of it in between, as
it would of a stock linear layer, or of a product with weights that were made full again.

8bit: symmetric whole numbers, a scale for each output, s = max |w| / 127.
4bit: NormalFloat, a scale for each 64 weights, s = max |w| (QLoRA, arXiv 2305.14314, section 3).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from statistics import NormalDist
from typing import Any, cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLOCK = 64  # weights that share a scale in 4 bits
_END = 0.9677083  # the outermost quantile of the data type, as its authors chose it


def quantize(model: Any, bits: str) -> None:
    """Store the linears of all layers of a frozen stock model in `8bit` or `4bit`, one after the other."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    kind = {"8bit": Eight, "4bit": Four}[bits]
    for layer in [part for part in model.modules() if isinstance(part, GradientCheckpointingLayer)]:
        linears = [(name, part) for name, part in layer.named_modules() if type(part) is nn.Linear]
        for name, linear in linears:
            parent, _, leaf = name.rpartition(".")
            setattr(layer.get_submodule(parent), leaf, kind(linear))


class Quantized(nn.Module, ABC):
    """A frozen linear layer whose weights [out, in] are stored in fewer bits."""

    values: Tensor  # whole numbers, packed
    scales: Tensor  # float32

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        values, scales = self.stored(linear.weight.detach().to(torch.promote_types(linear.weight.dtype, torch.float32)))
        self.register_buffer("values", values)
        self.register_buffer("scales", scales.float())

    @abstractmethod
    def stored(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Whole numbers and scales of weights [out, in]."""

    @abstractmethod
    def weight_in(self, dtype: torch.dtype) -> Tensor:
        """The weights [out, in] that are multiplied by."""

    def forward(self, given: Tensor) -> Tensor:
        """[…, in] → […, out]."""
        return cast(Tensor, _Product.apply(given, self))


@final
class Eight(Quantized):
    """Symmetric whole numbers from −127 to 127."""

    def stored(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        scales = weight.abs().amax(1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / 127
        return (weight / scales).round().to(torch.int8), scales

    def weight_in(self, dtype: torch.dtype) -> Tensor:
        exact = torch.promote_types(dtype, torch.float32)
        return self.values.to(exact).mul_(self.scales).to(dtype)


@final
class Four(Quantized):
    """NormalFloat of 4 bits, two to a byte, the first in its upper half."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(linear)
        pairs = torch.cartesian_prod(normal_float(), normal_float())  # [256, 2], by byte
        self.register_buffer("pairs", pairs, persistent=False)

    pairs: Tensor

    def stored(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        blocks = F.pad(weight.flatten(), (0, -weight.numel() % BLOCK)).view(-1, BLOCK)
        scales = blocks.abs().amax(1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
        levels = normal_float().to(weight)
        # the nearest level: as many as there are middles between two below it
        codes = torch.bucketize(blocks / scales, (levels[1:] + levels[:-1]) / 2).to(torch.uint8)
        return codes[:, ::2] * 16 + codes[:, 1::2], scales

    def weight_in(self, dtype: torch.dtype) -> Tensor:
        exact = torch.promote_types(dtype, torch.float32)
        blocks = F.embedding(self.values.int(), self.pairs).view(-1, BLOCK).to(exact).mul_(self.scales)
        count = self.out_features * self.in_features
        return blocks.flatten()[:count].view(self.out_features, self.in_features).to(dtype)


class _Product(torch.autograd.Function):
    """x Wᵀ + b for frozen W and b: the gradient of x alone, and nothing is kept."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, layer: Quantized) -> Tensor:
        ctx.layer = layer
        return F.linear(given, layer.weight_in(given.dtype), layer.bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return gradient @ ctx.layer.weight_in(gradient.dtype), None


def normal_float() -> Tensor:
    """The 16 levels of NormalFloat in 4 bits, ascending from −1 to 1, with 0 among them: float32.

    Quantiles of a normal distribution, eight above 0 and seven below, divided by the largest (QLoRA, equation 4).
    """
    quantile = NormalDist().inv_cdf
    above = [quantile(_END + (0.5 - _END) * at / 8) for at in range(8)]
    below = [-quantile(_END + (0.5 - _END) * at / 7) for at in range(7)]
    levels = torch.tensor(sorted([*below, 0.0, *above]), dtype=torch.float64)
    return (levels / levels.abs().max()).float()
