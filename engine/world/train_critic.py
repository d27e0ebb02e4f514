"""Train the world's critics: `critic`, and `critic2` of another patch size and seed; the judge's training shares it.

In the first course the tower alone learns to see, from hints. Then questions are asked, about painted and degraded
pictures. Later courses mix in reconstructions by the VAE, pictures of the generator, and the pictures that control
trainings produce on their way, labelled by the reader: so that the critic's gradient points at the truth off the
manifold too.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from ...critics import Branch, View
from ...critics.asking import LogProbs, laid_over
from . import hints, overlays, painter, pico_critic, pictures
from .questions import corpus, several
from .scenes import SIZE
from .training import Course, Report, load_weights, run
from .wordings import WORDINGS, Wordings

BATCH, QUESTIONS = 64, 6
TEXTS = 6000  # pictures whose questions and answers the tokenizer is made from


class Asked(Protocol):
    """A critic that is being trained."""

    def look(self, pictures: Sequence[Tensor]) -> Tensor: ...

    def log_probs(self, views: Sequence[View], branches: Sequence[Sequence[Branch]]) -> LogProbs: ...


@dataclass(frozen=True, slots=True)
class Pupil:
    """A critic of any family in training: `tower` is the part of `model` whose output are a picture's features."""

    eyes: Asked
    model: nn.Module
    tower: nn.Module
    seeing: Sequence[nn.Module]  # all that a picture goes through up to there
    save: Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Student:
    """What tells one critic from another before they learn."""

    name: str
    build: Callable[[Sequence[str], int, Mapping[str, int]], Pupil]  # of texts, a seed and sizes
    seed: int  # of the weights and of the texts that the tokenizer is made from
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])
    wordings: Wordings = field(default_factory=lambda: WORDINGS)

    def pupil(self) -> Pupil:
        """The untrained model, the same every time: its tokenizer is part of it."""
        return self.build(corpus(self.seed, TEXTS, self.wordings), self.seed, self.sizes)


def qwen(texts: Sequence[str], seed: int, sizes: Mapping[str, int]) -> Pupil:
    """A Qwen2.5-VL whose tokenizer is made from texts."""
    model, tokenizer = pico_critic.build(texts, seed, **sizes)
    eyes = pico_critic.critic(model, tokenizer)
    tower = model.model.visual
    return Pupil(eyes, model, tower, [tower], lambda folder: pico_critic.save(model, tokenizer, folder))


LARGE = {"width": 112, "layers": 3, "vision_width": 96, "vision_layers": 4}
SMALL = {"width": 96, "layers": 3, "vision_width": 96, "vision_layers": 3, "patch": 8, "merge": 1}
CRITIC = Student("critic", qwen, seed=2, sizes=LARGE)
CRITIC2 = Student("critic2", qwen, seed=12, sizes=SMALL)
SIGHT = Course(steps=3000, lr=2e-3, save_every=100, seed=1)
FIRST = Course(steps=3200, lr=2e-3, save_every=100, seed=2, floor=0.2, stop=2600)
SECOND = Course(steps=2200, lr=1.5e-3, save_every=100, seed=3)
THIRD = Course(steps=1400, lr=1.2e-3, save_every=100, seed=4)

# the second critic's: other pictures, in another order
SIGHT2, FIRST2, SECOND2 = replace(SIGHT, seed=11), replace(FIRST, seed=12), replace(SECOND, seed=13)

Pools = Mapping[pictures.Pool, float]  # and the share of pictures that comes from each


def batch(count: int, pools: Pools, rng: torch.Generator) -> tuple[Tensor, painter.Scenes]:
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
    fresh = pictures.drawn(left, rng)
    parts.append(painter.paint(fresh))
    scenes.append(fresh)
    moved, truth = pictures.shift(torch.cat(parts), painter.concat(scenes), rng)
    spoilt = torch.rand(count, 1, 1, 1, generator=rng) < 0.5
    return torch.where(spoilt, pictures.degrade(moved, rng), moved), truth


@dataclass(frozen=True, slots=True)
class Lesson:
    """Views, the branches to be answered about each, what each is about, and what is to be hinted at of each picture.

    Views with a reference come last, as all that are asked together are grouped.
    """

    views: list[View]
    branches: list[list[Branch]]
    about: list[list[str]]
    targets: hints.Told  # of each picture and, after it, of its reference


