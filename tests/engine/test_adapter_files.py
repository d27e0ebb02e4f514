"""Adapters as people give them: a file of any tool, or the folder that peft wrote; and what is none, told at once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from commandline import recipe
from control_recipes.engine import adapter, adapter_files, compose, evaluate, export, extract, pictures, sides
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve
from ran import Heard

TINY = Path("runs/tiny/tiny.safetensors")


@pytest.fixture
def exported(here: Path) -> dict[str, Path]:
    """What `export` made of the run's adapter, by tool."""
    return {tool: export.export(TINY, tool).adapter for tool in ("kohya", "comfyui", "peft")}


def test_an_export_paints_and_is_judged_as_the_adapter_itself(exported: dict[str, Path]):
    (wanted,) = pictures.generate(TINY, ["a red ball"], 3, 1.0, Path("wanted"))
    plan = resolve(read(Path("tiny.yaml")))
    digest = adapter.tensors_sha256(adapter.load(TINY)[0])
    for tool, path in exported.items():
        (painted,) = pictures.generate(path, ["a red ball"], 3, 1.0, Path(tool))
        assert painted.read_bytes() == wanted.read_bytes()
    assert evaluate.evaluate(plan, exported["kohya"]).tensors_sha256 == digest


def test_a_scale_that_another_tool_wrote_is_taken_in(here: Path):
    """Of a file of diffusers, whose settings stand in its header."""
    tensors, _ = adapter.load(TINY)
    told = {"lora_adapter_metadata": json.dumps({"transformer.r": 2, "transformer.lora_alpha": 4})}
    adapter.save(Path("theirs.safetensors"), tensors, told)
    twice = {key: 2 * value if key.endswith("lora_B.weight") else value for key, value in tensors.items()}
    plan = resolve(read(Path("tiny.yaml")))
    found = evaluate.evaluate(plan, Path("theirs.safetensors"))
    assert found.tensors_sha256 == adapter.tensors_sha256(twice)


def test_pefts_folder_is_an_adapter_everywhere(exported: dict[str, Path]):
    folder = exported["peft"]
    file = folder / "adapter_model.safetensors"
    assert adapter_files.found(folder) == file
    assert extract.extract(folder) == extract.extract(TINY)
    assert sides.of(str(folder), lambda: pytest.fail("is no recipe")) == sides.of_adapter(TINY)
    assert export.export(folder, "diffusers").adapter == Path("runs/tiny/tiny.diffusers.safetensors")
    parts = compose.parts_of([folder, TINY], [1.0, 1.0], Heard())
    assert [(part.path, part.parent.name) for part in parts] == [(file, "tiny"), (TINY, "tiny_2")]
    assert recipe("verify", "tiny.yaml", "--adapter", str(folder)) == 1  # it is another file, and read as one
    made = resolve(read(Path("tiny.yaml"), [f"adapter.start={folder}", f"generator.with={folder}"]))
    for assets in (made.adapter.start, made.generator.companions):
        assert assets[0].name == str(file)
    # another tool's, which says nothing of itself, is called as its folder
    theirs = shutil.copytree(folder, "style.v2")
    adapter.save(Path(theirs, "adapter_model.safetensors"), adapter.load(file)[0], {})
    parts = compose.parts_of([TINY, Path(theirs)], [1.0, 1.0], Heard())
    assert parts[1].parent.name == "style"
    plain = resolve(read(Path("tiny.yaml"), [f"adapter.start={theirs}"])).adapter.start
    assert [one.name for one in plain] == ["style.v2/adapter_model.safetensors", "style.v2/adapter_config.json"]


@pytest.mark.parametrize(
    ("given", "said", "hint"),
    [
        ("nowhere.safetensors", "there is no such adapter", "give the file that `recipe run` writes"),
        ("runs/tiny/tyni.safetensors", "there is no such adapter", "did you mean runs/tiny/tiny.safetensors?"),
        ("runs/tiny", "is a folder, and none that peft wrote", "give its adapter: runs/tiny/tiny.safetensors"),
        ("flux", "is a folder, and none that peft wrote", "give the file that `recipe run` writes"),
    ],
)
def test_what_is_none_is_told_at_once(here: Path, capsys: pytest.CaptureFixture[str], given: str, said: str, hint: str):
    for words in (
        ["generate", given, "a ball"],
        ["eval", "tiny.yaml", "--adapter", given],
        ["extract", given],
        ["export", given, "--to", "kohya"],
        ["compose", given, str(TINY), "--name", "both"],
    ):
        assert recipe(*words) == 2
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith(f"{given}: {said}\n  hint: {hint}")


def test_what_is_of_another_generator_is_told_before_a_model_is_loaded(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("control_recipes.engine.generators.load", lambda *_: pytest.fail("a model is loaded"))
    # others', which names or shapes betray
    name = "lora_unet_input_blocks_1_1_proj_in"
    pair = {f"{name}.lora_down.weight": torch.ones(1, 4), f"{name}.lora_up.weight": torch.ones(4, 1)}
    adapter.save(Path("unet.safetensors"), pair, {})
    layer = "transformer.transformer_blocks.0.attn.to_q"
    pair = {f"{layer}.lora_A.weight": torch.ones(1, 4096), f"{layer}.lora_B.weight": torch.ones(4096, 1)}
    adapter.save(Path("wide.safetensors"), pair, {})
    for file, said in {
        "unet.safetensors": f"{name}: is no layer of this generator that is known by that name\n  hint: ",
        "wide.safetensors": f"{layer} has the wrong shape: 4096 → 4096, not 32 → 32\n  hint: ",
    }.items():
        assert recipe("eval", "tiny.yaml", "--adapter", file, "--quiet") == 2
        assert capsys.readouterr().err.startswith(f"{file}: {said}")
    # one of ours says so itself
    config = Path("flux/scheduler/scheduler_config.json")
    config.write_text(config.read_text("utf-8").replace("{", '{"note": 1, ', 1), "utf-8")
    for words in (["eval", "tiny.yaml", "--adapter", str(TINY)], ["generate", str(TINY), "a ball"]):
        assert recipe(*words) == 2
        told = capsys.readouterr().err  # and nothing of an evaluation that was to begin
        assert told.startswith(
            f"{TINY}: was trained for another ./flux: scheduler/scheduler_config.json differs\n  hint: "
        )
