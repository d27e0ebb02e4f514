"""What the device at hand holds, without torch."""

from __future__ import annotations

from control_recipes.engine import capacity


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
