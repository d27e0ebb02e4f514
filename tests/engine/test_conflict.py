"""How questions' gradients lie to each other, weights that balance them, and what both cost and change."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pico
import pytest
import torch
from control_recipes.engine import checkpoint, conflict, history, loss, notes, plan, step, training, workload
from control_recipes.engine.augment import Augmented
from control_recipes.engine.conflict import Balance


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return pico.flux_folder(folder / "flux"), pico.critic_folder(folder / "critic")


def planned(models: tuple[Path, Path], **train: object) -> plan.Plan:
    """Two goals, `aligned` and `what`, and a hold, `there`."""
    made = pico.plan_of(pico.generator(models[0]), models[1], **train)
    told = [dataclasses.replace(question, watch=False) for question in made.questions]
    return dataclasses.replace(made, questions=tuple(told))


def test_norms_and_cosines_are_those_of_the_gradients():
    right, up = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    found = conflict.between({"b": right, "a": right + up, "c": -2 * right, "none": 0 * up})
    assert dict(found.norms) == pytest.approx({"a": math.hypot(3, 2), "b": 3.0, "c": 6.0, "none": 0.0})
    cosines = {(one, other): value for one, other, value in found.cosines}
    assert cosines == pytest.approx(
        {("a", "b"): 3 / math.hypot(3, 2), ("a", "c"): -3 / math.hypot(3, 2), ("b", "c"): -1}
    )
    assert found.as_json()["cosines"] == {"a": {"b": cosines["a", "b"], "c": cosines["a", "c"]}, "b": {"c": -1.0}}


def test_the_gradients_of_all_questions_sum_to_that_of_the_loss(models: tuple[Path, Path]):
    with pico.one_thread():
        chosen = planned(models)
        desk = step.prepare(chosen)
        rows = list(chosen.train_rows[:2])
        shown = Augmented(torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)), (0, 0), (0, 0))
        weighing = [loss.weights(row, chosen) for row in rows]
        _, whole, _ = desk.panel.teach(shown, rows, weighing, {})
        gradients, nats = desk.panel.apart(shown, rows, weighing, {})
        assert set(gradients) == set(nats) == {"aligned", "there", "what"}
        torch.testing.assert_close(sum(gradients.values()), whole, rtol=1e-4, atol=1e-4 * float(whole.abs().max()))
        assert all(math.isfinite(value) and value > 0 for values in nats.values() for value in values)


def test_a_question_that_lags_or_pulls_weakly_gets_more_weight():
    before = {"even": Balance("even", 1.0, 1.0), "slow": Balance("slow", 1.0, 1.0)}
    norms = {"even": 1.0, "slow": 1.0}
    after = conflict.balanced(before, norms, {"even": 0.5, "slow": 0.9})
    assert after["slow"].factor > 1 > after["even"].factor
    assert after["slow"].factor * after["even"].factor == pytest.approx(1)
    # the same losses left: lengths are made equal, half of the way each time
    factors = {"even": 1.0, "slow": 1.0}
    state = before
    for _ in range(12):
        seen = {name: 4.0 * state[name].factor if name == "even" else state[name].factor for name in factors}
        state = conflict.balanced(state, seen, {"even": 0.5, "slow": 0.5})
    assert 4 * state["even"].factor == pytest.approx(state["slow"].factor, rel=1e-2)
    assert state["even"].first == 1.0


@pytest.mark.parametrize(
    ("norms", "nats"),
    [
        ({"a": 1.0}, {"a": 1.0}),
        ({"a": 1.0, "b": 0.0}, {"a": 1.0, "b": 1.0}),
        ({"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 0.0}),
    ],
)
def test_where_there_is_nothing_to_balance_nothing_changes(norms: dict[str, float], nats: dict[str, float]):
    before = {"a": Balance("a", 2.0, 0.5)}
    assert conflict.balanced(before, norms, nats) == before


def test_factors_stay_within_bounds():
    state: dict[str, Balance] = {}
    for _ in range(30):
        state = conflict.balanced(state, {"a": 1e-9, "b": 1e9}, {"a": 1.0, "b": 1e-6})
    assert all(1 / conflict.BOUND <= one.factor <= conflict.BOUND for one in state.values())


def test_looking_changes_nothing_of_what_is_trained(models: tuple[Path, Path], tmp_path: Path):
    with pico.one_thread():
        plain = training.train(planned(models, steps=4), tmp_path / "plain")
        looked = training.train(planned(models, steps=4, conflict=2), tmp_path / "looked")
    assert looked.tensors_sha256 == plain.tensors_sha256
    lines = [json.loads(line) for line in (tmp_path / "looked" / training.METRICS).read_text("utf-8").splitlines()]
    assert [line["step"] for line in lines if "conflict" in line] == [2, 4]
    past = history.read(tmp_path / "looked" / training.METRICS)
    assert {"aligned", "what"} <= set(past.norms) <= {"aligned", "there", "what"}
    assert [at for at, _ in past.norms["aligned"]] == [at for at, _ in past.cosines["aligned", "what"]] == [2, 4]


def test_balanced_weights_are_others_and_survive_an_interruption(models: tuple[Path, Path], tmp_path: Path):
    chosen = planned(models, steps=6, weights="balanced", conflict=2, save_every=1)

    def stop(told: training.Step) -> None:
        if told.step == 3:
            raise KeyboardInterrupt

    with pico.one_thread():
        plain = training.train(planned(models, steps=6), tmp_path / "plain")
        whole = training.train(chosen, tmp_path / "whole")
        with pytest.raises(KeyboardInterrupt):
            training.train(chosen, tmp_path / "parts", stop)
        parts = training.train(chosen, tmp_path / "parts")
    assert whole.tensors_sha256 == parts.tensors_sha256 != plain.tensors_sha256
    lines = [json.loads(line) for line in (tmp_path / "whole" / training.METRICS).read_text("utf-8").splitlines()]
    assert [line["step"] for line in lines if "conflict" in line] == [1, 2, 4, 6]
    _, progress = checkpoint._read(tmp_path / "whole" / checkpoint.FILE)
    assert [one.question for one in progress.balance] == ["aligned", "what"]  # the hold stays as it is written
    assert progress.balance[0].factor * progress.balance[1].factor == pytest.approx(1)


def test_what_it_costs_is_counted(models: tuple[Path, Path]):
    plain, looked = (workload.workload(planned(models, steps=20, conflict=every)).training for every in (0, 5))
    assert (plain.apart, looked.apart) == (0, 4 * 3)  # looks, questions
    assert looked.critics["eyes"].passes - plain.critics["eyes"].passes == 4
    assert workload.workload(planned(models, steps=20, weights="balanced")).training.apart == 3 * 3


def test_questions_that_oppose_each_other_are_told(models: tuple[Path, Path]):
    told = notes._opposed({("low", "high"): ((5, -0.9), (10, -0.7)), ("low", "blue"): ((5, -0.1),)})
    assert len(told) == 1
    assert "“low” and “high” pull against each other" in told[0].text
    assert "-0.80" in told[0].text
