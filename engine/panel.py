"""The panel: critics (and judges) who are shown pictures with their visual prompts, and what they say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from .. import critics
from ..critics import View
from . import devices, finite, models, visuals
from .augment import Augmented, moved
from .errors import WorkError
from .loss import Heard, branches, heard, likelihood, loss, right, term
from .offloading import Turns
from .plan import Ask, Critic, Drawing, Plan, Row
from .quiet import quiet


@dataclass(frozen=True, slots=True)
class Said:
    """What one critic holds of one question about one picture, as numbers."""

    critic: str
    question: str
    nats: float  # ℓ likelihood, per answer token; p = exp(−nats)
    right: bool  # the answer beats its opposite; without one, p ≥ 0.5


@final
class Panel:
    """The critics of a plan and those of its judges who are named, loaded once, with the visual prompts drawn.

    Those on the device where the generator's parts take `turns` take theirs too.
    """

    def __init__(self, plan: Plan, judges: Sequence[str] = (), turns: Turns | None = None) -> None:
        self._plan = plan
        self._turns = turns or _no_turns()
        self._holds = {question.name: question.hold for question in plan.questions}
        self._critics_of = {question.name: question.critics for question in plan.questions}
        self._seats = [(member, False, load(member, self._turns)) for member in plan.critics]
        self._seats += [(member, True, load(member, self._turns)) for member in plan.judges if member.name in judges]
        size = (plan.generator.width, plan.generator.height)
        self._drawings = {drawing.key: _drawn(drawing, *size) for drawing in plan.drawings}
        self._mirrored = {
            drawing.key: _drawn(visuals.mirrored(drawing), *size)
            for drawing in plan.drawings
            if plan.train.augment.flip
        }

    def teach(
        self,
        shown: Augmented,
        rows: Sequence[Row],
        weighing: Sequence[Mapping[tuple[str, str], float]],
        wordings: Mapping[str, int],
    ) -> tuple[float, Tensor, list[Said]]:
        """The critics' loss in nats, its gradient [B, 3, H, W] on the pictures, and what was said.

        Each critic's gradient is taken to the pixels and let go before the next is asked: n critics need the memory of
        one. Raises `WorkError`, naming critic and question, where a log-probability is not finite.
        """
        whole, gradient, said = 0.0, torch.zeros_like(shown.pictures), list[Said]()
        for member, critic, views, answers in self._taught(shown, rows, wordings):
            said += [self._said(answer) for answer in answers]
            part = loss(answers, weighing, self._holds)
            if part.requires_grad:
                (pulled,) = torch.autograd.grad(part, views.pictures)
                if not bool(pulled.isfinite().all()):
                    raise self._blame(member, critic, views, rows, weighing, wordings)
                gradient += pulled.to(gradient)
            whole += float(part.detach())
            answers.clear()  # the graph behind them is let go before the next critic is asked
        return whole, gradient, said

    def apart(
        self,
        shown: Augmented,
        rows: Sequence[Row],
        weighing: Sequence[Mapping[tuple[str, str], float]],
        wordings: Mapping[str, int],
    ) -> tuple[dict[str, Tensor], dict[str, list[float]]]:
        """Each question's own gradient [B, 3, H, W] on the pictures, its weights included, and every ℓ in nats.

        Watched questions have none. One backward pass through a critic for each question that it is asked.
        """
        gradients: dict[str, Tensor] = {}
        nats: dict[str, list[float]] = {}
        for _, _, views, answers in self._taught(shown, rows, wordings):
            for name, pulled, said in self._alone(views, answers, weighing):
                gradients[name] = gradients.get(name, torch.zeros_like(shown.pictures)) + pulled.to(shown.pictures)
                nats.setdefault(name, []).extend(said)
            answers.clear()  # the graph behind them is let go before the next critic is asked
        return gradients, nats

    def _alone(
        self, views: Augmented, answers: Sequence[Heard], weighing: Sequence[Mapping[tuple[str, str], float]]
    ) -> Iterator[tuple[str, Tensor, list[float]]]:
        """One critic's gradient of each question that teaches, and what it loses on each picture, in nats."""
        for name in sorted({answer.question for answer in answers}):
            own = [answer for answer in answers if answer.question == name]
            part = loss(own, weighing, self._holds)
            if part.requires_grad:
                (pulled,) = torch.autograd.grad(part, views.pictures, retain_graph=True)
                yield name, pulled, [float(term(answer, 0.0).detach()) for answer in own]

    def _taught(
        self, shown: Augmented, rows: Sequence[Row], wordings: Mapping[str, int]
    ) -> Iterator[tuple[Critic, critics.Critic, Augmented, list[Heard]]]:
        """Every critic with pictures of its own, on its device and differentiable, and what it says of them."""
        for member, judge, critic in self._seats:
            if judge:
                continue
            pictures = shown.pictures.detach().to(devices.device(member.device)).requires_grad_()
            views = replace(shown, pictures=pictures)
            yield member, critic, views, list(self._hear(member, critic, views, rows, wordings, False))

    @torch.no_grad()
    def look(self, pictures: Tensor, rows: Sequence[Row]) -> list[Said]:
        """What everyone says of pictures [B, 3, H, W] as they are, first wordings; judges answer every question."""
        still = (0,) * len(rows)
        return [
            self._said(answer)
            for member, judge, critic in self._seats
            for answer in self._hear(
                member, critic, Augmented(pictures.to(devices.device(member.device)), still, still), rows, {}, judge
            )
        ]

    def _said(self, answer: Heard) -> Said:
        tokens = torch.cat([*answer.answers, *answer.against]).detach()
        if not bool(tokens.isfinite().all()):
            worst = float(tokens[~tokens.isfinite()][0])
            message = f"critic {answer.critic}, question {answer.question}: a log-probability is {worst}"
            raise WorkError(message, finite.of_critic(self._plan, answer.critic))
        return Said(answer.critic, answer.question, float(likelihood(answer).detach()), right(answer))

    def _blame(
        self,
        member: Critic,
        critic: critics.Critic,
        shown: Augmented,
        rows: Sequence[Row],
        weighing: Sequence[Mapping[tuple[str, str], float]],
        wordings: Mapping[str, int],
    ) -> WorkError:
        """Which question's gradient on the pictures is not finite, each asked alone."""
        names = sorted({ask.question for row in rows for ask in row.asks})
        for name in names:
            alone = [replace(row, asks=tuple(ask for ask in row.asks if ask.question == name)) for row in rows]
            part = loss(list(self._hear(member, critic, shown, alone, wordings, False)), weighing, self._holds)
            if part.requires_grad and not bool(torch.autograd.grad(part, shown.pictures)[0].isfinite().all()):
                names = [name]
                break
        message = f"critic {member.name}, question {' and '.join(names)}: its gradient on the picture is not finite"
        return WorkError(message, finite.of_critic(self._plan, member.name))

    def _hear(
        self,
        member: Critic,
        critic: critics.Critic,
        shown: Augmented,
        rows: Sequence[Row],
        wordings: Mapping[str, int],
        everything: bool,
    ) -> Iterator[Heard]:
        """One packed question per distinct view: all that share what is laid over a picture are asked together."""
        asked = [
            [ask for ask in row.asks if everything or member.name in self._critics_of[ask.question]] for row in rows
        ]
        groups = [(b, see, asks) for b, some in enumerate(asks_by_view(asks) for asks in asked) for see, asks in some]
        if not groups:
            return
        self._turns.take(critic.model)
        views = [self._view(shown, b, see) for b, see, _ in groups]
        answers = critic.ask(
            views, [[one for ask in asks for one in branches(ask, _which(ask, wordings))] for _, _, asks in groups]
        )
        for (b, _, asks), tokens in zip(groups, answers, strict=True):
            rest = iter(tokens)
            for ask in asks:
                yield heard(b, member.name, ask, [next(rest) for _ in branches(ask)])

    def _view(self, shown: Augmented, b: int, see: Sequence[str]) -> View:
        picture = shown.pictures[b]
        drawings = self._mirrored if shown.mirrored and shown.mirrored[b] else self._drawings
        layers = [drawn for reference, drawn in (drawings[key] for key in see) if not reference]
        beside = [drawn for reference, drawn in (drawings[key] for key in see) if reference]
        return View(
            picture,
            tuple(moved(layer, shown.down[b], shown.right[b]).to(picture) for layer in layers),
            tuple(drawn.to(picture) for drawn in beside),
        )


