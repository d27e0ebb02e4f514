"""The tree of tokens: what is shared, who sees whom, where answers are read."""

from __future__ import annotations

import numpy as np
import torch
from control_recipes.critics.packing import PAD, Asked, mask, pack

HEAD = (1, 2, 3)
ONE, TWO = (10, 11), (20, 21, 22)


def test_one_token_answers_need_no_segment_of_their_own() -> None:
    packed = pack(HEAD, [[Asked(ONE, (50,)), Asked(ONE, (51,)), Asked(TWO, (50,))]])
    assert packed.tokens.tolist() == [[*HEAD, *ONE, *TWO]]
    assert packed.reads.tolist() == [4, 4, 7]
    assert packed.targets.tolist() == [50, 51, 50]
    assert packed.sizes == (1, 1, 1)


def test_longer_answers_are_leaves_without_their_last_token() -> None:
    answers = (60, 61, 62), (60, 61, 63), (70,)
    packed = pack(HEAD, [[*(Asked(ONE, answer) for answer in answers), Asked(TWO, (60, 61))]])
    # the first two answers differ only in a token that nothing reads: they share their leaf
    assert packed.tokens.tolist() == [[*HEAD, *ONE, 60, 61, *TWO, 60]]
    assert packed.reads.tolist() == [4, 5, 6, 4, 5, 6, 4, 9, 10]
    assert packed.targets.tolist() == [60, 61, 62, 60, 61, 63, 70, 60, 61]
    assert packed.depth.tolist() == [[0, 1, 2, 3, 4, 5, 6, 3, 4, 5, 6]]


def test_a_token_sees_its_own_branch_only() -> None:
    views = [[Asked(ONE, (60, 61)), Asked(ONE, (70, 71)), Asked(TWO, (60, 61))], [Asked(ONE, (60,))]]
    packed = pack(HEAD, views)
    visible = mask(torch.tensor(packed.segment), torch.tensor(packed.parent))[:, 0].numpy()
    for row, view in enumerate(views):
        alone = {}
        for branch in view:
            path = (*HEAD, *branch.tail, *branch.answer[:-1])
            for end in range(1, len(path) + 1):
                alone[path[:end]] = list(path[:end])
        seen = [packed.tokens[row][visible[row, q]].tolist() for q in np.flatnonzero(packed.segment[row] != PAD)]
        assert sorted(seen) == sorted(alone.values())
        # seen in the order, and at the depths, that the branch has alone
        for query in np.flatnonzero(packed.segment[row] != PAD):
            depths = packed.depth[row][visible[row, query]].tolist()
            assert depths == list(range(len(depths)))


def test_padding_is_seen_by_no_branch_and_is_no_empty_row() -> None:
    packed = pack(HEAD, [[Asked(TWO, (1, 2, 3))], [Asked(ONE, (1,))]])
    visible = mask(torch.tensor(packed.segment), torch.tensor(packed.parent))[:, 0].numpy()
    padded = packed.segment == PAD
    assert padded.sum() == 3
    assert not visible[1][np.ix_(~padded[1], padded[1])].any()
    assert visible.any(-1).all()


def test_reads_of_later_views_count_from_their_own_row() -> None:
    packed = pack(HEAD, [[Asked(TWO, (50,))], [Asked(ONE, (51,))]])
    assert packed.reads.tolist() == [5, 6 + 4]
    assert packed.tokens.reshape(-1)[packed.reads].tolist() == [TWO[-1], ONE[-1]]
