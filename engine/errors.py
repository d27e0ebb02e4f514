"""The error tree: what a person did wrong, what went wrong part-way, and where.

    ControlError
    ├── InputError    the input is wrong, nothing was written        exit status 2
    ├── CheckFailed   the work is done, an expectation is not met    exit status 1
    └── WorkError     the work failed part-way and can be resumed    exit status 3

Anything else that reaches the command line is a defect of the program.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

SETS = "--set "  # and what was given behind it: the file of places in an override
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def visible(text: str) -> str:
    """A text on one line, its control characters written as escapes: what a recipe says does not steer a terminal."""
    return _STEERING.sub(lambda found: repr(found[0])[1:-1], text)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a text file, or in an override, whose file is then `SETS` and what was given.

    `line` and `column` count from 1; both are 0 where it is the whole file: an adapter, a folder, a text that is gone.
    """

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        if not self.file.startswith(SETS):
            return f"{self.file}:{self.line}:{self.column}"
        line = f"line {self.line}, " if self.line > 1 else ""  # nearly always it is one line
        return f"in {self.file}, {line}column {self.column}"


def cut(text: str, most: int = 60) -> str:
    """A text as messages quote it: of at most `most` characters."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, in which dotted key, what was found, and what would help.

    As text it is safe to print: characters that steer a terminal, or turn text around, are written as escapes.
    """

    place: Place
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f"\n  hint: {visible(self.hint)}" if self.hint else ""
        return f"{visible(self.said)}{hint}"

    @property
    def said(self) -> str:
        """The first line: where, and what is wrong."""
        key = f"{self.key}: " if self.key else ""
        return f"{self.place}: {key}{self.message}"


def no_device(word: str, number: int) -> tuple[str, str]:
    """What to say, and the hint, where a machine of so many CUDA devices has not the one that `word` names."""
    if number:
        return f"this machine has no {word}: it has {number} of them, counted from 0", "`device: auto` takes the first"
    return "this machine has no cuda device", "`device: auto` takes what there is"


class ControlError(Exception):
    """The root of every error this package raises on purpose."""

    exit_status = 3


class InputError(ControlError):
    """What the person gave is wrong; all its problems at once, in the order of the text."""

    exit_status = 2

    def __init__(self, problems: Iterable[Problem], more: int = 0) -> None:
        """`more` counts problems that were found and are not listed."""
        listed = sorted(problems, key=lambda problem: problem.place)
        if more:
            hint = f"mend these {len(listed)} first"
            said = "1 more mistake is" if more == 1 else f"{more} more mistakes are"
            listed.append(Problem(listed[-1].place, "", f"{said} not listed", hint))
        self.problems = tuple(listed)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[InputError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)  # as it goes from one process to another


class CheckFailed(ControlError):
    """The work was done, and what was expected of it did not hold: what and where, and what follows from it."""

    exit_status = 1

    def __init__(self, problems: Iterable[Problem], message: str) -> None:
        self.problems, self.message = tuple(problems), message
        super().__init__("\n".join([*map(str, self.problems), message]))


class WorkError(ControlError):
    """The work failed part-way; what was done is kept and can be resumed."""

    exit_status = 3

    def __init__(self, message: str, hint: str = "") -> None:
        self.message, self.hint = message, hint
        super().__init__(f"{message}\n  hint: {hint}" if hint else message)

    def __reduce__(self) -> tuple[type[WorkError], tuple[str, str]]:
        return type(self), (self.message, self.hint)  # as it goes from one process to another


def changed(file: str) -> WorkError:
    """What is raised where a file, or a model, is not what it was when the plan was made: no lock would tell of it."""
    hint = "bring it back as it was; or run again, which plans anew with what is there"
    return WorkError(f"{file}: has changed since this run was planned", hint)


# what a person can only mend by naming another place, and what goes away when there is room
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def words(error: OSError) -> str:
    """An error of the operating system: which file, and why."""
    said = error.strerror or str(error)
    return f"{os.fsdecode(error.filename)}: {said}" if isinstance(error.filename, (str, bytes)) else said


def of_system(error: OSError) -> InputError | WorkError:
    """The same as an error of ours: a place that cannot be used is a mistake of the person's, a full disk is none."""
    if error.errno == errno.EEXIST and isinstance(error.filename, (str, bytes)):  # as making a folder there comes to
        place, hint = Place(os.fsdecode(error.filename)), "name another folder, or move it away"
        return InputError([Problem(place, "", "is a file, not a folder", hint)])
    if error.errno in _REFUSED and isinstance(error.filename, (str, bytes)):
        hint = "name another place, or change who may read and write this one"
        place = Place(os.fsdecode(error.filename))
        return InputError([Problem(place, "", f"cannot be used: {error.strerror}", hint)])
    return WorkError(words(error), "make room there; then the same command goes on" if error.errno in _FULL else "")
