"""Writes recipes/assets: the prompts that recipes are tested on, with what their questions need, and a reference.

A prompt that names thing, colour and place names a combination that the generator never saw, and no recipe that is
tested on it trains on that combination either. Its words are drawn from all that captions say. Everything hangs on the
vocabulary of the embedded world, on the recipes' training prompts, and on seeds: the same again is written.
"""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from control_recipes.engine import document, prompts
from control_recipes.engine.problems import Problems
from control_recipes.engine.schema_prompts import PromptSets
from control_recipes.engine.world import captions, facts
from control_recipes.engine.world.facts import Pair
from control_recipes.engine.world.phrases import JOINTS, LEADS, PENS, PHRASES, WIDTHS
from control_recipes.engine.world.scenes import ABSTRACT, COLORS, INDOOR, INKS, KINDS, PLACES, TIMES

RECIPES = Path(__file__).parent.parent / "recipes"
COUNT = 64  # prompts of each file; of facts as many as there are
SEED = 100  # what `train.seed` is where a recipe does not say
THING = ("thing", "color", "place")
PAINTING = ("grade", "ink", "outline")
LEARNT_IN = "living_room"  # robot_vacuum's one room
BALL, BLUE = "ball", "blue"  # what blue_ball is about

Row = dict[str, str]
Words = Mapping[str, str]  # of factors

# file: the recipes that are tested on it
TESTED = {
    "heldout_prompts": ("horizon_high", "horizon_low", "horizon_mid", "palette_cool", "palette_warm", "two_eyes"),
    "heldout_lines": ("thick_lines", "thin_lines"),
    "heldout_pairs": ("nearer",),
    "heldout_rooms": ("robot_vacuum",),
    "heldout_balls": ("blue_ball",),
    "heldout_paintings": ("mondrian",),
}

# a fact's word, as critics are asked about it
ASKED = {
    "season": "Is it {} in the image?",
    "time": "Is the scene {}?",
    "lamp": "Is the lamp {}?",
    "camera": "Is the image seen {}?",
    "grade": "Are the colors of the image {}?",
}
PHRASED = {"time": facts.EXPLICIT["time"], "camera": {"low": "from the floor", "high": "from eye level"}}

# mondrian's reference: a wide and tall red area at the top left
REFERENCE: dict[str, str | float] = {
    "place": ABSTRACT[0], "arrangement": "red_blue_yellow", "split_x": 0.67, "split_y": 0.67,
    "grade": 0.0, "ink": "black", "outline": 1.9,
}  # fmt: skip


def trained(recipe: str) -> list[str]:
    """The prompts that a recipe trains on, those among them that it holds back to look at."""
    read = document.parse((RECIPES / f"{recipe}.yaml").read_text("utf-8"), recipe)
    source = cast(dict[str, Any], read.data)["prompts"]["train"]
    sets = PromptSets.model_validate({"train": source})
    found = prompts.rows(sets, {}, SEED, lambda _path, file: RECIPES / file, Problems(read), {})
    return [row.prompt for row in (*found.train, *found.validation)]


def combination(prompt: str, factors: Sequence[str]) -> tuple[str, ...]:
    """What a prompt says of some factors; empty where it leaves one open."""
    named = captions.named(prompt)
    return tuple(named.get(factor, "") for factor in factors)


def seen(file: str, factors: Sequence[str]) -> set[tuple[str, ...]]:
    """The combinations that recipes train on which are tested on a file."""
    return {combination(prompt, factors) for recipe in TESTED[file] for prompt in trained(recipe)}


def never_shown(file: str, things: Sequence[str] = tuple(KINDS)) -> list[tuple[str, str, str]]:
    """Thing, colour and place, together unknown to the generator and to the recipes that are tested on a file."""
    places = [place for place in PLACES if place not in ABSTRACT]
    every = itertools.product(things, COLORS, places)
    known = seen(file, THING)
    return [each for each in every if captions.held_out(dict(zip(THING, each, strict=True))) and each not in known]


def said(factor: str, word: str, rng: random.Random) -> str:
    """A word as captions say it, plainly in a third of the cases; nothing for nothing."""
    if not word:
        return ""
    phrases = PHRASES[factor][word]
    return phrases[0] if rng.random() < 0.33 else rng.choice(phrases)


def article(text: str) -> str:
    """The text with `a` or `an` before it."""
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"


