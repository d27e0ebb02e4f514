"""An adapter made for another generator is refused with words, wherever one is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import made
import pytest
import ran
from control_recipes.engine import adapter, compose, console, evaluate, lock, made_for, pictures, plan
from control_recipes.engine.errors import InputError, WorkError

MODEL = made.plan().generator.model


def carried(model: plan.Model = MODEL, hub: tuple[lock.LockedModel, ...] = ()) -> lock.Inputs:
    whole = made.plan()
    return lock.inputs(replace(whole, generator=replace(whole.generator, model=model)), hub=hub)


def test_the_same_files_are_the_same_generator_wherever_they_lie():
    assert made_for.another(carried(), MODEL) == ""
    assert made_for.another(carried(), replace(MODEL, address="./copy", folder="/elsewhere")) == ""


def test_words_for_another_generator():
    other = replace(MODEL, files=(("model.safetensors", "1" * 64),))
    assert made_for.another(carried(), other) == "was trained for another builtin:generator: model.safetensors differs"
    assert made_for.another(carried(), replace(other, address="./mine")) == (
        "was trained for another generator: builtin:generator, not ./mine"
    )
    hub = replace(MODEL, address="org/one@main", revision="a" * 40, files=())
    assert made_for.another(carried(hub), replace(hub, revision="b" * 40)) == (
        f"was trained for another org/one@main, {'a' * 40}, not {'b' * 40}"
    )


def test_a_plan_that_cannot_be_read_is_the_adapters():
    with pytest.raises(InputError, match=r"^a\.safetensors: is no plan"):
        made_for.another(replace(carried(), plan="{}"), MODEL, "a.safetensors")


def test_a_copy_of_a_hub_model_is_known_by_its_weights():
    hub = replace(MODEL, address="org/one@main", revision="a" * 40, files=())
    known = lock.LockedModel("org/one@main", "flux", "a" * 40, (("model.safetensors", "0" * 64), ("x.json", "2" * 64)))
    assert made_for.another(carried(hub, (known,)), MODEL) == ""
    assert made_for.another(carried(hub), MODEL) != ""
    other = replace(MODEL, files=(("model.safetensors", "1" * 64),))
    assert made_for.another(carried(hub, (known,)), other) != ""


def test_an_adapter_whose_plan_was_too_long_to_carry_is_not_called_anothers(tmp_path: Path):
    left_out = {"control_recipes.left_out": "control_recipes.recipe control_recipes.inputs"}
    with pytest.raises(InputError, match="its plan is too long for a safetensors header") as raised:
        made_for.carried(tmp_path / "a.safetensors", left_out)
    assert "the lock of its run has it" in str(raised.value)
    for other in ({}, {"control_recipes.left_out": "control_recipes.recipe"}):
        with pytest.raises(InputError, match="`recipe run` did not write it"):
            made_for.carried(tmp_path / "a.safetensors", other)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ran.finished(tmp_path_factory.mktemp("finished"))


@pytest.mark.parametrize(
    ("raised", "told"),
    [(MemoryError(), "painting 2 pictures: out of memory on "), (RuntimeError("other"), "^other$")],
)
def test_pictures_that_do_not_fit_end_in_words(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception, told: str
):
    def painted(*given: object) -> None:
        raise raised

    monkeypatch.chdir(ran.copied(finished, tmp_path))
    monkeypatch.setattr(pictures, "_painted", painted)
    with pytest.raises(WorkError if isinstance(raised, MemoryError) else RuntimeError, match=told):
        pictures.generate(Path("runs/tiny/tiny.safetensors"), ["a", "b"], 0, 1.0, Path("out"))


def test_eval_and_generate_refuse_it(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ran.copied(finished, tmp_path))
    path = Path("runs/tiny/tiny.safetensors")
    whole = plan.parse(Path("runs/tiny/plan.json").read_text("utf-8"))
    evaluate.evaluate(whole, path)
    pictures.generate(path, ["a ball"], 0, 1.0, Path("out"))
    weights = Path("flux/transformer/diffusion_pytorch_model.safetensors")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1  # the same names and shapes
    weights.write_bytes(data)
    said = f"was trained for another ./flux: transformer/{weights.name} differs"
    with pytest.raises(InputError, match=said):
        pictures.generate(path, ["a ball"], 0, 1.0, Path("out"))
    from control_recipes.engine.recipe import read
    from control_recipes.engine.resolve import resolve

    with pytest.raises(InputError, match=said):
        evaluate.evaluate(resolve(read(Path("tiny.yaml"))), path)


def test_eval_generate_and_compose_refuse_a_damaged_one(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(ran.copied(finished, tmp_path))
    path = Path("runs/tiny/tiny.safetensors")
    data = bytearray(path.read_bytes())
    data[-2] ^= 1  # a number among the tensors, which is one still
    path.write_bytes(data)
    whole = plan.parse(Path("runs/tiny/plan.json").read_text("utf-8"))
    said = "its tensors are not what its header says: it was damaged or changed"
    with pytest.raises(InputError, match=said):
        evaluate.evaluate(whole, path)
    with pytest.raises(InputError, match=said):
        pictures.generate(path, ["a ball"], 0, 1.0, Path("out"))
    assert not Path("out").exists()
    with pytest.raises(InputError, match=said):
        compose.parts_of([path], [1.0], console.Talk(quiet=True))


def test_an_adapter_of_another_tool_is_told_by_its_tensors_alone(tmp_path: Path):
    made_for.refuse_another(tmp_path, {}, MODEL)
    with pytest.raises(InputError, match="carries no recipe"):
        made_for.carried(tmp_path, {})
    with pytest.raises(InputError, match="holds no inputs of a lock"):
        made_for.refuse_another(tmp_path, {"control_recipes.inputs": "[]"}, MODEL)


def test_what_an_adapter_says_of_itself_is_in_order(finished: Path):
    """Keys sorted, no times, no paths: what other tools read, and what ours does."""
    import json

    data = (finished / "runs/tiny/tiny.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    told = header["__metadata__"]
    assert list(header) == sorted(header)
    assert list(told) == sorted(told)
    assert str(finished) not in data[8 : 8 + length].decode()
    assert not [key for key in told if "time" in key or "date" in key or "_at" in key]
    assert told["ss_steps"] == told["ss_max_train_steps"] == "2"
    assert told["ss_seed"] == "100"
    assert told["ss_learning_rate"] == "0.001"
    assert told["ss_resolution"] == "(64, 64)"
    assert told["modelspec.resolution"] == "64x64"
    assert told["modelspec.description"] == "a line lies on the horizon"
    assert told["ss_sd_model_name"] == "flux"
    # what sd-scripts always writes, and what ModelSpec 1.0.1 asks for
    assert {"ss_v2", "ss_base_model_version", "ss_network_module", "ss_network_dim", "ss_network_alpha"} <= set(told)
    assert {f"modelspec.{key}" for key in ("sai_model_spec", "architecture", "implementation", "title")} <= set(told)
    inputs = lock.inputs_of(told["control_recipes.inputs"], "x")
    assert inputs == lock.read(finished / "tiny.lock").inputs
    assert adapter.load(finished / "runs/tiny/tiny.safetensors")[1] == told
