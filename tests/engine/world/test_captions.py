"""Captions: what is said is what is understood, and some combinations are kept for tests."""

from __future__ import annotations

import itertools
import random
import re

import pytest
from control_recipes.engine.world import captions, phrases
from control_recipes.engine.world.scenes import INDOOR, OUTDOOR, SCALES, WORDS

COUNT = 20_000


def draw(rng: random.Random) -> dict[str, str]:
    """Words of random factors that can be true together."""
    share = rng.choice((0.15, 0.4, 0.7, 1.0))
    words = {name: rng.choice(list(words)) for name, words in captions.PHRASES.items() if rng.random() < share}
    while set(words) - captions.relevant(words):
        words = {name: word for name, word in words.items() if name in captions.relevant(words)}
    return words


@pytest.fixture(scope="module")
def said() -> list[tuple[str, dict[str, str]]]:
    """Captions of random factors and what they were to name."""
    rng = random.Random(0)
    return [(captions.caption(wanted, rng), wanted) for wanted in (draw(rng) for _ in range(COUNT))]


def test_what_a_caption_names_is_what_is_understood(said: list[tuple[str, dict[str, str]]]):
    assert [text for text, wanted in said if captions.named(text) != wanted] == []
    assert {name for _, wanted in said for name in wanted} == set(captions.PHRASES)
    pairs = {(name, word) for _, wanted in said for name, word in wanted.items()}
    assert pairs == {(name, word) for name, words in captions.PHRASES.items() for word in words}


@pytest.mark.parametrize(
    ("said", "instead"),
    [("red", "blue"), ("behind", "in front of"), ("ball", "tree"), ("off", "on"), ("thick", "thin")],
)
def test_other_words_are_understood_otherwise(said: str, instead: str):
    text = "a red ball behind a white box in the kitchen with the lamp off drawn with thick black lines"
    named = captions.named(text)
    assert len(named) == 9
    assert len(named.items() ^ captions.named(text.replace(said, instead)).items()) == 2


def test_captions_are_short(said: list[tuple[str, dict[str, str]]]):
    lengths = [len(text.split()) for text, _ in said]
    assert max(lengths) == captions.LONGEST == 38
    assert max(len(wanted) for _, wanted in said) == len(captions.PHRASES)


def test_captions_have_the_words_of_the_vocabulary(said: list[tuple[str, dict[str, str]]]):
    words = {word for text, _ in said for word in text.split()}
    assert sorted(words) == phrases.vocabulary()
    assert len(words) >= 200
    assert all(re.fullmatch("[a-z]+", word) for word in words)


def test_captions_differ(said: list[tuple[str, dict[str, str]]]):
    rng = random.Random(2)
    wanted = {"thing": "ball", "color": "red", "other": "box", "depth": "farther", "place": "kitchen", "time": "night"}
    texts = {captions.caption(wanted, rng) for _ in range(1000)}
    assert len(texts) > 800
    first = {text.split()[0] for text in texts}
    assert {"a", "in", "at", "behind", "show", "there"} & first == {"a", "in", "at", "show", "there"}
    assert any(re.search("^(at night )?in front of a .* (ball|sphere|globe)", text) for text in texts)


def test_articles_fit(said: list[tuple[str, dict[str, str]]]):
    assert [text for text, _ in said if re.search(r"\ba (an? |the |[aeiou])|\ban [^aeiou]|  |^ | $", text)] == []


def test_a_phrase_belongs_to_one_word():
    own = {name: words for name, words in captions.PHRASES.items() if name not in ("other", "other_color")}
    found = [phrase for words in own.values() for phrases in words.values() for phrase in phrases]
    assert len(found) == len(set(found))
    assert captions.PHRASES["other_color"] == captions.PHRASES["color"]
    assert captions.PHRASES["other"].items() - captions.PHRASES["thing"].items() == {("none", phrases.ALONE)}