def sentence(head: str, tails: Sequence[str], rng: random.Random) -> str:
    """A prompt of a head, and of tails in any order, of which one may stand first."""
    ends = [tail for tail in tails if tail]
    rng.shuffle(ends)
    first = ends.pop() if len(ends) > 1 and rng.random() < 0.3 else ""
    lead = "" if first else rng.choice(LEADS)
    return " ".join(f"{first} {lead}{head} {' '.join(ends)}".split())


def rows(file: str, meant: Sequence[Words], make: Callable[[Words, random.Random], Row]) -> list[Row]:
    """`COUNT` different prompts about words in turn, each of which is read as it is meant."""
    rng = random.Random(file)
    order = list(meant)
    rng.shuffle(order)
    found: dict[str, Row] = {}
    for words in itertools.cycle(order):
        made = next(_right(words, make, rng))
        found.setdefault(made["prompt"], made)
        if len(found) == COUNT:
            return list(found.values())
    raise ValueError(f"{file}: there is nothing to say")


def _right(words: Words, make: Callable[[Words, random.Random], Row], rng: random.Random) -> Iterator[Row]:
    """Rows whose prompts name these words and no others."""
    wanted = {factor: word for factor, word in words.items() if word}
    while True:
        made = make(words, rng)
        if captions.named(made["prompt"]) == wanted:
            yield made


def _thing(words: Words, rng: random.Random, color: str = "color", thing: str = "thing") -> tuple[str, str]:
    """A colour with its article, or nothing, and a noun."""
    noun, shade = said(thing, words[thing], rng), said(color, words[color], rng)
    return (article(shade) if shade else ""), noun


def standing(words: Words, rng: random.Random) -> Row:
    """One thing somewhere, at some time."""
    color, thing = _thing(words, rng)
    place, when = said("place", words["place"], rng), said("time", words["time"], rng)
    prompt = sentence(f"{color} {thing}" if color else article(thing), (place, when), rng)
    return {"prompt": prompt, "color": color, "thing": thing, "place": place, "when": when}


def drawn(words: Words, rng: random.Random) -> Row:
    """One thing somewhere, drawn with some ink."""
    color, thing = _thing(words, rng)
    place, ink = said("place", words["place"], rng), words["ink"]
    pen = rng.choice(PENS).format(ink) if ink else ""
    prompt = f"{sentence(f'{color} {thing}', (place,), rng)} {pen}".strip()
    return {"prompt": prompt, "color": color, "thing": thing, "place": place, "ink": ink}


def two(words: Words, rng: random.Random) -> Row:
    """Two things, the first on a side."""
    color, thing = _thing(words, rng)
    shade, other = _thing(words, rng, "other_color", "other")
    side, place = said("position", words["position"], rng), said("place", words["place"], rng)
    head = f"{color} {thing} {side} {rng.choice(JOINTS)} {shade} {other}"
    row = {"color": color, "thing": thing, "side": side, "shade": shade, "other": other, "place": place}
    return {"prompt": sentence(head, (place,), rng), **row}


def painted(words: Words, rng: random.Random) -> Row:
    """An abstract painting."""
    what, tone = said("place", words["place"], rng), said("grade", words["grade"], rng)
    ink, width = words["ink"], words["outline"]
    lines = f"{rng.choice(WIDTHS[width]) if width else ''} {ink}".strip()
    pen = rng.choice(PENS).format(lines) if lines else ""
    return {"prompt": sentence(what, (tone, pen), rng), "what": what, "tone": tone, "ink": ink, "width": width}


def _with(combinations: Sequence[tuple[str, str, str]], factor: str, words: Sequence[str]) -> list[Words]:
    """Combinations of thing, colour and place, with the words of one more factor in turn."""
    turn = itertools.cycle(words)
    return [{**dict(zip(THING, each, strict=True)), factor: next(turn)} for each in combinations]


def things(file: str = "heldout_prompts") -> list[Row]:
    """Things outdoors and in rooms, three in four at some time."""
    return rows(file, _with(never_shown(file), "time", ["", *TIMES]), standing)


def lines(file: str = "heldout_lines") -> list[Row]:
    """Things whose ink is named in three of four; not in red, as the line is that critics see."""
    return rows(file, _with(never_shown(file), "ink", ["", *(ink for ink in INKS if ink != "red")]), drawn)


def pairs(file: str = "heldout_pairs") -> list[Row]:
    """Two things of different kinds and colours, the first on the left or on the right."""
    rng = random.Random(f"{file} others")
    meant: list[Words] = []
    for words in _with(never_shown(file), "position", ["left", "right"]):
        other = rng.choice([kind for kind in KINDS if kind != words["thing"]])
        shade = rng.choice([color for color in COLORS if color != words["color"]])
        meant.append({**words, "other": other, "other_color": shade})
    return rows(file, meant, two)


