"""The ways that are timed: the engine's, the plain ones, and the parts of a step, on the same loaded models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sized
import torch
from control_recipes.critics import View, asking
from control_recipes.engine import step as steps
from control_recipes.engine import training
from control_recipes.engine.augment import Augmented
from control_recipes.engine.loss import branches
from control_recipes.engine.streams import stream
from plain import Plain
from torch import Tensor

LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-5, 1e-4  # float32, relative


class Bench:
    """The loaded models of one picture size, and the ways to be timed. K questions, one picture [1, 3, H, W]."""

    def __init__(self, folder: Path, size: sized.Size, side: int = 0) -> None:
        self.folder = folder
        self.desk = steps.prepare(sized.planned(folder, size, side))
        self.critic: Any = self.desk.panel._seats[0][2]
        side = self.desk.plan.generator.width
        self.pixels = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(5))
        self.state = training._state(self.desk)
        self.number = 0  # of steps taken

    def asked(self, questions: int, pictures: int = 1) -> steps.Desk:
        return sized.asked(self.desk, questions, pictures)

    def plain(self, questions: int) -> Plain:
        return Plain(self.desk, self.critic, self.folder, questions)

    def taught(self, questions: int) -> tuple[float, Tensor]:
        """The engine's critic, forward and backward: loss and gradient on the pixels."""
        desk = self.asked(questions)
        shown = Augmented(self.pixels, (0,), (0,))
        told, gradient, _ = desk.panel.teach(shown, desk.plan.train_rows, [desk.weighing[0]], {})
        return told, gradient

    def alone(self, way: Callable[[Tensor], Tensor]) -> tuple[float, Tensor]:
        """The same by a plain way."""
        pixels = self.pixels.clone().requires_grad_()
        told = way(pixels)
        return float(told.detach()), torch.autograd.grad(told, pixels)[0]

    def step(self, desk: steps.Desk) -> steps.Done:
        """A step of the engine, as a training takes it."""
        self.number += 1
        return steps.take(desk, self.state, self.number)

    def parts(self, questions: int) -> dict[str, Callable[[], object]]:
        """What no step can do without, each alone, forward and backward: {generator, decoder, vision, packed}."""
        desk, critic, generator = self.asked(questions), self.critic, self.desk.generator
        given, z, sigma = desk.given(desk.plan.train_rows), generator.noise([1]), generator.sigmas(1)[0]
        weights = list(self.state.weights.values())
        x0 = generator.denoised(z, sigma, given).detach()
        views = [View(self.pixels[0])]
        features = critic.look([self.pixels]).detach()
        asked = [[one for ask in desk.plan.train_rows[0].asks for one in branches(ask)]]

        def through(end: Tensor, *starts: Tensor) -> None:
            torch.autograd.grad(end, starts, torch.ones_like(end))

        def decoder() -> None:
            start = x0.clone().requires_grad_()
            through(generator.image(start), start)

        def vision() -> None:
            start = self.pixels.clone().requires_grad_()
            through(critic.look([start]), start)

        def packed() -> None:
            start = features.clone().requires_grad_()
            through(asking.log_probs(_Seen(critic, start), views, asked).values, start)

        return {
            "generator": lambda: through(generator.denoised(z, sigma, given), *weights),
            "decoder": decoder,
            "vision": vision,
            "packed": packed,
        }


class _Seen:
    """A critic that has looked already: its language model alone."""

    def __init__(self, critic: Any, features: Tensor) -> None:
        self._critic, self._features = critic, features

    def __getattr__(self, name: str) -> Any:
        return getattr(self._critic, name)

    def look(self, pictures: object) -> Tensor:
        return self._features


def agreement(bench: Bench, questions: int) -> tuple[float, float, float]:
    """Largest relative differences between the ways: of the loss, of the pixels' gradient, of the adapter's."""
    plain = bench.plain(questions)
    told, gradient = bench.taught(questions)
    others = [bench.alone(plain.one_by_one), bench.alone(plain.shared)]
    of_loss = max(abs(other - told) / abs(told) for other, _ in others)
    of_pixels = max(relative(gradient, other) for _, other in others)
    state, desk = bench.state, bench.asked(questions)
    for weight in state.weights.values():  # a fresh adapter's first factors have no gradient
        weight.data.add_(0.01 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(7)))
    start = [weight.detach().clone() for weight in state.weights.values()]
    bench.number += 1
    draws = stream(desk.plan.train.seed, "draw", bench.number, 0)
    z = desk.generator.noise([int(torch.randint(2**31, (1,), generator=draws))])
    done = steps.take(desk, state, bench.number)
    ours = torch.cat([weight.grad.flatten().clone() for weight in state.weights.values()])
    for weight, value in zip(state.weights.values(), start, strict=True):
        weight.data.copy_(value)
    plainly = plain.step(z, torch.optim.SGD(state.weights.values(), lr=0.0), list(state.weights.values()))
    theirs = torch.cat([weight.grad.flatten() for weight in state.weights.values()])
    return max(of_loss, abs(plainly - done.loss) / abs(done.loss)), of_pixels, relative(ours, theirs)


def relative(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / one.norm())
