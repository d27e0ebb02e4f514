"""Train the world's critic: `recipe world train critic`.

Two courses. The first is on painted and degraded pictures. The second mixes in reconstructions by the VAE, pictures of
the generator, and the pictures that control trainings produce on their way, labelled by the reader: so that the
critic's gradient points at the truth off the manifold too.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ...critics import Branch, View
from ...critics.asking import LogProbs
from . import painter, pico_critic, pictures
from .questions import WORDINGS, corpus, merged, several
from .scenes import SCALES, SIZE, WORDS
from .training import Course, Report, load_weights, run

FIRST = Course(steps=2200, lr=2e-3, save_every=200, seed=2, floor=0.2, stop=1400)
SECOND = Course(steps=1900, lr=1.5e-3, save_every=100, seed=3)
BATCH, QUESTIONS = 64, 6
TEXTS = 4000  # pictures whose questions and answers the tokenizer is made from


class Asked(Protocol):
    """A critic that is being trained."""

    def log_probs(self, views: Sequence[View], branches: Sequence[Sequence[Branch]]) -> LogProbs: ...


def batch(count: int, pools: Mapping[pictures.Pool, float], rng: torch.Generator) -> tuple[Tensor, painter.Scenes]:
    """`count` pictures [B, 3, 64, 64] with their scenes: from each pool its share, the rest painted afresh.

    All are shifted, half are degraded.
    """
    parts: list[Tensor] = []
    scenes: list[painter.Scenes] = []
    left = count
    for pool, share in pools.items():
        some = round(share * count)
        left -= some
        pics, truth = pool[torch.randint(len(pool), (some,), generator=rng)]
        parts.append(pics)
        scenes.append(truth)
    fresh = painter.draw(left, rng)
    parts.append(painter.paint(fresh))
    scenes.append(fresh)
    moved, truth = pictures.shift(torch.cat(parts), painter.concat(scenes), rng)
    spoilt = torch.rand(count, 1, 1, 1, generator=rng) < 0.5
    return torch.where(spoilt, pictures.degrade(moved, rng), moved), truth


@dataclass(frozen=True, slots=True)
class Lesson:
    """Views, the branches to be answered about each, what each is about, and the row of each line (-1: none)."""

    views: list[View]
    branches: list[list[Branch]]
    about: list[list[str]]
    line: Tensor


def lesson(
    shown: Tensor,
    scenes: painter.Scenes,
    count: int,
    wordings: Mapping[str, Sequence[str]],
    rng: torch.Generator,
    aids: bool,
) -> Lesson:
    """`count` questions about each picture [B, 3, 64, 64], `questions.AIDS` among them or not; half get a line."""
    lined = torch.rand(len(shown), generator=rng) < 0.5
    rows = pictures.line_at(scenes.horizon, rng)
    thickness = 0.016 + 0.014 * torch.rand(len(shown), generator=rng)
    shown = pictures.lay_line(shown, rows, thickness, lined)
    words = random.Random(int(torch.randint(2**31, (1,), generator=rng)))
    branches: list[list[Branch]] = []
    about: list[list[str]] = []
    for truth, row, has in zip(pictures.truths(scenes), rows.tolist(), lined.tolist(), strict=True):
        items = several(replace(truth, line=row) if has else truth, count, words, wordings, aids)
        branches.append([Branch(item.question, item.answer, item.closed) for item in items])
        about.append([item.about for item in items])
    return Lesson([View(picture) for picture in shown], branches, about, torch.where(lined, rows, -1.0))


# continuous factors and their ranges, cut into bins; a line that is not there falls into the first
ROWS = {"horizon": (0.0, 1.0), "line": (0.0, 1.0), **{name: (scale.low, scale.high) for name, scale in SCALES.items()}}


def _features(output: object) -> Tensor:
    """The features [.., D] that a tower puts out: a tensor, or what stock classes call `pooler_output`."""
    found: Any = output
    return found if isinstance(found, Tensor) else found.pooler_output


class Hints(nn.Module):
    """Linear heads that name every factor from a picture's features: a second, denser lesson for the vision tower.

    They are thrown away after the training.
    """

    BINS = 32

    def __init__(self, tower: nn.Module, width: int, tokens: int) -> None:
        super().__init__()
        self.sizes = {name: len(words) for name, words in WORDS.items()} | dict.fromkeys(ROWS, self.BINS)
        self.head = nn.Linear(width * tokens, sum(self.sizes.values()))
        self._seen: list[Tensor] = []
        tower.register_forward_hook(lambda _module, _inputs, output: self._seen.append(_features(output)))

    def forward(self, scenes: painter.Scenes, line: Tensor) -> Tensor:
        """Mean cross-entropy over factors, of the features that the tower gave since the last call (nats)."""
        features = torch.cat([part.reshape(-1, part.shape[-1]) for part in self._seen])
        self._seen.clear()
        logits = self.head(features.reshape(len(line), -1)).split(list(self.sizes.values()), 1)
        losses: list[Tensor] = []
        for (name, size), scores in zip(self.sizes.items(), logits, strict=True):
            values = line if name == "line" else getattr(scenes, name)
            if name in ROWS:
                low, high = ROWS[name]
                values = ((values - low) / (high - low) * size).long().clamp(0, size - 1)
            losses.append(nn.functional.cross_entropy(scores, values))
        return torch.stack(losses).mean()


@dataclass(frozen=True, slots=True)
class Pupil:
    """A critic of any family in training: `tower` is the part of `model` whose output are a picture's features."""

    eyes: Asked
    model: nn.Module
    tower: nn.Module

    def hints(self, seed: int) -> Hints:
        """Untrained heads for this tower, the same for the same seed."""
        kept: list[Tensor] = []
        watch = self.tower.register_forward_hook(lambda _module, _inputs, output: kept.append(_features(output)))
        with torch.no_grad():
            self.eyes.log_probs([View(torch.zeros(3, SIZE, SIZE))], [[Branch("?", "Yes")]])
        watch.remove()
        width = kept[0].shape[-1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
            return Hints(self.tower, width, kept[0].numel() // width)


def lessons(
    pupil: Pupil, plan: Course, pools: Mapping[pictures.Pool, float], wordings: Mapping[str, Sequence[str]],
    folder: Path, report: Report, aided: int, start: Path | None = None,
) -> float:  # fmt: skip
    """Train on `plan`, with shares of the pictures from pools; minutes taken.

    The first `aided` steps ask `questions.AIDS` too; `start` is the state of an earlier course, whose weights it begins
    with.
    """
    whole = nn.ModuleDict({"model": pupil.model, "hints": pupil.hints(plan.seed)})
    if start is not None:
        load_weights(whole, start)

    def loss(step: int, rng: torch.Generator) -> Tensor:
        shown, scenes = batch(BATCH, pools, rng)
        taught = lesson(shown, scenes, QUESTIONS, wordings, rng, aids=step < aided)
        answers = -pupil.eyes.log_probs(taught.views, taught.branches).values.mean()
        return answers + 0.5 * whole["hints"](scenes, taught.line)

    return run(whole, loss, plan, folder, report)


def first(folder: Path, report: Report, plan: Course = FIRST) -> float:
    """The first course, its state below `folder`; writes the model to `folder`. Minutes taken."""
    return _attend(folder, "first", report, plan, {}, aided=plan.last)


def second(folder: Path, report: Report, pools: Mapping[pictures.Pool, float], plan: Course = SECOND) -> float:
    """The second course, its state below `folder`, from where the first ended. Minutes taken."""
    start = folder / "work" / "first" / "state.safetensors"
    return _attend(folder, "second", report, plan, pools, aided=0, start=start)


def _attend(
    folder: Path, name: str, report: Report, plan: Course, pools: Mapping[pictures.Pool, float],
    aided: int, start: Path | None = None,
) -> float:  # fmt: skip
    wordings = merged(WORDINGS)
    # both courses build the model of the first's seed: the tokenizer is part of it
    model, tokenizer = pico_critic.build(corpus(FIRST.seed, TEXTS, wordings), seed=FIRST.seed)
    pupil = Pupil(pico_critic.critic(model, tokenizer), model, model.model.visual)
    minutes = lessons(pupil, plan, pools, wordings, folder / "work" / name, report, aided, start)
    pico_critic.save(model, tokenizer, folder)
    return minutes
