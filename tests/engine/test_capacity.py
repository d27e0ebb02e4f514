"""What the device at hand holds, without torch."""

from __future__ import annotations

from pathlib import Path

import pytest
from commandline import recipe
from control_recipes.engine import capacity
from control_recipes.engine.errors import InputError
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve


def test_the_processor_has_memory_and_cores():
    found = capacity.device("cpu")
    assert found.kind == "cpu"
    assert found.cores >= 1
    assert found.memory_bytes is not None
    assert found.free_bytes is not None
    assert found.memory_bytes > 2**28
    assert 0 < found.free_bytes <= found.memory_bytes


def test_a_card_that_is_not_there_has_unknown_memory():
    found = capacity.device("cuda:99")
    assert (found.kind, found.name, found.memory_bytes) == ("cuda", "cuda:99", None)


def test_what_nvidia_smi_says_is_read():
    said = "NVIDIA H100 80GB HBM3, 81559, 81000\nOdd, name, 100, 50\n[N/A], [N/A], [N/A]\n\n"
    assert capacity.read_gpus(said) == [
        ("NVIDIA H100 80GB HBM3", 81559 * 2**20, 81000 * 2**20),
        ("Odd, name", 100 * 2**20, 50 * 2**20),
    ]


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        (
            0,
            [
                "generator.device: this machine has no cuda device",
                "critics.eyes.device: this machine has no cuda device",
            ],
        ),
        (2, ["critics.eyes.device: this machine has no cuda:7: it has 2 of them"]),
        (8, []),
        (None, []),
    ],
)
def test_a_device_that_is_not_there_is_refused_at_its_place(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, cards: int | None, said: list[str]
):
    monkeypatch.setattr(capacity, "_cards", lambda: cards)
    given = read(tiny, ["generator.device=cuda", "critics.eyes.device=cuda:7"])
    whole = resolve(given)
    found: list[str] = []
    try:
        capacity.refuse_missing(whole, given.document)
    except InputError as error:
        found = [str(one) for one in error.problems]
    assert len(found) == len(said)
    for line, words in zip(sorted(found), sorted(said), strict=True):
        assert words in line
        assert line.startswith("in --set ")
        assert "hint: `device: auto` takes" in line
    capacity.refuse_missing(resolve(read(tiny)))  # `auto` is always there


def test_run_and_plan_refuse_a_missing_device_before_any_work_and_check_does_not(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(capacity, "_cards", lambda: 0)
    text = tiny.read_text("utf-8")
    Path("other.yaml").write_text(text.replace("name: tiny", "name: other").replace("./flux,", "./flux, device: cuda,"))
    assert recipe("check", "other.yaml") == 0
    capsys.readouterr()
    for words in (["plan", "other.yaml"], ["run", "tiny.yaml", "other.yaml"]):
        assert recipe(*words) == 2
        told = capsys.readouterr().err
        assert "other.yaml:5:36: generator.device: this machine has no cuda device" in told
        assert "`device: auto` takes what there is" in told
    assert not Path("runs").exists()


def test_what_torch_does_not_find_is_refused_where_a_model_would_go_there(monkeypatch: pytest.MonkeyPatch):
    import torch
    from control_recipes.engine import devices

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.found("auto") == devices.found("cpu") == torch.device("cpu")
    with pytest.raises(InputError, match="device: cuda:7: this machine has no cuda device"):
        devices.found("cuda:7")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.found("cuda:1") == torch.device("cuda:1")
    with pytest.raises(InputError, match="no cuda:7: it has 2 of them"):
        devices.found("cuda:7")
