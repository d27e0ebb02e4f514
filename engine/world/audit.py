"""How good the world's parts are: accuracies per factor, for the cards beside the checkpoints and for the tests."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from torch import Tensor

from ...critics import Branch, Critic
from . import captions, codec, painter, pictures, reader, sampling
from .captions import PHRASES
from .facts import Pair
from .lessons import NAMED, coherent
from .scenes import SCALES, SIZE, WORDS
from .train_critic import lesson
from .truth import as_named
from .wordings import WORDINGS, Wordings

Accuracy = dict[str, tuple[float, int]]  # what -> (share right, of how many)
LEAST_SHOWN = 0.2  # of a horizon's row: where things hide more of it, it is nothing that can be read
ALWAYS = ("thing", "color", "place")  # what held-out captions name: that is what is held out


def share(right: Sequence[bool]) -> tuple[float, int]:
    """The share that is right, and of how many; 0 of none."""
    return sum(right) / max(1, len(right)), len(right)


def reading(scenes: painter.Scenes, shown: Tensor) -> Accuracy:
    """How often the reader agrees with the scenes that pictures [B, 3, 64, 64] were painted from."""
    return agreement(scenes, reader.read(shown))


@torch.no_grad()
def horizon_shown(scenes: painter.Scenes) -> Tensor:
    """How much of the horizon's row is hidden by nothing that stands there, [B] in [0, 1]."""
    row = (scenes.horizon * SIZE).long().clamp(0, SIZE - 1)
    return 1 - painter.covered(scenes).sum(1)[torch.arange(len(scenes)), row].mean(-1)


def agreement(scenes: painter.Scenes, seen: reader.Readings) -> Accuracy:
    """How often readings agree with scenes: horizons within 0.02, other factors in their words.

    Only what can be seen counts, and is not just between two words; a horizon needs `LEAST_SHOWN` of its row.
    """
    truths = pictures.truths(scenes)
    near = (seen.scenes.horizon - scenes.horizon).abs() <= 0.02
    shown = torch.tensor([bool(truth.rows) for truth in truths]) & (horizon_shown(scenes) >= LEAST_SHOWN)
    found: Accuracy = {"horizon within 0.02": share(near[shown].tolist())}
    for factor in (*WORDS, *SCALES):
        words = seen.words(factor)
        pairs = [(truth.word(factor), word) for truth, word in zip(truths, words, strict=True) if truth.word(factor)]
        found[factor] = share([true == word for true, word in pairs])
    return found


def rendered(count: int, seed: int) -> tuple[painter.Scenes, Tensor]:
    """Scenes in which the rare is half as common as the common, and their pictures."""
    scenes = sampling.draw(count, torch.Generator().manual_seed(seed))
    return scenes, painter.paint(scenes)


@torch.no_grad()
def reconstructed(vae: AutoencoderKL, shown: Tensor) -> Tensor:
    """Pictures [B, 3, 64, 64] in [0, 1] through the VAE and back."""
    return torch.cat([codec.reconstructed(vae, some) for some in shown.split(32)])


def decibels(shown: Tensor, seen: Tensor) -> float:
    """Peak signal to noise ratio of pictures in [0, 1], mean over them."""
    error = ((seen - shown) ** 2).mean((1, 2, 3))
    return (-10 * error.log10()).mean().item()


def sayings(rng: random.Random, how_often: Mapping[str, float]) -> dict[str, str]:
    """Random words for some factors, that one caption can name together."""
    drawn = {
        factor: rng.choice([word for word, phrases in PHRASES[factor].items() if phrases])
        for factor, often in how_often.items()
        if rng.random() < often
    }
    return coherent(drawn)


def held_out_captions(count: int, seed: int) -> list[tuple[str, dict[str, str]]]:
    """Captions of combinations that the generator never trained on, and what they name."""
    rng = random.Random(seed)
    found: list[tuple[str, dict[str, str]]] = []
    while len(found) < count:
        named = sayings(rng, dict.fromkeys(NAMED, 0.4) | dict.fromkeys(ALWAYS, 1.0))
        if captions.held_out(named):
            found.append((captions.caption(named, rng), named))
    return found


