"""Several processes: pictures, loss and adapter of one; only the first writes and speaks; all end together."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import made
import pytest
import sharing
import torch
from control_recipes.engine import devices, lock, processes
from control_recipes.engine.errors import InputError, Place, Problem, WorkError
from control_recipes.engine.plan import Replay
from control_recipes.engine.streams import Share, drawn, normal, stream
from safetensors.torch import load_file
from sharing import Told

TOLERANCE = 1e-6  # of what changed: in float64, but for what critics compute in float32 whatever they are asked
ROOT = Path(__file__).parents[2]
SHARED = ("uneven2", "replay2")


@pytest.fixture(scope="module")
def place(tiny_models: Path, tiny_recipe: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    for name in ("flux", "critic", "second"):
        (folder / name).symlink_to(tiny_models / name)
    (folder / "tiny.yaml").write_text(tiny_recipe, "utf-8")
    return folder


@pytest.fixture(scope="module")
def told(place: Path) -> dict[str, list[Told]]:
    """What came of everything that `sharing` does."""
    paths = [str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "sharing.py"), str(place)],
        capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {name: [Told(**one) for one in each] for name, each in json.loads(done.stdout).items()}


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]


def apart(one: Path, other: Path) -> float:
    """How far adapters lie from one another, by what training changed: B begins at zero."""
    first, second = (load_file(folder / "pico.safetensors") for folder in (one, other))
    names = [name for name in first if "lora_B" in name]
    moved = torch.cat([first[name].flatten() for name in names])
    return float((torch.cat([second[name].flatten() for name in names]) - moved).norm() / moved.norm())


@pytest.mark.parametrize("name", SHARED)
def test_several_processes_train_what_one_trains(place: Path, told: dict[str, list[Told]], name: str):
    alone = f"{name[:-1]}1"
    assert [one.status for one in (*told[alone], *told[name])] == [0] * (1 + int(name[-1]))
    assert all((one.out, one.err) == ("", "") for one in told[name])
    for one, several in zip(lines(place / alone), lines(place / name), strict=True):
        for key in {"loss", "stay", "grad_norm", "lr"} & one.keys():
            assert several[key] == pytest.approx(one[key], rel=TOLERANCE)
        for key in {"questions", "look"} & one.keys():
            for question, said in one[key].items():
                for critic, belief in said.items():
                    assert several[key][question][critic] == pytest.approx(belief, rel=TOLERANCE)
        if "conflict" in one:
            assert several["conflict"]["norms"] == pytest.approx(one["conflict"]["norms"], rel=TOLERANCE)
    assert apart(place / alone, place / name) < TOLERANCE


def test_the_comparison_sees_another_training(place: Path, told: dict[str, list[Told]]):
    assert apart(place / "replay1", place / "uneven1") > 100 * TOLERANCE


def test_only_the_first_process_speaks_and_the_lock_says_how_many_there_were(place: Path, told: dict[str, list[Told]]):
    first, second = told["whole.0"]
    assert (first.status, second.status, second.out, second.err) == (0, 0, "", "")
    assert json.loads(first.out)["steps"] == 3
    assert "training 3/3" in first.err
    locked = lock.read(place / "whole" / "tiny.lock")
    assert locked.platform is not None
    assert locked.platform.processes == 2
    text = (place / "whole" / "runs" / "tiny" / "report.html").read_text("utf-8")
    assert "1 thread in each of 2 processes" in text


def test_a_shared_run_that_was_killed_ends_with_the_same_bits(place: Path, told: dict[str, list[Told]]):
    first, second = told["resumed.0"]
    assert (first.status, second.status, second.err) == (-9, 0, "")
    first, second = told["resumed.1"]
    assert (first.status, second.status) == (0, 0)
    assert "goes on after step 2 of 3" in first.err
    whole, resumed = (
        (place / name / "runs" / "tiny" / "tiny.safetensors").read_bytes() for name in ("whole", "resumed")
    )
    assert whole == resumed


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("refused.0", 0, "recipe: step 2: what one process alone has seen\n  hint: try another; what was done is kept"),
        ("lost.0", -9, "recipe: one of the 2 processes ended\n"),
    ],
)
def test_what_fails_in_one_ends_all_with_one_message(told: dict[str, list[Told]], name: str, status: int, said: str):
    first, second = told[name]
    assert first.status == 3
    assert said in first.err
    assert "Traceback" not in first.err
    assert (second.status, second.out, second.err) == (status, "", "")


def test_a_batch_too_small_for_all_is_refused_before_any_work(place: Path, told: dict[str, list[Told]]):
    first, second = told["idle.0"]
    assert (first.status, second.status, second.err) == (2, 0, "")
    assert "train.batch: 2 processes are to share a batch of 1 picture\n" in first.err
    assert "hint: start 1 at most, or let train.batch be 2" in first.err
    assert not (place / "idle" / "runs").exists()


@pytest.mark.parametrize(
    "launcher",
    [
        "torch.distributed.run --nproc-per-node 2 -m",
        "accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no "
        "--dynamo_backend no --module",
    ],
    ids=["torchrun", "accelerate"],
)
def test_launchers_start_them(launcher: str, place: Path, told: dict[str, list[Told]]):
    done = subprocess.run(
        [sys.executable, "-m", *launcher.split(), "control_recipes.cli", "run", "tiny.yaml"],
        cwd=place / "whole", capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("tiny: up to date in runs/tiny") == 1


@pytest.mark.parametrize(
    ("changes", "number", "said"),
    [
        ({"batch": 2}, 3, "train.batch: 3 processes are to share a batch of 2 pictures"),
        ({"batch": 4, "replay": Replay(2, 1, (0.3, 0.8))}, 3, "train.batch: 3 processes .* a batch of 2 pictures"),
        ({"batch": 1, "optimize": "latents"}, 2, "train.optimize: 2 processes .* 1 picture\n  hint: start one"),
        ({"batch": 3}, 3, ""),
        ({"batch": 1, "steps": 0}, 2, ""),
    ],
)
def test_processes_without_a_picture_are_refused(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], number: int, said: str
):
    plan = made.plan()
    plan = dataclasses.replace(plan, train=dataclasses.replace(plan.train, **changes))
    processes.refuse_idle(plan)  # alone, never
    monkeypatch.setattr(processes, "count", lambda: number)
    if said:
        with pytest.raises(InputError, match=said):
            processes.refuse_idle(plan)
    else:
        processes.refuse_idle(plan)


def launch(monkeypatch: pytest.MonkeyPatch, number: int, rank: int) -> None:
    """What a launcher says to a process."""
    for name, value in {"WORLD_SIZE": number, "RANK": rank, "LOCAL_RANK": rank, "MASTER_PORT": 1}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")


def test_shares_are_even_but_for_one_picture(monkeypatch: pytest.MonkeyPatch):
    found: list[Share] = []
    for rank in range(3):
        launch(monkeypatch, 3, rank)
        monkeypatch.setattr(processes, "count", lambda: 3)
        found.append(processes.share(7))
    assert found == [Share(0, 3, 7), Share(3, 5, 7), Share(5, 7, 7)]
    assert sum(one.part for one in found) == pytest.approx(1)
    assert [place for one in found for place in one.own("abcdefg")] == list("abcdefg")


def test_a_share_has_the_draws_of_the_whole_batch():
    whole = normal((5, 4), stream(1, "a"), torch.float32)
    for share in (Share(0, 3, 5), Share(3, 5, 5)):
        own = normal((share.end - share.start, 4), stream(1, "a", share=share), torch.float32)
        assert torch.equal(own, whole[share.start : share.end])
    with pytest.raises(ValueError, match="a share of 2 pictures is not drawn for 3"):
        drawn(torch.rand, 3, stream(1, "a", share=Share(0, 2, 5)))


@pytest.mark.parametrize(
    ("word", "number", "rank", "cards", "wanted"),
    [
        ("auto", 1, 0, 2, "cuda:0"),
        ("cuda", 1, 0, 2, "cuda"),
        ("auto", 2, 1, 2, "cuda:1"),
        ("cuda", 2, 1, 2, "cuda:1"),
        ("auto", 3, 2, 2, "cuda:0"),
        ("cuda:0", 2, 1, 2, "cuda:0"),
        ("auto", 2, 1, 0, "cpu"),
        ("cpu", 2, 1, 2, "cpu"),
    ],
)
def test_each_process_has_a_device_of_its_own(
    monkeypatch: pytest.MonkeyPatch, word: str, number: int, rank: int, cards: int, wanted: str
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cards > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cards)
    launch(monkeypatch, number, rank)
    assert devices.device(word) == torch.device(wanted)


def test_errors_are_the_same_in_another_process():
    for error in (WorkError("a", "b"), InputError([Problem(Place("f", 1, 2), "k", "m", "h")])):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))


def test_the_words_of_the_launcher_are_all_needed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORLD_SIZE", "2")  # as other tools set it too
    monkeypatch.delenv("RANK", raising=False)
    assert (processes.started(), processes.rank(), processes.count()) == (1, 0, 1)
    assert sharing._launcher(0, 1, 1) == {}
