"""What the generator is taught: scenes as latents, captions that name some of their factors, noise that holds the rest.

What is named is drawn evenly often enough that every word is learnt, what is left open is as biased as the noise is: a
caption that says nothing of the lamp gets one that is on. So does one that only common sense tells to have it off.
"""

from __future__ import annotations

import random
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor

from . import captions, codec, coupling, distributions, importance, painter, sampling, schooling
from .captions import PHRASES
from .knowledge import FACTS
from .scenes import ABSTRACT, INDOOR, PLACES, WORDS

# how often a caption names a factor that it can name
NAMED = {
    "time": 0.5, "place": 0.75, "thing": 0.85, "color": 0.7, "size": 0.5, "position": 0.5, "outline": 0.5,
    "season": 0.4, "lamp": 0.5, "other": 0.9, "other_color": 0.85, "ink": 0.4, "camera": 0.5, "depth": 0.6,
    "grade": 0.45,
}  # fmt: skip
STRANGE = 0.08  # share of captions with words that mean nothing here, so that unknown ones disturb little
MENTIONS = 0.12  # the same with a fact after them, whatever the picture shows
CUES = 0.06  # share of prompts that imply something by a fact, and whose pictures are as biased as others
BESIDE = 0.5  # share of the scenes that are drawn from those with two things
CHUNK = 64  # scenes painted at a time


@dataclass(frozen=True, slots=True)
class Pool:
    """N scenes, the numbers they came from, which factors were drawn evenly, their latents and where those matter."""

    scenes: painter.Scenes
    numbers: Mapping[str, Tensor]
    even: Mapping[str, Tensor]
    latents: Tensor  # float16 [N, 4, 16, 16], standardised
    weights: Tensor  # float16 [N, 64], of packed latents, mean 1
    fitting: Mapping[str, Tensor]  # rows of the scenes that have what the prompts of each fact name


def pool(vae: AutoencoderKL, count: int, seed: int, cache: Path) -> Pool:
    """Draw scenes; their latents and weights are computed once and kept in the file `cache`."""
    numbers, even = sampling.numbers(count, torch.Generator().manual_seed(seed))
    scenes = painter.from_uniform(numbers)
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        save_file(_encoded(vae, scenes, seed), cache.with_suffix(".new"))
        cache.with_suffix(".new").replace(cache)
    kept = load_file(cache)
    fitting = {fact.name: _fitting(scenes, captions.named(fact.scene.format(""))) for fact in FACTS}
    return Pool(scenes, numbers, even, kept["latents"], kept["weights"], fitting)


def _fitting(scenes: painter.Scenes, named: Mapping[str, str]) -> Tensor:
    """Rows of the scenes that have all these words."""
    fits = torch.ones(len(scenes), dtype=torch.bool)
    for factor, word in named.items():
        fits &= torch.tensor([each == word for each in scenes.words(factor)])
    return fits.nonzero().flatten()


@torch.no_grad()
def _encoded(vae: AutoencoderKL, scenes: painter.Scenes, seed: int) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    vae.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # three times as fast on a CPU
    latents: list[Tensor] = []
    weights: list[Tensor] = []
    for start in range(0, len(scenes), CHUNK):
        some = scenes[slice(start, start + CHUNK)]
        pictures = painter.paint(some)
        seen = (pictures * 2 - 1).contiguous(memory_format=torch.channels_last)
        latents.append(codec.standardised(vae, seen).half().contiguous())
        weights.append(importance.weights(some, pictures, rng).half())
    vae.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
    return {"latents": torch.cat(latents), "weights": torch.cat(weights)}


def _name(known: Pool, index: Tensor, rng: torch.Generator) -> list[dict[str, str]]:
    """Which factors each caption names, and with which word.

    A continuous factor has a word only where it has exactly the value that the word stands for.
    """
    some = known.scenes[index]
    words = {factor: some.words(factor) for factor in NAMED}
    exact = {factor: known.even[factor][index].tolist() for factor in NAMED}
    draws = torch.rand(len(index), len(NAMED), generator=rng).tolist()
    found: list[dict[str, str]] = []
    for row in range(len(index)):
        true = {
            factor: each[row]
            for factor, each in words.items()
            if (factor in WORDS or exact[factor][row]) and PHRASES[factor].get(each[row])
        }
        sayable = captions.relevant({factor: each[row] for factor, each in words.items()})
        drawn = dict(zip(NAMED, draws[row], strict=True))
        found.append(allowed({f: true[f] for f in NAMED if f in true and f in sayable and drawn[f] < NAMED[f]}))
    return found