@torch.no_grad()
def generated(pipeline: FluxPipeline, prompts: Sequence[str], seeds: Sequence[int], steps: int, length: int) -> Tensor:
    """Pictures [B, 3, 64, 64] in [0, 1] by the stock pipeline, one a prompt and its seed; T5 pads to `length`."""
    parts: list[Tensor] = []
    for start in range(0, len(prompts), 32):
        some = slice(start, start + 32)
        out: Any = pipeline(
            list(prompts[some]), height=64, width=64, num_inference_steps=steps, guidance_scale=0.0,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds[some]],
            max_sequence_length=length, output_type="pt",
        )  # fmt: skip
        parts.append(out.images.float())
    return torch.cat(parts)


def obeyed(shown: Tensor, named: Sequence[Mapping[str, str]]) -> Accuracy:
    """How often pictures [B, 3, 64, 64] have what their captions name, by the reader."""
    return kept(reader.read(shown), named)


def kept(seen: reader.Readings, named: Sequence[Mapping[str, str]]) -> Accuracy:
    """How often readings have the words that captions name, two things in the order of the caption."""
    columns = {factor: seen.words(factor) for factor in (*WORDS, *SCALES)}
    rows = [{factor: words[row] for factor, words in columns.items()} for row in range(len(named))]
    ordered = [as_named(words, names) for words, names in zip(rows, named, strict=True)]
    return {
        factor: share(
            [
                words.get(factor, "") == names[factor]
                for words, names in zip(ordered, named, strict=True)
                if factor in names
            ]
        )
        for factor in NAMED
    }


def commonsense(
    pipeline: FluxPipeline, pairs: Sequence[Pair], seeds: Sequence[int], steps: int, length: int
) -> Accuracy:
    """How often both pictures of a pair are right, by the reader: from prompts that imply a word, that say it, or
    of single prompts. One pair of pictures for each seed, both from the same noise.
    """
    found: Accuracy = {}
    for way in ("implied", "said"):
        prompts = [side.prompt if way == "implied" else side.explicit for pair in pairs for side in pair.sides]
        right: list[list[bool]] = []
        for seed in seeds:
            seen = reader.read(
                generated(pipeline, prompts, [seed + row // 2 for row in range(len(prompts))], steps, length)
            )
            words = {factor: seen.words(factor) for factor in {pair.factor for pair in pairs}}
            right += [
                [words[pair.factor][2 * row + place] == side.word for place, side in enumerate(pair.sides)]
                for row, pair in enumerate(pairs)
            ]
        found[f"pairs whose words are {way}"] = share([all(both) for both in right])
        found[f"prompts whose word is {way}"] = share([each for both in right for each in both])
    return found


@dataclass(frozen=True, slots=True)
class Marks:
    """A critic's answers: what each was about, and whether it was right."""

    about: list[str]
    right: list[bool]

    def by_kind(self) -> Accuracy:
        """Accuracy for each kind of question, and over all."""
        kinds = sorted(set(self.about))
        found: Accuracy = {
            kind: share([right for about, right in zip(self.about, self.right, strict=True) if about == kind])
            for kind in kinds
        }
        return found | {"all": share(self.right)}


@torch.no_grad()
def examined(critic: Critic, shown: Tensor, scenes: painter.Scenes, seed: int, wordings: Wordings = WORDINGS) -> Marks:
    """Ask six questions about each picture; Yes/No by which is likelier, open answers by p >= 0.5 of the right one."""
    about: list[str] = []
    right: list[bool] = []
    rng = torch.Generator().manual_seed(seed)
    for start in range(0, len(shown), 64):
        index = slice(start, start + 64)
        taught = lesson(shown[index], scenes[index], 6, wordings, rng, aids=False)
        both = [[each for branch in row for each in _pair(branch)] for row in taught.branches]
        answers = critic.ask(taught.views, both)
        for row, logs in zip(taught.about, answers, strict=True):
            about += row
            for place in range(len(row)):
                yes, no = logs[2 * place].sum(), logs[2 * place + 1].sum()
                right.append(bool(yes.exp() >= 0.5) if row[place].startswith("open ") else bool(yes > no))
    return Marks(about, right)


def _pair(branch: Branch) -> tuple[Branch, Branch]:
    """A branch and its opposite (for an open answer: itself again)."""
    opposite = {"Yes": "No", "No": "Yes"}.get(branch.answer)
    if opposite is None:
        return branch, branch
    return Branch(branch.question, branch.answer), Branch(branch.question, opposite)
