"""Model folders: located, digested, and refused where they are no models or hold pickles."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import hollow
import pytest
from control_recipes.engine import model_facts, models
from control_recipes.engine.errors import InputError, Place
from control_recipes.engine.models import locate


def test_a_folder_is_named_by_its_files(tmp_path: Path) -> None:
    hollow.critic(tmp_path / "critic")
    (tmp_path / "critic" / "CARD.md").write_text("a card")
    (tmp_path / "critic" / ".cache").mkdir()
    (tmp_path / "critic" / ".cache" / "x.json").write_text("{}")
    model = locate("./critic", tmp_path)
    assert (model.family, model.revision, model.folder) == ("qwen2_5_vl", "", str(tmp_path / "critic"))
    names = [name for name, _ in model.files]
    assert names == sorted(names)
    assert "CARD.md" not in names
    assert ".cache/x.json" not in names
    weights = (tmp_path / "critic" / "model.safetensors").read_bytes()
    assert dict(model.files)["model.safetensors"] == hashlib.sha256(weights).hexdigest()
    assert locate(str(tmp_path / "critic"), Path("/")).files == model.files


def test_what_a_generator_says_of_itself(tmp_path: Path) -> None:
    hollow.generator(tmp_path / "g")
    model = locate("./g", tmp_path)
    assert models.is_generator(model)
    assert (model_facts.picture_size(model), model_facts.grid(model), model_facts.text_length(model)) == (64, 8, 32)
    (tmp_path / "g" / "tokenizer_2" / "tokenizer_config.json").write_text('{"model_max_length": 1e30}')
    assert model_facts.text_length(model) == 512


def test_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    hollow.critic(tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text('{"model_type": "qwen9"}')
    hollow.critic(tmp_path / "hollow")
    (tmp_path / "hollow" / "model.safetensors").unlink()
    hollow.critic(tmp_path / "broken")
    (tmp_path / "broken" / "config.json").write_text("[")
    for address, said in {
        "./none": "there is no folder ./none",
        "./empty": "holds no model",
        "./other": "not known here: `qwen9`",
        "./hollow": "holds no weights",
        "./broken": "config.json cannot be read",
        "builtin:none": "there is no builtin model `none`",
        "builtin:genrator": "did you mean `generator`",
    }.items():
        with pytest.raises(InputError, match=said) as caught:
            locate(address, tmp_path, Place("r.yaml", 3, 4), "critics.eyes.model")
        assert str(caught.value).startswith("r.yaml:3:4: critics.eyes.model: ")


@pytest.mark.parametrize("suffix", ["bin", "pt", "ckpt", "pth"])
def test_pickled_weights_are_refused_where_there_are_no_others(tmp_path: Path, suffix: str) -> None:
    hollow.critic(tmp_path / "critic")
    (tmp_path / "critic" / f"pytorch_model.{suffix}").write_bytes(b"\x80\x04.")
    assert locate("./critic", tmp_path).family == "qwen2_5_vl"
    (tmp_path / "critic" / "model.safetensors").unlink()
    with pytest.raises(InputError, match="pickled weights"):
        locate("./critic", tmp_path)


def test_a_hub_model_is_taken_from_the_local_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    hollow.critic(tmp_path / "models--org--eyes" / "snapshots" / commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    model = locate(f"org/eyes@{commit}", Path())
    assert (model.family, model.revision, model.files) == ("qwen2_5_vl", commit, ())
    with pytest.raises(InputError, match="org/none is not on this machine, and HF_HUB_OFFLINE is set"):
        locate("org/none", Path())


def test_builtin_models_are_those_with_a_folder() -> None:
    for name in models.builtin():
        assert json.dumps(locate(f"builtin:{name}", Path()).files)
