"""Locks on the command line: statuses, streams, what is written and what is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commandline import recipe
from test_cli import printed

LOCK, ADAPTER = Path("tiny.lock"), Path("runs/tiny/tiny.safetensors")


def state(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".busy"}


def change(old: str, new: str) -> None:
    text = Path("tiny.yaml").read_text("utf-8")
    assert old in text
    Path("tiny.yaml").write_text(text.replace(old, new), "utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "tiny.yaml", "--locked", "--frozen"], "give one of --locked, --frozen and --upgrade"),
        (["run", "tiny.yaml", "--frozen", "--upgrade"], "give one of --locked, --frozen and --upgrade"),
        (["run", "tiny.yaml", "--locked", "--upgrade"], "give one of --locked, --frozen and --upgrade"),
        (["run", "tiny.yaml", "--frozen", "--set", "train.steps=1"], "--set would change it"),
        (["lock", "tiny.yaml", "--check", "--upgrade"], "give one of --check and --upgrade"),
    ],
)
def test_options_exclude_each_other(here: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    before = state(here)
    assert recipe(*words) == 2
    assert said in capsys.readouterr().err
    assert state(here) == before


def test_each_stale_lock_is_told_at_its_own_place(here: Path, capsys: pytest.CaptureFixture[str]):
    LOCK.unlink()
    Path("other.yaml").write_text(Path("tiny.yaml").read_text("utf-8"), "utf-8")
    assert recipe("run", "tiny.yaml", "other.yaml", "--locked") == 1
    assert capsys.readouterr().err.splitlines() == [
        "tiny.lock: there is no lock",
        "other.lock: there is no lock",
        "recipe: nothing was run: with --locked a lock has to be up to date",
    ]


def test_locked_writes_nothing_unless_the_lock_is_up_to_date(here: Path, capsys: pytest.CaptureFixture[str]):
    change("lr: 1e-3", "lr: 2e-3")
    before = state(here)
    assert recipe("run", "tiny.yaml", "--locked") == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "tiny.lock: training: lr was 0.001, is now 0.002" in told.err
    assert state(here) == before
    LOCK.unlink()
    assert recipe("run", "tiny.yaml", "--locked", "--json") == 1
    assert "there is no lock" in printed(capsys)["problems"][0]["message"]
    assert not LOCK.exists()


def test_frozen_runs_the_locks_plan_and_keeps_its_inputs(here: Path, capsys: pytest.CaptureFixture[str]):
    before = json.loads(LOCK.read_text("utf-8"))
    change("lr: 1e-3", "lr: oops")
    assert recipe("run", "tiny.yaml", "--frozen", "--out", "out", "--json") == 0
    told = capsys.readouterr()
    assert "tiny.lock: the recipe cannot be resolved any more (tiny.yaml:23:33: train.lr: " in told.err
    assert "this is the plan of the lock" in told.err
    assert "tiny.lock: the same tensors as before, bit for bit" in told.err
    assert json.loads(told.out)["digest"] == before["inputs"]["plan_sha256"]
    after = json.loads(LOCK.read_text("utf-8"))
    assert after["inputs"] == before["inputs"]
    assert after["outcome"]["adapter"] == "out/tiny.safetensors"
    assert after["outcome"]["tensors_sha256"] == before["outcome"]["tensors_sha256"]
    assert recipe("extract", "out/tiny.safetensors", "--json") == 0
    assert printed(capsys)["recipe"] == ""  # the text that is there now did not make it
    assert "with --frozen, whose recipe has changed since" in Path("out/recipe.yaml").read_text("utf-8")
    LOCK.unlink()
    assert recipe("run", "tiny.yaml", "--frozen") == 2
    assert "there is no lock to run from" in capsys.readouterr().err


def test_a_finished_run_writes_its_lock_again(here: Path, capsys: pytest.CaptureFixture[str]):
    before = LOCK.read_text("utf-8")
    LOCK.unlink()
    assert recipe("run", "tiny.yaml") == 0
    told = capsys.readouterr().err
    assert "up to date" in told
    assert f"tiny.lock: written again, from {Path('runs/tiny')}" in told
    assert LOCK.read_text("utf-8") == before
    assert recipe("run", "tiny.yaml") == 0  # the twin: there it is left alone
    assert "written again" not in capsys.readouterr().err
    change("lr: 1e-3", "lr: 2e-3")
    assert recipe("lock", "tiny.yaml") == 0
    change("lr: 2e-3", "lr: 1e-3")
    capsys.readouterr()
    assert recipe("run", "tiny.yaml") == 0
    assert "tiny.lock: training: lr was 0.002, is now 0.001" in capsys.readouterr().err
    assert LOCK.read_text("utf-8") == before


def test_an_adapter_that_is_another_one_is_made_again_before_its_lock_is(
    here: Path, capsys: pytest.CaptureFixture[str]
):
    locked, whole = LOCK.read_bytes(), ADAPTER.read_bytes()
    LOCK.unlink()
    ADAPTER.write_bytes(whole[:-4] + b"\0\0\0\0")
    assert recipe("run", "tiny.yaml") == 0
    assert f"{ADAPTER}: is not what this run trained, so the run is taken for unfinished" in capsys.readouterr().err
    assert (LOCK.read_bytes(), ADAPTER.read_bytes()) == (locked, whole)


def test_a_lock_says_what_it_changes_and_drops(here: Path, capsys: pytest.CaptureFixture[str]):
    change("lr: 1e-3", "lr: 2e-3")
    assert recipe("lock", "tiny.yaml") == 0
    assert capsys.readouterr().err.splitlines() == [
        "tiny.lock: training: lr was 0.001, is now 0.002",
        "tiny.lock: its outcome belonged to the plan before, and is dropped",
        "wrote tiny.lock",
    ]
    assert json.loads(LOCK.read_text("utf-8"))["outcome"] is None


def test_another_platform_is_announced(here: Path, capsys: pytest.CaptureFixture[str]):
    from dataclasses import replace

    from control_recipes.engine import lock

    found = lock.read(LOCK)
    assert found.platform is not None
    lock.write(replace(found, platform=replace(found.platform, threads=64, processor="an abacus")), LOCK)
    assert recipe("run", "tiny.yaml", "--again", "--fast") == 0
    told = capsys.readouterr().err
    assert "tiny.lock: was made on another platform (processor an abacus, here " in told
    assert "; threads 64, here " in told
    assert "the tensors may differ in their last bits" in told
    assert "--fast: changes nothing here" in told
    assert "the same tensors as before, bit for bit" in told
    assert recipe("run", "tiny.yaml", "--again") == 0  # the twin: the same platform is not worth a word
    assert "another platform" not in capsys.readouterr().err


def test_a_training_that_moved_to_another_platform_says_so(here: Path, capsys: pytest.CaptureFixture[str]):
    from control_recipes.engine import platforms

    folder = Path("runs/tiny")
    for name in ("result.json", "evaluation.json"):  # as if it had been stopped after its last step
        (folder / name).unlink()
    text = (folder / platforms.FILE).read_text("utf-8")
    (folder / platforms.FILE).write_text(text.replace('"threads": ', '"threads": 9'), "utf-8")
    assert recipe("run", "tiny.yaml") == 0
    assert "this training began on another platform (threads 9" in capsys.readouterr().err
    mixed = json.loads(LOCK.read_text("utf-8"))["platform"]["mixed"]
    assert len(mixed) == 1
    assert mixed[0].startswith("threads 9")


def test_verify_says_what_is_as_locked_and_exits_1_where_something_is_not(
    here: Path, capsys: pytest.CaptureFixture[str]
):
    assert recipe("verify", "tiny.yaml") == 0
    told = capsys.readouterr()
    assert [line[0] for line in told.out.splitlines()] == ["✓"] * 6
    assert told.err == "painting 4 held-out pictures again\n"
    assert recipe("verify", "tiny.lock", "--json", "--quiet") == 0
    assert printed(capsys)["verified"] is True
    with Path("assets/test.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n")
    assert recipe("verify", "tiny.yaml", "--json", "--quiet") == 1
    found = printed(capsys)
    assert found["verified"] is False
    assert [one["part"] for one in found["findings"] if one["ok"] is False] == ["files"]
    assert recipe("verify", "nowhere.yaml") == 2
    assert recipe("verify", "nowhere.lock") == 2
    assert "there is no" in capsys.readouterr().err


def test_extract_gives_back_what_went_in(here: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe("extract", str(ADAPTER)) == 0
    assert capsys.readouterr().out.startswith(Path("tiny.yaml").read_text("utf-8"))
    assert recipe("extract", str(ADAPTER), "--out", "out") == 0
    assert capsys.readouterr().out.splitlines() == ["out/tiny.yaml", "out/base.yaml", "out/tiny.lock"]
    assert Path("out/tiny.yaml").read_bytes() == Path("tiny.yaml").read_bytes()
    assert recipe("extract", str(ADAPTER), "--out", "out") == 2
    assert "is there already" in capsys.readouterr().err
    assert recipe("extract", "nowhere.safetensors") == 2


def test_the_lock_is_what_the_adapter_carries(here: Path):
    from control_recipes.engine import headers, lock

    carried = lock.inputs_of(headers.read(ADAPTER).metadata["control_recipes.inputs"], "x")
    assert carried == lock.read(LOCK).inputs
    assert dict(carried.files).keys() == {"assets/card.png", "assets/test.jsonl"}
    assert dict(carried.included).keys() == {"base.yaml"}


def test_a_trial_moves_the_run_away_and_the_lock_follows_it(here: Path, capsys: pytest.CaptureFixture[str]):
    before = json.loads(LOCK.read_text("utf-8"))
    assert recipe("run", "tiny.yaml", "--set", "train.steps=1") == 0
    moved = Path("runs/tiny.1/tiny.safetensors")
    assert f"tiny.lock: its adapter is {moved.as_posix()} now" in capsys.readouterr().err
    after = json.loads(LOCK.read_text("utf-8"))
    assert after["outcome"] == before["outcome"] | {"adapter": moved.as_posix()}
    assert (after["inputs"], after["platform"]) == (before["inputs"], before["platform"])
    assert recipe("verify", "tiny.yaml") == 0
    assert f"{moved} is as locked" in capsys.readouterr().out
    assert recipe("eval", "tiny.yaml", "--json") == 0
    assert printed(capsys)["adapter"] == str(moved.absolute())
    assert recipe("run", "tiny.yaml", "--out", "runs/tiny.1", "--json") == 0  # up to date, where it lies now
    told = printed(capsys)
    assert recipe("run", "tiny.yaml") == 0
    elsewhere = "runs/tiny.1 holds a finished run of this very plan: with --out runs/tiny.1 nothing would be trained"
    assert elsewhere in capsys.readouterr().err
    assert (told["adapter"], told["lock"]) == (str(moved.absolute()), str(LOCK.absolute()))
    assert told["report"] == str(moved.with_name("report.html").absolute())


def test_a_lock_is_written_again_where_its_run_was_moved_by_hand(here: Path, capsys: pytest.CaptureFixture[str]):
    Path("runs/tiny").rename("elsewhere")
    assert recipe("run", "tiny.yaml", "--locked", "--out", "elsewhere") == 0
    assert "tiny.lock: written again, from elsewhere" in capsys.readouterr().err
    assert json.loads(LOCK.read_text("utf-8"))["outcome"]["adapter"] == "elsewhere/tiny.safetensors"
    assert recipe("verify", "tiny.yaml") == 0


def test_a_first_trial_says_whose_lock_it_writes(here: Path, capsys: pytest.CaptureFixture[str]):
    LOCK.unlink()
    assert recipe("run", "tiny.yaml", "--set", "train.steps=1", "--out", "tried") == 0
    assert "tiny.lock: will be the lock of this trial, --set train.steps=1; once" in capsys.readouterr().err
    assert json.loads(LOCK.read_text("utf-8"))["inputs"]["sets"] == ["train.steps=1"]
    assert recipe("run", "tiny.yaml", "--set", "train.lr=2e-3", "--out", "other") == 0
    told = "tiny.lock: was the lock of the trial with --set train.steps=1, and will be this one's"
    assert told in capsys.readouterr().err
    assert recipe("run", "tiny.yaml") == 0  # which writes that of the recipe as it is written
    assert json.loads(LOCK.read_text("utf-8"))["inputs"]["sets"] == []


def test_frozen_says_where_the_recipe_means_something_else(here: Path, capsys: pytest.CaptureFixture[str]):
    change("lr: 1e-3", "lr: 2e-3")
    assert recipe("run", "tiny.yaml", "--frozen") == 0
    assert "tiny.lock: the recipe says something else by now; this is the plan of the lock" in capsys.readouterr().err


def test_a_lock_that_is_up_to_date_is_said_to_be(here: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe("lock", "tiny.yaml") == 0
    assert capsys.readouterr().err == "tiny.lock: up to date\n"
    change("recipe: 1", "recipe: 1  # the first")
    assert recipe("lock", "tiny.yaml") == 0
    assert capsys.readouterr().err == "wrote tiny.lock\n"


def test_an_adapter_is_looked_at_where_the_lock_has_no_outcome(here: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe("extract", str(ADAPTER), "--out", "given", "--json") == 0
    assert printed(capsys)["missing"] == ["assets/card.png", "assets/test.jsonl", "./critic", "./flux", "./second"]
    assert recipe("extract", str(ADAPTER), "--out", "again") == 0
    assert "put into again as well: assets/card.png, assets/test.jsonl, ./critic" in capsys.readouterr().err
    Path("given/tiny.lock").replace(LOCK)
    assert recipe("verify", "tiny.yaml", "--adapter", str(ADAPTER)) == 0
    assert f"{ADAPTER} says that it was made from this plan" in capsys.readouterr().out
    change("lr: 1e-3", "lr: 2e-3")
    assert recipe("lock", "tiny.yaml") == 0
    assert recipe("verify", "tiny.yaml", "--adapter", str(ADAPTER)) == 1
    assert f"{ADAPTER} was made from another plan" in capsys.readouterr().out
    assert recipe("verify", "tiny.yaml", "--adapter", "tiny.yaml") == 1
    assert "tiny.yaml is no" in capsys.readouterr().out


def test_a_damaged_lock_is_told_with_its_cure(here: Path, capsys: pytest.CaptureFixture[str]):
    LOCK.write_text(LOCK.read_text("utf-8").replace('"steps"', '"stepz"'), "utf-8")
    assert recipe("verify", "tiny.yaml") == 1
    assert "bring it back with `git checkout`, or delete it" in capsys.readouterr().out


def test_an_adapter_that_changed_since_is_told_as_that(here: Path, capsys: pytest.CaptureFixture[str]):
    whole = bytearray(ADAPTER.read_bytes())
    whole[-1] ^= 1
    ADAPTER.write_bytes(whole)
    assert recipe("eval", "tiny.yaml") == 2
    assert f"{ADAPTER}: is not what it was when tiny.lock was written" in capsys.readouterr().err
