"""Platforms: what decides about bits, what differs, and what a training that moved says of itself."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import made
import pytest
import torch
from control_recipes.engine import lock, locking, platforms, processes
from control_recipes.engine.errors import InputError
from control_recipes.engine.lock import Platform

PLACE = Platform("cpu", "AVX2", 2, "Linux-x86_64", "3.11.0", True, (("numpy", "2.4"), ("torch", "2.13.0")), "a mill",
                 (("precision", "high"),))  # fmt: skip


def test_a_platform_says_what_the_same_bits_depend_on():
    here = platforms.here(made.plan())
    assert (here.device, here.deterministic, here.mixed) == ("cpu", True, ())
    assert here.threads == torch.get_num_threads()
    assert {"torch", "diffusers", "transformers", "peft", "tokenizers", "numpy", "control-recipes"} <= dict(
        here.versions
    ).keys()
    assert here.flags == tuple(sorted(here.flags))
    assert dict(here.flags)["float32_matmul_precision"] == torch.get_float32_matmul_precision()


def test_settings_of_the_libraries_below_are_part_of_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    assert dict(platforms.here(made.plan()).flags)["MKL_CBWR"] == "COMPATIBLE"


def test_only_a_training_is_shared_by_the_processes_that_were_started(monkeypatch: pytest.MonkeyPatch):
    trains = made.plan()
    composes = replace(trains, train=replace(trains.train, steps=0))
    monkeypatch.setattr(processes, "count", lambda: 2)
    assert [platforms.here(plan).processes for plan in (trains, composes)] == [2, 1]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (replace(PLACE, threads=4), "threads 2, here 4"),
        (replace(PLACE, instruction_set="AVX512"), "instruction set AVX2, here AVX512"),
        (replace(PLACE, device="NVIDIA H100"), "device cpu, here NVIDIA H100"),
        (replace(PLACE, processor="a watch"), "processor a mill, here a watch"),
        (replace(PLACE, versions=(("numpy", "2.4"), ("torch", "2.14.0"))), "torch 2.13.0, here 2.14.0"),
        (replace(PLACE, flags=(("MKL_CBWR", "AVX2"), ("precision", "high"))), "MKL_CBWR unset, here AVX2"),
        (replace(PLACE, deterministic=False), "made without --fast, here with it"),
    ],
)
def test_what_differs_is_said_in_words(other: Platform, said: str):
    assert platforms.differences(PLACE, other) == (said,)
    assert platforms.differences(PLACE, PLACE) == ()


def test_an_unknown_processor_is_another_one():
    first_version = replace(PLACE, processor="", flags=())
    assert platforms.differences(first_version, PLACE) == ("processor not known, here a mill",)
    other = replace(first_version, flags=PLACE.flags)
    assert platforms.differences(first_version, other) == ("processor not known, here not known",)


X86 = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC
stepping\t: 1

processor\t: 1
model name\t: AMD EPYC
"""
ARM = """\
processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

processor\t: 1
CPU implementer\t: 0x41
CPU variant\t: 0x0
CPU part\t: 0xd03

Hardware\t: BCM2835
Serial\t\t: 10000000abcdef01
Model\t\t: Raspberry Pi 4 Model B Rev 1.1
"""


def test_a_processor_is_told_by_its_name_or_the_numbers_of_its_cores():
    assert platforms._told(X86) == "AMD EPYC, family 25 model 17"
    cores = "implementer 0x41 variant 0x0 part 0xd03, implementer 0x41 variant 0x0 part 0xd08"
    assert platforms._told(ARM) == f"{cores}, Raspberry Pi 4 Model B Rev 1.1"
    assert platforms._told("") == ""


def test_what_does_not_matter_is_no_difference():
    assert platforms.differences(PLACE, replace(PLACE, python="3.12.1")) == ()
    assert platforms.differences(replace(PLACE, deterministic=False), PLACE) == ("made with --fast, here without",)


def test_a_session_that_did_no_step_which_was_kept_does_not_count(tmp_path: Path):
    platforms.begun(tmp_path, PLACE, 0)
    assert platforms.begun(tmp_path, replace(PLACE, threads=8), 10).mixed == ("threads 2, here 8",)
    assert platforms.begun(tmp_path, PLACE, 10) == PLACE == platforms.of_run(tmp_path)


def test_sessions_of_one_training_are_kept_apart(tmp_path: Path):
    assert platforms.of_run(tmp_path) is None
    assert platforms.begun(tmp_path, PLACE, 0) == PLACE
    again = platforms.begun(tmp_path, PLACE, 10)
    assert again == PLACE
    moved = platforms.begun(tmp_path, replace(PLACE, threads=8), 20)
    assert moved == replace(PLACE, threads=8, mixed=("threads 2, here 8",))
    assert platforms.of_run(tmp_path) == moved
    assert platforms.begun(tmp_path, PLACE, 0) == PLACE  # anew, and nothing of before counts


@pytest.mark.parametrize("garbage", [b"[]", b"{", b"\xff", b'[{"device": 1}]'])
def test_notes_that_were_damaged_are_refused_in_words(tmp_path: Path, garbage: bytes):
    (tmp_path / platforms.FILE).write_bytes(garbage)
    with pytest.raises(InputError, match=r"platform\.json"):
        platforms.of_run(tmp_path)
    with pytest.raises(InputError, match=r"platform\.json"):
        platforms.begun(tmp_path, PLACE, 10)
    assert platforms.begun(tmp_path, PLACE, 0) == PLACE


def test_two_fast_trainings_on_one_platform_are_not_told_as_two_platforms():
    outcome = lock.Outcome("a", "", "1", 1, "steps", (), ())
    inputs, said = lock.Inputs("p", "", "", ()), list[str]()
    for fast, words in ((True, "--fast promises nothing about bits"), (False, "OTHER tensors")):
        old = lock.Lock(inputs, replace(PLACE, deterministic=not fast), outcome)
        now = replace(old, outcome=replace(outcome, tensors_sha256="2"))
        locking.tell_outcome(now, Path("a.lock"), old, said.append)
        assert words in said.pop()


def test_a_training_that_was_fast_once_promises_nothing(tmp_path: Path):
    platforms.begun(tmp_path, replace(PLACE, deterministic=False), 0)
    assert platforms.begun(tmp_path, PLACE, 10).deterministic is False


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with platforms.threads(before + 2):
        assert torch.get_num_threads() == before + 2
    with platforms.threads(0):
        assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before


def test_cuda_is_told_to_compute_the_same_bits_unless_it_is_to_be_fast(monkeypatch: pytest.MonkeyPatch):
    plan = made.plan()
    on_cuda = replace(plan, generator=replace(plan.generator, device="cuda"))
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with platforms.deterministic(plan):
        assert not torch.are_deterministic_algorithms_enabled()  # a CPU needs no telling
    with platforms.deterministic(on_cuda, fast=True):
        assert not torch.are_deterministic_algorithms_enabled()
        assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    with platforms.deterministic(on_cuda):
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert not torch.are_deterministic_algorithms_enabled()
