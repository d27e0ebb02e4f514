"""What families cost by their configurations alone: full-size models on the meta device, and what autograd keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import picos
import pytest
import torch
import transformers
from allocated import kept_of
from control_recipes import critics
from control_recipes.critics import Branch, View
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

# config.json and the processor's file as the hub has them, as far as sizes go
FULL: dict[str, Any] = json.loads((Path(__file__).parents[1] / "facts" / "models.json").read_text("utf-8"))["critics"]
PUBLISHED = {"Qwen2.5-VL 7B": 8_292_166_656, "LLaVA 1.5 7B": 7_063_427_072}  # parameters, by their makers


@pytest.mark.parametrize("name", FULL)
def test_parameters_are_the_stock_models(tmp_path: Path, name: str) -> None:
    fact = FULL[name]
    (tmp_path / "config.json").write_text(json.dumps(fact["config"]))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(fact["processor"]))
    (tmp_path / "processor_config.json").write_text(json.dumps(fact.get("writer", {})))
    with torch.device("meta"):
        read = transformers.AutoConfig.from_pretrained(tmp_path)
        model = transformers.AutoModelForImageTextToText.from_config(read)
    counted = sum(weight.numel() for weight in model.parameters())
    sizes = critics.sizes_of(tmp_path, fact["family"])
    assert sizes.parameters() == pytest.approx(counted, rel=0.03)
    assert counted == PUBLISHED.get(name, counted)
    # what quantising stores in fewer bits
    inside = {
        part
        for layer in model.modules()
        if isinstance(layer, GradientCheckpointingLayer)
        for part in layer.modules()
        if type(part) is nn.Linear
    }
    stored = sum(part.weight.numel() for part in inside)
    assert sizes.vision.parameters() + sizes.text.parameters() == pytest.approx(stored, rel=0.03)


@pytest.mark.parametrize("name", picos.CASES)
def test_what_is_kept_is_about_what_autograd_keeps(tmp_path: Path, name: str) -> None:
    case = picos.CASES[name]
    case.build(tmp_path / name, 8)  # wide enough that layers are what counts
    critic: Any = critics.load(tmp_path / name, case.family, "float32", "cpu")
    height, width = case.sizes[1]
    x = torch.rand(3, height, width, requires_grad=True)
    branches = [Branch("Is there a red ball? Answer with Yes or No.", "Yes")]
    with kept_of(critic.model) as kept:
        critic.ask([View(x)], [branches])
    tokens = critics.chat_of(tmp_path / name, case.family).length(branches[0].question, [(width, height)])
    told = critics.sizes_of(tmp_path / name, case.family).ask(width, height, tokens, 1).kept
    assert told == pytest.approx(sum(kept.values()), rel=0.1)
