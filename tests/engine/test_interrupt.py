"""Ctrl-C is noted once, and believed the second time; SIGTERM is noted, however often it comes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

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
    assert said == [None]


def test_sigterm_is_noted_and_let_pass_the_second_time():
    before = signal.getsignal(signal.SIGTERM)
    with interrupt.deferred() as interrupted:
        for _ in range(2):  # as `timeout` sends it
            os.kill(os.getpid(), signal.SIGTERM)
            assert isinstance(interrupted(), interrupt.Terminated)
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_is_raised_once_and_then_what_was_begun_is_put_in_order():
    with interrupt.terminable():
        with pytest.raises(interrupt.Terminated):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_sigterm_that_comes_in_a_del_stops_what_goes_on_behind_it():
    class Dying:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)
            sum(range(100))

    def work() -> None:
        Dying()
        time.sleep(10)

    before = sys.unraisablehook
    with pytest.raises(interrupt.Terminated), interrupt.terminable():
        work()
    assert sys.unraisablehook is before
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_what_else_is_lost_in_a_del_is_told_as_ever():
    class Dying:
        def __del__(self):
            raise ValueError("told")

    told, before = [], sys.unraisablehook
    sys.unraisablehook = lambda one: told.append(str(one.exc_value))
    try:
        with interrupt.terminable():
            Dying()
    finally:
        sys.unraisablehook = before
    assert told == ["told"]


@pytest.mark.parametrize("inside", [interrupt.terminable, interrupt.deferred])
def test_who_was_started_to_ignore_sigterm_does(inside: Callable[[], AbstractContextManager[object]]):
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with inside():
            os.kill(os.getpid(), signal.SIGTERM)
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
