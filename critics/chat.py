"""What a critic reads, without torch: the chat template, the tokens of questions and answers, and how long they are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, final

from tokenizers import Tokenizer

from ..engine.errors import InputError, Place, Problem
from . import sandbox

PROBE = "x"  # stands for a question or an answer where the text around it is what matters
_QUESTION = "QUESTION"  # the same, where it must be found again


def refuse(file: Path | str, message: str, hint: str = "") -> InputError:
    """The error of a model folder that cannot be used: nothing in it has a line to point at."""
    return InputError([Problem(Place(str(file)), "", message, hint)])


def read_json(path: Path) -> Mapping[str, object]:
    """A JSON object of a model folder; `InputError` where it is missing or is no object."""
    try:
        data: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise refuse(path, f"cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise refuse(path, "a JSON object is expected")
    return cast(Mapping[str, object], data)


def integer(path: Path, data: Mapping[str, object], *names: str) -> int:
    """The first of `names` that `data` (read from `path`) holds as a whole number; `InputError` where none does."""
    for name in names:
        value = data.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    raise refuse(path, f"`{names[0]}` is missing or no whole number")


def section(path: Path, data: Mapping[str, object], name: str) -> Mapping[str, object]:
    """The object `name` of `data` (read from `path`); `InputError` where it is missing."""
    value = data.get(name)
    if not isinstance(value, dict):
        raise refuse(path, f"`{name}` is missing")
    return cast(Mapping[str, object], value)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question as tokens, divided after the pictures: `head` holds one image token for each picture."""

    head: tuple[int, ...]
    tail: tuple[int, ...]


