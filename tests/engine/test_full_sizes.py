"""Full-size generators on the meta device: their configurations count the parameters that the stock classes have."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import pytest
import sizes
import torch
import transformers
from control_recipes.engine import generators

FACTS: dict[str, Any] = json.loads(sizes.FACTS.read_text("utf-8"))["generators"]
# parameters of the backbone, by its makers
PUBLISHED = {
    "Stable Diffusion 1.5": 859_520_964,
    "Stable Diffusion XL": 2_567_463_684,
    "Flux.1 dev": 11_901_408_320,
}


@cache
def counted(config: str) -> int:
    """Parameters of the stock class of a configuration."""
    said = json.loads(config)
    with torch.device("meta"):
        if kind := said.get("_class_name"):
            model = getattr(diffusers, kind).from_config(said)
        else:
            settings = {key: value for key, value in said.items() if key != "model_type"}
            made = transformers.AutoConfig.for_model(said["model_type"], **settings)
            model = getattr(transformers, said["architectures"][0])(made)
    return sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize("name", FACTS)
def test_parameters_are_the_stock_models(tmp_path: Path, name: str) -> None:
    chosen = sizes.chosen(tmp_path, FACTS[name])
    told = generators.sizes_of(chosen)
    parts = {part: counted(json.dumps(config)) for part, config in FACTS[name]["parts"].items()}
    encoders = sum(count for part, count in parts.items() if part.startswith("text_encoder"))
    autoencoder = sizes.autoencoder_parameters(chosen, FACTS[name])
    (backbone,) = (count for part, count in parts.items() if part in ("transformer", "unet"))
    assert told.parameters - autoencoder == pytest.approx(backbone, rel=0.03)
    assert autoencoder == pytest.approx(parts["vae"], rel=0.05)
    assert told.encoders == pytest.approx(encoders, rel=0.03)
    assert backbone == PUBLISHED.get(name, backbone)


def test_the_page_says_what_the_configurations_say() -> None:
    text = (sizes.FACTS.parents[2] / "docs" / "models.md").read_text("utf-8")
    assert sizes.wrong(text) == []
    assert "models.md: is not what" in sizes.wrong(text.replace("| 11.9 B |", "| 12 B |"))[0]
    assert sizes.renewed(text.replace("| 11.9 B |", "| 12 B |")) == text
