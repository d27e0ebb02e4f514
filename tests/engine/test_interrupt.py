"""Ctrl-C is noted once, and believed the second time."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from control_recipes.engine import interrupt


def test_first_is_noted_second_is_raised_and_the_handler_comes_back():
    before = signal.getsignal(signal.SIGINT)
    with interrupt.deferred() as interrupted:
        assert not interrupted()
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_are_left_alone():
    said = []

    def work():
        with interrupt.deferred() as interrupted:
            said.append(interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert said == [False]
