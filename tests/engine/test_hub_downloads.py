"""Downloads from a hub: what is fetched and by whom, what is never used before it is whole, and in words why not."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hubs
import pico
import pytest
import torch
from control_recipes.engine import (
    calibrate,
    compose,
    console,
    evaluate,
    generators,
    hub,
    models,
    panel,
    pictures,
    planning,
    probes,
    training,
)
from control_recipes.engine.errors import InputError, WorkError
from control_recipes.engine.offloading import Turns
from control_recipes.engine.plan import Critic, Generator, Model, Plan
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve
from hubs import COMMIT, Hub

NAME = "org/eyes"
WEIGHTS = "model.safetensors"
PAINTER = "org/painter"
RECIPE = f"""\
recipe: 1
name: fetched
generator: {{model: {PAINTER}, size: {{width: 32, height: 32}}}}
critics: {{eyes: {{model: {NAME}}}}}
prompts: {{train: [a ball, a tree], test: [a house]}}
questions: {{there: {{ask: "Is there a ball?", answer: "Yes"}}}}
adapter: {{rank: 1}}
train: {{steps: 1, batch: 1}}
evaluate: {{seeds: 1}}
"""


@pytest.fixture(scope="module")
def served(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    folder = shutil.copytree(tiny_models / "critic", tmp_path_factory.mktemp("hub") / "eyes")
    (folder / "README.md").write_text("none of the model", "utf-8")
    with hubs.serving({NAME: folder, PAINTER: tiny_models / "flux"}) as known:
        yield known


@pytest.fixture
def online(served: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    return met(served, tmp_path, monkeypatch)


def met(served: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The hub as it is met first, from a machine that has nothing of it."""
    from huggingface_hub import constants

    served.refused, served.cut, served.closed, served.short, served.down = {}, {}, {}, {}, set()
    served.asked.clear()
    monkeypatch.setattr(constants, "ENDPOINT", served.endpoint)
    template = f"{served.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 2**12)  # as small as the models: the rest is asked from there
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    return served


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def asked(known: Hub) -> list[str]:
    """Names of the files that were sent for, since the last time."""
    found = [path.rpartition("/")[2] for method, path, _ in known.asked if method == "GET" and "/resolve/" in path]
    known.asked.clear()
    return sorted(found)


def located(address: str = NAME) -> Model:
    return models.locate(address, Path())


def test_a_model_comes_in_two_parts_and_is_asked_for_once(online: Hub, capfd: pytest.CaptureFixture[str]):
    found = located()
    assert (found.revision, found.family, found.files) == (COMMIT, "qwen2_5_vl", ())
    light = asked(online)
    assert WEIGHTS not in light
    assert "README.md" not in light
    assert {"config.json", "tokenizer.json"} <= set(light)
    heard: list[hub.Fetched] = []
    models.complete(found, heard.append)
    size = (online.models[NAME] / WEIGHTS).stat().st_size
    assert asked(online) == [WEIGHTS]
    assert [one.done for one in heard] == sorted({one.done for one in heard})
    assert (heard[-1].done, heard[-1].of, heard[-1].name) == (size, size, NAME)
    models.complete(located(f"{NAME}@{COMMIT}"), heard.append)
    assert asked(online) == []
    assert capfd.readouterr() == ("", "")  # how far it is is told to who listens, and drawn by nobody else
    assert (Path(found.folder) / WEIGHTS).read_bytes() == (online.models[NAME] / WEIGHTS).read_bytes()


def test_what_is_here_needs_no_hub(online: Hub, monkeypatch: pytest.MonkeyPatch):
    models.complete(located())
    online.asked.clear()
    offline(monkeypatch)
    for address in (NAME, f"{NAME}@main", f"{NAME}@{COMMIT}"):
        models.complete(located(address))
    assert online.asked == []


