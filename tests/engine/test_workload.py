"""Counts of what a plan will do, against what a training and an evaluation really do."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import hollow
import pytest
from control_recipes.engine import replay, workload
from control_recipes.engine.plan import Plan
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve


def planned(tmp_path: Path, *sets: str) -> Plan:
    return resolve(read(hollow.workplace(tmp_path), sets))


def test_counts_of_a_small_plan(tmp_path: Path):
    work = workload.workload(planned(tmp_path, "train.steps=10", "train.batch=3", "evaluate.every=4"))
    # 9 rows to train on, one held back, one to test; two questions, one under a drawing: two views of each picture
    assert work.training == workload.Part(30, 10, 10, 10, {"eyes": workload.Asked(60, 60, 10, 10)})
    assert work.looks == workload.Part(12, 3, 3, 0, {"eyes": workload.Asked(24, 24, 3, 3)})
    both = workload.Asked(64, 64, 2, 2)
    assert work.evaluation == workload.Part(48, 3, 3, 0, {"eyes": both, "second": both})


def test_steps_of_the_sampler_are_what_is_to_be_expected(tmp_path: Path):
    work = workload.workload(planned(tmp_path, "generator.steps=5", "train.steps=10", "stay.weight=0.1"))
    assert work.training.generator == 10 * (2 + 1 + 1)
    assert work.evaluation.generator == 5 * 3


def test_a_judge_that_stops_looks_too(tmp_path: Path):
    work = workload.workload(planned(tmp_path, "train.stop={judge: {second: {aligned: 0.9}}}", "expect={}"))
    assert set(work.looks.critics) == {"eyes", "second"}
    assert set(work.training.critics) == {"eyes"}


@pytest.mark.parametrize(("side", "pictures"), [(64, 64), (512, 1), (1024, 1)])
def test_pictures_at_once(tmp_path: Path, side: int, pictures: int):
    made = planned(tmp_path)
    large = dataclasses.replace(made, generator=dataclasses.replace(made.generator, width=side, height=side))
    assert workload.at_once(large) == pictures


def test_what_is_recomputed_is_counted_and_a_slice_is_a_pass(tmp_path: Path):
    sets = ["generator.checkpointing=true", "generator.slicing=true", "critics.eyes.checkpointing=true"]
    work = workload.workload(planned(tmp_path, "train.steps=10", "train.batch=3", "evaluate.every=4", *sets))
    assert work.training == workload.Part(30, 20, 60, 10, {"eyes": workload.Asked(60, 60, 20, 20)})
    assert (work.looks.decoder, work.looks.generator) == (12, 3)  # nothing is recomputed where nothing is kept
    assert work.evaluation.decoder == work.evaluation.pictures


@pytest.mark.parametrize(("buffer", "refresh", "batch"), [(32, 8, 4), (5, 1, 4), (4, 3, 4), (7, 100, 2)])
def test_the_pictures_of_a_replay_are_those_that_a_training_paints(
    tmp_path: Path, buffer: int, refresh: int, batch: int
):
    said = f"train.backprop={{replay: {{buffer: {buffer}, refresh: {refresh}}}}}"
    made = planned(tmp_path, "generator.steps=4", "train.steps=20", f"train.batch={batch}", said)
    due = [len(replay.due(made.train, step)) for step in range(1, 21)]
    batches = sum(-(-count // batch) for count in due)
    found = workload.workload(made).training
    assert (found.replayed, found.generator) == (sum(due), 4 * batches + 20)
    assert found.decoder == found.backward == 20
