"""Trainings and runs that several processes share, one after the other, for tests: what came of each, as JSON.

    python tests/sharing.py FOLDER

FOLDER holds tiny.yaml and its models. Every process is a fork of this one, which has loaded all libraries before, and
knows of the others what a launcher would tell it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RUN = ("run", "tiny.yaml", "--json")
STOCHASTIC = "flux_stochastic"


@dataclass
class Told:
    """What a process came to: its exit status, and what it said."""

    status: int
    out: str
    err: str


def launched(name: str, count: int, work: Callable[[], int], folder: Path, seconds: int = 120) -> list[Told]:
    """Several processes of one thread that do the same work in a folder, within so many seconds.

    `name` is that of the files that keep what they say.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = [_fork(f"{name}.{rank}", _launcher(rank, count, port), work, folder, seconds) for rank in range(count)]
    statuses = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in started]
    kept = [[(folder / f"{name}.{rank}.{end}").read_text("utf-8") for end in ("out", "err")] for rank in range(count)]
    return [Told(status, *said) for status, said in zip(statuses, kept, strict=True)]


def _launcher(rank: int, count: int, port: int) -> Mapping[str, str]:
    if count == 1:
        return {}
    own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
    return own | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def _fork(name: str, known: Mapping[str, str], work: Callable[[], int], folder: Path, seconds: int) -> int:
    if process := os.fork():
        return process
    try:
        os.chdir(folder)
        os.environ.update(known)
        signal.alarm(seconds)  # whoever waits for one that is gone fails, and holds up nothing
        for number, end in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{name}.{end}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        status = work()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(70)


def recipe(*words: str) -> int:
    """The exit status of `recipe` in this process."""
    from control_recipes import cli

    sys.argv = ["recipe", *words]
    try:
        cli.main()
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 0
    return 0


def trained(folder: Path, name: str, chosen: Any) -> Callable[[], int]:
    """Train a plan into a folder of that name, or help with it."""

    def work() -> int:
        from control_recipes.engine import helping, processes, training

        if processes.rank():
            processes.follow(helping.serve)
            return 0
        with processes.connected():
            training.train(chosen, folder / name)
        return 0

    return work


def failing(step: int, fail: Callable[[], None]) -> Callable[[], int]:
    """The run of tiny.yaml, in which the last process fails in a step."""

    def work() -> int:
        from control_recipes.engine import processes
        from control_recipes.engine import step as steps

        pull = steps._pull

        def failed(desk: Any, finished: Any, number: int, *rest: Any) -> Any:
            if number == step and processes.rank() == processes.count() - 1:
                fail()
            return pull(desk, finished, number, *rest)

        steps._pull = failed
        return recipe(*RUN)

    return work


def killed(step: int) -> Callable[[], int]:
    """The run of tiny.yaml, whose first process is killed once a step is done, and helped no more."""

    def work() -> int:
        from control_recipes.engine import processes
        from control_recipes.engine import step as steps

        take = steps.take

        def taken(desk: Any, state: Any, number: int) -> Any:
            if number > step:
                os.kill(os.getpid(), signal.SIGKILL)
            return take(desk, state, number)

        if not processes.rank():
            steps.take = taken
        return recipe(*RUN)

    return work


def refuse() -> None:
    from control_recipes.engine.errors import WorkError

    raise WorkError("step 2: what one process alone has seen", "try another")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def plans(folder: Path) -> dict[str, Any]:
    """Plans that draw all that there is to draw, by name."""
    import pico
    from control_recipes.engine import plan

    def planned(**changes: Any) -> Any:
        generator = pico.generator(folder / STOCHASTIC, steps=2, dtype="float64")
        return pico.plan_of(generator, folder / "critic", steps=3, **changes)

    augment = plan.Augment(0.5, 0.02, 2, True)
    return {
        "uneven": planned(batch=3, accumulate=2, augment=augment, ema=0.5, weights="balanced", conflict=1),
        "replay": planned(batch=2, replay=plan.Replay(5, 1, (0.3, 0.8)), backprop="replay"),
    }


def stochastic(folder: Path) -> None:
    """The same generator with a sampler that draws at every step."""
    shutil.copytree(folder / "flux", folder / STOCHASTIC)
    path = folder / STOCHASTIC / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"stochastic_sampling": True}), "utf-8")


def load() -> None:
    """Load once what every fork needs."""
    import control_recipes.engine.evaluate
    import control_recipes.engine.helping
    import control_recipes.engine.report
    import control_recipes.engine.training  # noqa: F401
    import torch
    from diffusers.pipelines.flux.pipeline_flux import FluxPipeline  # noqa: F401
    from transformers import Qwen2_5_VLForConditionalGeneration  # noqa: F401

    torch.set_num_threads(1)


def main(folder: Path) -> None:
    load()
    stochastic(folder)
    told: dict[str, list[Told]] = {}
    for name, chosen in plans(folder).items():
        for count in (1, 2):
            key = f"{name}{count}"
            told[key] = launched(key, count, trained(folder, key, chosen), folder)
    for name, attempts in {
        "whole": [lambda: recipe(*RUN)],
        "resumed": [killed(2), lambda: recipe(*RUN)],
        "refused": [failing(2, refuse)],
        "lost": [failing(2, die)],
        "idle": [lambda: recipe(*RUN, "--set", "train.batch=1")],
    }.items():
        own = folder / name
        own.mkdir()
        for one in ("flux", "critic", "second"):
            (own / one).symlink_to(folder / one)
        shutil.copy(folder / "tiny.yaml", own)
        for number, work in enumerate(attempts):
            key = f"{name}.{number}"
            told[key] = launched(key, 2, work, own)
    print(json.dumps({name: [asdict(one) for one in each] for name, each in told.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
