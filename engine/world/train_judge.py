"""Train the world's judge: `recipe world train judge`.

Another family than the critic's (LLaVA: a CLIP tower and Llama), other seeds, other wordings besides the critic's; it
is never in a loss. It learns from painted pictures, reconstructions and generated ones, but never from pictures of
control trainings: what only fools a critic should not have been shown to its judge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from . import pico_judge, pictures
from .questions import merged
from .train_critic import Pupil, Student, lessons, sight
from .training import Course, Report
from .wordings import OTHER_WORDINGS, WORDINGS


def llava(texts: Sequence[str], seed: int, sizes: Mapping[str, int]) -> Pupil:
    """A LLaVA whose tokenizer is made from texts."""
    model, tokenizer = pico_judge.build(texts, seed, **sizes)
    eyes = pico_judge.critic(model, tokenizer)
    tower = model.model.multi_modal_projector
    return Pupil(
        eyes, model, tower, [model.model.vision_tower, tower], lambda folder: pico_judge.save(model, tokenizer, folder)
    )


SEEING = Course(steps=3200, lr=2e-3, save_every=100, seed=8)
COURSE = Course(steps=4000, lr=2e-3, save_every=100, seed=7)
JUDGE = Student("judge", llava, seed=7, sizes={"layers": 3}, wordings=merged(WORDINGS, OTHER_WORDINGS))


def train(
    folder: Path,
    report: Report,
    pools: Mapping[pictures.Pool, float],
    course: Course = COURSE,
    student: Student = JUDGE,
    seeing: Course = SEEING,
) -> tuple[Pupil, float]:
    """Train below `folder/work`, sight first; the pupil, and minutes taken."""
    work = folder / "work"
    minutes = sight(student, seeing, work / "sight", report)
    start = work / "sight" / "state.safetensors"
    pupil, more = lessons(student, course, pools, work / "lessons", report, aided=course.last // 2, start=start)
    return pupil, minutes + more