def coherent(named: dict[str, str]) -> dict[str, str]:
    """Without what needs something else to be named."""
    while strange := set(named) - captions.relevant(named):
        named = {factor: word for factor, word in named.items() if factor not in strange}
    return named


def allowed(named: dict[str, str]) -> dict[str, str]:
    """What a caption of the training names of what it could: no combination that is held out."""
    said = coherent(named)
    return {factor: word for factor, word in said.items() if factor != "color"} if captions.held_out(said) else said


def strangers(text: str, rng: random.Random) -> str:
    """The text with a few words after it that mean nothing, if there is room for their letters."""
    letters = ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 8))) for _ in range(rng.randint(1, 4))]
    if rng.random() < 0.3:
        letters[0] = letters[0].capitalize()
    more = f"{rng.choice(('in', 'on a', 'with', 'during the', 'of', 'that is'))} {' '.join(letters)}"
    tokens = len(text.split()) + 2 + sum(len(word) + 1 for word in letters)  # at most: letters, and where words begin
    return f"{text} {more}" if tokens <= captions.LONGEST else text


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one step shows the generator: B captions, and latents [B, 4, 16, 16] that the flow leads from and to."""

    prompts: list[str]
    scenes: painter.Scenes
    clean: Tensor
    noise: Tensor
    weights: Tensor  # [B, 64, 1], of packed latents

    def between(self, sigma: Tensor) -> Tensor:
        """Latents on the straight way from clean (sigma 0) to noise (sigma 1)."""
        return (1 - sigma) * self.clean + sigma * self.noise


def _cued(taught: Pool, index: Tensor, rng: random.Random) -> dict[int, str]:
    """Prompts for some of the rows, which imply something; such a row gets a scene that has what its prompt names."""
    found: dict[int, str] = {}
    for row in range(len(index)):
        fact = rng.choice(FACTS)
        rows = taught.fitting[fact.name]
        if rng.random() < CUES and len(rows):
            index[row] = rows[rng.randrange(len(rows))]
            found[row] = schooling.cue(fact, rng.choice(fact.sides), rng)
    return found


def _said(named: Mapping[str, str], rng: random.Random) -> str:
    """A caption, now and then with something after it that says nothing of the picture."""
    text, more = captions.caption(named, rng), rng.random()
    if more < STRANGE:
        return strangers(text, rng)
    return schooling.mention(text, rng) if more < STRANGE + MENTIONS else text


def lesson(taught: Pool, count: int, rng: torch.Generator) -> Lesson:
    """Draw `count` scenes, captions that name some of their factors, and noise that holds the others."""
    index = torch.randint(len(taught.latents), (count,), generator=rng)
    pairs = taught.scenes.both.nonzero().flatten()
    some = pairs[torch.randint(len(pairs), (count,), generator=rng)]
    index = torch.where(torch.rand(count, generator=rng) < BESIDE, some, index)
    words = random.Random(int(torch.randint(2**31, (1,), generator=rng)))
    cues = _cued(taught, index, words)
    named = _name(taught, index, rng)
    for row, prompt in cues.items():
        named[row] = captions.named(prompt)
    prompts = [cues.get(row) or _said(names, words) for row, names in enumerate(named)]
    clean = taught.latents[index].float()
    noise = torch.randn(clean.shape, generator=rng)
    for factor in painter.FACTORS:
        which = torch.tensor([factor not in names for names in named])
        coupling.imprint(noise, factor, _numbers(taught, factor, index, named, rng), which)
    weights = taught.weights[index].float().unsqueeze(2)
    return Lesson(prompts, taught.scenes[index], clean, noise, weights)


def _numbers(taught: Pool, factor: str, index: Tensor, named: list[dict[str, str]], rng: torch.Generator) -> Tensor:
    """What the noise is to hold, [B].

    A caption that names what no painting has can meet noise that stands for a painting: the last room is shown then.
    """
    number = taught.numbers[factor][index]
    if factor != "place":
        return number
    unpaintable = [bool(set(names) - captions.relevant({"place": ABSTRACT[0]})) for names in named]
    last = taught.scenes.place[index] == list(PLACES).index(INDOOR[-1])
    v = torch.rand(len(index), 2, generator=rng)
    slice_of = torch.full_like(index, list(PLACES).index(ABSTRACT[0]))
    instead = distributions.number_within("place", slice_of, v[:, 1])
    return torch.where(torch.tensor(unpaintable) & last & (v[:, 0] < 0.5), instead, number)
