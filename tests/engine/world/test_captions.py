"""Captions: what is said is what is understood, and some combinations are kept for tests."""

from __future__ import annotations

import itertools
import random
import re

import pytest
from control_recipes.engine.world import captions
from control_recipes.engine.world.scenes import WORDS


def draw(rng: random.Random) -> dict[str, str]:
    """A random choice of factors and of a word for each."""
    return {name: rng.choice(list(words)) for name, words in captions.PHRASES.items() if rng.random() < 0.5}


def test_what_a_caption_names_is_what_is_understood():
    rng = random.Random(0)
    for _ in range(5000):
        wanted = draw(rng)
        text = captions.caption(wanted, rng)
        assert captions.named(text) == wanted, text


def test_articles_fit():
    rng = random.Random(1)
    for _ in range(2000):
        text = captions.caption(draw(rng), rng)
        assert not re.search(r"\ba (an? |[aeiou])|\ban [^aeiou]|  |^ | $", text), text


def test_a_phrase_belongs_to_one_word():
    said = [phrase for words in captions.PHRASES.values() for phrases in words.values() for phrase in phrases]
    assert len(said) == len(set(said))


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("", {}),
        ("a cat", {}),
        ("footballs in the grasslands", {}),
        ("A RED  ball, in the grass", {"color": "red", "thing": "ball", "place": "grass"}),
        ("a big crate at sea under the moon", {"size": "large", "thing": "box", "place": "water", "time": "night"}),
    ],
)
def test_other_peoples_words(prompt: str, words: dict[str, str]):
    assert captions.named(prompt) == words


def test_what_is_understood_is_the_callers_own():
    captions.named("a red ball").clear()
    assert captions.named("a red ball") == {"color": "red", "thing": "ball"}


def test_one_combination_in_some_is_held_out():
    names = ("thing", "color", "place")
    every = [dict(zip(names, words, strict=True)) for words in itertools.product(*(WORDS[name] for name in names))]
    kept = [each for each in every if captions.held_out(each)]
    assert len(kept) == pytest.approx(len(every) / captions.HELD_OUT, abs=1)
    for name in names:  # no word is left out of the training altogether
        assert {each[name] for each in every if not captions.held_out(each)} == set(WORDS[name])
    assert all(captions.held_out(each | {"time": time}) for each in kept for time in WORDS["time"])
    assert not any(captions.held_out({name: each[name] for name in names[:2]}) for each in kept)
