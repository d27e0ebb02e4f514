"""Recipes of short control trainings, of every kind of control that the world has, with random aims and rates.

Each asks the critic what it is taught to answer, for prompts that leave the answer open, and holds what they name.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from .. import visuals
from . import captions, facts, grading, painter
from .claims import article
from .overlays import hexadecimal
from .phrases import PHRASES
from .scales import HORIZON, SCALES
from .scenes import ABSTRACT, COLORS, INDOOR, KINDS, OUTDOOR, PLACES, SIZE
from .wordings import SUFFIX, WORDINGS

RECIPE = """
recipe: 1
name: round
generator: {{model: "{generator}", steps: 1, size: {{width: 64, height: 64}}}}
critics: {{eyes: {{model: "{critic}"}}}}
{visuals}prompts: {{train: {prompts}}}
questions:
  goal: {{ask: "{ask}", suffix: "{suffix}", answer: "{answer}", against: "{against}"{see}{hold}}}
{kept}stay: {{weight: {stay}}}
adapter: {{rank: {rank}, alpha: {alpha}, targets: {targets}}}
train: {{steps: {steps}, batch: 8, lr: {lr}, warmup: 5, seed: {seed}, augment: {{blur: {blur}, noise: 0.03, shift: 2}}}}
evaluate: {{seeds: 1, every: 1000}}
"""
REFERENCE = "reference.png"


def _plain(factor: str, words: Sequence[str]) -> str:
    """How words are said plainest, as a list in YAML."""
    return f"[{', '.join(PHRASES[factor][word][0] for word in words)}]"


def _some(color: str) -> str:
    """What a template says for a colour with its article."""
    return f"{{{{ 'an' if {color} == 'orange' else 'a' }}}} {{{{ {color} }}}}"


def _things(
    places: Sequence[str], template: str = f"{_some('color')} {{{{ thing }}}} {{{{ place }}}}", more: str = ""
) -> str:
    """Prompts of things in places, in YAML."""
    lists = f"color: {_plain('color', list(COLORS))}, thing: {_plain('thing', list(KINDS))}{more}"
    return f'{{template: "{template}", for: {{{lists}, place: {_plain("place", places)}}}, sample: 40}}'


ANYWHERE = _things((*OUTDOOR, *INDOOR))
IN_ROOMS = _things(INDOOR)
TWO_THINGS = _things(
    (*OUTDOOR, *INDOOR), f"{_some('color')} {{{{ thing }}}} and {_some('shade')} {{{{ other }}}} {{{{ place }}}}",
    f", shade: {_plain('color', list(COLORS))}, other: {_plain('thing', list(KINDS))}",
)  # fmt: skip
PAINTINGS = (
    '{template: "{{ what }} {{ tone }} {{ pen }}", for: {'
    f"what: [{', '.join(PHRASES['place'][ABSTRACT[0]])}], "
    f"tone: ['', {', '.join(PHRASES['grade'][word][0] for word in PHRASES['grade'])}], "
    f"pen: ['', {', '.join(PHRASES['ink'][word][0] for word in PHRASES['ink'])}, "
    f"{', '.join(PHRASES['outline'][word][0] for word in PHRASES['outline'])}]}}, sample: 40}}"
)
# how a critic is asked for a word that a fact implies, where its plain question is not the plainest wording
IMPLIED = {
    "season": "Is it {} in the image?",
    "time": "Is it {}?",
    "lamp": "Is the lamp {}?",
    "grade": "Are the colors of the image {}?",
}


def _facts() -> str:
    """Prompts that imply something, each with its own question and what its picture has to keep, in YAML."""
    rows: list[str] = []
    for pair in facts.pairs("train"):
        named = captions.named(pair.sides[0].prompt)
        kept = (
            f"Is there {article(named['thing'])} in the image?"
            if "thing" in named
            else f"Is the scene {PHRASES['place'][named['place']][0]}?"
        )
        for side in pair.sides:
            ask = (
                WORDINGS["camera"][side.word][0] if pair.factor == "camera" else IMPLIED[pair.factor].format(side.word)
            )
            rows.append(f'{{prompt: "{side.prompt}", ask: "{ask}", keep: "{kept}"}}')
    return f"[{', '.join(rows)}]"


FACTS = _facts()


@dataclass(frozen=True, slots=True)
class Aim:
    """What one round is for: a question whose answer should be Yes or No, and a visual prompt in YAML, if any."""

    ask: str
    visual: str = ""
    answer: str = "Yes"


@dataclass(frozen=True, slots=True)
class Control:
    """A kind of control: how its aims are drawn, and of which prompts."""

    draw: Callable[[random.Random, Path], Aim]  # may write assets to the folder
    prompts: str


def _asked(kind: str, word: str, rng: random.Random, **gaps: str) -> str:
    """One of the wordings that critics are taught for a word."""
    return rng.choice(WORDINGS[kind][word]).format(**gaps)


def _line(rng: random.Random, _folder: Path) -> Aim:
    row = round(rng.uniform(HORIZON[0] + 0.02, HORIZON[1] - 0.02), 2)
    return Aim(_asked("line", "aligned", rng), f"{{line: {{y: {row}, thickness: 0.02, color: red}}}}")


def _swatches(rng: random.Random, _folder: Path) -> Aim:
    colors = ", ".join(f'"{hexadecimal(each)}"' for each in grading.swatches(rng.uniform(-1, 1)))
    return Aim(_asked("swatches", "match", rng), f"{{palette: [{colors}], at: bottom, height: 0.15}}")


def _weight(rng: random.Random, _folder: Path) -> Aim:
    pixels = rng.uniform(1.0, SCALES["outline"].high)
    ink = rng.choice(("red", "black"))
    visual = f"{{line: {{y: 0.93, thickness: {pixels / SIZE:.4f}, color: {ink}}}}}"
    return Aim(_asked("weight", "match", rng, ink=ink), visual)


def _nearer(rng: random.Random, _folder: Path) -> Aim:
    near, far = rng.sample("AB", 2)
    left, right = rng.uniform(0.25, 0.4), rng.uniform(0.55, 0.75)
    row = rng.uniform(0.6, 0.8)
    points = f"A: [{left:.2f}, {row:.2f}], B: [{right:.2f}, {row:.2f}]"
    return Aim(
        _asked("dots", "nearer", rng, noun=near, other=far), f"{{points: {{{points}}}, radius: 0.03, color: red}}"
    )


def _reference(rng: random.Random, folder: Path) -> Aim:
    scenes = painter.draw(1, torch.Generator().manual_seed(rng.randrange(2**31)))
    painting = replace(scenes, place=torch.tensor([list(PLACES).index(ABSTRACT[0])]))
    visuals.save(painter.paint(painting)[0].permute(1, 2, 0).numpy(), folder / REFERENCE)
    return Aim(_asked("reference", "match", rng), f"{{reference: {REFERENCE}}}")


def _camera(rng: random.Random, _folder: Path) -> Aim:
    return Aim(_asked("camera", "low", rng))


def _depth(rng: random.Random, _folder: Path) -> Aim:
    things = ["{{ color }} {{ thing }}", "{{ shade }} {{ other }}"]
    rng.shuffle(things)
    return Aim(_asked("depth", rng.choice(("nearer", "farther")), rng, noun=things[0], other=things[1]))


def _fact(_rng: random.Random, _folder: Path) -> Aim:
    return Aim("{{ ask }}")


def _color(rng: random.Random, _folder: Path) -> Aim:
    return Aim(f"Is the {{{{ thing }}}} {rng.choice(list(COLORS))}?")


def _horizon(rng: random.Random, _folder: Path) -> Aim:
    return Aim(_asked("horizon", rng.choice(("low", "low", "high")), rng))


def _lamp(rng: random.Random, _folder: Path) -> Aim:
    word = rng.choice(("on", "off", "off"))
    ask = rng.choice((f"Is the lamp {word}?", f"Is the lamp switched {word}?", *WORDINGS["lamp"][word]))
    return Aim(ask, answer=rng.choice(("Yes", "Yes", "No")))


CONTROLS: dict[str, Control] = {
    "line": Control(_line, ANYWHERE),
    "swatches": Control(_swatches, ANYWHERE),
    "weight": Control(_weight, ANYWHERE),
    "nearer": Control(_nearer, TWO_THINGS),
    "depth": Control(_depth, TWO_THINGS),
    "camera": Control(_camera, IN_ROOMS),
    "reference": Control(_reference, PAINTINGS),
    "color": Control(_color, ANYWHERE),
    "horizon": Control(_horizon, ANYWHERE),
    "lamp": Control(_lamp, IN_ROOMS),
    "fact": Control(_fact, FACTS),
}


def _kept(prompts: str, color: bool, weight: float) -> str:
    """Questions that hold what prompts name, in YAML."""
    if prompts == PAINTINGS:
        asks = {"painting": WORDINGS["painting"]["yes"][0]}
    elif prompts == FACTS:
        asks = {"kept": "{{ keep }}"}
    else:
        what = (
            f"{_some('color')} {{{{ thing }}}}" if color else "{{ 'an' if thing[0] in 'aeiou' else 'a' }} {{ thing }}"
        )
        thing = f"Is there {what} in the image?"
        asks = {"thing": thing, "place": "Is the {{ thing }} {{ place }}?"}
    if prompts == TWO_THINGS:
        asks["other"] = f"Is there {_some('shade')} {{{{ other }}}} in the image?"
    return "".join(
        f'  {name}: {{ask: "{ask}", suffix: "{SUFFIX}", answer: "Yes", against: "No", hold: 0.9, weight: {weight}}}\n'
        for name, ask in asks.items()
    )


def write(kind: str, generator: Path, critic: Path, count: int, rng: random.Random, folder: Path) -> Path:
    """Write the recipe of a training of `count` steps, and what it shows the critic, to a folder; the recipe's path."""
    control = CONTROLS[kind]
    aim, rank = control.draw(rng, folder), rng.choice((4, 16))
    text = RECIPE.format(
        generator=generator.absolute(), critic=critic.absolute(), prompts=control.prompts,
        visuals=f"visuals: {{aid: {aim.visual}}}\n" if aim.visual else "", see=", see: aid" if aim.visual else "",
        ask=aim.ask, suffix=SUFFIX, answer=aim.answer, against={"Yes": "No", "No": "Yes"}[aim.answer],
        kept=_kept(control.prompts, kind != "color", rng.choice((0.05, 0.5, 1.0))),
        hold=rng.choice(("", "", ", hold: 0.9")), stay=rng.choice((0.02, 0.1, 0.3)), blur=rng.choice((0, 0.5)),
        rank=rank, alpha=rank * rng.choice((1, 1, 3)), targets=rng.choice(("attention", "all")),
        lr=rng.choice((3e-4, 5e-4, 1e-3)), seed=rng.randrange(10**6), steps=count,
    )  # fmt: skip
    path = folder / "round.yaml"
    path.write_text(text, encoding="utf-8")
    return path
