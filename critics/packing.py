"""Many questions about one picture in one forward pass: a tree of shared tokens, written as one sequence.

    head ─┬─ question 1 ─┬─ answer
          │              └─ opposite
          └─ question 2

The head (everything up to and with the pictures) is shared by all questions, a question by all its answers. A token
sees its own branch back to the root and nothing else, at the positions it would have alone: so the log-probabilities
are those of one pass per answer. An answer's first token is read at the last token of its question, so that an answer
of one token needs no segment.

Shapes: B views, T tokens (padded), K log-probabilities wanted of all views together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Integers = NDArray[np.int64]
PAD = -1  # the segment of padding


@dataclass(frozen=True, slots=True)
class Asked:
    """One branch as tokens: the question after the head, and its answer."""

    tail: tuple[int, ...]  # at least one token
    answer: tuple[int, ...]  # at least one token


@dataclass(frozen=True, slots=True)
class Packed:
    """The sequences of B views, and where each wanted log-probability is read."""

    tokens: Integers  # [B, T]; 0 where padded
    depth: Integers  # [B, T] how many tokens come before it in its own branch
    segment: Integers  # [B, T] 0 is the head; PAD where padded
    parent: Integers  # [B, T] the segment before this one; its own for the head and for questions
    reads: Integers  # [K] flat positions in [B * T]
    targets: Integers  # [K] the tokens whose log-probabilities are read there
    sizes: tuple[int, ...]  # answer tokens of each branch, view by view; they sum to K


def pack(head: Sequence[int], views: Sequence[Sequence[Asked]]) -> Packed:
    """Writes the branches of each view behind the shared `head`; all views have the same head."""
    rows = [_row(len(head), branches) for branches in views]
    length = max(row.length for row in rows)
    shape = (len(rows), length)
    tokens, depth = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    segment, parent = np.full(shape, PAD, np.int64), np.full(shape, PAD, np.int64)
    tokens[:, : len(head)], depth[:, : len(head)] = head, np.arange(len(head))
    segment[:, : len(head)] = parent[:, : len(head)] = 0
    for index, row in enumerate(rows):
        tokens[index, len(head) : row.length] = row.tokens
        counts = np.array(row.counts, np.int64)
        starts = np.cumsum(counts) - counts
        depth[index, len(head) : row.length] = np.arange(counts.sum()) + np.repeat(row.depths - starts, counts)
        segment[index, len(head) : row.length] = np.repeat(np.arange(1, len(counts) + 1), counts)
        parent[index, len(head) : row.length] = np.repeat(row.parents, counts)
    reads = [read + index * length for index, row in enumerate(rows) for read in row.reads]
    targets = [target for row in rows for target in row.targets]
    sizes = tuple(size for row in rows for size in row.sizes)
    return Packed(tokens, depth, segment, parent, np.array(reads, np.int64), np.array(targets, np.int64), sizes)


@dataclass(slots=True)
class _Row:
    length: int  # tokens so far, head included
    tokens: list[int]
    counts: list[int]  # tokens of each segment after the head
    depths: list[int]  # depth of each segment's first token
    parents: list[int]
    reads: list[int]
    targets: list[int]
    sizes: list[int]

    def add(self, tokens: Sequence[int], depth: int, parent: int) -> tuple[int, int]:
        """Appends a segment; its number and where its first token stands. `parent` 0 means: none but the head."""
        start = self.length
        self.tokens.extend(tokens)
        self.counts.append(len(tokens))
        self.depths.append(depth)
        number = len(self.counts)
        self.parents.append(parent or number)
        self.length += len(tokens)
        return number, start


def _row(head: int, branches: Sequence[Asked]) -> _Row:
    row = _Row(head, [], [], [], [], [], [], [])
    questions: dict[tuple[int, ...], tuple[int, int]] = {}
    leaves: dict[tuple[int, tuple[int, ...]], int] = {}
    for branch in branches:
        if branch.tail not in questions:
            questions[branch.tail] = row.add(branch.tail, head, 0)
        number, start = questions[branch.tail]
        row.reads.append(start + len(branch.tail) - 1)
        shown = branch.answer[:-1]  # nothing is read at an answer's last token
        if shown:
            if (number, shown) not in leaves:
                leaves[number, shown] = row.add(shown, head + len(branch.tail), number)[1]
            first = leaves[number, shown]
            row.reads.extend(range(first, first + len(shown)))
        row.targets.extend(branch.answer)
        row.sizes.append(len(branch.answer))
    return row


def mask(segment: Tensor, parent: Tensor) -> Tensor:
    """Who sees whom, bool [B, 1, T, T] (query, key): earlier tokens of the same branch, back to the head.

    Padding is seen by no token of a branch; it sees the head, so that no row is empty.
    """
    import torch

    order = torch.arange(segment.shape[1], device=segment.device)
    keys, queries, parents = segment[:, None, :], segment[:, :, None], parent[:, :, None]
    branch = (keys == 0) | (keys == queries) | (keys == parents)
    return (branch & (order[None, None, :] <= order[None, :, None]))[:, None]
