"""Composed adapters are citizens: they carry where they came from, and every command takes them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import control_recipes
import pico
import pytest
import ran
import torch
from commandline import recipe
from control_recipes.engine import adapter, extract, foreign, lock, verify
from control_recipes.engine.compose import compose
from control_recipes.engine.errors import InputError
from paired import MADE, ONE, TWO
from safetensors.torch import save_file


@pytest.fixture
def here(pair: Path) -> Path:
    return pair


def put(adapters: list[Path], name: str = "again", **more: object):
    return compose(adapters, name, listener=ran.Heard(), **more)  # pyright: ignore[reportArgumentType]


def test_the_same_command_writes_the_same_bytes(here: Path):
    before = {path: path.read_bytes() for path in (MADE, MADE.with_suffix(".lock"))}
    shutil.rmtree("runs/both")
    put([ONE, TWO], "both", weights=[1, 0.8])
    assert {path: path.read_bytes() for path in before} == before
    assert b"/tmp" not in before[MADE]


def test_what_it_says_of_itself(here: Path):
    tensors, metadata = adapter.load(MADE)
    assert metadata["modelspec.merged_from"] == "one × 1, two × 0.8"
    assert metadata["control_recipes.tensors_sha256"] == adapter.tensors_sha256(tensors)
    assert not {key for key in metadata if key.startswith("ss_") and ("learning" in key or "steps" in key)}
    ranks = {len(value) for key, value in tensors.items() if key.endswith("lora_A.weight")}
    assert ranks == {3, 5}  # those that one alone has, and those that both have
    assert metadata["ss_network_dim"] == "5"


def test_it_is_exported_with_all_that_it_carries(here: Path):
    """Parts of one fused layer have two ranks here, as do layers."""
    whole, _ = foreign.read(MADE, "flux")
    for tool in ("kohya", "peft"):
        made = control_recipes.export(MADE, tool)
        file = made.adapter / "adapter_model.safetensors" if tool == "peft" else made.adapter
        assert extract.extract(file) == extract.extract(MADE)
        found, _ = foreign.read(file, "flux")
        assert found.keys() == whole.keys()
        for module, (down, up) in whole.items():
            torch.testing.assert_close(found[module][1] @ found[module][0], up @ down)


def test_every_recipe_and_every_lock_comes_back(here: Path, capsys: pytest.CaptureFixture[str]):
    carried = extract.extract(MADE)
    assert [(one.name, one.weight) for one in carried.parents] == [("one", 1.0), ("two", 0.8)]
    extract.write(carried, Path("out"))
    for name in ("one", "two"):
        assert Path("out", name, f"{name}.yaml").read_bytes() == Path(f"{name}.yaml").read_bytes()
        assert lock.read(Path("out", name, f"{name}.lock")).inputs == lock.read(Path(f"{name}.lock")).inputs
    assert recipe("extract", str(MADE), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["carried"]["recipe"] for one in told["parents"]] == [
        Path(f"{name}.yaml").read_text("utf-8") for name in ("one", "two")
    ]
    assert recipe("extract", str(MADE)) == 0
    assert "--- # composed of two, weight 0.8\n" in capsys.readouterr().out


def test_its_lock_verifies_and_names_what_changed(here: Path):
    found = verify.verify(Path("runs/both/both.lock"), retrain=True)
    assert found.verified, found.text()
    said = found.text()
    assert "composed again, the same tensors, bit for bit" in said
    assert "2 files as locked" in said
    assert "painted again, bit for bit the same" in said
    tensors, metadata = adapter.load(ONE)
    key = min(tensors)
    tensors[key] = tensors[key] + 1
    adapter.save(ONE, tensors, metadata)
    found = verify.verify(Path("runs/both/both.lock"), retrain=True)
    assert not found.verified
    assert "not composed again: one cannot be found" in found.text()
    assert f"{ONE}: changed" in found.text()


def test_every_command_takes_it(here: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe("generate", str(MADE), "a red ball") == 0
    assert recipe("eval", "one.yaml", "--adapter", str(MADE), "--json", "--quiet") == 0
    page = Path("runs/both/report.html").read_bytes()
    assert recipe("report", "runs/both") == 0
    assert Path("runs/both/report.html").read_bytes() == page
    assert b"Side by side" in page
    assert b"1 \xc3\x97 one + 0.8 \xc3\x97 two" in page
    assert b"one + two: how much their factors share" in page
    assert recipe("diff", str(MADE), str(MADE)) == 0
    capsys.readouterr()
    words = ["compose", str(MADE), str(ONE), "--rank", "2", "--name", "low", "--json", "--quiet"]
    assert recipe(*words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rank"] == 2
    assert 0 < told["reduction"]["lost"] < 1
    assert told["reduction"]["enough"] > 2
    assert Path(told["adapter"]).samefile("runs/low/low.safetensors")
    assert set(told["measures"]) == {
        *(f"both.{name}.{measure}" for name in ("one", "two") for measure in ("sharp", "horizon", "named")),
        *(f"one.{measure}" for measure in ("sharp", "horizon", "named")),
    }
    # of an adapter that is composed itself, the goal of each of its parts
    assert set(told["matrix"]) == {"both.one.horizon", "both.two.horizon", "one.horizon"}
    assert set(told["matrix"]["one.horizon"]) == {"bare", "both", "one", "both + one", "all"}
    assert {f"one.{name}" for name in ("sharp", "named")} <= told["others"].keys()
    assert told["overlap"]["both + one"]
    origins = extract.extract(Path(told["adapter"])).parents
    assert [one.name for one in origins] == ["both", "one"]
    assert origins[0].carried is not None
    assert [one.name for one in origins[0].carried.parents] == ["one", "two"]
    paths = extract.write(extract.extract(Path(told["adapter"])), Path("out"))
    assert Path("out/both/two/two.yaml") in paths
    assert verify.verify(Path("runs/low/low.lock"), retrain=True).verified


def test_from_python_nobody_need_listen(here: Path, capsys: pytest.CaptureFixture[str]):
    made = control_recipes.compose([ONE, TWO], "python", weights=[1, 0.8])
    assert made.tensors_sha256 == adapter.tensors_sha256(adapter.load(MADE)[0])
    assert (made.steps, made.name) == (0, "python")
    assert made.adapter.samefile("runs/python/python.safetensors")
    assert capsys.readouterr() == ("", "")


def test_exact_at_one_alone_is_that_one(here: Path):
    made = put([ONE])
    assert made.tensors_sha256 == adapter.tensors_sha256(adapter.load(ONE)[0])
    assert put([ONE, ONE], weights=[0.25, 0.75]).rank == 4


def test_tuned_weights_are_those_of_the_lock(here: Path):
    words = ["compose", str(ONE), str(TWO), "--tune", "one.yaml", "--tune", "two.yaml", "--name", "tuned"]
    assert recipe(*words, "--quiet") == 0
    plan = lock.plan_of(lock.read(Path("runs/tuned/tuned.lock")))
    assert [one.name for one in plan.composed.parents] == ["one", "two"]
    assert verify.verify(Path("runs/tuned/tuned.lock"), retrain=True).verified
    assert recipe("compose", str(ONE), "--tune", "two.yaml", "--name", "other") == 2
    assert not Path("runs/other").exists()


def test_of_another_tool(here: Path):
    tensors, _ = adapter.load(ONE)
    save_file({f"{key}": value.to(torch.bfloat16) for key, value in tensors.items()}, "their own.safetensors")
    made = put([Path("their own.safetensors"), TWO])
    assert [one.name for one in made.parents] == ["their_own", "two"]
    assert made.parents[0].plan_sha256 == ""
    origins = extract.extract(made.adapter).parents
    assert origins[0].carried is None
    assert "another tool's" in extract.extract(made.adapter).text()
    assert verify.verify(made.lock, retrain=True).verified
    with pytest.raises(InputError, match="does not say which generator"):
        put([Path("their own.safetensors")])


def before(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if "__pycache__" not in path.parts)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"weights": [1.0]}, "1 weights for 2 adapters"),
        ({"weights": [1.0, float("nan")]}, "must be numbers from"),
        ({"weights": [0.0, 0.0]}, "every weight is 0"),
        ({"name": "no name"}, "must be a name"),
        ({"name": "one"}, "holds the run of a recipe"),
    ],
)
def test_what_cannot_be_composed_is_refused_and_nothing_written(here: Path, more: dict[str, object], why: str):
    there = before(here)
    with pytest.raises(InputError, match=why):
        put([ONE, TWO], **more)  # pyright: ignore[reportArgumentType]
    assert before(here) == there


def test_another_generator_is_refused(here: Path):
    shutil.move("flux", "flux1")
    pico.flux_folder(Path("flux"), seed=9)
    text = Path("one.yaml").read_text("utf-8").replace("name: one", "name: three")
    Path("three.yaml").write_text(text, encoding="utf-8")
    assert recipe("run", "three.yaml", "--quiet") == 0
    with pytest.raises(InputError, match=r"was trained for another \./flux"):
        put([Path("runs/three/three.safetensors"), ONE])


def test_exit_statuses(here: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe("compose", str(ONE), "--weights", "much", "--name", "a") == 2
    assert recipe("compose", str(ONE), "--name", "one") == 2
    assert recipe("compose", "nowhere.safetensors", "--name", "a") == 2
    assert not Path("runs/a").exists()
