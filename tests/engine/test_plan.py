"""The plan in canonical form: what a plan does not use is no part of its identity, whatever the language learns."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import made
import pytest
from control_recipes.engine import lock, plan
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve

RECIPES = sorted((Path(plan.__file__).parent.parent / "recipes").glob("*.yaml"))
LATER = [  # every field that came after the first plans, and a value with which it does something
    ("generator", "companions", (plan.Companion("a.safetensors", "0" * 64, "", 0.7),)),
    ("generator", "offload", True),
    ("generator", "slicing", True),
    ("generator", "tiling", True),
    ("generator", "checkpoint_backbone", True),
    ("generator", "checkpoint_decoder", True),
    ("train", "replay", plan.Replay(32, 8, (0.2, 0.9))),
    ("train", "weights", "balanced"),
    ("train", "conflict", 25),
    ("train", "optimize", "latents"),
    ("adapter", "start", (plan.Asset("a.safetensors", "0" * 64, ""),)),
]
OF_EACH = [("critics", "checkpointing", True), ("critics", "quantize", "8bit"), ("questions", "flips", True)]


def using(part: str, name: str, value: object) -> plan.Plan:
    """The plan of the tests with one of the fields in use."""
    whole = made.plan()
    of: Any = getattr(whole, part)
    used = (dataclasses.replace(of[0], **{name: value}), *of[1:]) if isinstance(of, tuple) else None
    return dataclasses.replace(whole, **{part: used or dataclasses.replace(of, **{name: value})})


def test_every_later_field_is_named_here() -> None:
    kinds = {"generator": plan.Generator, "train": plan.Train, "adapter": plan.Adapter}
    kinds |= {"critics": plan.Critic, "questions": plan.Question}
    later = {
        (part, one.name)
        for part, kind in kinds.items()
        for one in dataclasses.fields(kind)
        if one.default is not dataclasses.MISSING
    }
    assert later == {(part, name) for part, name, _ in (*LATER, *OF_EACH)}


@pytest.mark.parametrize(("part", "name", "value"), [*LATER, *OF_EACH])
def test_a_later_field_counts_where_it_is_used_and_only_there(part: str, name: str, value: object) -> None:
    text = plan.canonical(made.plan())
    assert f'"{name}":' not in text
    used = using(part, name, value)
    assert f'"{name}":' in plan.canonical(used)
    assert plan.digest(used) != plan.digest(made.plan())
    assert plan.parse(plan.dump(used)) == used
    assert plan.canonical(plan.parse(plan.canonical(used))) == plan.canonical(used)


def test_a_plan_of_before_is_still_read() -> None:
    text = plan.canonical(made.plan())
    assert dataclasses.replace(plan.parse(text), order=made.plan().order) == made.plan()
    data = json.loads(text)
    del data["train"]["stay"]  # the twin: what every plan has held from the first is not left out
    with pytest.raises(Exception, match=r"train\.stay is missing"):
        plan.parse(json.dumps(data))


def test_the_digest_of_a_plan_is_what_it_was_before_any_later_field() -> None:
    found = hashlib.sha256(plan.canonical(made.plan()).encode()).hexdigest()
    assert found == plan.digest(made.plan()) == "1223c2888a60bbf710d959cfad19f0a6e8249d0ee477bf11bb90f31dac101020"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_locks_in_git_are_fresh(path: Path) -> None:
    assert lock.stale(lock.read(path.with_suffix(".lock")), resolve(read(path))) == []
