"""Hints for values that are none here: what was meant, where the words or the digits say it, and else nothing."""

from __future__ import annotations

from pathlib import Path

import hollow
import pytest
from control_recipes.engine import meant
from control_recipes.engine.errors import InputError
from control_recipes.engine.export import DTYPES
from control_recipes.engine.generators.layouts import TOOLS
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve


@pytest.mark.parametrize(
    ("value", "known", "said"),
    [
        ("khoya", TOOLS, "kohya"),
        ("sd-scripts", TOOLS, "kohya"),
        ("comfy", TOOLS, "comfyui"),
        ("fp16", DTYPES, "float16"),
        ("fp16", ("float32", "bfloat16", "float64"), "bfloat16"),
        ("BF16", DTYPES, "bfloat16"),
        (8, ("8bit", "4bit"), "8bit"),
        ("nf4", ("8bit", "4bit"), "4bit"),
        ("invoke", TOOLS, ""),
        ("int8", DTYPES, ""),
        ("", TOOLS, ""),
        ("x" * 100_000, TOOLS, ""),
    ],
)
def test_a_word(value: object, known: tuple[str, ...], said: str):
    assert meant.word(value, known) == (f"did you mean `{said}`?" if said else "")


@pytest.mark.parametrize(
    ("value", "whole", "said"),
    [
        ("0,001", False, "`0.001`? a point"),
        ("-1,5e-3", False, "`-1.5e-3`? a point"),
        ("1,000,000", True, "`1000000`?"),
        ("0.5", False, "text in quotes"),
        ("0.5", True, ""),
        ("0,5", True, ""),
        ("1,2,3", False, ""),
        ("fast", False, ""),
        ("1" * 100_000, True, ""),
        ([1], False, ""),
    ],
)
def test_a_number(value: object, whole: bool, said: str):
    hint = meant.number(value, whole)
    assert (said in hint) if said else not hint


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return hollow.workplace(tmp_path)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("critics.eyes.quantize=8", "did you mean `8bit`?"),
        ("generator.dtype=fp16", "did you mean `bfloat16`?"),
        ("generator.offload=yes", "did you mean `true`? `yes`, `no`, `on` and `off` are text here"),
        ("generator.slicing=0", "did you mean `false`?"),
        ("generator.checkpointing=off", "did you mean `false`? `yes`, `no`, `on` and `off` are text here"),
        ("generator.tiling='true'", "text in quotes stays text: leave them away"),
        ("train.lr=0,001", "did you mean `0.001`? a point stands before decimals, no comma"),
        ("train.steps=1,000", "did you mean `1000`?"),
        (
            "generator.size.width=32",
            "make them 64 × 64, or leave these measures out: sharpness and drift hold at any size",
        ),
    ],
)
def test_an_override_is_told_at_its_place_with_what_was_meant(file: Path, given: str, hint: str):
    whole = ["generator.size={width: 64, height: 64}", given]
    with pytest.raises(InputError) as caught:
        resolve(read(file, whole))
    (problem,) = caught.value.problems
    assert (problem.place.file, problem.key) == (f"--set {given}", given.partition("=")[0])
    assert problem.hint == hint
