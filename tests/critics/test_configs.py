"""Configurations without torch: what stock classes add in silence, and folders that are refused in words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import picos
import pytest
import torch
import transformers
from control_recipes import critics
from control_recipes.critics import configs
from control_recipes.engine.errors import InputError


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {"": tmp_path_factory.mktemp("configs")}


def copied(kept: dict[str, Path], name: str, folder: Path) -> Path:
    """A pico folder of the case, to be changed."""
    if name not in kept:
        picos.CASES[name].build(kept[""] / name, 1)
        kept[name] = kept[""] / name
    return shutil.copytree(kept[name], folder / name)


@pytest.mark.parametrize("kind", configs.DEFAULTS)
def test_defaults_are_the_stock_classes(kind: str) -> None:
    stock = transformers.CONFIG_MAPPING[kind]()
    for name, value in configs.DEFAULTS[kind].items():
        theirs = getattr(stock, name)
        assert value == (theirs[0] if isinstance(theirs, (list, tuple)) else theirs), name


@pytest.mark.parametrize(
    ("case", "file", "changes", "message"),
    [
        ("llava_next", "config.json", {"vision_config": {"model_type": "siglip_vision_model"}}, "CLIP's is"),
        ("llava_next", "config.json", {"vision_feature_select_strategy": "full"}, "other than default"),
        ("llava_next", "config.json", {"image_grid_pinpoints": [[33, 64]]}, "squares of 32 pixels"),
        ("llava_next", "preprocessor_config.json", {"image_grid_pinpoints": [[64, 64]]}, "others than in config.json"),
        ("llava_next", "preprocessor_config.json", {"crop_size": 48}, "32 pixels square"),
        ("llava_onevision", "config.json", {"vision_aspect_ratio": "square"}, "anyres_max_N"),
        ("llava_onevision", "config.json", {"text_config": {"model_type": "mamba"}}, "'mamba'"),
        ("idefics3", "preprocessor_config.json", {"max_image_size": {"longest_edge": 64}}, "32 pixels square"),
        ("idefics3", "processor_config.json", {"image_seq_len": 9}, "what the model makes: 4"),
        ("idefics2", "preprocessor_config.json", {"size": {"height": 9, "width": 9}}, "`shortest_edge`"),
        ("gemma3", "preprocessor_config.json", {"do_pan_and_scan": True}, "do_pan_and_scan"),
        ("gemma3", "preprocessor_config.json", {"size": {"height": 48, "width": 48}}, "32 pixels square"),
        ("paligemma", "config.json", {"text_config": {"model_type": "gemma2"}}, "'gemma2'"),
        ("paligemma", "config.json", {"text_config": {"model_type": "llama"}}, "Gemma's is"),
        ("paligemma", "preprocessor_config.json", {"image_seq_length": 9}, "vision tower makes: 16"),
        ("pixtral", "preprocessor_config.json", {"patch_size": 16}, "8 pixels square"),
        ("pixtral", "preprocessor_config.json", {"size": {"shortest_edge": 9}}, "`longest_edge`"),
        ("internvl", "config.json", {"vision_feature_select_strategy": "full"}, "other than default"),
        ("internvl", "config.json", {"vision_config": {"image_size": [32, 64]}}, "not square"),
        ("internvl", "preprocessor_config.json", {"size": "large"}, "no object of whole numbers"),
    ],
)
def test_what_is_not_reproduced_is_refused(
    kept: dict[str, Path], tmp_path: Path, case: str, file: str, changes: dict[str, Any], message: str
) -> None:
    folder = copied(kept, case, tmp_path)
    data = json.loads((folder / file).read_text(encoding="utf-8"))
    for name, value in changes.items():
        merges = isinstance(value, dict) and name.endswith("_config")
        data[name] = {**data[name], **value} if merges else value
    (folder / file).write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        critics.chat_of(folder, picos.CASES[case].family)


def test_a_window_limits_what_can_be_asked(kept: dict[str, Path], tmp_path: Path) -> None:
    assert critics.chat_of(copied(kept, "gemma3", tmp_path), "gemma3").limit() == 120
    assert critics.chat_of(copied(kept, "idefics2", tmp_path), "idefics2").limit() == 500
    assert critics.chat_of(copied(kept, "pixtral", tmp_path), "pixtral").limit() == 512


@pytest.mark.parametrize(
    ("family", "windowed", "plain"),
    [
        ("llava", {"model_type": "mistral", "sliding_window": 100}, {"model_type": "mistral", "sliding_window": None}),
        (
            "qwen2_5_vl",
            {"use_sliding_window": True, "sliding_window": 100, "max_window_layers": 0},
            {"use_sliding_window": False, "sliding_window": 100},
        ),
    ],
)
def test_short_configurations_have_windows_too(
    folders: dict[str, Path], tmp_path: Path, family: str, windowed: dict[str, Any], plain: dict[str, Any]
) -> None:
    """Within a window, answers are what they are without one."""
    said: list[list[float]] = []
    for changes, limit in ((windowed, 100), (plain, 4096)):
        folder = shutil.copytree(folders[family], tmp_path / str(limit))
        data = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        positions = data["text_config"]["max_position_embeddings"]
        data["text_config"] |= changes
        (folder / "config.json").write_text(json.dumps(data), encoding="utf-8")
        assert critics.chat_of(folder, family).limit() == min(limit, positions)
        critic = critics.load(folder, family, "float32", "cpu")
        picture = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))
        branch = critics.Branch("Is there a ball?", "Yes")
        said.append(critic.ask([critics.View(picture)], [[branch]])[0][0].tolist())
    assert said[0] == pytest.approx(said[1], abs=1e-6)


def test_a_window_that_is_left_out_is_the_stock_classes(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["llava"], tmp_path / "llava")
    data = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    data["text_config"] = {"model_type": "mistral"}
    (folder / "config.json").write_text(json.dumps(data), encoding="utf-8")
    assert critics.chat_of(folder, "llava").limit() == 4096


def test_no_window_is_none(kept: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(kept, "pixtral", tmp_path)
    data = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for said, limit in (({}, 4096), ({"sliding_window": None}, 9000)):
        data["text_config"] = {"model_type": "mistral", "max_position_embeddings": 9000, **said}
        (folder / "config.json").write_text(json.dumps(data), encoding="utf-8")
        assert critics.chat_of(folder, "pixtral").limit() == limit


def test_a_window_that_a_question_could_leave_is_refused(kept: dict[str, Path], tmp_path: Path) -> None:
    critic: Any = critics.load(copied(kept, "gemma3", tmp_path), "gemma3", "float32", "cpu")
    critic.chat._positions = 512
    with pytest.raises(ValueError, match="sliding windows"):
        type(critic)(critic.model, critic.chat, critic.side, critic.normal)


def test_a_processor_may_stand_in_the_joint_file(kept: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(kept, "internvl", tmp_path)
    expected = critics.chat_of(folder, "internvl").picture_tokens(130, 40)
    file = folder / "preprocessor_config.json"
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": json.loads(file.read_text())}))
    file.unlink()
    assert critics.chat_of(folder, "internvl").picture_tokens(130, 40) == expected
    assert critics.load(folder, "internvl", "float32", "cpu").chat.limit() == 512


def test_other_families_are_refused_by_name() -> None:
    assert critics.family_of({"model_type": "llava", "vision_config": {"model_type": "pixtral"}}) == "pixtral"
    assert critics.family_of({"model_type": "llava", "vision_config": {"model_type": "clip_vision_model"}}) == "llava"
    assert critics.family_of({"model_type": "blip-2"}) is None