def test_a_server_that_hangs_up_is_asked_for_the_rest(online: Hub):
    found = located()
    size = (online.models[NAME] / WEIGHTS).stat().st_size
    online.closed[WEIGHTS] = size // 2
    heard: list[hub.Fetched] = []
    models.complete(found, heard.append)
    ranges = [part for method, path, part in online.asked if method == "GET" and path.endswith(WEIGHTS)]
    assert len(ranges) == 2
    assert size // 4 < int(ranges[1].removeprefix("bytes=").rstrip("-")) <= size // 2
    assert heard[-1].done == size
    assert (Path(found.folder) / WEIGHTS).read_bytes() == (online.models[NAME] / WEIGHTS).read_bytes()


def test_a_download_that_broke_off_is_said_and_done_again(online: Hub, monkeypatch: pytest.MonkeyPatch):
    found = located(f"{NAME}@main")
    size = (online.models[NAME] / WEIGHTS).stat().st_size
    online.cut[WEIGHTS] = size // 2
    hint = "the same command fetches the files that are missing"
    with pytest.raises(WorkError, match=f"fetching {NAME}@{COMMIT} broke off\n  hint: {hint}"):
        models.complete(found)
    assert not (Path(found.folder) / WEIGHTS).exists()
    with monkeypatch.context() as without:  # half a model is none
        offline(without)
        with pytest.raises(WorkError, match=f"{NAME}@{COMMIT} is on this machine in parts only, and HF_HUB_OFFLINE"):
            models.complete(found)
    online.asked.clear()
    models.complete(found)
    assert asked(online) == [WEIGHTS]  # what had come whole is not sent for again
    assert (Path(found.folder) / WEIGHTS).read_bytes() == (online.models[NAME] / WEIGHTS).read_bytes()


def test_a_configuration_that_broke_off_is_fetched_before_it_is_used(online: Hub, monkeypatch: pytest.MonkeyPatch):
    online.cut["tokenizer.json"] = 10
    with pytest.raises(InputError, match=f"fetching {NAME} broke off"):
        located()
    with monkeypatch.context() as without:
        offline(without)
        with pytest.raises(InputError, match=f"{NAME}@{COMMIT} is on this machine in parts only"):
            located(f"{NAME}@{COMMIT}")
    assert located(f"{NAME}@{COMMIT}").family == "qwen2_5_vl"  # the folder was there, and was not taken as it was


def test_what_is_not_what_the_hub_lists_is_not_kept(online: Hub):
    found = located()
    online.short[WEIGHTS] = 100
    with pytest.raises(WorkError, match="what came is not what the hub has\n  hint: the same command"):
        models.complete(found)
    assert not (Path(found.folder) / WEIGHTS).exists()
    models.complete(found)


def test_a_gated_model_shows_its_page_and_gives_its_files_to_who_may(online: Hub, monkeypatch: pytest.MonkeyPatch):
    for status in (401, 403):
        online.refused[NAME] = (status, "GatedRepo")
        with pytest.raises(InputError, match=f"{NAME} is given only to who agreed to its terms\n.*`hf auth login`"):
            located()
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(InputError, match=r"does not know the token it was given\n.*unset HF_TOKEN"):
        located()
    monkeypatch.setenv("HF_TOKEN", online.token)
    assert models.complete(located()).family == "qwen2_5_vl"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("org/nothing", "the hub has no model org/nothing, or hides it\n.*`hf auth login`"),
        (f"{NAME}@v9", f"{NAME} has no revision `v9`\n.*a branch, a tag, or all 40 digits"),
        (f"{NAME}@{'f' * 40}", f"{NAME} has no revision `{'f' * 40}`"),
    ],
)
def test_what_the_hub_has_not_is_said(online: Hub, address: str, said: str):
    with pytest.raises(InputError, match=said):
        located(address)


def test_a_hub_that_is_down_on_the_way_is_said(online: Hub):
    found = located()
    online.down.add(WEIGHTS)
    with pytest.raises(WorkError, match=f"the hub does not give {NAME}@{COMMIT}: 503 Service Unavailable\n  hint: "):
        models.complete(found)


def planned(known: Hub, folder: Path) -> Plan:
    """The plan of the recipe, for which no weight is fetched."""
    (folder / "r.yaml").write_text(RECIPE, "utf-8")
    plan = resolve(read(folder / "r.yaml"))
    assert weights(known) == []
    return plan


