"""What all families do alike: batch the views, pack the questions, read the log-probabilities, and greedy replies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import Branch, View
from .chat import Chat
from .packing import Asked, mask, pack
from .pixels import overlay


@dataclass(frozen=True, slots=True)
class LogProbs:
    """Log-probabilities of all answer tokens in one tensor, view by view and branch by branch."""

    values: Tensor  # [K] nats, differentiable in the pictures and in the model's weights
    sizes: tuple[tuple[int, ...], ...]  # answer tokens of each view's branches; all of them sum to K

    def lists(self) -> list[list[Tensor]]:
        """The same, as one tensor [T] for each view and branch."""
        pieces = iter(self.values.split(list(chain.from_iterable(self.sizes))))
        return [[next(pieces) for _ in sizes] for sizes in self.sizes]


class Family(Protocol):
    """The parts in which families differ. D is the width of the language model."""

    packs: ClassVar[bool]  # whether the head's tokens are the same whatever is asked after them
    chat: Chat

    def look(self, pictures: Sequence[Tensor]) -> Tensor:
        """Features [B, V, D] of the pictures of B views; each item is one picture of every view, [B, 3, H, W]."""
        ...

    def positions(self, head: Tensor, sizes: Sequence[tuple[int, int]]) -> tuple[Tensor, int]:
        """Positions of the head's tokens, [P, T] with one row or three, and the position of the token after it.

        `sizes` are (height, width) of the pictures in pixels.
        """
        ...

    def visible(self, tree: Tensor, tokens: Tensor, segment: Tensor) -> Tensor:
        """Who sees whom [B, 1, T, T]: `tree`, and what a model sees ahead of tokens [B, T] of segments [B, T]."""
        ...

    def embed(self, tokens: Tensor) -> Tensor:
        """Embeddings [B, T, D] of tokens [B, T]."""
        ...

    def read(self, embeddings: Tensor, positions: Tensor, visible: Tensor | None, cache: Any = None) -> Tensor:
        """Hidden states [B, T, D] at `positions` [P, B, T]; `visible` [B, 1, T, T], or None for plain text order."""
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """[K, D] → [K, vocabulary]."""
        ...


def log_probs(family: Family, views: Sequence[View], branches: Sequence[Sequence[Branch]]) -> LogProbs:
    """Asks every view its branches: one pass for all views whose pictures have equal sizes.

    Differentiable in pictures, overlays, references and weights. Each view needs at least one branch.
    """
    refuse_unmatched(views, branches)
    return _log_probs(family, views, branches) if family.packs else _one_by_one(family, views, branches)


def refuse_unmatched(views: Sequence[View], branches: Sequence[Sequence[Branch]]) -> None:
    """Raises `ValueError` where not every view has branches of its own."""
    if not views or len(views) != len(branches) or not all(branches):
        raise ValueError("as many lists of branches as views are needed, none of them empty")


def _one_by_one(family: Family, views: Sequence[View], branches: Sequence[Sequence[Branch]]) -> LogProbs:
    """A pass for every question, its answers together: where the picture is read in the light of the question."""
    found: list[list[Tensor]] = []
    for view, some in zip(views, branches, strict=True):
        asked = {branch.question: [one for one in some if one.question == branch.question] for branch in some}
        said = [iter(_log_probs(family, [view], [those]).lists()[0]) for those in asked.values()]
        turn = dict(zip(asked, said, strict=True))
        found.append([next(turn[branch.question]) for branch in some])
    return LogProbs(torch.cat(list(chain.from_iterable(found))), tuple(tuple(map(len, some)) for some in found))


def _log_probs(family: Family, views: Sequence[View], branches: Sequence[Sequence[Branch]]) -> LogProbs:
    groups: dict[tuple[torch.Size, ...], list[int]] = {}
    for index, view in enumerate(views):
        groups.setdefault((view.picture.shape, *(picture.shape for picture in view.references)), []).append(index)
    answers = [_group(family, [views[i] for i in group], [branches[i] for i in group]) for group in groups.values()]
    if len(answers) == 1:
        return answers[0]
    places = {index: place for place, index in enumerate(chain.from_iterable(groups.values()))}
    lists = [(torch.cat(pieces), sizes) for a in answers for pieces, sizes in zip(a.lists(), a.sizes, strict=True)]
    ordered = [lists[places[index]] for index in range(len(views))]
    return LogProbs(torch.cat([values for values, _ in ordered]), tuple(sizes for _, sizes in ordered))


def _group(family: Family, views: Sequence[View], branches: Sequence[Sequence[Branch]]) -> LogProbs:
    pictures = laid_over(views)
    device = pictures[0].device
    head = head_of(family.chat, pictures)
    packed = pack(head, [[_asked(family.chat, branch, len(pictures)) for branch in some] for some in branches])
    segment, tokens = _tensor(packed.segment, device), _tensor(packed.tokens, device)
    hidden = family.read(
        _embeddings(family, pictures, tokens),
        _positions(family, pictures, head, _tensor(packed.depth, device)),
        family.visible(mask(segment, _tensor(packed.parent, device)), tokens, segment),
    )
    # answers of one question share the position where they begin: its logits are computed once
    places, which = np.unique(packed.reads, return_inverse=True)
    logits = family.logits(hidden.flatten(0, 1)[_tensor(places, device)])
    # half precision is too coarse for log-probabilities; double stays double
    logits = logits if logits.dtype == torch.float64 else logits.float()
    values = logits.log_softmax(-1)[_tensor(which, device), _tensor(packed.targets, device)]
    sizes = iter(packed.sizes)
    return LogProbs(values, tuple(tuple(next(sizes) for _ in some) for some in branches))


def _asked(chat: Chat, branch: Branch, pictures: int) -> Asked:
    answer = chat.answer(branch.question, branch.answer, branch.closed)
    return Asked(chat.prompt(branch.question, pictures).tail, answer)


def laid_over(views: Sequence[View]) -> list[Tensor]:
    """The picture with its overlays, then each reference: [B, 3, H, W] each."""
    picture = torch.stack([view.picture for view in views])
    for layer in range(max(len(view.overlays) for view in views)):
        # a view with fewer overlays gets transparent ones, which change nothing
        clear = picture.new_zeros(4, *picture.shape[-2:])
        layers = [view.overlays[layer] if layer < len(view.overlays) else clear for view in views]
        picture = overlay(picture, torch.stack(layers).to(picture))
    references = zip(*(view.references for view in views), strict=True)
    return [picture, *(torch.stack(pictures).to(picture) for pictures in references)]


def head_of(chat: Chat, pictures: Sequence[Tensor]) -> list[int]:
    """The tokens before the questions, each picture's one image token replaced by the tokens it has."""
    shown = iter([chat.picture(picture.shape[-1], picture.shape[-2]) for picture in pictures])
    head = chat.head(len(pictures))
    return [token for one in head for token in (next(shown) if one == chat.image_id else (one,))]


