"""Scores: what a critic believes of picture files, asked by hand and without a recipe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import answers, assets, models
from .counting import counted
from .errors import InputError, Place, Problem, WorkError
from .hub import Listen
from .plan import Ask, Critic, Model
from .schema_models import Critic as Defaults

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from .. import critics

OPPOSITES = {"Yes": "No", "No": "Yes"}
SUFFIX = "Answer with Yes or No."
AT_ONCE = 8  # pictures


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of every picture: as the critic reads it, the answer that is scored, and its opposite, if any."""

    text: str
    answer: str
    against: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """What a critic holds of one answer to one question about one picture."""

    image: str
    ask: str
    answer: str
    p: float  # exp(−nats per answer token), as reports tell it
    against: str  # the opposite, or empty
    p_against: float | None
    right: bool  # the answer beats its opposite; without one, p ≥ 0.5
    says: str  # the critic's own answer, the likeliest token again and again


def question(ask: str, answer: str = "Yes", against: str | None = None, suffix: str | None = None) -> Question:
    """A question as recipes put it: Yes and No are each other's opposites and are asked for, unless told otherwise."""
    opposite = OPPOSITES.get(answer, "") if against is None else against
    end = (SUFFIX if {answer, opposite} == set(OPPOSITES) else "") if suffix is None else suffix
    return Question(f"{ask} {end}".strip(), answer, opposite)


def score(
    images: Sequence[Path], asked: Sequence[Question], address: str = "builtin:critic", listen: Listen | None = None
) -> list[Score]:
    """Ask a critic every question about every picture file: picture by picture, in the order given.

    `address` is a model as recipes name it, a relative folder taken from the working folder. Raises `InputError` for
    files that are no pictures, a model that is no critic, and questions that it cannot read or whose answers it cannot
    tell apart, all before torch is loaded; `WorkError` where memory runs out, weights cannot be had or answers are not
    finite. `listen` is told how far weights of the hub have come.
    """
    pictures = _pictures(images)
    model = models.locate(address, Path())
    if models.is_generator(model):
        raise InputError([Problem(Place("--critic"), "", f"{address} is a generator, no critic")])
    _refuse_what_cannot_be_asked(model, asked, pictures)
    models.complete(model, listen)

    from . import devices, memory, panel

    chosen = Defaults(model=address)
    member = Critic("", model, chosen.weight, chosen.dtype, chosen.device)
    found: list[Score] = []
    when = f"asking about {counted(len(images), 'picture')}"
    with memory.told(when, chosen.device, lambda: "smaller pictures need less"):
        critic = panel.load(member)
        for start in range(0, len(images), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            found += _asked(critic, images[some], pictures[some], asked, devices.device(chosen.device))
    return found


def _pictures(images: Sequence[Path]) -> list[Image.Image]:
    found: list[Image.Image] = []
    problems: list[Problem] = []
    for path in images:
        try:
            found.append(assets.rgb(path))
        except ValueError as error:
            message, _, hint = str(error).partition("; ")
            problems.append(Problem(Place(str(path)), "", message, hint))
        except IsADirectoryError:
            hint = f"give its pictures, such as {path}/*.png"
            problems.append(Problem(Place(str(path)), "", "is a folder, no picture", hint))
        except OSError as error:
            problems.append(Problem(Place(str(path)), "", f"cannot be read: {error.strerror or error}"))
    if problems:
        raise InputError(problems)
    return found


def _refuse_what_cannot_be_asked(model: Model, asked: Sequence[Question], pictures: Sequence[Image.Image]) -> None:
    chat = answers.chat(model)
    problems: list[Problem] = []
    for each in asked:
        if not each.answer:
            raise InputError([Problem(Place("--answer"), "", "is empty", "a word that the critic may answer")])
        tokens = [chat.answer_tokens(each.text, text) for text in (each.answer, each.against) if text]
        if len(tokens) == 2 and (said := answers.clash(tokens[0], tokens[1], each.answer, each.against)):
            hint = "opposites must differ before one ends"
            problems.append(Problem(Place("--against"), "", f"clashes with the answer: {said}", hint))
        longest = 1 + max(map(len, tokens))
        for size in sorted({picture.size for picture in pictures}):
            length = chat.length(each.text, (size,)) + longest
            if length > chat.limit():
                message = f"is too long: {length} tokens with a picture of {size[0]} × {size[1]}, the critic reads"
                problems.append(
                    Problem(Place("--ask"), "", f"{message} {chat.limit()}", "a smaller picture, fewer words")
                )
    if problems:
        raise InputError(problems)


def _asked(
    critic: critics.Critic,
    images: Sequence[Path],
    pictures: Sequence[Image.Image],
    asked: Sequence[Question],
    device: torch.device,
) -> list[Score]:
    import numpy as np
    import torch

    from ..critics import View
    from .loss import branches, heard, likelihood, right, total

    asks = [Ask("", (each.text,), (each.answer,), (each.against,) if each.against else (), ()) for each in asked]
    views = [
        View(torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255).permute(2, 0, 1).to(device))
        for picture in pictures
    ]
    found: list[Score] = []
    with torch.inference_mode():
        told = critic.ask(views, [[branch for ask in asks for branch in branches(ask)]] * len(views))
        for image, view, tokens in zip(images, views, told, strict=True):
            if not bool(torch.cat(tokens).isfinite().all()):
                message = f"{image}: a log-probability of the critic's is not finite"
                raise WorkError(message, "its files hold numbers that are not: try another --critic")
            rest = iter(tokens)
            for each, ask in zip(asked, asks, strict=True):
                answer = heard(0, "", ask, [next(rest) for _ in branches(ask)])
                p = math.exp(-float(likelihood(answer)))
                against = math.exp(float(total(answer.against))) if answer.against else None
                says = critic.reply(view, each.text)
                found.append(Score(str(image), each.text, each.answer, p, each.against, against, right(answer), says))
    return found
