"""A run that is killed again and again: what it ends with, beside a run that nobody disturbed.

    python tests/killing.py FOLDER SEED WAY:KILLS…

WAY is `moments`, at random moments; `boundaries`, right before a random change to the disk; or `forgetful`, the same,
where the optimiser forgets what it knew. One JSON object on stdout for each, `Told`. FOLDER holds tiny.yaml and its
models. Every attempt is a fork of this process, which has loaded all libraries before: killed for good, but started in
no time.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

WORDS = ("run", "tiny.yaml", "--quiet")
ENOUGH = 600  # seconds after which an attempt that nobody kills counts as stuck
# events of https://docs.python.org/3/library/audit_events.html that change the disk; of `open` only those that write
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "fcntl.flock", "tempfile.mkstemp")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass
class Told:
    """What came of the kills."""

    kills: int = 0
    runs: int = 0  # brought to their end
    most: int = 0  # kills of one run
    where: dict[str, int] = field(default_factory=dict)  # what the run was at
    different: list[str] = field(default_factory=list)  # files of runs that are not those of the undisturbed one


def fork(folder: Path, die: int = 0) -> int:
    """Attempt the run in a fork of this process, which dies right before that change to the disk, counted from 1."""
    if process := os.fork():
        return process
    try:
        os.chdir(folder)
        seen = _die_before(die)
        status = attempt()
        Path("changes").write_text(str(seen()), "ascii")
        os._exit(status)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(70)


def attempt() -> int:
    """The exit status of `recipe run` in this process."""
    from control_recipes import cli

    sys.argv = ["recipe", *WORDS]
    try:
        cli.main()
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 0
    return 0


def _die_before(number: int) -> Callable[[], int]:
    """Die right before so many changes to the disk; what is returned says how many there were."""
    seen = 0

    def count(event: str, args: tuple[Any, ...]) -> None:
        nonlocal seen
        changes = event in CHANGES or (event == "open" and bool(int(args[2] or 0) & WRITES) and args[0] != os.devnull)
        seen += changes
        if changes and seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    return lambda: seen


def ended(process: int, seconds: float = ENOUGH, last: Path | None = None) -> int:
    """The exit status of an attempt, killed after so many seconds, or once it has written `last`: then -SIGKILL."""
    until, stamp = time.monotonic() + seconds, _stamp(last)
    while (found := os.waitpid(process, os.WNOHANG)) == (0, 0):
        if time.monotonic() >= until or _stamp(last) != stamp:
            os.kill(process, signal.SIGKILL)
            found = os.waitpid(process, 0)
            break
        time.sleep(0.0005)
    return os.waitstatus_to_exitcode(found[1])


def _stamp(path: Path | None) -> int:
    return path.stat().st_mtime_ns if path is not None and path.exists() else 0


def clear(folder: Path) -> None:
    """Forget the run of a folder."""
    shutil.rmtree(folder / "runs", ignore_errors=True)
    (folder / "tiny.lock").unlink(missing_ok=True)


def outcome(folder: Path) -> dict[str, object]:
    """Everything that a run ends with but times: by file, what must be the same in every run of the plan."""
    run = folder / "runs" / "tiny"
    found: dict[str, object] = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in (".png", ".safetensors", ".html", ".lock", ".partial")
    }
    found = {name: data for name, data in found.items() if "/checkpoint/" not in name}
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    found["metrics.jsonl"] = [{key: value for key, value in line.items() if key != "seconds"} for line in lines]
    for name in ("evaluation.json", "result.json"):
        whole = json.loads((run / name).read_text("utf-8"))
        found[name] = {
            key: value for key, value in whole.items() if key not in ("seconds", "adapter", "lock", "report")
        }
    return found


def at(folder: Path) -> str:
    """What a run was at when it was killed."""
    run = folder / "runs" / "tiny"
    stamp = (run / "plan.json").stat().st_mtime_ns if (run / "plan.json").exists() else 0
    written = [name for name in ("evaluation.json", "report.html") if newer(run / name, stamp)]
    if written:
        return {1: "locking", 2: "ending"}[len(written)]
    if newer(run / "tiny.safetensors", stamp):
        return "evaluating"
    return "training" if newer(run / "metrics.jsonl", stamp) else "starting"


def newer(path: Path, stamp: int) -> bool:
    return path.exists() and path.stat().st_mtime_ns > stamp > 0


def disturbed(
    folder: Path,
    kills: int,
    wanted: dict[str, object],
    begin: Callable[[], tuple[int, float]],
    last: Path | None = None,
) -> Told:
    """Kill runs of a folder so many times in all, each until it has come to its end once more, and compare.

    `begin` starts an attempt: its process, and after how many seconds it is killed; once it has written `last`, sooner.
    """
    told, in_a_row = Told(), 0
    while True:
        status = ended(*begin(), last) if told.kills < kills else ended(fork(folder))
        if status == -signal.SIGKILL:
            told.kills, in_a_row = told.kills + 1, in_a_row + 1
            told.most = max(told.most, in_a_row)
            here = at(folder)
            told.where[here] = told.where.get(here, 0) + 1
            continue
        if status != 0:
            told.different.append(f"exit status {status}")
            return told
        told.runs += 1
        found = outcome(folder)
        told.different += [name for name in sorted({*found, *wanted}) if found.get(name) != wanted.get(name)]
        if told.kills >= kills:
            return told
        in_a_row = 0
        clear(folder)


def load() -> None:
    """Load once what every fork needs."""
    import control_recipes.engine.evaluate
    import control_recipes.engine.report
    import control_recipes.engine.training  # noqa: F401
    from diffusers.pipelines.flux.pipeline_flux import FluxPipeline  # noqa: F401
    from transformers import Qwen2_5_VLForConditionalGeneration  # noqa: F401


@dataclass
class Whole:
    """A run that nobody disturbed."""

    seconds: float
    changes: int  # to the disk
    last: int  # of them, in an attempt that finds its training done
    wanted: dict[str, object]  # what it ends with


def undisturbed(folder: Path) -> Whole:
    """Run once, and once more from where its training was done; afterwards the folder is as before."""
    clear(folder)
    counts, times, found = list[int](), [time.monotonic()], dict[str, object]()
    while len(counts) < 2:
        if (status := ended(fork(folder))) != 0:
            raise SystemExit(f"the run fails even if nobody disturbs it: {status}")
        counts.append(int((folder / "changes").read_text("ascii")))
        times.append(time.monotonic())
        found = outcome(folder)
        (folder / "runs" / "tiny" / "result.json").unlink()
    clear(folder)
    return Whole(times[1] - times[0], *counts, found)


def forget() -> None:
    """Make a training that goes on from a checkpoint forget what the optimiser knew."""
    from control_recipes.engine import checkpoint

    put = checkpoint._put

    def forgetful(*given: Any) -> None:
        put(*given)
        given[-1].optimizer.state.clear()

    checkpoint._put = forgetful


def killed(folder: Path, whole: Whole, kills: int, draw: random.Random, way: str) -> Told:
    """Kill forks of this process."""

    def begin() -> tuple[int, float]:
        if way == "moments":
            return fork(folder), draw.uniform(0, whole.seconds)
        trains = whole.changes - whole.last
        if way == "forgetful" or draw.random() < 0.5:
            return fork(folder, draw.randint(trains // 2, trains)), ENOUGH
        return fork(folder, draw.randint(whole.last - 15, whole.last)), ENOUGH

    clear(folder)
    return disturbed(folder, kills, whole.wanted, begin)


def main(words: Sequence[str]) -> None:
    folder, seed = Path(words[0]), words[1]
    load()
    whole = undisturbed(folder)
    for way, _, kills in (word.partition(":") for word in words[2:]):
        if way == "forgetful":
            forget()
        told = killed(folder, whole, int(kills), random.Random(f"{seed} {way}"), way)
        print(json.dumps(asdict(told)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
