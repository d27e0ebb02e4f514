"""The harness of hostile recipes: runs one after the other, and tells of each how it ended, how long it took, how much.

    python tests/hostile.py FOLDER NAME…    cases by the beginnings of their names, all where none is given

One JSON object a line. A case ends `fine`, `refused` or in a defect: `traceback`, `hang`, `memory`, `write`,
`no place`.
Memory is the process's own high-water mark, set back before each case, so that what C libraries take counts as well.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from control_recipes.engine.errors import InputError, Place, Problem
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve

SECONDS = 2.0  # of processor time, for one case
PATIENCE = 60  # seconds of the clock after which a case is cut off: it may wait for something, on a busy machine
BYTES = 200 * 2**20  # above what the process held when the case started
CEILING = 3 * 2**30  # of address space: a case that goes past it fails before the machine does

# names of audit events (https://docs.python.org/3/library/audit_events.html) that a check of a recipe never raises
ACTS = (
    *("os.mkdir", "os.rename", "os.remove", "os.system", "os.exec", "os.posix_spawn", "os.link", "os.symlink"),
    *("os.truncate", "os.chmod", "os.rmdir", "subprocess.Popen", "socket.connect", "shutil."),
)


@dataclass(frozen=True)
class Outcome:
    name: str
    ended: str
    seconds: float
    megabytes: float
    said: str


class Hang(BaseException):
    """Raised by the clock; no `except Exception` on the way may swallow it."""


_acts: list[str] = []
_watching = False


def _audit(event: str, args: tuple[object, ...]) -> None:
    if not _watching:
        return
    if event == "open":
        path, mode, flags = args
        written = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if (written or any(letter in str(mode or "") for letter in "wax+")) and str(path) != "/dev/null":
            _acts.append(f"open {path} {mode}")
    elif event.startswith(ACTS):
        _acts.append(f"{event} {args}"[:200])


def _cut_off(number: int, frame: object) -> None:
    raise Hang


@contextmanager
def watched() -> Iterator[list[str]]:
    """Inside, every file that is opened to write, and all else that `ACTS` names, is noted."""
    global _watching
    _acts.clear()
    _watching = True
    try:
        yield _acts
    finally:
        _watching = False


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def check(file: Path, sets: tuple[str, ...] = (), allow_outside: bool = False) -> None:
    """What `recipe check` does."""
    resolve(read(file, sets, allow_outside))


def run(name: str, act: Callable[[], object], patience: float = PATIENCE) -> Outcome:
    """How `act` ends. The limits are looked at last, so that a traceback is called one whatever it took."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # sets the high-water mark back to what is held now
    held, started = _status("VmRSS"), time.process_time()
    signal.setitimer(signal.ITIMER_REAL, patience, 5)  # again and again: what is raised inside a callback is lost
    ended, said = "fine", ""
    with watched() as acts:
        try:
            try:
                act()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except InputError as error:
            ended, said = "refused", str(error)
            # a whole file has no line, and then no column either
            placed = all(p.place.file and (p.place.line > 0) == (p.place.column > 0) for p in error.problems)
            if not placed or not all(p.message for p in error.problems):
                ended = "no place"
        except Hang:
            ended = "hang"
        except BaseException:  # a harness says what went wrong, whatever it was
            ended, said = "traceback", traceback.format_exc()
        written = list(acts)
    seconds, megabytes = time.process_time() - started, (_status("VmHWM") - held) / 2**20
    if ended in {"fine", "refused"}:
        if seconds > SECONDS:
            ended = "hang"
        elif megabytes > BYTES / 2**20:
            ended = "memory"
        elif written:
            ended, said = "write", "; ".join(written)
    return Outcome(name, ended, round(seconds, 3), round(megabytes, 1), said[-2000:])


def twins(folder: Path) -> Iterator[Outcome]:
    """What the harness says of defects made on purpose; each is named after how it must end."""
    nowhere = [Problem(Place("", 0), "", "")]

    def spin() -> None:
        until = time.process_time() + SECONDS + 0.2
        while time.process_time() < until:
            pass

    def refuse() -> None:
        raise InputError(nowhere)

    yield run("hang", spin)
    yield run("hang", lambda: time.sleep(30), patience=0.5)
    yield run("hang", lambda: os.open(folder / "pipe", os.O_RDONLY), patience=0.5)
    yield run("memory", lambda: bytearray(BYTES + 2**24))
    yield run("traceback", lambda: bytearray(CEILING))
    yield run("traceback", lambda: 1 / 0)
    yield run("traceback", lambda: sys.exit(2))
    yield run("write", lambda: (folder / "written").write_text("x", "ascii"))
    yield run("write", lambda: (folder / "made").mkdir())
    yield run("no place", refuse)
    yield run("fine", lambda: None)


def prepare() -> None:
    """Set this process up for `run`: clock, ceiling, audit."""
    signal.signal(signal.SIGALRM, _cut_off)
    resource.setrlimit(resource.RLIMIT_AS, (CEILING, CEILING))
    sys.addaudithook(_audit)


def main(words: Iterable[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--part", nargs=2, type=int, default=(0, 1), metavar=("AT", "OF"), help="every OF-th, from AT")
    parser.add_argument("--twins", action="store_true", help="make the defects that the harness is to notice")
    chosen = parser.parse_args(list(words))
    import hostile_cases

    workplace = hostile_cases.workplace(chosen.folder)
    prepare()
    if chosen.twins:
        os.mkfifo(chosen.folder / "pipe")
        for found in twins(chosen.folder):
            print(json.dumps({**asdict(found), "wanted": found.name}), flush=True)
        return
    run("warm", lambda: check(workplace))
    at, of = chosen.part
    for case in itertools.islice(hostile_cases.all_cases(), at, None, of):
        if not chosen.names or case.name.startswith(tuple(chosen.names)):
            with case.laid_out(workplace.parent) as file:
                found = run(case.name, lambda file=file, case=case: check(file, case.sets))
            print(json.dumps({**asdict(found), "wanted": case.wanted}), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(sys.argv[1:])
