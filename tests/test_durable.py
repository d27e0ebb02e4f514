"""What happens to a run when the disk, the clock, other processes or a person's editor get in its way."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from commandline import recipe, start
from control_recipes.engine import models, plan, run_folder, running

RUN = Path("runs/tiny")
QUICK = (
    ("steps: 3", "steps: 2"),
    ('  horizon: {horizon_row: {near: "{{ height }}", within: 0.06}}\n', ""),
    ("  named: {factors: {keep: [thing, color]}}\n", ""),
    ("goal: {measure: horizon, question: zed}\n", ""),
)


@pytest.fixture
def quick(tiny: Path) -> Path:
    """tiny.yaml without what takes long."""
    text = tiny.read_text("utf-8")
    for old, new in QUICK:
        assert old in text
        text = text.replace(old, new)
    tiny.write_text(text, "utf-8")
    return tiny


@pytest.fixture
def done(quick: Path, finished: Path) -> Path:
    """The same with its run already finished."""
    shutil.copytree(finished / "runs", "runs")
    shutil.copy(finished / "tiny.lock", "tiny.lock")
    return quick


@pytest.fixture(scope="module")
def finished(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import conftest

    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(tiny_models, folder, dirs_exist_ok=True)
    text = conftest.RECIPE
    for old, new in QUICK:
        text = text.replace(old, new)
    (folder / "tiny.yaml").write_text(text, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert recipe("run", "tiny.yaml", "--quiet") == 0
    return folder


def tensors() -> str:
    return json.loads((RUN / "result.json").read_text("utf-8"))["tensors_sha256"]


def partials() -> list[Path]:
    return list(Path().rglob("*.partial"))


def cut(path: Path, share: float = 0.5) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Inside, no file can grow beyond so many bytes: what a full disk does, for who may not mount a small one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("size", "file"),
    [(5_000, "plan.json"), (20_000, "checkpoint/state.safetensors"), (60_000, "report.html")],
)
def test_a_disk_that_is_full_is_named_and_nothing_is_lost(
    quick: Path, finished: Path, capfd: pytest.CaptureFixture[str], size: int, file: str
):
    with files_of_at_most(size):
        assert recipe("run", "tiny.yaml", "--json") == 3
    told = capfd.readouterr()
    (problem,) = json.loads(told.out)["problems"]
    assert problem["message"] == f"runs/tiny/{file}: File too large"
    assert problem["hint"] == "what was done is kept in runs/tiny; once that is mended, the same command goes on"
    assert "Traceback" not in told.err
    assert partials() == []
    assert not (RUN / "result.json").exists()
    assert recipe("run", "tiny.yaml", "--quiet") == 0
    assert (RUN / "tiny.safetensors").read_bytes() == (finished / RUN / "tiny.safetensors").read_bytes()


SMALL = """
import subprocess, sys
from control_recipes import cli
def recipe(*words):
    sys.argv = ["recipe", *words]
    try:
        cli.main()
    except SystemExit as left:
        return left.code
    return 0
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", "small"], check=True)
print(recipe("run", "tiny.yaml", "--out", "small/run", "--quiet"))
subprocess.run(["mount", "-o", "remount,size=8m", "small"], check=True)
print(recipe("run", "tiny.yaml", "--out", "small/run"))
print(open("small/run/result.json").read().strip())
"""


def namespace() -> list[str]:
    """How to start a process that may mount; the test is skipped, saying so, where nobody lets us."""
    for words in (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]):
        if shutil.which("unshare") and subprocess.run([*words, "true"], capture_output=True).returncode == 0:
            return words
    pytest.skip("no file system may be mounted here: only RLIMIT_FSIZE stands in for a full disk")


def test_a_small_file_system_that_fills_up(quick: Path, finished: Path):
    Path("small").mkdir()
    words = namespace()
    done = subprocess.run([*words, sys.executable, "-c", SMALL], capture_output=True, text=True)
    full, again, result = done.stdout.splitlines()
    assert (full, again) == ("3", "0"), done.stderr
    assert "No space left on device" in done.stderr
    assert "once that is mended, the same command goes on" in done.stderr
    assert "goes on after step 1 of 2" in done.stderr or "tiny: training is done already" in done.stderr
    wanted = json.loads((finished / RUN / "result.json").read_text("utf-8"))
    assert json.loads(result)["tensors_sha256"] == wanted["tensors_sha256"]


@contextmanager
def held_to_permissions() -> Iterator[None]:
    """Inside, root is held to the permissions of files as anybody is."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    fields = (ctypes.c_uint32 * 2)(0x20080522, 0)
    before, none = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    assert libc.capget(fields, before) == 0
    for at in (1, 4):  # permitted and inheritable stay, so that it can be taken back
        none[at] = before[at]
    for at in (2, 5):
        none[at] = before[at]
    none[0], none[3] = before[0] & ~0b110, before[3]  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    assert libc.capset(fields, none) == 0
    try:
        yield
    finally:
        assert libc.capset(fields, before) == 0


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    folder.chmod(0o555)
    try:
        with held_to_permissions():
            assert not os.access(folder, os.W_OK) or os.geteuid() == 0
            with pytest.raises(PermissionError):
                (folder / "x").touch()
            yield
    finally:
        folder.chmod(0o755)


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(quick: Path, capsys: pytest.CaptureFixture[str]):
    before = sorted(Path().rglob("*"))
    with read_only(Path()):
        assert recipe("run", "tiny.yaml") == 2
    told = capsys.readouterr().err
    assert "runs" in told
    assert "cannot be used: Permission denied" in told
    assert "hint: name another place" in told
    assert sorted(Path().rglob("*")) == before