def asks_by_view(asks: Sequence[Ask]) -> list[tuple[tuple[str, ...], list[Ask]]]:
    """The questions of a row, grouped by what they see, in the order of their first."""
    groups: dict[tuple[str, ...], list[Ask]] = {}
    for ask in asks:
        groups.setdefault(ask.see, []).append(ask)
    return list(groups.items())


def _which(ask: Ask, wordings: Mapping[str, int]) -> int:
    return wordings.get(ask.question, 0) % len(ask.wordings)


def _drawn(drawing: Drawing, width: int, height: int) -> tuple[bool, Tensor]:
    """Whether a drawing stands beside the picture, and its channels first: RGBA [4, H, W], or RGB [3, h, w] beside."""
    layer = torch.from_numpy(visuals.draw(drawing, width, height)).permute(2, 0, 1)
    return drawing.kind == "reference", layer


def _no_turns() -> Turns:
    return Turns(torch.device("cpu"), False)


def load(member: Critic, turns: Turns | None = None) -> critics.Critic:
    """A critic on its device, or in main memory until it is its turn there, where parts take `turns`."""
    turns = turns or _no_turns()
    models.ready(member.model)
    device = devices.found(member.device)
    waits = turns.meet(device)
    with quiet():
        critic = critics.load(
            member.model.folder,
            member.model.family,
            member.dtype,
            "cpu" if waits else str(device),
            member.checkpointing,
            member.quantize,
        )
    if waits:
        turns.add(critic.model)
    return critic