def rooms(file: str = "heldout_rooms") -> list[Row]:
    """Things in all rooms but one."""
    combinations = [each for each in never_shown(file) if each[2] in INDOOR and each[2] != LEARNT_IN]
    return rows(file, _with(combinations, "time", ["", *TIMES]), standing)


def balls(file: str = "heldout_balls") -> list[Row]:
    """Balls, half of them of a named colour, which is not blue, and half of none, where none is trained on."""
    combinations, known = never_shown(file, (BALL,)), seen(file, THING)
    colored = _with([each for each in combinations if each[1] != BLUE], "time", ["", *TIMES])
    anywhere = [(BALL, "", place) for _, _, place in combinations if (BALL, "", place) not in known]
    open_ones = _with(anywhere, "time", [*TIMES, ""])
    return rows(file, [*colored, *open_ones], standing)


def paintings(file: str = "heldout_paintings") -> list[Row]:
    """Abstract paintings, of tones, inks and widths that are not trained on together."""
    known = seen(file, PAINTING)
    every = itertools.product(("", *PHRASES["grade"]), ("", *INKS), ("", "thin", "thick"))
    meant = [dict(zip(PAINTING, each, strict=True)) for each in every if each not in known and any(each)]
    return rows(file, [{"place": ABSTRACT[0], **words} for words in meant], painted)


def told(chosen: Sequence[Pair]) -> list[Row]:
    """Pairs of prompts that imply a word each, one after the other."""
    return [row for pair in chosen for row in _pair(pair)]


def _pair(pair: Pair) -> list[Row]:
    found: list[Row] = []
    for side in pair.sides:
        phrased = PHRASED.get(pair.factor, {}).get(side.word, side.word)
        implied = {factor: side.word if factor == pair.factor else "" for factor in ASKED}
        shown = {"thing": _noun(side.prompt), "place": _place(side.prompt)}
        asked = {"ask": ASKED[pair.factor].format(phrased), "pair": _name(pair)}
        found.append({"prompt": side.prompt, **shown, **asked, **implied})
    return found


def _name(pair: Pair) -> str:
    """What a pair is called: its fact, and which of the two pairs of the fact it is."""
    again = facts.PAIRS.index(pair) % 2
    return f"{pair.name} reworded" if again else pair.name


def _noun(prompt: str) -> str:
    """The thing that a fact's prompt opens with, and its article; empty where it is none that stands in scenes."""
    nouns = "|".join(noun for kind in KINDS.values() for noun in kind.nouns)
    found = re.match(rf"an? ({nouns})\b", prompt)
    return found[0] if found else ""


def _place(prompt: str) -> str:
    """Where a fact's prompt is set, as captions say it."""
    word = captions.named(prompt)["place"]
    there = [phrase for phrase in PHRASES["place"][word] if f" {phrase} " in f" {prompt} "]
    return there[0] if there else PHRASES["place"][word][0]


def files() -> dict[str, list[Row]]:
    """All rows, by the file they go to."""
    return {
        "heldout_prompts": things(),
        "heldout_lines": lines(),
        "heldout_pairs": pairs(),
        "heldout_rooms": rooms(),
        "heldout_balls": balls(),
        "heldout_paintings": paintings(),
        "heldout_facts": told(facts.pairs("held_out_wording", "held_out_fact")),
        "facts": told(facts.pairs("train")),
    }


def written(table: Sequence[Row]) -> str:
    """Rows as a file has them."""
    return "".join(f"{json.dumps(row)}\n" for row in table)


def reference() -> Any:
    """mondrian's reference, [64, 64, 3] in [0, 1]."""
    import torch
    from control_recipes.engine.world import painter
    from control_recipes.engine.world.scenes import WORDS

    scene = painter.draw(1, torch.Generator().manual_seed(SEED))
    for factor, value in REFERENCE.items():
        number = WORDS[factor].index(value) if isinstance(value, str) else value
        getattr(scene, factor)[:] = number
    return painter.paint(scene)[0].permute(1, 2, 0).numpy()


def write() -> None:
    """Write them all."""
    from control_recipes.engine import visuals

    for name, table in files().items():
        (RECIPES / "assets" / f"{name}.jsonl").write_text(written(table), encoding="utf-8")
    visuals.save(reference(), RECIPES / "assets" / "mondrian.png")


if __name__ == "__main__":
    write()
