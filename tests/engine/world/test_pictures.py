"""Pictures for critics: the truth moves with the pictures, and lines lie where they are said to."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from control_recipes.engine.world import painter, pictures, reader
from control_recipes.engine.world.scenes import SCALES


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_pools_come_back_as_they_were(tmp_path: Path):
    scenes = painter.draw(5, rng(0))
    pool = pictures.Pool(pictures.to_bytes(painter.paint(scenes)), scenes)
    pictures.save_pool(pool, tmp_path / "deep" / "pool.safetensors")
    again = pictures.load_pool(tmp_path / "deep" / "pool.safetensors")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["pool.safetensors"]
    shown, truth = again[torch.tensor([3, 1])]
    assert (shown - painter.paint(scenes)[[3, 1]]).abs().max() <= 0.5 / 255 + 1e-6
    assert truth.words("thing") == scenes[torch.tensor([3, 1])].words("thing")
    assert len(again) == 5


def test_truth_moves_with_the_picture():
    scenes = painter.draw(24, rng(1))
    shown, truth = pictures.shift(painter.paint(scenes), scenes, rng(2))
    seen = reader.read(shown).scenes
    assert (seen.horizon - truth.horizon).abs().quantile(0.9) < 0.02
    assert (seen.position - truth.position).abs().quantile(0.9) < 0.02
    assert (truth.horizon - scenes.horizon).abs().max() > 0.03  # the check can fail


def test_degraded_pictures_are_other_pictures_of_the_same_scenes():
    scenes = painter.draw(32, rng(3))
    clean = painter.paint(scenes)
    spoilt = pictures.degrade(clean, rng(4))
    assert spoilt.shape == clean.shape
    assert spoilt.min() >= 0
    assert spoilt.max() <= 1
    assert torch.equal(spoilt, pictures.degrade(clean, rng(4)))
    assert (spoilt - clean).abs().mean((1, 2, 3)).max() > 0.02
    assert (spoilt - clean).abs().mean() < 0.1


def test_lines_are_on_near_and_anywhere():
    horizon = torch.full((4000,), 0.5)
    away = (pictures.line_at(horizon, rng(5)) - horizon).abs()
    assert (away <= 0.04).float().mean() == pytest.approx(0.5 + 0.25 * 0.08 / 0.92, abs=0.03)
    assert ((away > 0.08) & (away <= 0.18)).float().mean() == pytest.approx(0.25 + 0.25 * 0.2 / 0.92, abs=0.03)


def test_a_line_covers_rows_by_their_share():
    plain = torch.zeros(2, 3, 64, 64)
    row, thickness = torch.full((2,), 32.5 / 64), torch.full((2,), 2 / 64)
    lined = pictures.lay_line(plain, row, thickness, torch.tensor([True, False]))
    assert torch.equal(lined[1], plain[1])
    assert lined[0, 0, :, 7].nonzero().flatten().tolist() == [31, 32, 33]
    assert lined[0, 0, 31:34, 7].tolist() == pytest.approx([0.5, 1.0, 0.5])
    assert lined[0, 1:].max() == 0


def test_no_word_is_taught_near_its_end():
    scale = SCALES["size"]
    sizes = torch.tensor([scale.bounds[0] - 0.001, scale.bounds[0] + 0.001, scale.words["large"]])
    drawn = painter.draw(3, rng(6))
    scenes = painter.Scenes(*(sizes if name == "size" else getattr(drawn, name) for name in painter.FACTORS))
    assert [truth.words["size"] for truth in pictures.truths(scenes)] == ["", "", "large"]
    assert [truth.words["thing"] for truth in pictures.truths(scenes)] == scenes.words("thing")