def _embeddings(family: Family, pictures: Sequence[Tensor], tokens: Tensor) -> Tensor:
    embeddings = family.embed(tokens)
    features = family.look(pictures).to(embeddings.dtype)
    shown = (tokens == family.chat.image_id)[..., None].expand_as(embeddings)
    return embeddings.masked_scatter(shown, features)


def _positions(family: Family, pictures: Sequence[Tensor], head: Sequence[int], depth: Tensor) -> Tensor:
    sizes = [(picture.shape[-2], picture.shape[-1]) for picture in pictures]
    start, after = family.positions(torch.tensor(head, device=depth.device), sizes)
    positions = (depth + (after - len(head))).expand(len(start), -1, -1).clone()
    positions[:, :, : len(head)] = start[:, None, :]
    return positions


def _tensor(array: NDArray[np.int64], device: torch.device) -> Tensor:
    return torch.from_numpy(array).to(device)  # pyright: ignore[reportUnknownMemberType]


def reply(family: Family, view: View, question: str, limit: int) -> str:
    """The likeliest next token, again and again, until the turn ends or `limit` tokens are there."""
    from transformers import DynamicCache

    with torch.no_grad():
        pictures = laid_over([view])
        device = pictures[0].device
        head = head_of(family.chat, pictures)
        prompt = [*head, *family.chat.prompt(question, len(pictures)).tail]
        tokens = torch.tensor([prompt], device=device)
        positions = _positions(family, pictures, head, torch.arange(len(prompt), device=device)[None])
        cache, said, ends = DynamicCache(), list[int](), family.chat.ends()
        embeddings, visible = _embeddings(family, pictures, tokens), _plain(family, tokens)
        while len(said) < limit:
            hidden = family.read(embeddings, positions, visible, cache)
            token = int(family.logits(hidden[:, -1]).argmax())
            if token in ends:
                break
            said.append(token)
            embeddings, positions = family.embed(torch.tensor([[token]], device=device)), positions[..., -1:] + 1
            visible = None
    return family.chat.text(said)


def _plain(family: Family, tokens: Tensor) -> Tensor | None:
    """Who sees whom in one question [1, T] without answers; None where that is plain text order."""
    length = tokens.shape[1]
    order = torch.ones(1, 1, length, length, dtype=torch.bool, device=tokens.device).tril()
    seen = family.visible(order, tokens, torch.zeros_like(tokens))
    return None if seen is order else seen
