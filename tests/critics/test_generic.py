"""Models without a family of their own: which are taken, which refused in words, and what a pass of theirs reads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import picos
import pytest
import torch
from allocated import kept_of
from control_recipes import critics
from control_recipes.critics import Branch, View, generic, processors
from control_recipes.engine import models
from control_recipes.engine.errors import InputError

CASES = {name: case for name, case in picos.CASES.items() if case.family == critics.GENERIC}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("generic")
    for name, case in CASES.items():
        case.build(root / name, 1)
    return {name: root / name for name in CASES}


def changed(folder: Path, copy: Path, file: str, **changes: Any) -> Path:
    shutil.copytree(folder, copy)
    path = copy / file
    data = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for name, value in changes.items():
        data[name] = {**data[name], **value} if isinstance(value, dict) and name.endswith("_config") else value
    path.write_text(json.dumps(data), encoding="utf-8")
    return copy


def test_every_known_processor_is_tried_on_a_class_without_a_family(kept: dict[str, Path]) -> None:
    assert sorted(processors.kind_of(folder) for folder in kept.values()) == sorted(processors.KNOWN)
    assert not {case.name for case in CASES.values()} & set(critics.FAMILIES)


def test_another_image_processor_is_refused_with_the_list(kept: dict[str, Path], tmp_path: Path) -> None:
    name = "preprocessor_config.json"
    folder = changed(kept["mistral3"], tmp_path / "a", name, image_processor_type="OtherImageProcessorFast")
    with pytest.raises(InputError) as caught:
        models.locate(str(folder), Path())
    (problem,) = caught.value.problems
    assert problem.message.endswith("not known here: `mistral3`")
    assert all(word in problem.hint for word in (*processors.KNOWN, "qwen2_5_vl"))
    with pytest.raises(InputError, match="OtherImageProcessor"):
        critics.chat_of(folder, critics.GENERIC)
    (folder / name).unlink()
    with pytest.raises(InputError, match="not known here"):
        models.locate(str(folder), Path())


@pytest.mark.parametrize(
    ("case", "file", "changes", "message"),
    [
        ("mistral3", "processor_config.json", {"processor_class": "OtherProcessor"}, "'OtherProcessor'"),
        ("mistral3", "processor_config.json", {"spatial_merge_size": 1}, "not the model's"),
        ("mistral3", "config.json", {"vision_config": {"patch_size": 16}}, "not the model's"),
        ("aya_vision", "processor_config.json", {"downsample_factor": 1}, "16 tokens for a tile"),
        ("aya_vision", "preprocessor_config.json", {"size": {"height": 48, "width": 48}}, "32 pixels square"),
        ("vipllava", "config.json", {"vision_config": {"model_type": "siglip_vision_model"}}, "CLIP's is"),
        ("vipllava", "config.json", {"text_config": {"max_position_embeddings": "many"}}, "max_position_embeddings"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    kept: dict[str, Path], tmp_path: Path, case: str, file: str, changes: dict[str, Any], message: str
) -> None:
    folder = changed(kept[case], tmp_path / case, file, **changes)
    with pytest.raises(InputError, match=message):
        critics.chat_of(folder, critics.GENERIC)


def test_a_model_that_transformers_has_no_class_for_is_refused(kept: dict[str, Path], tmp_path: Path) -> None:
    folder = changed(kept["vipllava"], tmp_path / "a", "config.json", model_type="vipllava9")
    with pytest.raises(InputError, match="no class for 'vipllava9'"):
        critics.load(folder, critics.GENERIC, "float32", "cpu")


@pytest.mark.parametrize(
    ("answers", "rows"),
    [
        ([(1,), (2,)], [()]),
        ([(1, 2, 3), (1, 2, 4), (1, 5)], [(1, 2)]),
        ([(1, 2), (3, 4, 5), (6,)], [(3, 4), (1,)]),
    ],
)
def test_answers_that_begin_alike_are_read_together(
    answers: list[tuple[int, ...]], rows: list[tuple[int, ...]]
) -> None:
    assert generic.rows_of(answers) == rows
    assert critics.readings(critics.GENERIC, answers) == len(rows)
    assert critics.readings("paligemma", answers) == critics.readings("pixtral", answers) == 1


def test_rows_of_one_pass_are_counted_as_they_are_kept(tmp_path: Path) -> None:
    """Two answers of several tokens: the picture is looked at, and the question read, for each."""
    CASES["mistral3"].build(tmp_path, 8)
    critic: Any = critics.load(tmp_path, critics.GENERIC, "float32", "cpu")
    question, said = "What is in the image?", ("a red ball in the grass", "zqj 7 dogs")
    x = torch.rand(3, 61, 97, requires_grad=True)
    with kept_of(critic.model) as held:
        critic.ask([View(x)], [[Branch(question, one) for one in said]])
    answers = [critic.chat.answer(question, one) for one in said]
    readings = critics.readings(critics.GENERIC, answers)
    assert readings == 2
    read = readings * critic.chat.length(question, [(97, 61)]) + sum(len(one) - 1 for one in answers)
    sizes = critics.sizes_of(tmp_path, critics.GENERIC)
    once, twice = (sizes.ask(97, 61, read, len(answers[0]) + len(answers[1]), times).kept for times in (1, 2))
    assert twice == pytest.approx(sum(held.values()), rel=0.15)
    assert once < 0.85 * sum(held.values())
