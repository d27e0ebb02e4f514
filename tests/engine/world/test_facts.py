"""Facts: prompts imply without naming, what is held out stays out, and a pair is right when both sides are."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest
from control_recipes.engine.world import captions, facts
from control_recipes.engine.world.facts import FACTS, PAIRS, Pair, Side
from control_recipes.engine.world.knowledge import Fact
from control_recipes.engine.world.scenes import ABSTRACT, INDOOR

SPLITS = ("train", "held_out_wording", "held_out_fact")


def named_outright(pair: Pair) -> list[str]:
    """The prompts of a pair in which `named` reads the factor that they are to imply."""
    return [side.prompt for side in pair.sides if pair.factor in captions.named(side.prompt)]


def test_there_are_enough_pairs_of_every_sort():
    names = [fact.name for fact in FACTS]
    assert len(set(names)) == len(names) >= 48
    assert {fact.factor for fact in FACTS} == {"season", "time", "lamp", "camera", "grade"}
    assert sum(fact.held_out for fact in FACTS) == pytest.approx(len(FACTS) / 4, abs=1)
    counts = Counter((pair.factor, pair.split) for pair in PAIRS)
    assert all(counts[factor, split] >= 2 for factor in {fact.factor for fact in FACTS} for split in SPLITS)
    assert len(PAIRS) == 2 * len(FACTS)
    assert sum(len(facts.pairs(split)) for split in SPLITS) == len(PAIRS) == len(facts.pairs(*SPLITS))


def test_sides_are_opposite():
    for pair in PAIRS:
        one, two = pair.sides
        assert one.word != two.word
        assert {one.word, two.word} <= set(captions.PHRASES[pair.factor])


def test_no_fact_prompt_names_what_it_implies():
    assert [prompt for pair in PAIRS for prompt in named_outright(pair)] == []


def test_a_prompt_that_names_it_would_be_found():
    pair = PAIRS[0]
    told = replace(pair, sides=(Side("a tree in winter", "winter", ""), pair.sides[1]))
    assert named_outright(told) == ["a tree in winter"]


def test_what_implies_names_nothing_else():
    """The prompt names what its scene names, and the explicit prompt just the implied word besides."""
    for fact in FACTS:
        scene = captions.named(fact.scene.format(""))
        for side in fact.sides:
            for cue in (side.taught, side.reworded, side.told):
                assert captions.named(fact.scene.format(cue)) == scene, cue
    for fact, pair in zip([fact for fact in FACTS for _ in range(2)], PAIRS, strict=True):
        for side in pair.sides:
            assert captions.named(side.explicit) == {**captions.named(fact.scene.format("")), fact.factor: side.word}


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_no_wording_of_a_fact_names_anything(fact: Fact):
    for side in fact.sides:
        for cue in (side.taught, side.reworded, side.told):
            assert captions.named(cue) == {}
            assert captions.named(fact.scene.format(cue)) == captions.named(fact.scene.format(""))


def test_what_is_implied_can_be_seen():
    for pair in PAIRS:
        words = captions.named(pair.sides[0].explicit)
        assert words["place"] not in ABSTRACT
        assert pair.factor in captions.relevant(words)
        assert words["place"] in INDOOR or pair.factor not in ("lamp", "camera")


def test_prompts_are_short_and_of_plain_words():
    for pair in PAIRS:
        for side in pair.sides:
            for text in (side.prompt, side.explicit):
                assert len(text.split()) <= captions.LONGEST
                assert re.fullmatch("[A-Za-z ]+", text)
                assert set(text.split()) <= {*facts.vocabulary(), *captions.phrases.vocabulary()}


def test_held_out_prompts_are_in_no_training():
    prompts = [side.prompt for pair in PAIRS for side in pair.sides]
    assert len(set(prompts)) == len(prompts)
    taught = " | ".join(side.prompt for pair in facts.pairs("train") for side in pair.sides)
    for fact in FACTS:
        for side in fact.sides:
            assert (side.taught in taught) != fact.held_out
            assert side.reworded not in taught
            assert side.told not in taught
    words = set(taught.split())
    for fact in FACTS:  # nor is there a word by word copy of what implies it
        if fact.held_out:
            assert all(set(cue.split()) - words for side in fact.sides for cue in (side.taught, side.reworded))


def test_every_wording_is_its_own():
    cues = [cue for fact in FACTS for side in fact.sides for cue in (side.taught, side.reworded, side.told)]
    assert len(set(cues)) == len(cues)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_implied(fact: Fact):
    for side in fact.sides:
        for cue in (side.taught, side.reworded, side.told):
            assert facts.implied(fact.scene.format(cue)) == {fact.factor: side.word}
            assert facts.implied(f"{cue.upper()}, a ball") == {fact.factor: side.word}


def test_several_facts_imply_together():
    assert facts.implied("a house in January at midnight") == {"season": "winter", "time": "night"}
    assert facts.implied("a tree in winter") == facts.implied("") == {}


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_statements_tell_the_fact_in_more_words_than_prompts_have(fact: Fact):
    told = facts.statements(fact)
    assert len({statement.text for statement in told}) == len(told) == 2 * sum(each.true for each in told)
    for side in fact.sides:
        right = [each.text for each in told if each.true and facts.implied(each.text) == {fact.factor: side.word}]
        assert len(right) > 2
        assert len(right) == sum(each.true for each in told) / 2
        assert all(any(cue in text for text in right) for cue in (side.taught, side.reworded, side.told))


def test_statements_are_sentences():
    texts = [statement.text for fact in FACTS for statement in facts.statements(fact)]
    assert {"In January it is winter.", "A lamp without electricity is off.", "It is night at midnight."} <= set(texts)
    assert all(re.fullmatch(r"[A-Z][A-Za-z ]+\.", text) for text in texts)


def test_a_pair_is_right_when_both_sides_are():
    asked = facts.pairs("train")[:4]
    words = [tuple(side.word for side in pair.sides) for pair in asked]
    read = [words[0], (words[1][0], words[1][0]), (words[2][1], words[2][0]), (words[3][0], words[3][1])]
    assert facts.right(asked, read) == [True, False, False, True]
    with pytest.raises(ValueError, match="shorter"):
        facts.right(asked, read[:3])
