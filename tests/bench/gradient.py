"""The gradient's bench: a step of the engine against the paper's algorithm written plainly, on the same models.

    python tests/bench/gradient.py                      about ten minutes on two idle cores
    python tests/bench/gradient.py --out FILE.json      and keep what docs/performance.md is made from
    python tests/bench/gradient.py --quick              tiny models, one round: whether the bench itself works

One JSON object a line on stdout, progress on stderr. Before anything is timed, losses and gradients of all ways are
held against each other: it exits 1 where they differ by more than float32 explains.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # what tests share

import figure
import sized
import torch
from control_recipes.critics import View, asking
from control_recipes.engine import loss, training
from control_recipes.engine import step as steps
from control_recipes.engine.augment import Augmented
from control_recipes.engine.loss import branches
from control_recipes.engine.streams import stream
from plain import Plain
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from timing import Times, rounds
from torch import Tensor

COUNTS = (1, 5, 16)  # questions that all ways are timed with
WHOLE = (1, 5)  # questions of whole steps
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-4, 1e-3  # float32, relative
Tell = Callable[[], None]


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
        """The desk of a plan that asks the first so many questions, of so many pictures a step."""
        plan = self.desk.plan
        row = replace(plan.train_rows[0], asks=plan.train_rows[0].asks[:questions])
        plan = replace(plan, train_rows=(row,), train=replace(plan.train, batch=pictures))
        return replace(self.desk, plan=plan, weighing={0: loss.weights(row, plan)})

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
        side = self.pixels.shape[-1]
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

        assert side == views[0].picture.shape[-1]
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
    of_pixels = max(_relative(gradient, other) for _, other in others)
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
    return max(of_loss, abs(plainly - done.loss) / abs(done.loss)), of_pixels, _relative(ours, theirs)


def _relative(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / one.norm())


def critics(bench: Bench, count: int, tell: Callable[[str], Tell]) -> dict[int, Times]:
    """The critic's forward and backward by all three ways, with each number of questions."""
    found: dict[int, Times] = {}
    for questions in COUNTS:
        plain = bench.plain(questions)
        ways = {
            "one by one": lambda plain=plain: bench.alone(plain.one_by_one),
            "shared": lambda plain=plain: bench.alone(plain.shared),
            "packed": lambda questions=questions: bench.taught(questions),
        }
        # warm once: what is first used is the same with all of them
        found[questions] = rounds(ways, count, tell(f"critic, {questions} questions"), warm=questions == COUNTS[0])
    return found


def whole(bench: Bench, count: int, tell: Callable[[str], Tell]) -> dict[int, Times]:
    """Whole steps both ways, and with the most questions the parts of one beside it."""
    found: dict[int, Times] = {}
    weights = list(bench.state.weights.values())
    z = bench.desk.generator.noise([1])
    optimizer = torch.optim.AdamW(weights, lr=1e-6, weight_decay=0.0)
    for questions in WHOLE:
        plain, desk = bench.plain(questions), bench.asked(questions)
        ways: dict[str, Callable[[], object]] = {
            "one by one": lambda plain=plain: plain.step(z, optimizer, weights),
            "step": lambda desk=desk: bench.step(desk),
        }
        ways |= bench.parts(questions) if questions == WHOLE[-1] else {}
        found[questions] = rounds(ways, count, tell(f"step, {questions} questions"), warm=True)
    return found


def growth(bench: Bench, size: sized.Size, quick: bool, tell: Callable[[str], Tell]) -> dict[str, list[list[float]]]:
    """Median seconds of the engine as questions, pictures of a batch, and sides of the picture grow: [[x, y], …]."""
    count = 1 if quick else 3
    numbers = (2, 4) if quick else (2, 8, 32)
    batches = (1, 2) if quick else (1, 2, 4)
    sides = (112, 224) if quick else (224, 336, 448, 560)
    ways = {str(n): lambda n=n: bench.taught(n) for n in numbers}
    questions = rounds(ways, count, tell("growth with questions"), warm=False)
    desks = {b: bench.asked(5, b) for b in batches}
    ways = {str(b): lambda b=b: bench.step(desks[b]) for b in batches}
    pictures = rounds(ways, count, tell("growth with the batch"), warm=False)
    found = {
        "questions": [[n, questions.seconds(str(n))] for n in numbers],
        "batch": [[b, pictures.seconds(str(b))] for b in batches],
        "side": [],
    }
    for side in sides:
        other = Bench(bench.folder, size, side)
        desk = other.asked(5)
        told = tell(f"growth with the picture's size: {side}")
        timed = rounds({"step": lambda other=other, desk=desk: other.step(desk)}, count, told)
        found["side"].append([side, timed.seconds("step")])
    return found


def peaks(folder: Path, size: str, tell: Callable[[str], Tell]) -> list[dict[str, Any]]:
    """Bytes at most in a process of its own that takes one step: with 1 and 16 questions, recomputing or not."""
    found: list[dict[str, Any]] = []
    told = tell("peak memory")
    for checkpointing in (False, True):
        for questions in (1, 16):
            words = [str(folder), size, str(questions), str(int(checkpointing))]
            done = subprocess.run(
                [sys.executable, str(Path(__file__).with_name("peak.py")), *words], stdout=subprocess.PIPE, check=True
            )
            found.append({"questions": questions, "checkpointing": checkpointing, **json.loads(done.stdout)})
            told()
    return found


