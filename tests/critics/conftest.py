"""Pico models of both families, a few thousand parameters each, saved once in stock format."""

from __future__ import annotations

from pathlib import Path

import pytest
from control_recipes.engine.world import pico_critic, pico_judge
from picos import lively
from stock import TEXTS


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each family; the vision tower of one Qwen block has windows, as full-size ones do."""
    root = tmp_path_factory.mktemp("pico")
    small = {"width": 16, "heads": 2, "layers": 2, "vision_width": 16, "vision_heads": 2, "vision_layers": 2}
    model, tokenizer = pico_critic.build(TEXTS, seed=1, vocabulary=400, **small)
    model.config.vision_config.fullatt_block_indexes = [1]
    model.config.vision_config.window_size = 32
    lively(model)
    pico_critic.save(model, tokenizer, root / "qwen2_5_vl")
    judge, tokenizer = pico_judge.build(TEXTS, seed=2, vocabulary=400, side=32, **small)
    lively(judge)
    pico_judge.save(judge, tokenizer, root / "llava")
    return {"qwen2_5_vl": root / "qwen2_5_vl", "llava": root / "llava"}
