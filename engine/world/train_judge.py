"""Train the world's judge: `recipe world train judge`.

Another family than the critic's (LLaVA: a CLIP tower and Llama), other seeds, other wordings besides the critic's; it
is never in a loss. It learns from painted pictures, reconstructions and generated ones, but never from pictures of
control trainings: what only fools a critic should not have been shown to its judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from . import pico_judge, pictures
from .questions import OTHER_WORDINGS, WORDINGS, corpus, merged
from .train_critic import TEXTS, Pupil, lessons
from .training import Course, Report

COURSE = Course(steps=2700, lr=2e-3, save_every=100, seed=7)


def train(folder: Path, report: Report, pools: Mapping[pictures.Pool, float], course: Course = COURSE) -> float:
    """Train in `folder/work`, write the model to `folder`; minutes taken."""
    wordings = merged(WORDINGS, OTHER_WORDINGS)
    model, tokenizer = pico_judge.build(corpus(course.seed, TEXTS, wordings), seed=course.seed, layers=2)
    pupil = Pupil(pico_judge.critic(model, tokenizer), model, model.model.multi_modal_projector)
    minutes = lessons(pupil, course, pools, wordings, folder / "work", report, aided=course.last // 2)
    pico_judge.save(model, tokenizer, folder)
    return minutes
