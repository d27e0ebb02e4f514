"""What the generator's text encoder reads besides captions."""

from __future__ import annotations

import random

import torch
from control_recipes.engine.world import captions, facts, schooling
from control_recipes.engine.world.knowledge import FACTS


def test_every_side_of_every_fact_is_read_and_its_word_has_an_answer():
    read = schooling.readings(6000, random.Random(1))
    implied = {(factor, word) for text, factor, word in read if factor not in captions.named(text)}
    assert implied == {(fact.factor, side.word) for fact in FACTS for side in fact.sides}
    assert all(word in schooling.words(factor) for _, factor, word in read)


def test_what_is_read_says_or_implies_its_word():
    for text, factor, word in schooling.readings(500, random.Random(2)):
        assert captions.named(text).get(factor) == word or facts.implied(text)[factor] == word


def test_a_mention_implies_something_and_names_nothing_more():
    rng = random.Random(3)
    text = "a red ball in the grass"
    mentioned = {schooling.mention(text, rng) for _ in range(200)}
    assert len(mentioned) > 50
    assert all(captions.named(each) == captions.named(text) and facts.implied(each) for each in mentioned)
    long = " ".join(["a"] * captions.LONGEST)
    assert schooling.mention(long, rng) == long


def test_heads_learn_what_a_sequence_tells():
    heads = schooling.heads(len(schooling.FACTORS) * 8, seed=4)
    read = schooling.readings(64, random.Random(5))
    told = torch.zeros(64, 3, len(schooling.FACTORS) * 8)
    for row, (_, factor, word) in enumerate(read):
        told[row, :, 8 * schooling.FACTORS.index(factor) + schooling.words(factor).index(word)] = 5.0
    optimizer = torch.optim.Adam(heads.parameters(), lr=0.05)
    losses = []
    for _ in range(60):
        losses.append(heads(told, read))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[0] > 0.5
    assert losses[-1] < 0.1
    assert torch.equal(schooling.heads(16, seed=6).of["lamp"].weight, schooling.heads(16, seed=6).of["lamp"].weight)
