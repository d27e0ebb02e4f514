"""The loop: a training that was killed ends with the same weights, and Muon's updates are orthogonal."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from control_recipes.engine.world import training
from control_recipes.engine.world.training import Course
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

COURSE = Course(steps=7, lr=0.05, warmup=2, save_every=2, seed=4)


class Pico(nn.Module):
    """One matrix for Muon, a filter, and parameters for Adam."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.block = nn.ModuleDict({"wide": nn.Linear(4, 6), "filter": nn.Conv2d(1, 2, 3)})
            self.head = nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        filtered = self.block["filter"](x.view(-1, 1, 1, 4).expand(-1, 1, 4, 4)).mean((1, 2, 3))
        return self.head(torch.tanh(self.block["wide"](x))).squeeze(1) + filtered


class Killed(Exception):
    pass


def taught(folder: Path, kill: int | None = None, course: Course = COURSE) -> tuple[dict[str, Tensor], list[str]]:
    """Weights after a training in `folder`, and what it said; killed before step `kill`."""
    model, said = Pico(), []

    def loss(step: int, rng: torch.Generator) -> Tensor:
        if step == kill:
            raise Killed
        x = torch.randn(8, 4, generator=rng)
        return ((model(x) - x.sum(1)) ** 2).mean()

    training.run(model, loss, course, folder, said.append)
    return dict(model.state_dict()), said


@pytest.mark.parametrize("kill", [1, 2, 5, 6])
def test_a_killed_training_ends_with_the_same_weights(kill: int, tmp_path: Path):
    whole, _ = taught(tmp_path / "whole")
    with pytest.raises(Killed):
        taught(tmp_path / "killed", kill)
    resumed, said = taught(tmp_path / "killed")
    assert (f"resumed at step {kill // 2 * 2}" in said) == (kill >= 2)
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name
    # the comparison can fail: one step less is another model
    shorter, _ = taught(tmp_path / "short", course=replace(COURSE, stop=6))
    assert not any(torch.equal(value, shorter[name]) for name, value in whole.items())


def test_a_finished_training_trains_no_more(tmp_path: Path):
    whole, _ = taught(tmp_path)
    again, said = taught(tmp_path, kill=0)
    assert all(torch.equal(value, again[name]) for name, value in whole.items())
    assert said == ["resumed at step 7"]


def test_progress_beside_a_state_without_a_header_counts(tmp_path: Path):
    whole, _ = taught(tmp_path / "whole")
    with pytest.raises(Killed):
        taught(tmp_path / "killed", 5)
    state = tmp_path / "killed" / "state.safetensors"
    save_file(load_file(state), state)
    state.with_suffix(".json").write_text(json.dumps({"step": 4, "seconds": 1.0}), encoding="utf-8")
    resumed, _ = taught(tmp_path / "killed")
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_rates_rise_and_fall():
    course = Course(steps=100, lr=2.0, warmup=10, floor=0.25)
    rates = [course.rate(step) for step in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9] == rates[10] == max(rates) == 2.0
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert rates[100] == pytest.approx(0.5)
    assert (course.last, Course(steps=100, lr=1.0, stop=40).last) == (100, 40)


def test_a_step_has_its_own_random_numbers():
    first, again, next_, other = (
        torch.rand(4, generator=training.stream(*which)) for which in ((1, 5), (1, 5), (1, 6), (2, 5))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, next_)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("shape", [(3, 6, 10), (3, 10, 6), (2, 8, 8)])
def test_updates_are_orthogonal(shape: tuple[int, int, int]):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    matrices *= torch.tensor([1.0, 10.0, 0.1])[: len(matrices)].view(-1, 1, 1)
    values = torch.linalg.svdvals(training._orthogonal(matrices))
    # the quintic iteration brings singular values near 1 and lets them swing there
    assert values.min() > 0.6
    assert values.max() < 1.3
    raw = torch.linalg.svdvals(matrices)
    assert not (raw.min() > 0.6 and raw.max() < 1.3)


def test_muon_steps_against_the_gradient_as_far_as_adam():
    parameter = nn.Parameter(torch.zeros(6, 10))
    parameter.grad = torch.randn(6, 10, generator=torch.Generator().manual_seed(5))
    training.Muon([parameter], lr=0.01).step()
    assert (parameter.detach() * parameter.grad).sum() < 0
    size = parameter.detach().square().mean().sqrt() / 0.01  # Adam's steps are about 0.2 to 0.4 of the rate
    assert 0.1 < size < 0.4
