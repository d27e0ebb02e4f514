"""Ctrl-C while a step is under way: it is finished first, so that what is saved is a whole number of steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred() -> Generator[Callable[[], bool]]:
    """Inside, a first interrupt is only noted; the function yielded says whether there was one. A second one is raised.

    Outside the main thread, where Python delivers no signals, it says that there was none.
    """
    noted = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal noted
        if noted:
            raise KeyboardInterrupt
        noted = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: noted
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: noted
    finally:
        signal.signal(signal.SIGINT, before)
