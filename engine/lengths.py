"""Lengths of prompts: what a generator would cut off is refused by the tokens of its own text encoder, without torch.

Of several encoders the last one counts, as diffusers numbers them: T5 behind CLIP, which gives a summary alone and is
cut in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from tokenizers import Tokenizer

from . import document, model_facts
from .counting import counted
from .errors import InputError, Place, Problem, cut
from .generators.reading import Reading
from .plan import Generator, Model
from .problems import Problems, shown
from .prompted import Prompted, Sets

_LISTED = 4  # words that a hint names
_AT_ONCE = 1000  # texts that are tokenised together: what a tokenizer says of one takes kilobytes


@dataclass(frozen=True, slots=True)
class _Count:
    """Of a prompt."""

    tokens: int
    limit: int  # that are read


def check(sets: Sets, chosen: Generator, problems: Problems) -> None:
    """Adds a problem for every prompt, and a negative one, of which the generator would not read the end."""
    rows = list(chain(sets.train, sets.validation, sets.test))
    prompts = dict.fromkeys(row.prompt for row in rows)
    reads = model_facts.reads(chosen.model)
    if reads is None:
        return
    try:
        found = _too_long(list(prompts), reads)
        alone = _too_long([chosen.negative], _alone(reads, chosen))
    except InputError as error:
        problems.add(("generator", "model"), f"{chosen.model.address}: {error.problems[0].message}")
        return
    for count in alone.values():
        message = f"is too long: {count.tokens} tokens, the generator reads {count.limit}"
        problems.add(("generator", "negative"), message)
    places: dict[document.Path | Place, dict[str, Prompted]] = {}
    for row in rows if found else ():
        if row.prompt in found and row.at:
            places.setdefault(row.at, {})[row.prompt] = row
    for listed in places.values():
        row = max(listed.values(), key=lambda row: found[row.prompt].tokens)
        count = found[row.prompt]
        _tell(row, said(row.prompt, count.tokens, count.limit), len(listed) - 1, problems)


def refuse(prompts: Sequence[str], model: Model, place: Place) -> None:
    """Raises `InputError` at `place` for prompts of which a generator would not read the end."""
    reads = model_facts.reads(model)
    found = _too_long(list(prompts), reads) if reads else {}
    if reads and found:
        raise InputError(
            Problem(place, "", said(prompt, count.tokens, count.limit), _words(prompt, reads.file))
            for prompt, count in found.items()
        )


def _alone(reads: Reading, chosen: Generator) -> Reading:
    """How a negative prompt is read: nothing stands before it."""
    return replace(reads, limit=chosen.text_length, before="") if reads.before else reads


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


def _too_long(prompts: list[str], reads: Reading) -> dict[str, _Count]:
    """The prompts that have more tokens than are read, the encoder's own ones among them.

    Where something stands before a prompt, all that is its own counts there.
    """
    # plain letters are a token each at most, and a space before a word is another: nothing is loaded for short ones
    longest = reads.limit - _most_of(reads.before) * reads.shared
    doubtful = [prompt for prompt in prompts if not prompt.isascii() or _most_of(prompt) > longest]
    if not doubtful:
        return {}
    tokenizer = _tokenizer(reads.file)
    before = _counts([reads.before], tokenizer)[0] if reads.before else 0
    limit = reads.limit - before * reads.shared
    texts = {prompt: reads.text(prompt) for prompt in doubtful}
    own = 0 if reads.before else tokenizer.num_special_tokens_to_add(False)
    likely = set(_by_words(texts.values(), tokenizer, limit - own))
    doubtful = [prompt for prompt in doubtful if texts[prompt] in likely]
    counts = _counts([reads.before + texts[prompt] for prompt in doubtful], tokenizer)
    found = ((prompt, count - before) for prompt, count in zip(doubtful, counts, strict=True))
    return {prompt: _Count(count, limit) for prompt, count in found if count > limit}


def _most_of(text: str) -> int:
    """Tokens that a text of plain letters has at most."""
    return len(text) + len(text.split()) + 4


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


def _by_words(texts: Iterable[str], tokenizer: Tokenizer, limit: int) -> Iterator[str]:
    """The texts that may have more tokens than `limit`, by those of their words: of 100,000 prompts these are few.

    Tokenizers cut texts into words first; where one does not, an eighth more than the words have is allowed for.
    """
    split = {text: text.split() for text in texts}
    words = list({word for listed in split.values() for word in listed})
    most = _most(words, tokenizer)
    for text, listed in split.items():
        if 9 * sum([most[word] for word in listed]) > 8 * limit:
            yield text


def _most(words: Sequence[str], tokenizer: Tokenizer) -> dict[str, int]:
    """The tokens of words, alone or behind another: some tokenizers write the space before a word into it."""
    own = tokenizer.num_special_tokens_to_add(False)
    alone, behind = _counts(words, tokenizer), _counts([f"x {word}" for word in words], tokenizer)
    (before,) = _counts(["x"], tokenizer)
    return {word: max(one - own, two - before) for word, one, two in zip(words, alone, behind, strict=True)}


def _counts(texts: Sequence[str], tokenizer: Tokenizer) -> list[int]:
    parts = (texts[start : start + _AT_ONCE] for start in range(0, len(texts), _AT_ONCE))
    return [len(one) for part in parts for one in tokenizer.encode_batch(list(part))]
