"""Reading by two processes at once: the reader works on many small tensors, which more threads do not speed up.

The second process is started when it is first needed and lives as long as this one. It is told pictures and tells
readings as safetensors, each message after its length. Where it ends too soon, this process reads all pictures; an
interrupt at the terminal is not for it.
"""

from __future__ import annotations

import atexit
import os
import struct
import subprocess
import sys
from functools import cache
from typing import IO

import torch
from safetensors.torch import load, save
from torch import Tensor

from ..capacity import cores
from . import painter, reader

LEAST = 16  # pictures: fewer are read by this process alone
_LENGTH = struct.Struct("<Q")


class Helper:
    """A second process that reads pictures; `Broken` where it cannot be started, or has ended."""

    def __init__(self) -> None:
        paths = [path or os.getcwd() for path in sys.path]
        serving = f"from {__name__} import serve; serve(sys.stdin.buffer, sys.stdout.buffer)"
        run = f"import sys; sys.path[:] = {paths!r}; {serving}"
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", run], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise Broken from error
        atexit.register(self.end)

    def ask(self, pictures: Tensor) -> None:
        """Let it begin to read pictures [B, 3, 64, 64]; `answer` has to be called next."""
        assert self._process.stdin is not None
        try:
            _tell(self._process.stdin, {"pictures": pictures.contiguous()})
        except OSError as error:
            raise Broken from error

    def answer(self) -> reader.Readings:
        """What it read."""
        assert self._process.stdout is not None
        heard = _hear(self._process.stdout)
        if heard is None:
            raise Broken
        return _unpacked(heard)

    def end(self) -> None:
        """Let it end, now: it has nothing to lose."""
        atexit.unregister(self.end)
        self._process.kill()
        self._process.communicate()


class Broken(Exception):
    """The second process is not there, or no more."""


@cache
def _helper() -> list[Helper]:
    """The second process, where this one may run on two processors; emptied when it breaks."""
    try:
        return [Helper()] if cores() > 1 else []
    except Broken:
        return []


def read(pictures: Tensor) -> reader.Readings:
    """Read pictures [B, 3, 64, 64] as `reader.read` does, the second half of them by another process."""
    helpers = _helper() if len(pictures) >= LEAST else []
    if not helpers:
        return reader.read(pictures)
    pictures = pictures.detach().float().cpu()
    half = len(pictures) // 2
    try:
        helpers[0].ask(pictures[half:])
        own = reader.read(pictures[:half])
        return _joined(own, helpers[0].answer())
    except Broken:
        helpers.pop().end()
        return reader.read(pictures)
    except BaseException:
        helpers.pop().end()  # its answer, which nobody waited for, would be taken for the next one
        raise


def _joined(first: reader.Readings, second: reader.Readings) -> reader.Readings:
    sure = {name: torch.cat([first.confidence[name], second.confidence[name]]) for name in first.confidence}
    return reader.Readings(
        painter.concat([first.scenes, second.scenes]), sure, torch.cat([first.misfit, second.misfit])
    )


def _packed(readings: reader.Readings) -> dict[str, Tensor]:
    scenes = {f"scenes.{name}": getattr(readings.scenes, name) for name in painter.FACTORS}
    sure = {f"confidence.{name}": value for name, value in readings.confidence.items()}
    return {name: value.contiguous().clone() for name, value in (scenes | sure | {"misfit": readings.misfit}).items()}


def _unpacked(tensors: dict[str, Tensor]) -> reader.Readings:
    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    return reader.Readings(painter.Scenes(**part("scenes.")), part("confidence."), tensors["misfit"])


def _tell(pipe: IO[bytes], tensors: dict[str, Tensor]) -> None:
    message = save(tensors)
    pipe.write(_LENGTH.pack(len(message)) + message)
    pipe.flush()


def _hear(pipe: IO[bytes]) -> dict[str, Tensor] | None:
    """The next message; None where there is none any more."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    message = pipe.read(length)
    return load(message) if len(message) == length else None


def serve(asked: IO[bytes], answers: IO[bytes]) -> None:
    """What the second process does: read all pictures that it is told, until it is told no more."""
    while (message := _hear(asked)) is not None:
        _tell(answers, _packed(reader.read(message["pictures"])))
