"""Two processes read what one reads, bit for bit, and one reads on where the other ends."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch
from control_recipes.engine.world import abreast, audit, painter, reader


@pytest.fixture
def helped(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[abreast.Helper]]:
    """As on a machine of two processors, whatever this one has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})
    abreast._helper.cache_clear()
    helpers = abreast._helper()
    yield helpers
    for helper in helpers:
        helper.end()
    abreast._helper.cache_clear()


def same(first: reader.Readings, second: reader.Readings) -> bool:
    pairs = [(getattr(first.scenes, name), getattr(second.scenes, name)) for name in painter.FACTORS]
    pairs += [(first.confidence[name], second.confidence[name]) for name in painter.FACTORS]
    return all(torch.equal(one, other) for one, other in [*pairs, (first.misfit, second.misfit)])


def test_two_read_what_one_reads(helped: list[abreast.Helper]):
    _, shown = audit.rendered(abreast.LEAST, seed=3)
    half, threads = len(shown) // 2, torch.get_num_threads()
    wanted = abreast._joined(reader.read(shown[:half]), reader.read(shown[half:]))
    assert same(abreast.read(shown), wanted)
    assert helped
    assert torch.get_num_threads() == threads


def test_what_the_second_leaves_the_first_reads(helped: list[abreast.Helper]):
    _, shown = audit.rendered(abreast.LEAST, seed=4)
    helped[0]._process.kill()
    assert same(abreast.read(shown), reader.read(shown))
    assert not helped
    assert same(abreast.read(shown), reader.read(shown))


def test_no_answer_outlives_the_question_it_was_for(helped: list[abreast.Helper], monkeypatch: pytest.MonkeyPatch):
    _, shown = audit.rendered(abreast.LEAST, seed=6)

    def stopped(pictures: torch.Tensor) -> reader.Readings:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reader, "read", stopped)
        with pytest.raises(KeyboardInterrupt):
            abreast.read(shown)
    assert not helped
    assert same(abreast.read(shown), reader.read(shown))


def test_few_pictures_start_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(abreast, "_helper", lambda: pytest.fail("started"))
    _, shown = audit.rendered(2, seed=5)
    assert len(abreast.read(shown).misfit) == 2