@final
class Chat:
    """A tokenizer and a chat template, with the few facts of a family that lengths depend on.

    `picture_tokens(width, height)` counts the tokens of a picture of that size (pixels), `positions` is the longest
    sequence the model was made for. `written` is what a stock processor makes of the rendered chat, one image token
    left for each picture; `spelled(width, height)` is the text that a stock processor puts in the place of that token,
    where it is more than the same token again and again; `most` is how many pictures may be shown at once; `bare` keeps
    the tokenizer from adding tokens of its own. Results are kept: a question is rendered and tokenised once.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        template: str,
        image_id: int,
        picture_tokens: Callable[[int, int], int],
        positions: int,
        bos: str = "",
        eos: str = "",
        source: str = "the model's folder",
        written: Callable[[str], str] | None = None,
        spelled: Callable[[int, int], str] | None = None,
        most: int | None = None,
        bare: bool = False,
    ) -> None:
        self.tokenizer, self.image_id, self.picture_tokens = tokenizer, image_id, picture_tokens
        self._written, self._spelled, self._most, self._bare_text = written, spelled, most, bare
        self._pictures: dict[tuple[int, int], tuple[int, ...]] = {}
        self.source, self._positions, self._bos, self._eos = source, positions, bos, eos
        try:
            self._template = sandbox.compiled(template)
        except sandbox.FAILS as error:
            raise refuse(source, f"the chat template cannot be read: {error}") from error
        special = {key: token for key, token in tokenizer.get_added_tokens_decoder().items() if token.special}
        self._special, self._breaks = set(special), tuple(token.content for token in special.values())
        self._heads: dict[int, tuple[int, ...]] = {}
        self._bare: dict[tuple[str, int], tuple[str, tuple[int, ...]]] = {}
        self._gaps: dict[str, str] = {}
        self._prompts: dict[tuple[str, int], Prompt] = {}
        self._answers: dict[tuple[str, str], tuple[int, ...]] = {}
        self._least: dict[tuple[tuple[int, int], ...], int] = {}
        self._end: int | None = None
        self._gap: str | None = None  # what stands between every question and its answer; empty where each differs

    def prompt(self, question: str, pictures: int = 1) -> Prompt:
        """The tokens of one question about `pictures` pictures, up to where the answer starts."""
        key = (question, pictures)
        if key not in self._prompts:
            head = self.head(pictures)
            tokens = self._asked(question, pictures)[1]
            tail = tokens[len(head) :]
            if tokens[: len(head)] != head or self.image_id in tail:
                raise refuse(self.source, f"the question {question!r} changes the pictures' place in the chat")
            self._prompts[key] = Prompt(head, tail)
        return self._prompts[key]

    def answer_tokens(self, question: str, answer: str, closed: bool = False) -> list[int]:
        """The answer's tokens: the rendered chat with the answer minus the one without, [T], T >= 1.

        The end of the turn is the last of them where `closed`. `InputError` where the answer is empty, or where its
        first characters melt into the chat's own text so that no token of its own begins it.
        """
        return list(self.answer(question, answer, closed))

    def answer(self, question: str, answer: str, closed: bool = False) -> tuple[int, ...]:
        """`answer_tokens` as it is kept."""
        key = (self.before(question), answer)
        if key not in self._answers:
            # behind a text that is the same for all questions, the shortest one shows as much as any
            self._answers[key] = self._answer(PROBE if self._gap else question, answer)
        return self._answers[key] + ((self.end(),) if closed else ())

    def before(self, question: str) -> str:
        """What an answer's tokens depend on of the chat before it, kept.

        No tokenizer merges across a special token, nor from one word into the next.
        """
        if self._gap is None:
            written = self._render(_QUESTION, 1).partition(_QUESTION)[2]
            words = [word.start() for word in re.finditer(r"\s\S", written)]
            self._gap = written[max([*words, *self._breaks_in(written)], default=len(written)) :]
        if self._gap:
            return self._gap
        # the template writes no word of its own between a question and its answer
        if question not in self._gaps:
            bare = self._asked(question, 1)[0]
            self._gaps[question] = bare[max([0, *self._breaks_in(bare)]) :]
        return self._gaps[question]

    def length(self, question: str, sizes: Sequence[tuple[int, int]]) -> int:
        """Tokens up to where the answer starts, for pictures of these sizes (width, height), each in pixels."""
        prompt = self.prompt(question, len(sizes))
        return len(prompt.head) + len(prompt.tail) + sum(self.picture_tokens(*size) - 1 for size in sizes)

    def length_at_most(self, question: str, sizes: Sequence[tuple[int, int]]) -> int:
        """A bound on `length` that renders and tokenises nothing where the question is plain ASCII."""
        if not question.isascii():  # a normaliser may write one such character as many
            return self.length(question, sizes)
        key = tuple(sizes)
        if key not in self._least:
            self._least[key] = self.length(PROBE, key)
        # a character is one symbol of a tokenizer, or at worst a space that is written as three bytes
        return self._least[key] + 3 * len(question)

    def picture(self, width: int, height: int) -> tuple[int, ...]:
        """The tokens of a picture of that size (pixels); the image token stands where its features belong, kept."""
        key = (width, height)
        if key not in self._pictures:
            if self._spelled is None:
                self._pictures[key] = (self.image_id,) * self.picture_tokens(width, height)
            else:
                text = self._spelled(width, height)
                self._pictures[key] = tuple(self.tokenizer.encode(text, add_special_tokens=False).ids)
        return self._pictures[key]

    def limit(self) -> int:
        """The longest sequence, in tokens, that the model was made for."""
        return self._positions

    def end(self) -> int:
        """The token that ends a turn: what the template writes after an answer, or else the tokenizer's own."""
        if self._end is None:
            said = self._render(PROBE, 1, PROBE)
            rest = self._tokens(said)[len(self._answer_text(said, PROBE, PROBE)[1]) :]
            token = next((token for token in rest if token in self._special), None)
            self._end = self.tokenizer.token_to_id(self._eos) if token is None else token
        if self._end is None:
            raise refuse(self.source, "neither the chat template nor the tokenizer says how a turn ends")
        return self._end

    def text(self, tokens: list[int]) -> str:
        """Tokens as text, special ones left out."""
        return self.tokenizer.decode(tokens, skip_special_tokens=True).strip()

    def ends(self) -> frozenset[int]:
        """The tokens at which a reply stops."""
        eos = self.tokenizer.token_to_id(self._eos)
        return frozenset({self.end()} if eos is None else {self.end(), eos})

    def head(self, pictures: int) -> tuple[int, ...]:
        """The tokens before any question, one image token for each picture."""
        # up to the last image token and the special tokens right behind it: no tokenizer merges across a special token
        if self._most is not None and pictures > self._most:
            raise refuse(
                self.source,
                f"{pictures} pictures at once are not supported for this family, {self._most} is",
                "a visual without `reference` is laid over the picture instead",
            )
        if pictures not in self._heads:
            tokens = self._tokens(self._render(PROBE, pictures))
            if tokens.count(self.image_id) != pictures:
                shown = f"{tokens.count(self.image_id)} of {pictures} picture{'' if pictures == 1 else 's'}"
                raise refuse(self.source, f"the chat template shows {shown}")
            end = len(tokens) - tokens[::-1].index(self.image_id)
            while tokens[end] in self._special:
                end += 1
            self._heads[pictures] = tokens[:end]
        return self._heads[pictures]

    def _answer(self, question: str, answer: str) -> tuple[int, ...]:
        before, through = self._answer_text(self._render(question, 1, answer), question, answer)
        tokens = through[len(before) :]
        if not tokens or through[: len(before)] != before:
            raise refuse(
                self.source,
                f"the answer {answer!r} has no tokens of its own after {self._asked(question, 1)[0][-20:]!r}",
            )
        return tokens

    def _answer_text(self, said: str, question: str, answer: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Tokens of the chat up to the answer, and of the chat through the answer."""
        bare, tokens = self._asked(question, 1)
        text = answer if answer in said[len(bare) :] else answer.strip()
        at = said.find(text, len(bare))
        if not said.startswith(bare) or not text or at < 0:
            raise refuse(self.source, f"the chat template does not continue a question by its answer {answer!r}")
        return tokens, self._tokens(said[: at + len(text)])

    def _asked(self, question: str, pictures: int) -> tuple[str, tuple[int, ...]]:
        """The chat up to where the answer starts, as text and tokens, kept: every answer is held against it."""
        key = (question, pictures)
        if key not in self._bare:
            text = self._render(question, pictures)
            self._bare[key] = text, self._tokens(text)
        return self._bare[key]

    def _breaks_in(self, text: str) -> list[int]:
        """Where each special token stands last in a text."""
        return [at for at in map(text.rfind, self._breaks) if at >= 0]

    def _render(self, question: str, pictures: int, answer: str | None = None) -> str:
        shown = [{"type": "image"} for _ in range(pictures)]
        messages = [{"role": "user", "content": [*shown, {"type": "text", "text": question}]}]
        if answer is not None:
            messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        named = {"bos_token": self._bos, "eos_token": self._eos}
        try:
            text = sandbox.rendered(self._template, messages=messages, add_generation_prompt=answer is None, **named)
        except sandbox.FAILS as error:
            raise refuse(self.source, f"the chat template fails: {error}") from error
        return self._written(text) if self._written else text

    def _tokens(self, text: str) -> tuple[int, ...]:
        # a template that writes the first token itself must not get a second one (as transformers' processors do)
        special = not (self._bare_text or (self._bos and text.startswith(self._bos)))
        return tuple(self.tokenizer.encode(text, add_special_tokens=special).ids)


def read_chat(
    folder: Path,
    image_id: int,
    picture_tokens: Callable[[int, int], int],
    positions: int,
    *,
    written: Callable[[str], str] | None = None,
    spelled: Callable[[int, int], str] | None = None,
    most: int | None = None,
    bare: bool = False,
    template: str | None = None,
) -> Chat:
    """The chat of a model folder: `tokenizer.json`, `tokenizer_config.json` and its chat template.

    `template` is the family's own, for models that are published without one; the rest as `Chat` has it.
    """
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise refuse(file, "is missing", "a fast tokenizer in one file is needed")
    config = read_json(folder / "tokenizer_config.json")
    names = (_token(config.get("bos_token")), _token(config.get("eos_token")))
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises nothing more particular
        raise refuse(file, f"cannot be read as a tokenizer: {error}") from error
    chosen = template or read_template(folder, config)
    return Chat(
        tokenizer, chosen, image_id, picture_tokens, positions, *names, str(folder), written, spelled, most, bare
    )  # fmt: skip


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise refuse(file, f"cannot be read: {error}") from error


def read_template(folder: Path, config: Mapping[str, object]) -> str:
    """The chat template of a tokenizer's folder with this `tokenizer_config.json`; `InputError` where there is none."""
    # where transformers looks, in its order
    file = folder / "chat_template.jinja"
    if file.is_file():
        return _text(file)
    legacy = folder / "chat_template.json"
    template = read_json(legacy).get("chat_template") if legacy.is_file() else config.get("chat_template")
    if not isinstance(template, str):
        raise refuse(file, "is missing", "a chat template is needed")
    return template


def _token(value: object) -> str:
    # tokenizer_config.json writes a special token as text or as an object with its content
    if isinstance(value, dict):
        value = cast(Mapping[str, object], value).get("content")
    return value if isinstance(value, str) else ""
