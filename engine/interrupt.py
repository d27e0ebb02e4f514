"""Ctrl-C, and SIGTERM as schedulers send it: a step under way is finished first, so that whole steps are saved."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_AGAIN_SECONDS = 0.05


class Terminated(KeyboardInterrupt):
    """What SIGTERM raises: whatever stops for Ctrl-C stops for it too."""


def status(stop: KeyboardInterrupt) -> int:
    """The exit status of a process that stopped for it: 128 and the signal's number."""
    return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)


@contextmanager
def terminable() -> Generator[None]:
    """Inside, a first SIGTERM raises `Terminated`; where the process was started to ignore it, it still does.

    Further ones are let pass, so that what was begun can be put in order: `timeout` sends it twice, and whoever loses
    patience sends SIGKILL. One that comes where Python lets nothing be raised, in a `__del__`, is sent again. Outside
    the main thread, where Python delivers no signals, nothing changes.
    """
    before = sys.unraisablehook

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    def lost(unraisable: sys.UnraisableHookArgs) -> None:
        if not isinstance(unraisable.exc_value, Terminated):
            before(unraisable)
            return
        signal.signal(signal.SIGTERM, stop)
        again = threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGTERM))  # raised here, it is lost too
        again.daemon = True
        again.start()

    if not _delivered() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    sys.unraisablehook = lost
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.unraisablehook = before


@contextmanager
def deferred() -> Generator[Callable[[], KeyboardInterrupt | None]]:
    """Inside, a first interrupt is only noted; the function yielded gives what to raise for it. A second Ctrl-C raises.

    Outside the main thread, where Python delivers no signals, it says that there was none.
    """
    noted: KeyboardInterrupt | None = None

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal noted
        if noted is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        noted = noted or (KeyboardInterrupt() if number == signal.SIGINT else Terminated())

    if not _delivered():
        yield lambda: noted
        return
    ignored = signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    numbers = (signal.SIGINT,) if ignored else (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield lambda: noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _delivered() -> bool:
    return threading.current_thread() is threading.main_thread()
