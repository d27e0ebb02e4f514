"""Recomputing: the same numbers to the last bit, computed twice instead of kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from control_recipes import critics
from control_recipes.critics import Branch, View
from transformers.modeling_layers import GradientCheckpointingLayer


def asked(critic, picture):
    """The loss of two questions about a picture, its gradient, and how often each layer ran."""
    runs: dict[int, int] = {}
    layers = [layer for layer in critic.model.modules() if isinstance(layer, GradientCheckpointingLayer)]
    inner = [next(child for child in layer.children() if any(True for _ in child.parameters())) for layer in layers]
    hooks = [
        child.register_forward_hook(lambda *_, at=at: runs.__setitem__(at, runs.get(at, 0) + 1))
        for at, child in enumerate(inner)
    ]
    seen = picture.clone().requires_grad_()
    (answers,) = critic.ask([View(seen)], [[Branch("Is there a ball?", "Yes"), Branch("Is there a ball?", "No")]])
    loss = -torch.cat(answers).sum()
    loss.backward()
    for hook in hooks:
        hook.remove()
    return loss.detach(), seen.grad, set(runs.values())


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llava"])
def test_same_loss_same_gradient_computed_twice(folders: dict[str, Path], family: str) -> None:
    picture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))
    kept = critics.load(folders[family], family, "float32", "cpu")
    again = critics.load(folders[family], family, "float32", "cpu", checkpointing=True)
    loss, gradient, once = asked(kept, picture)
    same, pulled, twice = asked(again, picture)
    assert torch.equal(loss, same)
    assert torch.equal(gradient, pulled)
    assert (once, twice) == ({1}, {2})


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llava"])
def test_a_reply_is_the_same(folders: dict[str, Path], family: str) -> None:
    view = View(torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(2)))
    kept, again = (critics.load(folders[family], family, "float32", "cpu", flag) for flag in (False, True))
    asked(again, view.picture)
    assert again.reply(view, "What is in the image?", 8) == kept.reply(view, "What is in the image?", 8)
