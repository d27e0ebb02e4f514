"""Answers that a critic can tell apart: what its tokenizer and its limits say before any weight is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from .. import critics
from . import document
from .errors import InputError
from .plan import Model
from .problems import Problems, shown
from .rendering import Asked
from .template import Value

if TYPE_CHECKING:
    from ..critics.chat import Chat


Sizes = tuple[tuple[int, int], ...]  # width and height of pictures, in pixels
# a question's name, what stands between it and an answer, its answers, their opposites
_Answers = tuple[str, str, tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Reader:
    """A critic or judge that reads questions about pictures of one size, in pixels."""

    name: str
    chat: Chat
    width: int
    height: int
    # tokens of the longest answer to a question, where its answers are told apart already
    longest: dict[_Answers, int] = field(default_factory=dict[_Answers, int], compare=False, repr=False)


@cache
def chat(model: Model) -> Chat:
    """The torch-free part of a critic: its tokenizer, chat template and limits."""
    return critics.chat_of(model.folder, model.family)


def check(
    name: str, asked: Asked, references: Sizes, readers: Iterable[Reader], problems: Problems, prompt: Value
) -> None:
    """Adds a problem where a reader would not tell the answers apart, or cannot read as much as it is asked.

    `references` are the sizes of the pictures that are shown beside the generated one; `prompt` is that of the row,
    by which messages name it.
    """
    for reader in readers:
        try:
            _check(name, asked, references, reader, problems, prompt)
        except InputError as error:  # the chat template refuses the question or the answer
            found = error.problems[0]
            problems.add(
                ("questions", name, "answer"), f"{reader.name} cannot be asked this: {found.message}", found.hint
            )


def _check(name: str, asked: Asked, references: Sizes, reader: Reader, problems: Problems, prompt: Value) -> None:
    question = asked.wordings[0]
    key = name, reader.chat.before(question), asked.answers, asked.against
    if key not in reader.longest:  # nearly always the same answers follow every question
        answers = [reader.chat.answer_tokens(question, answer, False) for answer in asked.answers]
        against = [reader.chat.answer_tokens(question, answer, False) for answer in asked.against]
        _against_each_other(name, asked, answers, against, reader, problems)
        reader.longest[key] = max(len(tokens) for tokens in (*answers, *against)) + 1  # the end of the turn
    longest, sizes = reader.longest[key], ((reader.width, reader.height), *references)
    for at, wording in enumerate(asked.wordings):
        try:
            length = _length(reader, wording, sizes, longest)
        except InputError as error:  # the size of a picture
            message = f"{reader.name} cannot be asked this: {error.problems[0].message}"
            problems.add(("questions", name), message, error.problems[0].hint)
            return
        if length > reader.chat.limit():
            path: document.Path = ("questions", name, "ask", at)
            path = path if problems.document.has(path) else path[:-1]
            said = f"is too long: {length} tokens with its pictures, {reader.name} reads {reader.chat.limit()}"
            problems.add(path, said, f"for the prompt {shown(prompt)}")


def _length(reader: Reader, wording: str, sizes: Sizes, answer: int) -> int:
    """Tokens of a question and the longest answer to it; exactly where they may be too many, otherwise at most."""
    bound = reader.chat.length_at_most(wording, sizes) + answer
    return bound if bound <= reader.chat.limit() else reader.chat.length(wording, sizes) + answer


def _against_each_other(
    name: str,
    asked: Asked,
    answers: Sequence[list[int]],
    against: Sequence[list[int]],
    reader: Reader,
    problems: Problems,
) -> None:
    for i, left in enumerate(answers):
        for j, right in enumerate(against):
            if said := clash(left, right, asked.answers[i], asked.against[j]):
                message = f"clashes with the answer: {said}"
                problems.add(
                    _place(name, "against", j, problems),
                    message,
                    f"as {reader.name} reads them; opposites must differ before one ends",
                )
        for j, right in enumerate(answers[:i]):
            if said := clash(left, right, asked.answers[i], asked.answers[j]):
                message = f"accepted answers clash: {said}"
                problems.add(
                    _place(name, "answer", i, problems), message, f"as {reader.name} reads them; keep one of them"
                )


def _place(name: str, key: str, at: int, problems: Problems) -> document.Path:
    path: document.Path = ("questions", name, key, at)
    return path if problems.document.has(path) else path[:-1]


def clash(left: list[int], right: list[int], left_text: str, right_text: str) -> str:
    """What is wrong with two answers of these tokens; empty where neither begins the other."""
    if left == right:
        return f"{left_text!r} and {right_text!r} are the same tokens"
    if left == right[: len(left)]:
        return f"{left_text!r} begins {right_text!r}"
    if right == left[: len(right)]:
        return f"{right_text!r} begins {left_text!r}"
    return ""
