"""What a critic costs in numbers: parameters, operations and kept values, from its configuration alone, without torch.

`kept` counts the values that autograd keeps of a forward pass through frozen weights, until its backward pass. Its
coefficients were counted with `torch.autograd.graph.saved_tensors_hooks` on models of several sizes, in float32 with
sdpa attention; they hold within 5 %, for a few families within 10 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """One forward pass over some sequences."""

    flops: float  # floating-point operations, two for each multiplication with its addition
    kept: float  # values kept for the backward pass
    widest: float  # values alive at once where nothing is kept
    given: float  # values kept where layers are recomputed: what each of them is given, and what is no layer's
    layer: float  # what the largest layer keeps while it is recomputed

    def held(self, recomputed: bool) -> float:
        """Values kept from the forward pass on."""
        return self.given if recomputed else self.kept

    def most(self, recomputed: bool) -> float:
        """Values held at once, at most: where layers are recomputed, one after the other is in the backward pass."""
        return self.given + self.layer + self.widest if recomputed else self.kept


NOTHING = Cost(0.0, 0.0, 0.0, 0.0, 0.0)


def together(*costs: Cost, times: float = 1.0) -> Cost:
    """Passes one after the other, each over `times` as much."""
    return Cost(
        times * sum(cost.flops for cost in costs),
        times * sum(cost.kept for cost in costs),
        times * max((cost.widest for cost in costs), default=0.0),
        times * sum(cost.given for cost in costs),
        times * max((cost.layer for cost in costs), default=0.0),
    )


@dataclass(frozen=True, slots=True)
class Tower:
    """A stack of transformer layers."""

    depth: int
    width: int  # D
    hidden: int  # F, of the feed-forward part
    matrices: int  # of the feed-forward part: 3 where it is gated, otherwise 2
    narrow: float  # width of keys and values as a share of D: less than 1 where heads share them
    kept_width: float  # values kept in each layer for each token, in units of D
    kept_hidden: float  # the same, in units of F
    masked: bool  # a tree mask of T × T is made anew in each layer
    wide: float = 1.0  # width of queries as a share of D: heads need not divide it up

    def parameters(self) -> float:
        """Of all layers, norms and biases left out."""
        own = (2 * self.wide + 2 * self.narrow) * self.width**2 + self.matrices * self.width * self.hidden
        return self.depth * own

    def pass_over(self, tokens: float) -> Cost:
        """One pass over one sequence of T tokens."""
        weights, attention = 2 * self.parameters() * tokens, 4 * self.depth * tokens**2 * self.wide * self.width
        layer = tokens * (self.kept_width * self.width + self.kept_hidden * self.hidden)
        layer += tokens**2 if self.masked else 0.0
        # a residual, what a layer is in the middle of, and its mask as numbers
        widest = tokens * (4 * self.width + self.matrices * self.hidden) + (2 * tokens**2 if self.masked else 0.0)
        # where layers are recomputed, they share one mask, of bytes
        given = self.depth * tokens * self.width + (tokens**2 / 4 if self.masked else 0.0)
        return Cost(weights + attention, self.depth * layer, widest, given, layer)


@dataclass(frozen=True, slots=True)
class Sizes:
    """A critic: what looks, what reads, and how a picture of some width and height (pixels) is divided."""

    vision: Tower
    text: Tower
    vocabulary: int
    tied: bool  # whether the words that are read and those that are said share their weights
    patches: Callable[[int, int], int]  # that the vision tower sees of a picture
    tokens: Callable[[int, int], int]  # that the language model reads of a picture
    beside: float = 0.0  # parameters of what joins the two, where they are many
    pieces: Callable[[int, int], int] | None = None  # that a picture is cut into, each looked at by itself

    def parameters(self) -> float:
        """Of the whole model, within a few per cent."""
        words = (1 if self.tied else 2) * self.vocabulary * self.text.width
        return self.vision.parameters() + self.text.parameters() + words + self.beside

    def ask(self, width: int, height: int, tokens: float, answered: float, pictures: int = 1) -> Cost:
        """One view: its pictures looked at, T tokens read (those of pictures among them), some of them answered."""
        pieces = self.pieces(width, height) if self.pieces else 1
        look = together(self.vision.pass_over(self.patches(width, height) / pieces), times=pictures * pieces)
        said = answered * self.vocabulary
        # logits, their softmax, and both as float32
        logits = Cost(2 * said * self.text.width, 3 * said, 4 * said, 3 * said, 0.0)
        return together(look, self.text.pass_over(tokens), logits)
