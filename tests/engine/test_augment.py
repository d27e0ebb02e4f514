"""Augmentation: exact where nothing happens, and what lies over a picture moves with it."""

from __future__ import annotations

from dataclasses import replace

import pico
import torch
from control_recipes.engine.augment import augment, may_mirror, moved
from control_recipes.engine.plan import Augment


def pictures(count=3, dtype=torch.float64):
    return torch.rand(count, 3, 12, 10, generator=torch.Generator().manual_seed(1), dtype=dtype)


def stream(seed=2):
    return torch.Generator().manual_seed(seed)


def test_nothing_asked_nothing_done():
    same = pictures()
    assert augment(same, Augment(0.0, 0.0, 0, False), stream()).pictures is same


def test_shift_moves_whole_pixels_and_repeats_the_border():
    whole = pictures(16)
    shown = augment(whole, Augment(0.0, 0.0, 2, False), stream())
    assert set(shown.down) == set(shown.right) == {-2, -1, 0, 1, 2}
    for picture, result, down, right in zip(whole, shown.pictures, shown.down, shown.right, strict=True):
        assert torch.equal(moved(picture, down, right), result)
    one = moved(whole[0], 2, -1)
    assert torch.equal(one[:, 2:, :-1], whole[0][:, :-2, 1:])
    assert torch.equal(one[:, 0, :-1], whole[0][:, 0, 1:])


def test_a_line_over_a_picture_stays_where_it_was_in_the_scene():
    picture, layer = pictures(1), torch.zeros(4, 12, 10, dtype=torch.float64)
    layer[:, 5] = 1
    shown = augment(picture, Augment(0.0, 0.0, 3, False), stream(5))
    assert shown.down[0] != 0
    rows = moved(layer, shown.down[0], shown.right[0])[3, :, 0].nonzero().flatten().tolist()
    assert rows == [5 + shown.down[0]]
    assert torch.equal(shown.pictures[0, :, rows[0], 4], moved(picture[0], 0, shown.right[0])[:, 5, 4])


def test_blur_keeps_flat_pictures_and_smooths_others():
    flat = torch.full((2, 3, 12, 10), 0.3, dtype=torch.float64)
    torch.testing.assert_close(augment(flat, Augment(1.0, 0.0, 0, False), stream()).pictures, flat)
    whole = pictures()
    assert augment(whole, Augment(1.0, 0.0, 0, False), stream()).pictures.std() < whole.std()


def test_noise_has_its_deviation_and_stays_in_range():
    grey = torch.full((8, 3, 32, 32), 0.5)
    noisy = augment(grey, Augment(0.0, 0.05, 0, False), stream()).pictures
    assert abs(float((noisy - grey).std()) - 0.05) < 0.002
    bright = augment(torch.ones(1, 3, 8, 8), Augment(0.0, 0.5, 0, False), stream()).pictures
    assert bright.max() == 1


def test_gradient_is_exact():
    whole = (0.2 + 0.6 * pictures(2)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: augment(x, Augment(0.8, 0.02, 1, False), stream()).pictures, whole)


def test_the_stream_alone_decides():
    whole, chosen = pictures(), Augment(1.0, 0.1, 2, False)
    first, second = (augment(whole, chosen, stream(seed)).pictures for seed in (2, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, augment(whole, chosen, stream(3)).pictures)


def test_only_pictures_that_may_be_mirrored_are_and_half_of_them():
    whole = pictures(400)
    mirrors = [at % 2 == 0 for at in range(400)]
    shown = augment(whole, Augment(0.0, 0.0, 0, True), stream(), mirrors)
    assert not any(shown.mirrored[1::2])
    assert 70 < sum(shown.mirrored[::2]) < 130
    for picture, result, turned in zip(whole, shown.pictures, shown.mirrored, strict=True):
        assert torch.equal(picture.flip(-1) if turned else picture, result)


def test_mirroring_changes_nothing_else_that_is_drawn():
    whole, mirrors = pictures(16), [True] * 16
    plain = augment(whole, Augment(1.0, 0.1, 2, False), stream(), mirrors)
    shown = augment(whole, Augment(1.0, 0.1, 2, True), stream(), mirrors)
    assert (plain.down, plain.right) == (shown.down, shown.right)
    same = [at for at, turned in enumerate(shown.mirrored) if not turned]
    assert 0 < len(same) < 16
    assert torch.equal(shown.pictures[same], plain.pictures[same])
    assert plain.mirrored == ()


def test_a_mirrored_picture_takes_its_gradient_back_in_place():
    whole = pictures(4).requires_grad_()
    chosen = Augment(0.8, 0.0, 1, True)
    assert torch.autograd.gradcheck(lambda x: augment(x, chosen, stream(), [True] * 4).pictures, whole)


def test_a_row_may_be_mirrored_if_each_of_its_questions_may(tmp_path):
    whole = pico.plan_of(pico.generator(tmp_path), tmp_path)
    row = whole.train_rows[0]
    assert not may_mirror(row, whole)
    for flips, may in ((("aligned", "there", "what"), True), (("aligned", "there"), False)):
        questions = tuple(replace(question, flips=question.name in flips) for question in whole.questions)
        assert may_mirror(row, replace(whole, questions=questions)) is may
    asked = replace(row, asks=row.asks[:2])  # `what` is left out of this row
    assert may_mirror(asked, replace(whole, questions=questions))
