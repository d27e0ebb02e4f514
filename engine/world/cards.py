"""The card beside each checkpoint: what it was taught, for how long, and how often it is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .audit import Accuracy
from .training import Course

TAUGHT = {
    "VAE": "Painted scenes, 24 crops of 32×32 around things and horizons a step, whole pictures towards the end.",
    "generator": (
        "30,000 painted scenes as latents of the VAE, 40 a step, each with a caption that names some of its factors; "
        "what the caption leaves open is a fixed function of the noise. One combination of thing, colour and place in "
        "eight is never named together."
    ),
    "critic": (
        "First course: painted pictures, shifted, blurred, noisy, tinted. Second course: also reconstructions by the "
        "VAE, pictures of the generator, and pictures that short control trainings against this very critic produced "
        "on their way (truth by the reader). 64 pictures a step, six questions each, half of the pictures under a red line."
    ),
    "judge": (
        "Painted pictures (shifted, blurred, noisy, tinted), reconstructions by the VAE and pictures of the generator; "
        "none of control trainings. The critic's wordings and others. It is never in a loss."
    ),
}


def table(title: str, found: Accuracy) -> str:
    """One table of accuracies in Markdown."""
    rows = [f"| {what} | {100 * share:.1f} % | {count} |" for what, (share, count) in found.items()]
    return "\n".join([f"## {title[0].upper()}{title[1:]}", "", "| what | right | of |", "|---|---|---|", *rows])


def write(
    folder: Path, name: str, course: Course, minutes: float, notes: Sequence[str], tables: Mapping[str, Accuracy]
) -> None:
    """Write `folder/CARD.md`."""
    lines = [
        f"# The embedded world's {name}",
        "",
        "A toy, for a default that runs anywhere and a truth that critics are checked against.",
        "",
        f"- Taught: {TAUGHT[name]}",
        f"- Steps of the last course: {course.steps}, seed {course.seed}, highest rate {course.lr:g}",
        f"- Took: {minutes:.0f} minutes of one CPU core",
        f"- Again: `recipe world train {name.lower()} --out DIR`",
        *[f"- {note}" for note in notes],
        "",
    ]
    text = "\n".join(lines) + "\n" + "\n\n".join(table(title, found) for title, found in tables.items())
    (folder / "CARD.md").write_text(text + "\n")
