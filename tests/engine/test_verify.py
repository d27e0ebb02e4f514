"""Verifying: all is well, and whatever is changed by a bit is found and named."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from control_recipes.engine import adapter, lock, platforms, probes, training, verify_work
from control_recipes.engine.errors import InputError, Place, Problem, WorkError
from control_recipes.engine.verification import Finding, Verification
from control_recipes.engine.verify import verify

FILE, LOCK, ADAPTER = Path("tiny.yaml"), Path("tiny.lock"), Path("runs/tiny/tiny.safetensors")


def said(found: Verification, ok: bool | None = False) -> list[str]:
    """What went wrong, or right, each behind its part."""
    return [f"{one.part}: {one.text}" for one in found.findings if one.ok is ok]


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def relocked(edit: Callable[[lock.Lock], lock.Lock]) -> None:
    """Write the lock with something changed, its own digest in order."""
    lock.write(edit(lock.read(LOCK)), LOCK)


def test_a_lock_does_not_forge_findings():
    found = Verification(Path("a.lock"), None, (Finding("recipe", False, "gone\n✓ adapter: as it was\x1b[2K"),))
    assert found.text() == "✗ recipe: gone\\n✓ adapter: as it was\\x1b[2K"


def test_all_is_well_from_the_recipe_and_from_the_lock(here: Path):
    found = verify(FILE)
    assert found.verified
    assert [one.part for one in found.findings] == ["lock", "recipe", "files", "models", "adapter", "probes"]
    assert said(found, True)[1:4] == [
        "recipe: tiny.yaml: as locked",
        "files: 3 files as locked",
        "models: 30 files of 3 models as locked",
    ]
    assert said(found, True)[-1] == "probes: 4 pictures painted again, bit for bit the same"
    assert found.adapter == ADAPTER
    told = json.loads(found.json())
    assert told["verified"] is True
    assert told["lock"] == str(here / "tiny.lock")
    assert set(told["findings"][0]) == {"part", "ok", "text"}


def test_a_lock_finds_its_recipe_from_anywhere(here: Path, monkeypatch: pytest.MonkeyPatch):
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    found = verify(Path("../tiny.lock"))
    assert found.verified
    assert "recipe: ../tiny.yaml: as locked" in said(found, True)


# --- a bit, anywhere ---


def flip(path: Path, seed: int) -> None:
    data, stream = bytearray(path.read_bytes()), random.Random(seed)
    data[stream.randrange(len(data))] ^= 1 << stream.randrange(8)
    path.write_bytes(data)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["assets/test.jsonl", "assets/card.png"])
def test_a_flipped_bit_of_an_asset_is_named(here: Path, name: str, seed: int):
    flip(here / name, seed)
    wrong = said(verify(FILE))
    assert any(line.startswith(f"files: {name}: changed: sha256 ") for line in wrong), wrong


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "name",
    [
        "flux/transformer/diffusion_pytorch_model.safetensors",
        "flux/vae/config.json",
        "flux/tokenizer_2/tokenizer.json",
        "critic/model.safetensors",
        "critic/chat_template.jinja",
        "second/config.json",
    ],
)
def test_a_flipped_bit_of_a_model_is_named(here: Path, name: str, seed: int):
    flip(here / name, seed)
    model, _, file = name.partition("/")
    wrong = said(verify(FILE))
    assert any(line.startswith(f"models: ./{model}: {file} changed: sha256 ") for line in wrong), wrong


@pytest.mark.parametrize("seed", range(6))
def test_a_flipped_bit_of_the_adapter_is_named(here: Path, seed: int):
    flip(ADAPTER, seed)
    wrong = said(verify(FILE))
    assert wrong
    assert all(line.startswith(f"adapter: {ADAPTER} ") for line in wrong)


@pytest.mark.parametrize("at", [2, 9, 400, 3000, 9000])
def test_a_flipped_bit_of_the_adapters_header_is_named(here: Path, at: int):
    data = bytearray(ADAPTER.read_bytes())
    assert at < 8 + int.from_bytes(data[:8], "little")
    data[at] ^= 1
    ADAPTER.write_bytes(data)
    wrong = said(verify(FILE))
    assert wrong
    assert wrong[0].startswith(f"adapter: {ADAPTER} ")


@pytest.mark.parametrize("seed", range(6))
def test_a_flipped_bit_of_the_lock_is_named(here: Path, seed: int):
    flip(LOCK, seed)
    found = verify(FILE)
    assert not found.verified
    assert [one.part for one in found.findings] == ["lock"]
    assert said(found)[0].startswith("lock: tiny.lock ")


@pytest.mark.parametrize("seed", range(8))
def test_a_flipped_bit_of_the_recipe_changes_the_plan_or_the_text_alone(here: Path, seed: int):
    flip(FILE, seed)
    found = verify(FILE)
    told = [one for one in found.findings if one.part == "recipe"]
    assert told
    if found.verified:
        assert [one.text for one in told] == ["tiny.yaml: text changed, same plan"]
    else:
        assert all(one.ok is False for one in told)


# --- what is found of each part ---


def test_another_text_of_the_same_plan_is_no_mistake(here: Path):
    FILE.write_text("# a comment\n" + FILE.read_text("utf-8"), "utf-8")
    Path("base.yaml").write_text("# why\nstay: {weight: 0.05}\n", "utf-8")
    found = verify(FILE)
    assert found.verified
    assert "recipe: tiny.yaml: text changed, same plan" in said(found, True)
    assert "files: base.yaml: text changed, same plan" in said(found, True)


def test_another_plan_is_told_in_words_and_the_locks_own_is_still_painted(here: Path):
    change(FILE, "lr: 1e-3", "lr: 2e-3")
    Path("base.yaml").write_text("stay: {weight: 0.1}\n", "utf-8")
    found = verify(FILE)
    wrong = said(found)
    assert "recipe: tiny.yaml: another plan: training: lr was 0.001, is now 0.002" in wrong
    assert any(line.startswith("files: base.yaml: changed: sha256 ") for line in wrong)
    assert said(found, True)[-1] == "probes: 4 pictures painted again, bit for bit the same"


def test_a_recipe_that_is_wrong_by_now_is_told_with_its_place(here: Path):
    change(FILE, "rank: 2", "rank: -2")
    assert any(line.startswith("recipe: tiny.yaml:22:17: adapter.rank: ") for line in said(verify(FILE)))


def test_what_is_gone_and_what_is_new_is_named(here: Path):
    (here / "assets/card.png").unlink()
    (here / "critic/generation_config.json").unlink()
    (here / "flux/extra.json").write_text("{}", "utf-8")
    ADAPTER.unlink()
    wrong = said(verify(FILE))
    assert "files: assets/card.png: there is no file assets/card.png" in wrong
    assert "models: ./critic: generation_config.json is gone" in wrong
    assert "models: ./flux: extra.json is new" in wrong
    assert f"adapter: {ADAPTER} is gone" in wrong


def test_a_model_that_is_gone_is_named(here: Path):
    (here / "second").rename(here / "third")
    found = verify(FILE)
    assert "models: ./second: there is no ./second" in said(found)
    assert said(found, None) == ["probes: not painted: there is no folder ./second"]


def test_an_adapter_with_another_header_has_the_tensors_of_the_lock(here: Path):
    tensors, metadata = adapter.load(ADAPTER)
    adapter.save(ADAPTER, tensors, {**metadata, "modelspec.title": "another"})
    wrong = said(verify(FILE))
    assert len(wrong) == 1
    assert wrong[0].startswith(f"adapter: {ADAPTER} has the tensors of the lock, but another header: sha256 ")


def test_another_adapter_is_looked_at_instead(here: Path):
    tensors, metadata = adapter.load(ADAPTER)
    name = next(name for name in tensors if name.endswith("lora_B.weight"))
    adapter.save(Path("other.safetensors"), {**tensors, name: tensors[name] + 0.5}, metadata)
    found = verify(FILE, Path("other.safetensors"))
    assert [line.partition(": sha256")[0] for line in said(found)] == ["adapter: other.safetensors has other tensors"]
    assert said(found, None) == ["probes: not painted: another adapter"]
    assert verify(FILE, ADAPTER).verified


def test_an_adapter_of_another_generator_is_named_so(here: Path):
    inputs = lock.read(LOCK).inputs
    other = inputs.plan.replace(dict(inputs.models[1].files)["transformer/config.json"], "5" * 64)
    tensors, metadata = adapter.load(ADAPTER)
    adapter.save(Path("other.safetensors"), tensors, {**metadata, "control_recipes.inputs": other})
    wrong = said(verify(FILE, Path("other.safetensors")))
    assert "adapter: other.safetensors was trained for another ./flux: transformer/config.json differs" in wrong


def test_without_an_outcome_inputs_alone_are_verified(here: Path):
    relocked(lambda one: replace(one, outcome=None, platform=None))
    found = verify(FILE)
    assert found.verified
    assert said(found, None) == ["adapter: the lock names none: nothing was trained since its inputs were written"]


def test_without_its_recipe_a_lock_is_verified_by_what_lies_beside_it(here: Path):
    FILE.unlink()
    found = verify(LOCK)
    assert found.verified
    assert said(found, None) == ["recipe: there is no tiny.yaml: what the lock names is looked for beside the lock"]


def test_no_lock_and_no_file_are_mistakes_of_the_command(here: Path):
    LOCK.unlink()
    for file, words in ((FILE, "there is no lock to verify against"), (Path("nowhere.yaml"), "there is no such file")):
        with pytest.raises(InputError, match=words):
            verify(file)


# --- pictures and platforms ---


def elsewhere(one: lock.Lock) -> lock.Lock:
    """The lock as it would be, had another machine made it: another processor, and a bit of a probe."""
    assert one.platform is not None
    assert one.outcome is not None
    probe = one.outcome.probes[0]
    means = bytes.fromhex(probe.means)
    near = replace(probe, sha256="7" * 64, means=bytes([means[0] ^ 1, *means[1:]]).hex())
    outcome = replace(one.outcome, probes=(near, *one.outcome.probes[1:]))
    return replace(one, outcome=outcome, platform=replace(one.platform, processor="an abacus"))


def test_on_another_platform_a_stated_tolerance_holds(here: Path):
    relocked(elsewhere)
    found = verify(FILE)
    assert found.verified
    told = said(found, True)[-1]
    assert told.startswith("probes: 3 of 4 pictures painted again bit for bit, the others within 4 of 255 in the mean ")
    assert "by at most 1, on another platform (processor an abacus, here " in told


def test_on_the_same_platform_every_bit_counts(here: Path):
    processor = lock.read(LOCK).platform
    assert processor is not None
    relocked(lambda one: replace(elsewhere(one), platform=processor))
    wrong = said(verify(FILE))
    assert len(wrong) == 1
    assert wrong[0].startswith(
        "probes: images/row000_seed0_scale1.png is painted otherwise, on the same platform, means"
    )


def test_no_tolerance_covers_another_picture(here: Path):
    def dark(one: lock.Lock) -> lock.Lock:
        made = elsewhere(one)
        assert made.outcome is not None
        probe = replace(made.outcome.probes[0], means="00" * 192)
        return replace(made, outcome=replace(made.outcome, probes=(probe, *made.outcome.probes[1:])))

    relocked(dark)
    wrong = said(verify(FILE))
    assert len(wrong) == 1
    assert "images/row000_seed0_scale1.png is painted otherwise, means off by up to " in wrong[0]
    assert "where 4 are tolerated, on another platform (processor an abacus" in wrong[0]


def test_probes_of_the_first_version_are_known_by_their_bits_alone():
    found = [probes.Compared("a", True, None), probes.Compared("b", False, None)]
    told = list(verify_work._judged(found, ("threads 2, here 1",)))
    assert [one.ok for one in told] == [None]
    assert "1 picture cannot be compared on another platform (threads 2, here 1)" in told[0].text


def test_the_locks_number_of_threads_is_taken_and_given_back(here: Path, monkeypatch: pytest.MonkeyPatch):
    import torch

    seen: list[int] = []
    compare = probes.compare
    monkeypatch.setattr(
        verify_work, "compare", lambda *given: (seen.append(torch.get_num_threads()), compare(*given))[1]
    )
    before = torch.get_num_threads()
    relocked(lambda one: replace(one, platform=replace(one.platform, threads=before + 1) if one.platform else None))
    assert verify(FILE).verified
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


# --- training again ---


def test_training_again_comes_to_the_same_tensors(here: Path):
    heard: list[str] = []
    found = verify(FILE, retrain=True, say=heard.append)
    assert found.verified
    assert said(found, True)[-1] == "retrained: 2 steps, the same tensors, bit for bit"
    assert any(line.startswith("training again 2/2") for line in heard)
    assert {path.name for path in here.iterdir()} >= {"runs", "tiny.lock"}
    assert [path.name for path in (here / "runs").iterdir()] == ["tiny"]


def test_a_training_again_that_was_asked_for_and_not_done_is_a_failure(here: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(error: Exception) -> None:
        def train(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(training, "train", train)

    for error in (InputError([Problem(Place("x"), "", "no such model")]), WorkError("no such model")):
        refuse(error)
        found = verify(FILE, retrain=True)
        assert said(found) == ["retrained: not trained again: no such model"]
        assert said(found, True)[-1] == "probes: 4 pictures painted again, bit for bit the same"
    relocked(lambda one: replace(one, outcome=None))
    assert said(verify(FILE, retrain=True)) == ["retrained: not trained again: the lock has no tensors to compare with"]


def test_a_device_that_is_not_here_is_a_finding(here: Path, monkeypatch: pytest.MonkeyPatch):
    import torch

    def elsewhere(one: lock.Lock) -> lock.Lock:
        plan = lock.plan_of(one)
        moved = replace(plan, generator=replace(plan.generator, device="cuda"))
        return replace(one, inputs=lock.inputs(moved, one.inputs.recipe_sha256, (), one.inputs.included))

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    relocked(elsewhere)
    found = verify(FILE, retrain=True)
    assert "probes: not painted: this machine has no cuda device" in said(found, None)
    assert "retrained: not trained again: this machine has no cuda device" in said(found)


def test_an_adapter_is_found_through_a_linked_folder(here: Path):
    (here / "far" / "away").mkdir(parents=True)
    (here / "far" / "away" / "link").symlink_to(here)
    found = verify(Path("far/away/link/tiny.lock"))
    assert found.adapter is not None
    assert found.adapter.resolve() == (here / ADAPTER).resolve()


def test_training_again_finds_tensors_that_no_training_made(here: Path):
    tensors, metadata = adapter.load(ADAPTER)
    name = next(name for name in tensors if name.endswith("lora_B.weight"))
    tensors[name] = tensors[name] + 0.25
    adapter.save(ADAPTER, tensors, metadata)

    def forged(one: lock.Lock) -> lock.Lock:
        from control_recipes.engine import models

        assert one.outcome is not None
        made = replace(
            one.outcome,
            adapter_sha256=models.sha256(ADAPTER),
            tensors_sha256=adapter.tensors_sha256(tensors),
            probes=(),
        )
        return replace(one, outcome=made)

    relocked(forged)
    assert verify(FILE).verified  # whoever forges adapter and lock alike is found out by training again alone
    wrong = said(verify(FILE, retrain=True))
    assert len(wrong) == 1
    assert wrong[0].startswith("retrained: other tensors: sha256 ")
    assert "weights off by up to 0.25 where the largest is" in wrong[0]
    assert wrong[0].endswith("; on the same platform")


def test_what_is_said_of_fast_and_mixed_trainings(here: Path, monkeypatch: pytest.MonkeyPatch):
    def mixed(one: lock.Lock) -> lock.Lock:
        assert one.platform is not None
        assert one.outcome is not None
        place = replace(one.platform, deterministic=False, mixed=("threads 4, here 1",))
        return replace(one, platform=place, outcome=replace(one.outcome, tensors_sha256="6" * 64))

    relocked(mixed)
    wrong = said(verify(FILE, retrain=True))[-1]
    assert "the lock's were made with --fast, which promises nothing about bits" in wrong
    assert "the lock's were made on several platforms (threads 4, here 1)" in wrong
    assert platforms.FILE in {path.name for path in (here / "runs/tiny").iterdir()}
