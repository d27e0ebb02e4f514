"""The lock's text: short, one row a line, whole again to the byte, and refused after any change at all."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import made
import pytest
from control_recipes.engine import lock, lockfile, plan
from control_recipes.engine.verify import verify

ROOT = Path(__file__).parent.parent.parent


def lines(text: str) -> list[str]:
    return [line.strip().rstrip(",") for line in text.splitlines()]


def test_a_plan_comes_back_whole_and_what_rows_share_stands_once():
    text = plan.canonical(made.plan())
    short, models = lockfile.shortened(json.loads(text))
    assert lockfile.compact(lockfile.whole(short, models)) == text
    assert sorted(models) == ["builtin:critic", "builtin:generator", "builtin:judge"]
    assert short["generator"]["model"] == "builtin:generator"
    first, *_, last = short["train_rows"]
    assert first["asks"] == ["aligned", "still_there", "what"]
    assert last["asks"] == ["aligned", "still_there#4", "what"]
    assert short["asks"]["still_there#4"]["wordings"] == ["Is there a yellow boat by the sea?"]
    assert first["targets"] == ["horizon", "named", "sharp"]
    assert len(lockfile.compact(short)) < 0.6 * len(text)


def test_a_row_stands_on_a_line_and_so_does_every_file_of_a_model(tmp_path: Path):
    path = made.run_folder(tmp_path) / "horizon_low.lock"
    text = path.read_text("utf-8")
    assert json.loads(text)["lock"] == lockfile.VERSION == 2
    found = lines(text)
    assert '"model.safetensors": "' + "0" * 64 + '"' in found
    assert '"lr": 0.0005' in found
    assert sum('"prompt": "a red ball in the grass"' in line for line in found) == 2  # trained on, and tested
    assert all(json.loads(line) for line in found if line.startswith('{"asks"'))


def test_a_change_of_one_wording_is_a_change_of_one_line(tmp_path: Path):
    whole = made.plan()

    def reworded(row: plan.Row) -> plan.Row:
        return replace(row, asks=(replace(row.asks[0], wordings=("Is it?",)), *row.asks[1:]))

    rows = {name: tuple(map(reworded, getattr(whole, name))) for name in ("train_rows", "validate_rows", "test_rows")}
    texts: list[list[str]] = []
    for at, one in enumerate((whole, replace(whole, **rows))):
        lock.write(lock.Lock(lock.inputs(one)), tmp_path / f"{at}.lock")
        texts.append((tmp_path / f"{at}.lock").read_text("utf-8").splitlines())
    changed = [new for old, new in zip(*texts, strict=True) if old != new]
    assert [line.split('"')[1] for line in changed] == ["digest", "aligned", "plan_sha256"]


def test_the_digest_is_of_the_text_with_zeros_in_its_place():
    text = lockfile.text({"lock": 2, "inputs": {}})
    assert text == f'{{\n "digest": "{lockfile.digest(text)}",\n "inputs": {{}},\n "lock": 2\n}}\n'
    import hashlib

    zeros = text.replace(lockfile.digest(text), "0" * 64)
    assert hashlib.sha256(zeros.encode()).hexdigest() == lockfile.digest(text)


@pytest.mark.parametrize("seed", range(60))
def test_a_flipped_bit_anywhere_is_refused(seed: int, tmp_path: Path):
    path = made.run_folder(tmp_path) / "horizon_low.lock"
    data = bytearray(path.read_bytes())
    lockfile.parse(data.decode())  # the twin: as it is, it is read
    stream = random.Random(seed)
    data[stream.randrange(len(data))] ^= 1 << stream.randrange(8)
    with pytest.raises(ValueError, match=r"lock|digest|codec"):
        lockfile.parse(data.decode())


def test_other_layout_or_another_way_to_write_a_number_is_a_change(tmp_path: Path):
    text = (made.run_folder(tmp_path) / "horizon_low.lock").read_text("utf-8")
    for other in (text + "\n", text.replace(": 80.0", ": 8e1", 1), json.dumps(json.loads(text))):
        assert other != text
        assert json.loads(other) == json.loads(text)
        with pytest.raises(ValueError, match="does not match its own digest"):
            lockfile.parse(other)


def old(tmp_path: Path) -> Path:
    """A lock as the first version wrote it: one value a line, pairs in lists, the digest of the values."""
    now = lock.read(made.run_folder(tmp_path) / "horizon_low.lock")
    assert now.platform is not None
    assert now.outcome is not None
    body = {
        "inputs": {
            "plan": json.loads(now.inputs.plan),
            "plan_sha256": now.inputs.plan_sha256,
            "recipe_sha256": now.inputs.recipe_sha256,
            "sets": ["train.steps=1"],
            "included": [["base.yaml", "4" * 64]],
        },
        "lock": 1,
        "outcome": {
            "adapter": "a.safetensors", "adapter_sha256": "1" * 64, "tensors_sha256": "2" * 64, "steps": 3,
            "stopped": "p", "figures": [["measures.horizon.after", 0.5]], "probes": [["images/a.png", "3" * 64]],
        },
        "platform": {
            "device": "cpu", "instruction_set": "AVX2", "threads": 2, "system": "Linux-x86_64", "python": "3.11.7",
            "deterministic": True, "versions": [["torch", "2.13.0"]],
        },
    }  # fmt: skip
    digest = lockfile._sha256(lockfile.compact(body))
    path = tmp_path / "old.lock"
    path.write_text(json.dumps({**body, "digest": digest}, indent=1, sort_keys=True), "utf-8")
    return path


def test_the_first_version_is_read_and_becomes_the_second(tmp_path: Path):
    found = lock.read(old(tmp_path))
    assert found.inputs.sets == ("train.steps=1",)
    assert found.inputs.included == (("base.yaml", "4" * 64),)
    assert [one.address for one in found.inputs.models] == ["builtin:critic", "builtin:generator", "builtin:judge"]
    assert found.outcome is not None
    assert found.outcome.probes == (lock.Probe("images/a.png", "3" * 64),)
    assert lock.stale(found, made.plan()) == []
    lock.write(found, tmp_path / "new.lock")
    assert lock.read(tmp_path / "new.lock") == found
    assert json.loads((tmp_path / "new.lock").read_text("utf-8"))["lock"] == 2


def test_a_lock_of_the_first_version_is_verified_by_the_digest_that_it_says(tmp_path: Path):
    path = old(tmp_path)
    digest = json.loads(path.read_text("utf-8"))["digest"]
    assert lock.digest(lock.read(path)) != digest  # as it would be written now
    assert f"({digest[:12]}…)" in verify(path).findings[0].text


def test_an_edited_lock_of_the_first_version_is_refused(tmp_path: Path):
    text = old(tmp_path).read_text("utf-8")
    lockfile.parse(text)
    with pytest.raises(ValueError, match="does not match its own digest"):
        lockfile.parse(text.replace('"steps": 3', '"steps": 4'))


@pytest.mark.parametrize("text", ["", "[]", '{"lock": 99}', '{"lock": true}', "no json", "[" * 100_000])
def test_what_is_no_lock_is_refused(text: str):
    with pytest.raises(ValueError, match="is no lock"):
        lockfile.parse(text)


def test_a_plan_that_is_not_what_its_digest_says_is_refused(tmp_path: Path):
    body = lockfile.parse((made.run_folder(tmp_path) / "horizon_low.lock").read_text("utf-8"))[1]
    lockfile.flat(2, body)
    body["inputs"]["plan"]["train"]["steps"] = 121
    with pytest.raises(ValueError, match="the plan does not match its digest"):
        lockfile.flat(2, body)


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.lock")), ids=lambda path: path.stem)
def test_the_locks_of_the_gallery_are_short_and_as_they_would_be_written(path: Path):
    text = path.read_text("utf-8")
    assert len(text) < 90_000
    assert len(text.splitlines()) < 600
    assert lockfile.text({key: value for key, value in json.loads(text).items() if key != "digest"}) == text
