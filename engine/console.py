"""What a person reads on stderr: errors with their place, progress, and figures; plain text where it is no terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, final

from .counting import counted
from .errors import CheckFailed, ControlError, InputError, Problem, WorkError, visible
from .excerpts import WIDEST, Excerpts
from .notes import percent

if TYPE_CHECKING:
    from .evaluate import Progress
    from .hub import Fetched
    from .results import Expected, Result
    from .score import Score
    from .training import Step

_LINES = 10  # of progress in a log, for one training


def show(error: ControlError) -> None:
    """Print an error, one problem after the other: what is wrong, the line it stands in with a caret, a hint.

    Coloured on a terminal. The first line of a problem is the same everywhere, and no line is ever wrapped.
    """
    if isinstance(error, (InputError, CheckFailed)):
        _show_problems(error.problems)
    if not isinstance(error, InputError):
        said = error.message if isinstance(error, CheckFailed) else str(error)
        print("\n".join(visible(line) for line in f"recipe: {said}".split("\n")), file=sys.stderr)


def _show_problems(problems: Iterable[Problem]) -> None:
    if sys.stderr.isatty():
        _show_in_colour(problems)
        return
    excerpts = Excerpts()
    for problem in problems:
        print("\n".join(text for text, _ in _parts(problem, excerpts)), file=sys.stderr)


def failed(error: ControlError) -> str:
    """An error as the one JSON object of a command with `--json` that fails; one that has no place says null there."""
    if isinstance(error, (InputError, CheckFailed)):
        return as_json(error.problems)
    message, hint = (error.message, error.hint) if isinstance(error, WorkError) else (str(error), "")
    return _object([{"place": None, "key": "", "message": message, "hint": hint}])


def as_json(problems: Iterable[Problem]) -> str:
    """Problems as the one JSON object of a command with `--json`, none of them where all is well."""
    return _object([_told(problem) for problem in problems])


def _told(problem: Problem) -> dict[str, Any]:
    place = problem.place
    at = {"file": place.file, "line": place.line or None, "column": place.column or None}
    return {"place": at, "key": problem.key, "message": problem.message, "hint": problem.hint}


def _object(listed: list[dict[str, Any]]) -> str:
    text = json.dumps({"ok": not listed, "problems": listed}, ensure_ascii=False)
    # half a character, of a file's name or of a prompt, cannot be written as UTF-8, but as an escape of JSON it can
    return text.encode(errors="backslashreplace").decode()


def _parts(problem: Problem, excerpts: Excerpts) -> Iterator[tuple[str, str]]:
    """The lines of a problem, each with the style that a terminal shows it in."""
    yield visible(problem.said), "bold"
    if excerpt := excerpts.of(problem.place):
        number = f"{excerpt.line:>5}"
        yield f"{number} │ {excerpt.text}", "dim"
        yield f"{' ' * len(number)} │ {' ' * excerpt.caret}^", "bold red"
    if problem.hint:
        yield f"  hint: {visible(problem.hint)}", "cyan"


def _show_in_colour(problems: Iterable[Problem]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, highlight=False, emoji=False, markup=False)
    excerpts = Excerpts(max(20, min(WIDEST, console.width - 9)))
    for problem in problems:
        for text, style in _parts(problem, excerpts):
            shown = Text(text, style)
            if style == "bold":  # the place is read by tools, what is wrong by people
                shown.stylize("red", len(str(problem.place)) + 2)
            console.print(shown, soft_wrap=True)


@final
class Talk:
    """Tells a person how a run goes, on stderr: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Any = None
        self._task: Any = None
        self._told = 0.0

    def __enter__(self) -> Talk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def say(self, text: str) -> None:
        """One line."""
        self._close()
        if not self._quiet:
            print(text, file=sys.stderr, flush=True)

    def came(self, result: Result, trained: bool = True) -> None:
        """The figures of a run, or of an evaluation alone; where they are not wanted, still what it does not fulfil."""
        self.say(figures(result, trained))
        if self._quiet and not result.met:
            print("\n".join(unmet(result)), file=sys.stderr, flush=True)

    def step(self, step: Step) -> None:
        """A step of training is done."""
        beliefs = "  ".join(f"{question} {p:.2f}" for question, p in step.p)
        self._tell("training", step.step, step.steps, f"loss {step.loss:.3f}  {beliefs}", step.seconds_left)

    def looked(self, progress: Progress) -> None:
        """A batch of the evaluation is done."""
        left = progress.seconds / max(1, progress.done) * (progress.of - progress.done)
        self._tell(progress.what, progress.done, progress.of, "", left)

    def fetched(self, fetched: Fetched) -> None:
        """More of a model is here."""
        done, of = -(-fetched.done // 2**20), -(-fetched.of // 2**20)
        left = fetched.seconds / fetched.done * (fetched.of - fetched.done)
        self._tell("fetching", done, of, f"MiB of {fetched.name}", left)

    def _tell(self, what: str, done: int, of: int, details: str, seconds_left: float) -> None:
        if self._quiet:
            return
        if sys.stderr.isatty():
            self._draw(what, done, of, details, seconds_left)
        elif done == of or done % max(1, of // _LINES) == 0 or time.monotonic() - self._told > 30:
            self._told = time.monotonic()
            parts = [f"{what} {done}/{of}", details, f"{seconds_left:.0f} s left"]
            print("  ".join(part for part in parts if part), file=sys.stderr, flush=True)

    def _draw(self, what: str, done: int, of: int, details: str, seconds_left: float) -> None:
        if self._bar is None or self._bar.tasks[0].fields["what"] != what:
            self._close()
            self._bar = _bar()
            self._bar.start()
            self._task = self._bar.add_task("", total=of, what=what, details="", left="")
        self._bar.update(self._task, completed=done, details=details, left=f"{seconds_left:.0f} s left")

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    plain: dict[str, Any] = {"markup": False}
    return Progress(
        TextColumn("{task.fields[what]:<10}", **plain),
        MofNCompleteColumn(),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[details]}", **plain),
        TextColumn("{task.fields[left]}", style="dim", **plain),
        console=Console(stderr=True),
    )


def unmet(result: Result) -> list[str]:
    """What a run was expected to come to and did not, a line each."""
    expected = result.expect.items()
    return [f"{result.name}: expect.{name}: wanted {_got(one)}" for name, one in expected if not one.met]


def _got(expected: Expected) -> str:
    return f"{expected.wanted}, got {expected.got:.3f}"


def score(found: Score) -> str:
    """One score in a line."""
    opposite = f", {found.against} {found.p_against:.3f}" if found.p_against is not None else ""
    return visible(f"{found.image}: {found.ask}: {found.answer} {found.p:.3f}{opposite}; says {found.says!r}")


def figures(result: Result, trained: bool = True) -> str:
    """The figures of a run as a few aligned lines: measures, questions, expectations, and where to look.

    Without `trained` they are those of an evaluation alone.
    """
    took = f": {counted(result.steps, 'step')}, {result.seconds:.0f} s" if result.steps else ""
    took = took if trained else f": evaluated in {result.seconds:.0f} s"
    lines = [f"{result.name}{took}"]
    for name, measure in result.measures.items():
        interval = " … ".join(percent(end) for end in measure.interval)
        lines.append(f"  {name:<14} {percent(measure.before):>7} → {percent(measure.after):>7}   ({interval})")
    for name, question in result.questions.items():
        for who, asked in (*question.critics.items(), *question.judges.items()):
            role = "judge" if who in question.judges else "critic"
            right = f"{percent(asked.before.right):>7} → {percent(asked.after.right):>7}"
            lines.append(f"  {name:<14} {right}   p {asked.before.p:.2f} → {asked.after.p:.2f}  ({role} {who})")
    for name, expected in result.expect.items():
        lines.append(f"  {'✓' if expected.met else '✗'} {name}: {_got(expected)}")
    lines += [f"  {what}: {path}" for what, path in (("report", result.report), ("lock", result.lock)) if path]
    return "\n".join(lines)
