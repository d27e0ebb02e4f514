"""The composite loss: what critics say of questions about pictures, as one number in nats.

    L = mean over pictures of [ Σ_T w_c w_q ℓ / Σ_T w_c w_q + Σ_H w_q (Σ_c w_c max(0, ℓ + log p*)) / Σ_c w_c ] + stay

T are the pairs (critic c, question q) asked of a picture's row that neither hold nor watch, H its holds, each with
its probability p*; weights w. It is a sum over pairs, so every critic's part can be taken to the pixels on its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional as F

from ..critics import Branch
from .plan import Ask, Plan, Row


@dataclass(frozen=True, slots=True)
class Heard:
    """What one critic says of one question about one picture: log-probabilities [T] of every answer's tokens."""

    picture: int  # its place in the batch
    critic: str
    question: str
    answers: tuple[Tensor, ...]  # accepted ones, at least one
    against: tuple[Tensor, ...]  # opposites; empty for plain likelihood


def branches(ask: Ask, wording: int = 0) -> list[Branch]:
    """What a critic is asked for one question: a wording with every accepted answer, then with every opposite."""
    text = ask.wordings[wording]
    accepted = [Branch(text, answer, closed=not ask.against) for answer in ask.answers]
    return accepted + [Branch(text, opposite) for opposite in ask.against]


def heard(picture: int, critic: str, ask: Ask, tokens: Sequence[Tensor]) -> Heard:
    """The log-probabilities of `branches(ask)`, put in their places.

    Without an opposite the end of the turn was asked for, and counts where the answer has more than one token.
    """
    accepted, against = tuple(tokens[: len(ask.answers)]), tuple(tokens[len(ask.answers) :])
    if not ask.against:
        accepted = tuple(answer[:1] if len(answer) == 2 else answer for answer in accepted)
    return Heard(picture, critic, ask.question, accepted, against)


def total(answers: Sequence[Tensor]) -> Tensor:
    """log P of several answers, P = Σ_a p(a), each p(a) the product over its tokens: nats, []."""
    sums = [answer.sum() for answer in answers]
    return sums[0] if len(sums) == 1 else torch.logsumexp(torch.stack(sums), 0)


def likelihood(answer: Heard) -> Tensor:
    """ℓ likelihood: −log P / n in nats, n the token count of the longest accepted answer. The reported p is exp(−ℓ)."""
    return -total(answer.answers) / max(len(tokens) for tokens in answer.answers)


def right(answer: Heard) -> bool:
    """Whether the answer beats its opposite; without one, whether p ≥ 0.5."""
    if answer.against:
        return bool(total(answer.answers) > total(answer.against))
    return math.exp(-float(likelihood(answer).detach())) >= 0.5


def contrast(answer: Heard) -> Tensor:
    """ℓ contrast: −log σ(log P(answers) − log P(against)) in nats: they compete, nothing else counts."""
    return F.softplus(total(answer.against) - total(answer.answers))


def term(answer: Heard, hold: float) -> Tensor:
    """ℓ of a question, contrast where it has an opposite; with a hold p* > 0 what ℓ exceeds −log p* by, otherwise 0."""
    nats = contrast(answer) if answer.against else likelihood(answer)
    return torch.relu(nats + math.log(hold)) if hold else nats


def weights(row: Row, plan: Plan, factors: Mapping[str, float] = MappingProxyType({})) -> dict[tuple[str, str], float]:
    """What multiplies each (critic, question)'s `term` for a picture of `row`; watched questions have none.

    `factors` multiply the weights of the questions they name, holds excepted.

    The normaliser belongs to the picture: a question that the row leaves out drops its weight too, a silent hold
    changes nothing else, and batch, accumulation and processes do not matter.
    """
    told = {question.name: question for question in plan.questions if not question.watch}
    asked = [told[ask.question] for ask in row.asks if ask.question in told]
    pairs = [(critic, question) for question in asked for critic in plan.critics if critic.name in question.critics]
    weight = {question.name: question.weight * factors.get(question.name, 1.0) for question in asked}
    goal = sum(critic.weight * weight[question.name] for critic, question in pairs if not question.hold)
    found: dict[tuple[str, str], float] = {}
    for critic, question in pairs:
        if question.hold:
            there = sum(other.weight for other in plan.critics if other.name in question.critics)
            found[critic.name, question.name] = question.weight * critic.weight / there
        else:
            found[critic.name, question.name] = critic.weight * weight[question.name] / goal
    return found


def loss(
    answers: Sequence[Heard], weighing: Sequence[Mapping[tuple[str, str], float]], holds: Mapping[str, float]
) -> Tensor:
    """Mean over B pictures of the weighted terms of `answers`; `weighing` has the `weights` of each picture's row.

    `answers` may be those of one critic alone: the losses of all of them sum to the whole. [] in nats.
    """
    parts = [
        weight * term(answer, holds[answer.question])
        for answer in answers
        if (weight := weighing[answer.picture].get((answer.critic, answer.question), 0.0))
    ]
    return torch.stack(parts).sum() / len(weighing) if parts else torch.zeros(())


def stay(denoised: Tensor, bare: Tensor) -> Tensor:
    """mean (x̂0 − x̂0 of the bare generator)², same noise, same prompt: []."""
    return (denoised - bare).square().mean()