def weights(known: Hub) -> list[str]:
    return [name for name in asked(known) if name.endswith(".safetensors")]


def parts(known: Hub, *names: str) -> list[str]:
    """The files of weights of some models."""
    return sorted(path.name for name in names for path in known.models[name].rglob("*.safetensors"))


@pytest.fixture(scope="module")
def trained(served: Hub, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """An adapter that was trained from Python, and the weights that were fetched for it."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch, pico.one_thread():
        made = training.train(planned(met(served, folder, patch), folder), folder / "run")
    return made.adapter, weights(served)


def test_training_from_python_fetches_the_weights(trained: tuple[Path, list[str]], served: Hub):
    assert trained[1] == parts(served, NAME, PAINTER)


@pytest.mark.parametrize(
    ("work", "models_of"),
    [
        (lambda plan, adapter, folder: evaluate.evaluate(plan, adapter), (NAME, PAINTER)),
        (lambda plan, adapter, folder: compose.compose([adapter, adapter], "both", folder), (NAME, PAINTER)),
        (lambda plan, adapter, folder: calibrate.calibrate(plan, planning.outlook(plan)), (NAME, PAINTER)),
        (lambda plan, adapter, folder: probes.compare(plan, adapter, ()), (NAME, PAINTER)),
        (lambda plan, adapter, folder: pictures.generate(adapter, ["a"], 0, 1.0, folder), (PAINTER,)),
    ],
    ids=["evaluate", "compose", "plan --measure", "verify", "generate"],
)
def test_whoever_loads_models_of_the_hub_has_them_fetched(
    work: Callable[[Plan, Path, Path], object], models_of: tuple[str, ...], trained: tuple[Path, list[str]],
    online: Hub, tmp_path: Path,
):  # fmt: skip
    plan = planned(online, tmp_path)
    with pico.one_thread():
        work(plan, trained[0], tmp_path / "out")
    assert weights(online) == parts(online, *models_of)


def test_painting_tells_how_far_the_weights_have_come(trained: tuple[Path, list[str]], online: Hub, tmp_path: Path):
    told: list[hub.Fetched] = []
    with pico.one_thread():
        pictures.generate(trained[0], ["a"], 0, 1.0, tmp_path / "out", told.append)
    assert told[-1].done == told[-1].of > 0
    assert told[-1].name == PAINTER


def test_what_cannot_be_had_is_said_before_anything_is_loaded(online: Hub, tmp_path: Path):
    plan = planned(online, tmp_path)
    online.down.add(WEIGHTS)  # of the critic, which is loaded last
    with pytest.raises(WorkError, match=f"the hub does not give {NAME}@{COMMIT}: 503"):
        training.train(plan, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_loader_alone_fetches_what_it_loads(online: Hub):
    critic = Critic("eyes", located(), 1.0, "float32", "cpu")
    panel.load(critic, Turns(torch.device("cpu"), taken=False))
    assert weights(online) == [WEIGHTS]
    painter = located(PAINTER)
    generators.load(Generator(painter, 1, 32, 32, 0.0, "", "float32", "cpu", 16))
    assert weights(online) == parts(online, PAINTER)
    generators.load(Generator(painter, 1, 32, 32, 0.0, "", "float32", "cpu", 16))
    assert weights(online) == []


def test_a_person_sees_how_far_a_download_is(capsys: pytest.CaptureFixture[str]):
    with console.Talk(quiet=False) as talk:
        talk.fetched(hub.Fetched(NAME, 30 * 2**20, 300 * 2**20, 3.0))
        talk.fetched(hub.Fetched(NAME, 300 * 2**20, 300 * 2**20, 30.0))
    assert capsys.readouterr().err.splitlines() == [
        f"fetching 30/300  MiB of {NAME}  27 s left",
        f"fetching 300/300  MiB of {NAME}  0 s left",
    ]
    with console.Talk(quiet=True) as talk:
        talk.fetched(hub.Fetched(NAME, 1, 2, 3.0))
    assert capsys.readouterr().err == ""
