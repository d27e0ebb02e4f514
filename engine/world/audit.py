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
from . import captions, codec, painter, reader
from .questions import WORDINGS
from .scenes import SCALES, WORDS
from .train_critic import lesson
from .train_generator import NAMED

Accuracy = dict[str, tuple[float, int]]  # what -> (share right, of how many)


def exact(scenes: painter.Scenes, rng: torch.Generator) -> painter.Scenes:
    """The same scenes with scale factors at values that their words stand for."""
    values = {name: getattr(scenes, name) for name in painter.FACTORS}
    for name, scale in SCALES.items():
        choices = torch.tensor(list(scale.words.values()))
        values[name] = choices[torch.randint(len(choices), (len(scenes),), generator=rng)]
    return painter.Scenes(**values)


def reading(scenes: painter.Scenes, shown: Tensor) -> Accuracy:
    """How often the reader agrees with the scenes that pictures [B, 3, 64, 64] were painted from."""
    return agreement(scenes, reader.read(shown))


def agreement(scenes: painter.Scenes, seen: reader.Readings) -> Accuracy:
    """How often readings agree with scenes: horizons within 0.02, other factors in their words."""
    near = ((seen.horizon - scenes.horizon).abs() <= 0.02).float().mean().item()
    found: Accuracy = {"horizon within 0.02": (near, len(scenes))}
    for factor in (*WORDS, *SCALES):
        right = [a == b for a, b in zip(seen.words(factor), scenes.words(factor), strict=True)]
        found[factor] = (sum(right) / len(right), len(right))
    return found


def rendered(count: int, seed: int) -> tuple[painter.Scenes, Tensor]:
    """Scenes whose factors all have words, and their pictures."""
    rng = torch.Generator().manual_seed(seed)
    scenes = exact(painter.draw(count, rng), rng)
    return scenes, painter.paint(scenes)


@torch.no_grad()
def reconstructed(vae: AutoencoderKL, shown: Tensor) -> Tensor:
    """Pictures [B, 3, 64, 64] in [0, 1] through the VAE and back."""
    return torch.cat([codec.reconstructed(vae, some) for some in shown.split(32)])


def held_out_captions(count: int, seed: int) -> list[tuple[str, dict[str, str]]]:
    """Captions of combinations that the generator never trained on, and what they name."""
    rng = random.Random(seed)
    found: list[tuple[str, dict[str, str]]] = []
    while len(found) < count:
        named = {
            factor: rng.choice(list(captions.PHRASES[factor]))
            for factor in NAMED
            if factor in ("thing", "color", "place") or rng.random() < 0.4
        }
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
    """How often readings have the words that captions name."""
    found: Accuracy = {}
    for factor in NAMED:
        words = seen.words(factor)
        right = [words[row] == names[factor] for row, names in enumerate(named) if factor in names]
        found[factor] = (sum(right) / max(1, len(right)), len(right))
    return found


@dataclass(frozen=True, slots=True)
class Marks:
    """A critic's answers: what each was about, and whether it was right."""

    about: list[str]
    right: list[bool]

    def by_kind(self) -> Accuracy:
        """Accuracy for each kind of question, and over all."""
        kinds = sorted(set(self.about))
        found: Accuracy = {}
        for kind in kinds:
            some = [right for about, right in zip(self.about, self.right, strict=True) if about == kind]
            found[kind] = (sum(some) / len(some), len(some))
        found["all"] = (sum(self.right) / len(self.right), len(self.right))
        return found


@torch.no_grad()
def examined(
    critic: Critic, shown: Tensor, scenes: painter.Scenes, seed: int, wordings: Mapping[str, Sequence[str]] = WORDINGS
) -> Marks:
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
