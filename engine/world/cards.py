"""The card beside each checkpoint: what it was taught, for how long, and how often it is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from . import captions, lessons, train_critic, train_generator, train_vae
from .audit import Accuracy
from .training import Course

FILE = "CARD.md"
ASKED = (
    f"{train_critic.BATCH} pictures a step, shifted, most of them under something that is laid over them or beside a "
    f"reference, {train_critic.QUESTIONS} questions each, about facts too that no picture shows."
)
_SIGHT = (
    "First course: the tower alone, by linear heads that name what pictures show, as a whole and square by square, and "
    "are thrown away. Second: questions about painted pictures, half of them blurred, noisy, tinted."
)
_FOOLED = "pictures that short control trainings against {critic} produced on their way (truth by the reader)"
TAUGHT = {
    "VAE": (
        f"Painted scenes, {train_vae.BATCH[32]} crops of 32×32 a step, around what shows some factor of a scene, "
        f"{train_vae.BATCH[64]} whole pictures towards the end."
    ),
    "generator": (
        f"{train_generator.POOL:,} painted scenes as latents of the VAE, {train_generator.BATCH} a step, each with a "
        "caption that names some of its factors; what the caption leaves open is a fixed function of the noise, and as "
        "biased. What is named is drawn evenly in half of the scenes. The loss counts a part of a picture the more, "
        "the more factors of its scene show there. A second course walks the sampler's own path, of up to four steps, "
        f"and mends what the steps before made. One combination of thing, colour and place in {captions.HELD_OUT} is "
        f"never named together; {100 * lessons.STRANGE:.0f} % of the captions have words that mean nothing."
    ),
    "critic": (
        f"{_SIGHT} Third: also about reconstructions by the VAE and pictures of the generator. Fourth: also about "
        f"{_FOOLED.format(critic='this very critic')}. {ASKED}"
    ),
    "critic2": (
        f"{_SIGHT} Third: also about reconstructions by the VAE, pictures of the generator, and "
        f"{_FOOLED.format(critic='the first critic')}. {ASKED} Its patches are of another size."
    ),
    "judge": (
        f"{_SIGHT} Also about reconstructions by the VAE and pictures of the generator; none of control trainings. "
        f"{ASKED} In the critic's wordings and others. Never in a loss."
    ),
}


def table(title: str, found: Accuracy) -> str:
    """One table of accuracies in Markdown."""
    rows = [f"| {what} | {100 * share:.1f} % | {count} |" for what, (share, count) in found.items()]
    return "\n".join([f"## {title[0].upper()}{title[1:]}", "", "| what | right | of |", "|---|---|---|", *rows])


def write(
    folder: Path,
    name: str,
    courses: Sequence[Course],
    minutes: float,
    notes: Sequence[str],
    tables: Mapping[str, Accuracy],
    warm: bool = False,
) -> None:
    """Write `folder/CARD.md`; `name` is a key of `TAUGHT`, `warm` says that it began with another model's weights."""
    taken = [f"{course.last} (seed {course.seed}, highest rate {course.lr:g})" for course in courses]
    began = f"with the weights of an earlier {name}, as far as they fit" if warm else "from nothing"
    lines = [
        f"# The embedded world's {name}",
        "",
        "A toy, for a default that runs anywhere and a truth that critics are checked against.",
        "",
        f"- Taught: {TAUGHT[name]}",
        f"- Began: {began}",
        f"- Steps: {', then '.join(taken)}",
        f"- Took: {minutes:.0f} minutes in all, with {torch.get_num_threads()} CPU threads at the end",
        f"- Again: `recipe world train {name.lower()} --out DIR{' --from DIR' if warm else ''}`",
        *[f"- {note}" for note in notes],
        "",
    ]
    text = "\n".join(lines) + "\n" + "\n\n".join(table(title, found) for title, found in tables.items())
    (folder / FILE).write_text(text + "\n", encoding="utf-8")
