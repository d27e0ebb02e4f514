"""Lengths of prompts: what a generator would cut off is refused by the tokens of its own text encoder, without torch.

Of several encoders the last one counts, as diffusers numbers them: T5 behind CLIP, which gives a summary alone and is
cut in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from tokenizers import Tokenizer

from . import document, models
from .counting import counted
from .errors import InputError, Place, Problem, cut
from .plan import Model
from .problems import Problems, shown
from .prompted import Prompted, Sets

_LISTED = 4  # words that a hint names
_AT_ONCE = 1000  # texts that are tokenised together: what a tokenizer says of one takes kilobytes


def check(sets: Sets, model: Model, problems: Problems) -> None:
    """Adds a problem for every prompt of which the generator would not read the end."""
    rows = list(chain(sets.train, sets.validation, sets.test))
    prompts = dict.fromkeys(row.prompt for row in rows)
    reads = models.reads(model)
    if reads is None:
        return
    try:
        found = _too_long(list(prompts), *reads)
    except InputError as error:
        problems.add(("generator", "model"), f"{model.address}: {error.problems[0].message}")
        return
    places: dict[document.Path | Place, dict[str, Prompted]] = {}
    for row in rows if found else ():
        if row.prompt in found and row.at:
            places.setdefault(row.at, {})[row.prompt] = row
    for listed in places.values():
        row = max(listed.values(), key=lambda row: found[row.prompt])
        _tell(row, said(row.prompt, found[row.prompt], reads[1]), len(listed) - 1, problems)


def refuse(prompts: Sequence[str], model: Model, place: Place) -> None:
    """Raises `InputError` at `place` for prompts of which a generator would not read the end."""
    reads = models.reads(model)
    found = _too_long(list(prompts), *reads) if reads else {}
    if reads and found:
        raise InputError(
            Problem(place, "", said(prompt, count, reads[1]), _words(prompt, reads[0]))
            for prompt, count in found.items()
        )


def said(prompt: str, count: int, limit: int) -> str:
    """What is told of a prompt of so many tokens."""
    return f"the prompt {shown(prompt)} is too long: {count} tokens, the generator reads {limit}"


def _words(prompt: str, file: Path) -> str:
    """A hint that names the words of a prompt which take the most tokens; empty where each is one."""
    words = list(dict.fromkeys(prompt.split()))
    tokens = _most(words, _tokenizer(file))
    many = sorted((word for word in words if tokens[word] > 1), key=lambda word: -tokens[word])[:_LISTED]
    listed = ", ".join(f"{cut(word)} {tokens[word]}" for word in words if word in many)
    why = "a word that the generator's tokenizer does not know counts as several tokens"
    return f"{why}: {listed}" if many else ""


def _tell(row: Prompted, message: str, more: int, problems: Problems) -> None:
    """Adds the problem of a row, the longest of those that are made in its place."""
    if isinstance(row.at, Place):
        problems.at(row.at, "prompt", message)
        return
    made = ", ".join(f"{name}={value}" for name, value in row.variables.items())
    too = f"; {counted(more, 'other prompt')} of it {'is' if more == 1 else 'are'} too long as well" if more else ""
    problems.add(row.at, message, f"for {made}{too}" if row.at[-1] in ("template", "cross") and made else "")


def _too_long(prompts: list[str], file: Path, limit: int) -> dict[str, int]:
    """The prompts that are longer than `limit` tokens, the encoder's own ones among them, and how many they have."""
    # plain letters are a token each at most, and a space before a word is another: nothing is loaded for short ones
    doubtful = [prompt for prompt in prompts if not prompt.isascii() or 2 * len(prompt) + 4 > limit]
    if not doubtful:
        return {}
    tokenizer = _tokenizer(file)
    doubtful = list(_by_words(doubtful, tokenizer, limit))
    counts = _counts(doubtful, tokenizer)
    return {prompt: count for prompt, count in zip(doubtful, counts, strict=True) if count > limit}


def _tokenizer(file: Path) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises nothing more particular
        raise InputError(
            [Problem(Place(str(file)), "", f"{file.parent.name}/{file.name} is no tokenizer: {error}")]
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _by_words(prompts: Iterable[str], tokenizer: Tokenizer, limit: int) -> Iterator[str]:
    """The prompts that may be too long, by the tokens of their words: of 100,000 prompts these are few.

    Tokenizers cut texts into words first; where one does not, an eighth more than the words have is allowed for.
    """
    split = {prompt: prompt.split() for prompt in prompts}
    words = list({word for listed in split.values() for word in listed})
    own, most = tokenizer.num_special_tokens_to_add(False), _most(words, tokenizer)
    for prompt, listed in split.items():
        if 9 * sum([most[word] for word in listed]) > 8 * (limit - own):
            yield prompt


def _most(words: Sequence[str], tokenizer: Tokenizer) -> dict[str, int]:
    """The tokens of words, alone or behind another: some tokenizers write the space before a word into it."""
    own = tokenizer.num_special_tokens_to_add(False)
    alone, behind = _counts(words, tokenizer), _counts([f"x {word}" for word in words], tokenizer)
    (before,) = _counts(["x"], tokenizer)
    return {word: max(one - own, two - before) for word, one, two in zip(words, alone, behind, strict=True)}


def _counts(texts: Sequence[str], tokenizer: Tokenizer) -> list[int]:
    parts = (texts[start : start + _AT_ONCE] for start in range(0, len(texts), _AT_ONCE))
    return [len(one) for part in parts for one in tokenizer.encode_batch(list(part))]