def test_phrases_have_the_words_of_scenes():
    for name, words in captions.PHRASES.items():
        known = WORDS[name] if name in WORDS else SCALES[name].words
        assert set(words) <= set(known), name
        assert name in SCALES or set(words) == set(known), name
        assert all(words.values()), name
    assert {*WORDS, *SCALES} - captions.PHRASES.keys() == {"arrangement", "other_position", "split_x", "split_y"}


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("", {}),
        ("a cat", {}),
        ("a red cat", {"color": "red"}),
        ("footballs in the grasslands", {}),
        ("A RED  ball, in the grass", {"color": "red", "thing": "ball", "place": "grass"}),
        ("a big crate at sea under the moon", {"size": "large", "thing": "box", "place": "water", "time": "night"}),
        ("a red ball and a small blue box in the kitchen",
         {"color": "red", "thing": "ball", "other": "box", "other_color": "blue", "place": "kitchen"}),
        ("a green vase behind a red ball",
         {"color": "green", "thing": "vase", "other": "ball", "other_color": "red", "depth": "nearer"}),
        ("a green vase in front of a red ball",
         {"color": "green", "thing": "vase", "other": "ball", "other_color": "red", "depth": "farther"}),
        ("behind a red ball there is a green vase",
         {"color": "green", "thing": "vase", "other": "ball", "other_color": "red", "depth": "nearer"}),
        ("a green vase, with a ball behind", {"color": "green", "thing": "vase", "other": "ball", "depth": "farther"}),
        ("a ball in front and a box", {"thing": "ball", "other": "box", "depth": "farther"}),
        ("a ball behind something", {"thing": "ball"}),
        ("a ball that is red and a red cat", {"thing": "ball", "color": "red"}),
        ("a red cat and a blue ball", {"color": "red", "other": "ball", "other_color": "blue"}),
        ("a robot vacuum's view of the office", {"camera": "low", "place": "office"}),
        ("a robot-vacuum view", {"camera": "low"}),
        ("a lamp that is off in the bedroom", {"lamp": "off", "place": "bedroom"}),
        ("a lamp on the left", {"position": "left"}),
        ("a ball next to a bed", {"thing": "ball", "place": "bedroom"}),
        ("people are in bed, at their desk or on sofas", {}),
        ("a tree in winter", {"thing": "tree", "season": "winter"}),
        ("a winter night", {"season": "winter", "time": "night"}),
        ("a ball in red lines", {"thing": "ball", "ink": "red"}),
        ("a ball, outlined in thick red", {"thing": "ball", "outline": "thick", "ink": "red"}),
        ("a white house with black outlines", {"thing": "house", "color": "white", "ink": "black"}),
        ("a painting of red, blue and yellow areas", {"place": "painting"}),
        ("a painting in warm colours", {"place": "painting", "grade": "warm"}),
    ],
)  # fmt: skip
def test_other_peoples_words(prompt: str, words: dict[str, str]):
    assert captions.named(prompt) == words


def test_what_is_understood_is_the_callers_own():
    captions.named("a red ball").clear()
    assert captions.named("a red ball") == {"color": "red", "thing": "ball"}


def test_only_what_can_be_seen_is_said():
    assert captions.relevant({"place": "painting", "other": "box"}) == {"place", "outline", "ink", "grade"}
    room, meadow = captions.relevant({"place": "office", "other": "box"}), captions.relevant({"place": "grass"})
    assert room == set(captions.PHRASES)
    assert room - meadow == {"lamp", "camera", "other_color", "depth"}
    assert captions.relevant({}) == captions.relevant({"place": "sand", "other": "none"}) == meadow
    assert {"lamp", "camera"} <= set.intersection(*(set(captions.relevant({"place": place})) for place in INDOOR))
    assert not {"lamp", "camera"} & set.union(*(set(captions.relevant({"place": place})) for place in OUTDOOR))


@pytest.mark.parametrize(
    "words",
    [
        {"lamp": "on"},
        {"camera": "low", "place": "snow"},
        {"season": "winter", "place": "painting"},
        {"other_color": "red"},
        {"depth": "nearer", "other": "none"},
    ],
)
def test_what_cannot_be_seen_is_refused(words: dict[str, str]):
    with pytest.raises(ValueError, match="no caption names"):
        captions.caption(words, random.Random(0))


def test_one_combination_in_some_is_held_out():
    names = ("thing", "color", "place")
    every = [dict(zip(names, words, strict=True)) for words in itertools.product(*(WORDS[name] for name in names))]
    kept = [each for each in every if captions.held_out(each)]
    assert len(kept) == pytest.approx(len(every) / captions.HELD_OUT, abs=1)
    for name in names:  # every word is in the training, and every word is in the tests
        assert {each[name] for each in every if not captions.held_out(each)} == set(WORDS[name])
        assert {each[name] for each in kept} == set(WORDS[name])
    assert all(captions.held_out(each | {"time": time}) for each in kept for time in WORDS["time"])
    assert not any(captions.held_out({name: each[name] for name in names[:2]}) for each in kept)