def figures(found: Mapping[str, Any]) -> list[figure.Figure]:
    """Print the figures of all that was measured, and return them."""
    told: list[figure.Figure] = []

    def tell(*words: Any, **bounds: float) -> None:
        told.append(figure.tell(*words, **bounds))

    for what, value in found["agreement"].items():
        bound = LOSS_TOLERANCE if what == "loss" else GRADIENT_TOLERANCE
        tell(f"three ways: relative difference of the {what}", value, "", at_most=bound)
    for questions, times in found["critics"].items():
        least = {1: 0.97, 5: 4.0, 16: 8.0}[questions]
        many = f"{questions} question{'s' if questions > 1 else ''}"
        tell(f"critic, {many}: one by one / packed", times.ratio("one by one", "packed"), "×", at_least=least)
        tell(f"critic, {many}: shared / packed", times.ratio("shared", "packed"), "×")
        tell(f"critic, {many}: packed", times.seconds("packed"), "s")
    for questions, times in found["whole"].items():
        many = f"{questions} question{'s' if questions > 1 else ''}"
        least = {1: 0.97, 5: 2.5}[questions]
        tell(f"whole step, {many}: one by one / ours", times.ratio("one by one", "step"), "×", at_least=least)
        tell(f"whole step, {many}", times.seconds("step"), "s")
    times, parts = found["whole"][WHOLE[-1]], ("generator", "decoder", "vision", "packed")
    tell(f"whole step, {WHOLE[-1]} questions / sum of its parts", times.ratio("step", *parts), "×", at_most=1.15)
    for checkpointing, most in ((True, 1.15), (False, None)):
        one, many = (peak for peak in found["peaks"] if peak["checkpointing"] == checkpointing)
        said = "with" if checkpointing else "without"
        bound = {} if most is None else {"at_most": most}
        tell(f"peak memory {said} checkpointing: 16 questions / 1", many["peak"] / one["peak"], "×", **bound)
        above = [peak["peak"] - peak["rest"] for peak in (one, many)]
        tell(f"the same above the loaded models {said} checkpointing", above[1] / above[0], "×")
    return told


def kept(found: Mapping[str, Any], told: list[figure.Figure], quick: bool) -> str:
    """All that was measured as JSON, for the docs."""
    seconds = {
        part: {str(n): {way: times.seconds(way) for way in times.of} for n, times in found[part].items()}
        for part in ("critics", "whole")
    }
    data = {
        "quick": quick,
        "machine": machine(),
        "models": found["models"],
        "figures": told,
        "seconds": seconds,
        "growth": found["growth"],
        "peaks": found["peaks"],
    }
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def machine() -> dict[str, Any]:
    """What the times depend on."""
    path, name = Path("/proc/cpuinfo"), platform.processor()
    if path.exists():
        lines = path.read_text("utf-8").splitlines()
        name = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), name)
    return {"processor": name, "threads": torch.get_num_threads(), "torch": torch.__version__}


def parameters(bench: Bench) -> dict[str, int]:
    """Of each part, in numbers."""
    model, pipeline = bench.critic.model, bench.desk.generator._pipeline
    return {
        "vision tower": model.model.visual.num_parameters(),
        "language model": model.model.language_model.num_parameters(),
        "transformer": pipeline.transformer.num_parameters(),
        "decoder": sum(weight.numel() for weight in pipeline.vae.decoder.parameters()),
    }


def measure(quick: bool, console: Console) -> dict[str, Any]:
    """Build the models, hold the ways against each other, and time them."""
    size, count = (sized.QUICK, 1) if quick else (sized.FULL, 7)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with tempfile.TemporaryDirectory() as scratch, Progress(*columns, console=console) as progress:
        task = progress.add_task("models", total=None)

        def tell(what: str) -> Tell:
            progress.update(task, description=what)
            return lambda: progress.advance(task)

        sized.models(Path(scratch), size)
        bench = Bench(Path(scratch), size)
        tell("agreement")
        names = ("loss", "gradient on the pixels", "gradient on the adapter")
        return {
            "models": parameters(bench),
            "agreement": dict(zip(names, agreement(bench, COUNTS[1]), strict=True)),
            "critics": critics(bench, count, tell),
            "whole": whole(bench, count, tell),
            "growth": growth(bench, size, quick, tell),
            "peaks": peaks(Path(scratch), "quick" if quick else "full", tell),
        }


def main(words: list[str] | None = None) -> None:
    """Measure, print, keep; exits 1 where the ways do not compute the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny models, one round")
    parser.add_argument("--out", type=Path, help="where to keep all that was measured, as JSON")
    given = parser.parse_args(words)
    found = measure(given.quick, Console(stderr=True))
    told = figures(found)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(kept(found, told, given.quick), encoding="utf-8")
    if not all(one["met"] for one in told[:3]):
        sys.exit("the three ways do not compute the same: no time is worth anything")


if __name__ == "__main__":
    main()
