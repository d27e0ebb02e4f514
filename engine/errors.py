"""The error tree: what a person did wrong, what went wrong part-way, and where.

    ControlError
    ├── InputError    the input is wrong, nothing was written        exit status 2
    ├── CheckFailed   the work is done, an expectation is not met    exit status 1
    └── WorkError     the work failed part-way and can be resumed    exit status 3

Anything else that reaches the command line is a defect of the program.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a text file; `line` and `column` count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, in which dotted key, what was found, and what would help."""

    place: Place
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{self.place}: {key}{self.message}{hint}"


class ControlError(Exception):
    """The root of every error this package raises on purpose."""

    exit_status = 3


class InputError(ControlError):
    """What the person gave is wrong; all its problems at once, in the order of the text."""

    exit_status = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.place))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class CheckFailed(ControlError):
    """The work was done, and what was expected of it did not hold."""

    exit_status = 1


class WorkError(ControlError):
    """The work failed part-way; what was done is kept and can be resumed."""

    exit_status = 3
