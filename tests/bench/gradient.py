"""The gradient's bench: a step of the engine against the paper's algorithm written plainly, on the same models.

    python tests/bench/gradient.py                      about a quarter of an hour on two idle cores
    python tests/bench/gradient.py --out FILE.json      and keep what docs/performance.md is made from
    python tests/bench/gradient.py --out FILE.json --only whole    one part of it anew, the rest as the file has it
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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # what tests share

import figure
import sized
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from timing import Times, rounds
from ways import GRADIENT_TOLERANCE, LOSS_TOLERANCE, Bench, agreement

COUNTS = (1, 5, 16)  # questions that all ways are timed with
ROUNDS = 7
ALONE = 3  # times as many rounds with one question: the ways are closer than a round is to the next
WHOLE = (1, 5)  # questions of whole steps
PARTS = ("critics", "whole", "growth", "peaks")
Tell = Callable[[], None]


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
        times = count * (ALONE if questions == 1 else 1)
        found[questions] = rounds(ways, times, tell(f"critic, {questions} questions"), warm=questions == COUNTS[0])
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
        times = count * (ALONE if questions == 1 else 1)
        found[questions] = rounds(ways, times, tell(f"step, {questions} questions"), warm=questions == WHOLE[0])
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
        timed = rounds({"step": lambda other=other, desk=desk: other.step(desk)}, count, told, warm=False)
        found["side"].append([side, timed.seconds("step")])
    return found


def peaks(folder: Path, size: str, tell: Callable[[str], Tell]) -> list[dict[str, Any]]:
    """Bytes at rest and at most of a step with 1 and with 16 questions, layers kept or recomputed, on their own."""
    found: list[dict[str, Any]] = []
    told = tell("peak memory")
    script = Path(__file__).with_name("peak.py")
    for checkpointing in (False, True):
        words = [str(folder), size, str(int(checkpointing)), *map(str, (1, COUNTS[-1]))]
        done = subprocess.run([sys.executable, script, *words], stdout=subprocess.PIPE, check=True)
        found += [{"checkpointing": checkpointing, **one} for one in json.loads(done.stdout)]
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
    for questions, times in found.get("critics", {}).items():
        least = {1: 0.97, 5: 4.0, 16: 8.0}[questions]
        many = f"{questions} question{'s' if questions > 1 else ''}"
        tell(f"critic, {many}: one by one / packed", times.ratio("one by one", "packed"), "×", at_least=least)
        tell(f"critic, {many}: shared / packed", times.ratio("shared", "packed"), "×")
        tell(f"critic, {many}: packed", times.seconds("packed"), "s")
    for questions, times in found.get("whole", {}).items():
        many = f"{questions} question{'s' if questions > 1 else ''}"
        least = {1: 0.97, 5: 2.5}[questions]
        tell(f"whole step, {many}: one by one / ours", times.ratio("one by one", "step"), "×", at_least=least)
        tell(f"whole step, {many}", times.seconds("step"), "s")
        if questions == WHOLE[-1]:
            parts = ("generator", "decoder", "vision", "packed")
            tell(f"whole step, {many} / sum of its parts", times.ratio("step", *parts), "×", at_most=1.15)
    for checkpointing, most in ((True, 1.15), (False, None)) if "peaks" in found else ():
        one, many = (peak for peak in found["peaks"] if peak["checkpointing"] == checkpointing)
        said = "with" if checkpointing else "without"
        bound = {} if most is None else {"at_most": most}
        tell(f"peak memory {said} checkpointing: 16 questions / 1", many["peak"] / one["peak"], "×", **bound)
        above = [peak["peak"] - peak["rest"] for peak in (one, many)]
        tell(f"the same above the loaded models {said} checkpointing", above[1] / above[0], "×")
    return told


def kept(found: Mapping[str, Any], told: list[figure.Figure], quick: bool, before: Mapping[str, Any]) -> str:
    """All that was measured as JSON, for the docs; what was not measured now is as the file had it `before`."""
    seconds = {
        part: {str(n): {way: times.seconds(way) for way in times.of} for n, times in found[part].items()}
        for part in ("critics", "whole")
        if part in found
    }
    now = {one["bench"]: one for one in told}
    named = [now.pop(one["bench"], one) for one in before.get("figures", [])]
    data = {
        "quick": quick,
        "machine": machine(),
        "models": found["models"],
        "figures": [*named, *now.values()],
        "seconds": before.get("seconds", {}) | seconds,
        **{part: found[part] if part in found else before[part] for part in ("growth", "peaks")},
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


def measure(quick: bool, only: Sequence[str], console: Console) -> dict[str, Any]:
    """Build the models, hold the ways against each other, and time those parts of `PARTS`."""
    size, count = (sized.QUICK, 1) if quick else (sized.FULL, ROUNDS)
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
        parts: dict[str, Callable[[], object]] = {
            "critics": lambda: critics(bench, count, tell),
            "whole": lambda: whole(bench, count, tell),
            "growth": lambda: growth(bench, size, quick, tell),
            "peaks": lambda: peaks(Path(scratch), "quick" if quick else "full", tell),
        }
        return {
            "models": parameters(bench),
            "agreement": dict(zip(names, agreement(bench, COUNTS[1]), strict=True)),
            **{part: parts[part]() for part in only},
        }


def main(words: list[str] | None = None) -> None:
    """Measure, print, keep; exits 1 where the ways do not compute the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny models, one round")
    parser.add_argument("--out", type=Path, help="where to keep all that was measured, as JSON")
    parser.add_argument("--only", choices=PARTS, help="measure one part; --out names a file that has the others")
    given = parser.parse_args(words)
    if given.only and not (given.out and given.out.exists()):
        parser.error("--only renews a part of what --out names: measure everything once")
    before = json.loads(given.out.read_text(encoding="utf-8")) if given.only else {}
    found = measure(given.quick, [given.only] if given.only else PARTS, Console(stderr=True))
    told = figures(found)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(kept(found, told, given.quick, before), encoding="utf-8")
    if not all(one["met"] for one in told[:3]):
        sys.exit("the three ways do not compute the same: no time is worth anything")


if __name__ == "__main__":
    main()
