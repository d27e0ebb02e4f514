"""Claims about what everybody knows: in words alone, and of pictures that words fit only for who knows it. No torch.

A picture of snow on a bare tree fits "a red ball in January", and no other season's does. All facts are claimed here,
those held out of recipes' training prompts too: whoever judges pictures must know them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from . import captions, facts
from .claims import UNSAID, Claim, caption_of, spoilt
from .knowledge import FACTS, Fact, Side
from .phrases import PHRASES
from .scenes import ABSTRACT, WORDS
from .truth import Truth, may_hold, others

GAPS = {"season": "in_season", "time": "in_time", "lamp": "that", "camera": "seen", "grade": "toned"}
SCENE = ("place", "thing", "color", "other", "other_color", "depth")  # what a picture's own words tell of
OWN = 0.3  # how often a fact has its own scene, where the picture may show that
STRAY = 0.25  # of the pictures that do not fit: how many do not because of their scene


def texts(side: Side) -> tuple[str, ...]:
    """Three ways to say what implies a word."""
    return side.taught, side.reworded, side.told


def words(factor: str) -> tuple[str, ...]:
    """The words that a factor has, in facts and elsewhere."""
    return WORDS.get(factor) or tuple(PHRASES[factor])


def told(truth: Truth, rng: random.Random) -> Claim | None:
    """What a fact says in words, whatever the picture is; a wrong word is often that of the fact's other side."""
    fact = rng.choice(FACTS)
    side, twin = rng.sample(fact.sides, 2)
    right = rng.random() < 0.5
    wrong = twin.word if rng.random() < 0.6 else rng.choice(others(side.word, words(fact.factor)))
    word = side.word if right else wrong
    said = facts.SAID.get(fact.factor, {}).get(word, word)
    cue = rng.choice(texts(side))
    statement = rng.choice(facts.TOLD[fact.factor]).format(cue=cue, word=said)
    return Claim(fact.factor, right, {GAPS[fact.factor]: cue, "said": said, "statement": statement})


def asked(truth: Truth, rng: random.Random) -> tuple[str, Mapping[str, str]]:
    """The word that a fact implies, and what asks for it."""
    fact = rng.choice(FACTS)
    side = rng.choice(fact.sides)
    return side.word, {GAPS[fact.factor]: rng.choice(texts(side))}


def fits(truth: Truth, rng: random.Random) -> Claim | None:
    """Words that a picture fits, or does not because of what everybody knows (or, less often, of what they name)."""
    factors = [factor for factor in GAPS if truth.word(factor)]
    if not factors:
        return None
    factor = rng.choice(factors)
    true = truth.word(factor)
    sides = [(fact, side) for fact in FACTS if fact.factor == factor for side in fact.sides]
    fitting = [each for each in sides if each[1].word == true]
    if not fitting and rng.random() > UNSAID:
        return None
    right = bool(fitting) and rng.random() < 0.5
    stray = bool(fitting) and not right and rng.random() < STRAY
    fact, side = rng.choice(fitting if right or stray else [each for each in sides if each[1].word != true])
    text = _scene(fact, rng.choice(texts(side)), truth, stray, rng)
    return Claim("", right, {"word": text}) if text else None


def _scene(fact: Fact, text: str, truth: Truth, stray: bool, rng: random.Random) -> str:
    """A scene with the words of a fact in it, true of the picture apart from them unless it is to be a stray one."""
    own = captions.named(fact.scene.format(""))
    if not stray and rng.random() < OWN and may_hold(own, truth.words) and all(truth.word(name) for name in own):
        return fact.scene.format(text)
    lit = fact.factor == "lamp"  # a lamp stands where things do otherwise
    names = ("place",) if lit else SCENE
    named = {name: truth.word(name) for name in names if truth.word(name) in PHRASES[name] and rng.random() < 0.5}
    if stray:
        named = spoilt(named or {"place": truth.word("place")}, rng)
        if may_hold(named, truth.words) or (lit and named["place"] in ABSTRACT):
            return ""
    if lit:
        return f"a lamp {text} {rng.choice(PHRASES['place'][named['place']]) if named else ''}".strip()
    return f"{caption_of(named, rng) or 'a scene'} {text}"
