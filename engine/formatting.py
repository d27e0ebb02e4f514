"""Formatting: a recipe's text made tidy, its comments, order and meaning kept.

Two spaces an indent, one behind each colon and comma, no blanks at the ends of lines, at most one empty line in a row,
`~` for nothing. What a person laid out on purpose stays: flow or block, quotes, how a number is written, the order of
keys. What ruamel.yaml would lose, a comment inside a list of several lines, is only rid of blanks.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from . import document
from .errors import InputError
from .gallery import refuse_lock
from .texts import LARGEST_RECIPE, load

_LONGEST = 120  # characters of a line that tidying may make; a person may write longer ones
_NOTHING = re.compile(r"^(?:~|null|Null|NULL|)$")
_COMMENT = re.compile(r"(?:^|\s)#(.*)$")
_ANCHOR = re.compile(r"(?:^|[\s\[{,])&(\S+)", re.MULTILINE)
_ANCHORED = re.compile(r"^(.*:[ ]&\S+)\n([ ]+)(#.*)$", re.MULTILINE)  # and a comment, which was behind the anchor


def tidy(text: str, file: str) -> str:
    """The text, tidied. Raises InputError where it cannot be read."""
    before = document.parse(text, file)
    if before.problems:
        raise InputError(before.problems)
    return next(made for made in _candidates(text) if _same(made, before, text))


def tidied(paths: list[Path]) -> dict[Path, str]:
    """New texts of those files that are not tidy. Raises InputError with everything that cannot be read in any."""
    found: dict[Path, str] = {}
    wrong: list[InputError] = []
    for path in paths:
        try:
            refuse_lock(str(path))
            text, _ = load(path, LARGEST_RECIPE)
            made = tidy(text, str(path))
        except InputError as error:
            wrong.append(error)
            continue
        if made != text:
            found[path] = made
    if wrong:
        raise InputError(problem for error in wrong for problem in error.problems)
    return found


def _candidates(text: str) -> Iterator[str]:
    """From the tidiest to the text as it is."""
    from ruamel.yaml.error import YAMLError

    plain = text.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        made = _round_trip(_round_trip(plain))  # some comments settle in the second round
        yield _ANCHORED.sub(_joined, _without_blanks(made))
        yield _without_blanks(made)
        yield made
    except YAMLError:
        pass
    yield _without_blanks(plain)
    yield text


def _same(made: str, before: document.Document, text: str) -> bool:
    """Whether a new text says the same, comments included, without lines that nobody wants to read."""
    try:
        after = document.parse(made, before.file)
    except InputError:
        return False
    longest = max(_LONGEST, *(len(line) for line in text.splitlines()))
    return (
        not after.problems
        and repr(after.data) == repr(before.data)  # 1, 1.0 and true are equal, and not the same
        and _comments(made) == _comments(text)
        and _ANCHOR.findall(made) == _ANCHOR.findall(text)
        and all(len(line) <= longest for line in made.splitlines())
    )


def _comments(text: str) -> list[tuple[str, bool]]:
    """What every comment says, in their order, and whether it stands on a line of its own."""
    lines = text.removeprefix("\ufeff").splitlines()
    return [(found[1].strip(), not line[: found.start()].strip()) for line in lines if (found := _COMMENT.search(line))]


def _joined(found: re.Match[str]) -> str:
    return f"{found[1]}{' ' * max(1, len(found[2]) - len(found[1]))}{found[3]}"


def _without_blanks(text: str) -> str:
    lines = (line.rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines).strip("\n")) + "\n"


def _round_trip(text: str) -> str:
    stream, yaml = io.StringIO(), _yaml()
    data = yaml.load(text)
    _keep_anchors(data)
    yaml.dump(data, stream)
    return stream.getvalue()


def _keep_anchors(node: Any) -> None:
    """Let anchors be written that nothing refers to yet: ruamel.yaml leaves them out, and moves their comments."""
    if isinstance(node, (dict, list)):
        inner = cast(Any, node)
        if inner.anchor.value is not None:
            inner.anchor.always_dump = True
        for one in inner.values() if isinstance(node, dict) else inner:
            _keep_anchors(one)


def _yaml() -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import RoundTripRepresenter
    from ruamel.yaml.resolver import VersionedResolver

    class Words(VersionedResolver):
        """Knows nothing but nothing: numbers and words stay as they are written."""

        @property
        def versioned_resolver(self) -> dict[str | None, list[tuple[str, re.Pattern[str]]]]:
            return {first: [("tag:yaml.org,2002:null", _NOTHING)] for first in ("", "~", "n", "N")}

    class Writer(RoundTripRepresenter):
        """Writes nothing as `~`, which shows."""

    def nothing(writer: Any, value: None) -> Any:
        return writer.represent_scalar("tag:yaml.org,2002:null", "~")

    Writer.add_representer(type(None), nothing)
    yaml: Any = YAML(typ="rt")
    yaml.Resolver, yaml.Representer = Words, Writer
    yaml.preserve_quotes = True
    yaml.width = 2**20  # long texts stay on their line
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