def test_a_run_folder_that_cannot_be_written_any_more(done: Path, capsys: pytest.CaptureFixture[str]):
    (RUN / "result.json").unlink()
    (RUN / ".busy").touch()
    with read_only(RUN):
        assert recipe("run", "tiny.yaml") == 3
    told = capsys.readouterr().err
    assert "Permission denied" in told
    assert "what was done is kept in runs/tiny" in told
    assert recipe("run", "tiny.yaml", "--quiet") == 0


def test_where_the_recipes_folder_cannot_be_written_the_lock_lies_in_the_run_folder(
    quick: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = theirs(monkeypatch)
    text = (folder / "tiny.yaml").read_text("utf-8")
    (folder / "tiny.yaml").write_text(text.replace("name: tiny", "name: small"), "utf-8")
    with read_only(folder):
        assert recipe("run", "theirs/tiny.yaml", "--set", "train.steps=1", "--quiet") == 0
        assert Path("runs/small/tiny.lock").exists()
        assert not (folder / "tiny.lock").exists()
        assert recipe("lock", "theirs/tiny.yaml", "--check", "--quiet") == 0  # which finds it there
        assert recipe("verify", "theirs/tiny.yaml", "--quiet") == 0


def test_a_lock_that_lies_where_nothing_can_be_written_counts_until_there_is_another(
    quick: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    folder = theirs(monkeypatch)
    locked = Path("theirs/tiny.lock")
    assert recipe("lock", "theirs/tiny.yaml", "--set", "train.steps=1", "--quiet") == 0
    (RUN / "tiny.lock").replace(locked)
    with read_only(folder):
        before = locked.read_bytes()
        capsys.readouterr()
        assert recipe("run", "theirs/tiny.yaml", "--frozen") == 0
        own = RUN / "tiny.lock"
        assert f"{locked}: cannot be written, so the lock is {own}" in capsys.readouterr().err
        assert locked.read_bytes() == before
        assert json.loads(own.read_text("utf-8"))["inputs"]["sets"] == ["train.steps=1"]


def theirs(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the recipe that is said to be unwritable: root is told that it may write everywhere."""
    folder = Path("theirs")
    folder.mkdir()
    for name in ("flux", "critic", "second", "tiny.yaml"):
        Path(name).rename(folder / name)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder)
    return folder


def test_of_two_runs_at_once_one_is_refused_and_the_other_is_as_ever(quick: Path, finished: Path):
    both = [start("run", "tiny.yaml") for _ in range(2)]
    told = [one.communicate(timeout=300)[1] for one in both]
    refused = [text for one, text in zip(both, told, strict=True) if one.returncode == 2]
    assert sorted(one.returncode for one in both) == [0, 2] or "up to date" in "".join(told)
    for text in refused:
        assert "runs/tiny: is in use by another run" in text
        assert "hint: wait for it, or give this run a folder of its own with --out" in text
    assert (RUN / "tiny.safetensors").read_bytes() == (finished / RUN / "tiny.safetensors").read_bytes()


def test_a_folder_stays_held_while_another_takes_its_place(done: Path, capsys: pytest.CaptureFixture[str]):
    from control_recipes.engine.recipe import read
    from control_recipes.engine.resolve import resolve

    seen: list[bool] = []

    class Nosy:
        def say(self, text: str) -> None: ...

        def step(self, step: object) -> None:
            with pytest.raises(Exception, match="in use by another run"), run_folder.held(Path("runs/tiny.1")):
                pass
            seen.append(True)

        def looked(self, progress: object) -> None: ...

        def fetched(self, fetched: object) -> None: ...

    changed = read(done, ("train.steps=1",))
    running.run(changed, resolve(changed), RUN, Path("other.lock"), Nosy())
    assert seen == [True]
    assert Path("runs/tiny.1/result.json").exists()


def test_a_clock_that_jumps_changes_nothing(quick: Path, finished: Path, monkeypatch: pytest.MonkeyPatch):
    now = [2e9]

    def back() -> float:
        now[0] -= 86400
        return now[0]

    monkeypatch.setattr(time, "time", back)
    monkeypatch.setattr(time, "time_ns", lambda: int(back() * 1e9))
    assert recipe("run", "tiny.yaml", "--quiet") == 0
    result = json.loads((RUN / "result.json").read_text("utf-8"))
    assert 0 < result["seconds"] < 300
    assert (RUN / "tiny.safetensors").read_bytes() == (finished / RUN / "tiny.safetensors").read_bytes()
    lock = models.sha256(Path("tiny.lock"))
    os.utime("tiny.lock", (1, 1))
    assert models.sha256(Path("tiny.lock")) == lock
    assert recipe("run", "tiny.yaml", "--quiet") == 0


def test_a_result_that_was_damaged_is_found_out_again_without_training(done: Path, capsys: pytest.CaptureFixture[str]):
    wanted = tensors()
    cut(RUN / "result.json")
    assert recipe("run", "tiny.yaml") == 0
    told = capsys.readouterr().err
    assert "runs/tiny/result.json: cannot be read, so the run is taken for unfinished" in told
    assert "tiny: training is done already, 2 steps" in told
    assert tensors() == wanted
    assert not Path("runs/tiny.1").exists()


@pytest.mark.parametrize("garbage", [b"", b"\xff\xfe", b"[" * 5000, b"{}"])
def test_a_plan_that_was_damaged_does_not_cost_the_training(
    done: Path, capsys: pytest.CaptureFixture[str], garbage: bytes
):
    (RUN / "plan.json").write_bytes(garbage)
    assert recipe("run", "tiny.yaml") == 0
    told = capsys.readouterr().err
    assert "runs/tiny/plan.json: cannot be read, so the checkpoint says which plan it is of" in told
    assert "up to date" in told
    assert not Path("runs/tiny.1").exists()


def test_an_adapter_that_was_damaged_is_made_again_without_training(done: Path, capsys: pytest.CaptureFixture[str]):
    path = RUN / "tiny.safetensors"
    whole = path.read_bytes()
    for spoilt, why in (
        (None, "is gone"),
        (whole[:-1] + bytes([whole[-1] ^ 1]), "is not what this run trained"),
        (b"", "is not what this run trained"),
    ):
        path.unlink() if spoilt is None else path.write_bytes(spoilt)
        assert recipe("run", "tiny.yaml") == 0
        told = capsys.readouterr().err
        assert f"{path}: {why}, so the run is taken for unfinished" in told
        assert "tiny: training is done already, 2 steps" in told
        assert path.read_bytes() == whole


def test_a_plan_beside_another_plans_figures_is_not_taken_for_theirs(done: Path, capsys: pytest.CaptureFixture[str]):
    wanted = (RUN / "plan.json").read_bytes()
    assert recipe("run", "tiny.yaml", "--quiet", "--set", "train.steps=1", "--out", "other") == 0
    for left in (("checkpoint",), ()):  # its checkpoint says whose it is; without one the result does
        shutil.copy("other/plan.json", RUN / "plan.json")
        for name in left:
            shutil.rmtree(RUN / name)
        assert recipe("run", "tiny.yaml", "--set", "train.steps=1") == 0
        told = capsys.readouterr().err
        assert "up to date" not in told
        assert json.loads((RUN / "result.json").read_text("utf-8"))["steps"] == 1
        assert (RUN / "plan.json").read_bytes() != wanted
        assert recipe("run", "tiny.yaml", "--quiet") == 0


def test_a_plan_that_is_gone_or_damaged_is_written_again(done: Path, capsys: pytest.CaptureFixture[str]):
    wanted = plan.digest(run_folder.read_plan(RUN))
    for spoil in (lambda path: path.unlink(), lambda path: path.write_bytes(b"[]")):
        spoil(RUN / "plan.json")
        assert recipe("run", "tiny.yaml") == 0
        assert "up to date" in capsys.readouterr().err
        assert plan.digest(run_folder.read_plan(RUN)) == wanted
    (RUN / "plan.json").unlink()
    assert recipe("run", "tiny.yaml", "--set", "train.steps=1") == 0
    assert "renamed runs/tiny.1" in capsys.readouterr().err


def test_what_again_cannot_delete_is_named(done: Path, capsys: pytest.CaptureFixture[str]):
    with held_to_permissions(), read_only(RUN / "checkpoint"):
        assert recipe("run", "tiny.yaml", "--again", "--json") == 3
    told = capsys.readouterr()
    (problem,) = json.loads(told.out)["problems"]
    assert (
        problem["message"] == "runs/tiny: cannot be cleared: runs/tiny/checkpoint/state.safetensors: Permission denied"
    )
    assert problem["hint"].endswith("once that is mended, the same command trains anew")


def test_a_folder_that_holds_another_recipe_is_refused(done: Path, capsys: pytest.CaptureFixture[str]):
    Path("mine/included").mkdir(parents=True)
    for name in ("recipe.yaml", "included/base.yaml"):
        Path("mine", name).write_text("# mine\n", "utf-8")
        assert recipe("run", "tiny.yaml", "--out", "mine") == 2
        assert f"mine/{name}" in capsys.readouterr().err
        assert Path("mine", name).read_text("utf-8") == "# mine\n"
        Path("mine", name).unlink()
    shutil.copy("tiny.yaml", "mine/recipe.yaml")
    assert recipe("run", "tiny.yaml", "--out", "mine", "--quiet") == 0


def test_a_plan_that_was_damaged_without_a_checkpoint_is_set_aside(done: Path, capsys: pytest.CaptureFixture[str]):
    (RUN / "plan.json").write_bytes(b"")
    shutil.rmtree(RUN / "checkpoint")
    assert recipe("run", "tiny.yaml", "--set", "train.steps=1") == 0
    assert "renamed runs/tiny.1" in capsys.readouterr().err


def test_what_killed_writers_left_is_deleted_and_told(done: Path, capsys: pytest.CaptureFixture[str]):
    (RUN / "result.json").unlink()
    left = [RUN / ".plan.json.abcdefgh.partial", RUN / "images" / ".a.png.abcdefgh.partial"]
    left += [RUN / "checkpoint" / ".state.safetensors.abcdefgh.partial", Path(".tiny.lock.abcdefgh.partial")]
    others = [Path(".other.lock.abcdefgh.partial"), RUN / "mine.partial"]
    for path in (*left, *others):
        path.write_bytes(b"half")
    assert recipe("run", "tiny.yaml") == 0
    assert "runs/tiny: deleted 4 files that a killed run left half written" in capsys.readouterr().err
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others)


def test_a_run_that_is_forgotten_is_never_half_there(done: Path, monkeypatch: pytest.MonkeyPatch):
    unlink = Path.unlink

    def die(path: Path, missing_ok: bool = False) -> None:
        if path.name == "state.safetensors":
            raise SystemExit(70)
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", die)
        assert recipe("run", "tiny.yaml", "--again", "--quiet") == 70
    assert not (RUN / "result.json").exists()
    assert (RUN / "report.html").exists()


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("evaluation.json", "is no evaluation that can be read"),
        ("plan.json", "is no plan"),
        ("metrics.jsonl", "is no line of a training"),
        ("images", "is no picture"),
    ],
)
def test_a_report_says_which_file_it_cannot_be_made_of(
    done: Path, capsys: pytest.CaptureFixture[str], file: str, said: str
):
    if file == "metrics.jsonl":
        path = RUN / file
        path.write_bytes(b'{"step": 1, "lo\xff' + path.read_bytes())
    elif file == "images":
        path = sorted((RUN / file).glob("*.png"))[0]
        cut(path)
    else:
        path = RUN / file
        cut(path)
    assert recipe("report", "runs/tiny") == 2
    told = capsys.readouterr().err
    at = ":1:1" if file == "metrics.jsonl" else ""  # of these files that alone has lines
    assert f"{path}{at}: {said}" in told
    assert "Traceback" not in told


def test_a_torn_last_line_is_left_out_of_the_report(done: Path):
    with (RUN / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 3, "lo')
    assert recipe("report", "runs/tiny") == 0