def lesson(
    shown: Tensor, scenes: painter.Scenes, count: int, wordings: Wordings, rng: torch.Generator, aids: bool
) -> Lesson:
    """`count` questions about each picture [B, 3, 64, 64], `questions.AIDS` among them or not.

    Most get something laid over them or set beside them, as `overlays.LAID_SHARES` says.
    """
    words = random.Random(int(torch.randint(2**31, (1,), generator=rng)))
    truths, known = pictures.truths(scenes), overlays.numbers(scenes)
    laid = [overlays.lay(truth, known, row, words) for row, truth in enumerate(truths)]
    order = sorted(range(len(laid)), key=lambda row: laid[row].kind == "reference")
    with_reference = [row for row in order if laid[row].kind == "reference"]
    beside, matches = overlays.references(scenes[torch.tensor(with_reference, dtype=torch.long)], words, rng)
    for row, match in zip(with_reference, matches, strict=True):
        laid[row] = overlays.Laid("reference", words={"reference": match})
    painted = iter(painter.paint(beside))
    views: list[View] = []
    branches: list[list[Branch]] = []
    about: list[list[str]] = []
    for row in order:
        layer = laid[row].layer
        references = (next(painted),) if laid[row].kind == "reference" else ()
        views.append(View(shown[row], () if layer is None else (layer,), references))
        items = several(laid[row].added(truths[row]), count, words, wordings, aids)
        branches.append([Branch(item.question, item.answer, item.closed) for item in items])
        about.append([item.about for item in items])
    return Lesson(views, branches, about, hints.targets(scenes, laid, order, beside))


def lessons(
    student: Student, plan: Course, pools: Pools,
    folder: Path, report: Report, aided: int, start: Path | None = None,
) -> tuple[Pupil, float]:  # fmt: skip
    """Train on `plan` in `folder`, with shares of the pictures from pools; the pupil, and minutes taken.

    The first `aided` steps ask `questions.AIDS` too; `start` is the state of an earlier course, whose weights it begins
    with.
    """
    pupil = student.pupil()
    taught = whole(pupil, plan.seed)
    if start is not None:
        load_weights(taught, start)

    def loss(step: int, rng: torch.Generator) -> Tensor:
        shown, scenes = batch(BATCH, pools, rng)
        asked = lesson(shown, scenes, QUESTIONS, student.wordings, rng, aids=step < aided)
        answers = -pupil.eyes.log_probs(asked.views, asked.branches).values.mean()
        return answers + 0.5 * taught["hints"](asked.targets)

    return pupil, run(taught, loss, plan, folder, report)


def sight(student: Student, plan: Course, folder: Path, report: Report) -> float:
    """Train a student's tower alone in `folder`, by hints about painted pictures and what lies over them.

    No question is asked: the language model stays as it was built. Minutes taken.
    """
    pupil = student.pupil()
    taught = whole(pupil, plan.seed)

    def loss(_step: int, rng: torch.Generator) -> Tensor:
        shown, scenes = batch(BATCH, {}, rng)
        seen = lesson(shown, scenes, 0, student.wordings, rng, aids=False)
        alone = [view for view in seen.views if not view.references]
        for views in (alone, seen.views[len(alone) :]):
            if views:
                pupil.eyes.look(laid_over(views))
        return taught["hints"](seen.targets)

    pupil.model.requires_grad_(False)
    for part in pupil.seeing:
        part.requires_grad_(True)
    return run(taught, loss, plan, folder, report)


def whole(pupil: Pupil, seed: int) -> nn.ModuleDict:
    """All that a course trains, and its state holds: the model, and untrained heads for its tower."""
    return nn.ModuleDict({"model": pupil.model, "hints": heads(pupil, seed)})


def heads(pupil: Pupil, seed: int) -> hints.Hints:
    """Untrained heads for a pupil's tower, the same for the same seed."""
    kept: list[Tensor] = []
    watch = pupil.tower.register_forward_hook(lambda _module, _inputs, output: kept.append(hints.features(output)))
    with torch.no_grad():
        pupil.eyes.log_probs([View(torch.zeros(3, SIZE, SIZE))], [[Branch("?", "Yes")]])
    watch.remove()
    width = kept[0].shape[-1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
        return hints.Hints(pupil.tower, width, kept[0].numel() // width)


def first(
    folder: Path, report: Report, student: Student = CRITIC, plan: Course = FIRST, seeing: Course = SIGHT
) -> tuple[Pupil, float]:
    """Sight and the first lessons, their states below `folder`; the pupil, and minutes taken."""
    work = folder / "work"
    minutes = sight(student, seeing, work / "sight", report)
    pupil, more = lessons(student, plan, {}, work / "first", report, plan.last, work / "sight" / "state.safetensors")
    return pupil, minutes + more


def second(
    folder: Path, report: Report, pools: Pools, student: Student = CRITIC, plan: Course = SECOND
) -> tuple[Pupil, float]:
    """Lessons about pictures from pools too, from where the first ones ended; the pupil, and minutes taken."""
    work = folder / "work"
    return lessons(student, plan, pools, work / "second", report, 0, work / "first" / "state.safetensors")


def third(
    folder: Path, report: Report, pools: Pools, student: Student = CRITIC, plan: Course = THIRD
) -> tuple[Pupil, float]:
    """The same from where the second course ended, now about what fooled the critic that it made."""
    work = folder / "work"
    return lessons(student, plan, pools, work / "third", report, 0, work / "second" / "state.safetensors")
