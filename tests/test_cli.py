"""The command line, as a person and a script meet it: statuses, streams, files, and what a second run does."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pico
import pytest
from commandline import recipe, start
from control_recipes.engine import headers

KEYS = [
    "name",
    "digest",
    "goal",
    "adapter",
    "tensors_sha256",
    "lock",
    "report",
    "steps",
    "stopped",
    "seconds",
    "questions",
    "measures",
    "expect",
]


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one JSON object on stdout."""
    (line,) = capsys.readouterr().out.splitlines()
    return json.loads(line)


@pytest.fixture(scope="module")
def finished(tiny_models: Path, tiny_recipe: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A working folder where tiny.yaml was run, for tests that leave it as it is; and what `--json` printed."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(tiny_models, folder, dirs_exist_ok=True)
    (folder / "tiny.yaml").write_text(tiny_recipe, encoding="utf-8")
    said = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(said), pico.one_thread():
        assert recipe("run", "tiny.yaml", "--json") == 0
    return folder, said.getvalue()


@pytest.fixture
def ran(finished: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """In the folder of `finished`: the one JSON object that was printed."""
    monkeypatch.chdir(finished[0])
    (line,) = finished[1].splitlines()
    return json.loads(line)


def test_run_writes_everything_and_says_so_in_json(ran: dict[str, Any]):
    told = ran
    assert list(told) == KEYS
    assert told["goal"] == {"measure": "horizon", "question": "zed"}
    assert list(told["questions"]) == ["zed", "there", "what"]  # as the recipe writes them
    assert list(told["measures"]) == ["sharp", "horizon", "named"]
    assert list(told["expect"]) == ["zed", "sharp"]
    assert set(told["questions"]["zed"]) == {"critics", "judges"}
    assert set(told["questions"]["zed"]["judges"]["second"]["after"]) == {"right", "p"}
    assert set(told["measures"]["sharp"]) == {"before", "after", "pictures", "interval"}
    assert told["measures"]["sharp"]["pictures"] == 4
    assert (told["steps"], told["stopped"]) == (3, "steps")
    folder = Path("runs/tiny").absolute()
    assert told["adapter"] == str(folder / "tiny.safetensors")
    assert told["report"] == str(folder / "report.html")
    assert told["lock"] == str(Path("tiny.lock").absolute())
    for name in (
        "recipe.yaml",
        "plan.json",
        "metrics.jsonl",
        "checkpoint",
        "images",
        "tiny.safetensors",
        "report.html",
    ):
        assert (folder / name).exists(), name
    assert (folder / "recipe.yaml").read_bytes() == Path("tiny.yaml").read_bytes()
    lock = json.loads(Path("tiny.lock").read_text("utf-8"))
    assert lock["outcome"]["adapter"] == "runs/tiny/tiny.safetensors"
    assert lock["inputs"]["plan_sha256"] == told["digest"]


def test_a_finished_run_is_not_done_again_and_again_gives_the_same_tensors(
    tiny: Path, capsys: pytest.CaptureFixture[str]
):
    assert recipe("run", "tiny.yaml", "--json", "--quiet") == 0
    first = printed(capsys)
    made = Path("runs/tiny/tiny.safetensors").stat().st_mtime_ns
    assert recipe("run", "tiny.yaml", "--json") == 0
    second = capsys.readouterr()
    assert json.loads(second.out) == first
    assert "up to date" in second.err
    assert Path("runs/tiny/tiny.safetensors").stat().st_mtime_ns == made
    assert recipe("run", "tiny.yaml", "--json", "--again", "--quiet") == 0
    third = printed(capsys)
    assert third["tensors_sha256"] == first["tensors_sha256"]
    assert Path("runs/tiny/tiny.safetensors").stat().st_mtime_ns > made
    assert not Path("runs/tiny.1").exists()


def test_a_run_of_another_plan_is_renamed_and_other_files_stay(tiny: Path, capsys: pytest.CaptureFixture[str]):
    Path("out").mkdir()
    Path("out/mine.txt").write_text("mine", "utf-8")
    assert recipe("run", "tiny.yaml", "--out", "out", "--quiet") == 0
    assert Path("out/mine.txt").read_text("utf-8") == "mine"
    assert recipe("run", "tiny.yaml", "--out", "out", "--set", "train.steps=1", "--json") == 0
    told = capsys.readouterr()
    assert "renamed out.1" in told.err
    assert json.loads(told.out)["steps"] == 1
    assert Path("out.1/tiny.safetensors").exists()
    assert json.loads(Path("tiny.lock").read_text("utf-8"))["inputs"]["sets"] == []
    assert "tiny.lock: left as it is" in told.err
    assert json.loads(told.out)["lock"] == str(Path("out/tiny.lock").absolute())
    assert json.loads(Path("out/tiny.lock").read_text("utf-8"))["inputs"]["sets"] == ["train.steps=1"]
    # the recipe's own lock follows its adapter
    assert recipe("eval", "tiny.yaml") == 0
    assert "evaluating out.1/tiny.safetensors" in capsys.readouterr().err
    assert recipe("eval", "tiny.yaml", "--adapter", "out.1/tiny.safetensors") == 0
    assert "evaluating out.1/tiny.safetensors" in capsys.readouterr().err


def test_a_trial_without_a_lock_to_lose_writes_one_and_locked_repeats_it(
    tiny: Path, capsys: pytest.CaptureFixture[str]
):
    assert recipe("run", "tiny.yaml", "--set", "train.steps=1", "--quiet") == 0
    assert json.loads(Path("tiny.lock").read_text("utf-8"))["inputs"]["sets"] == ["train.steps=1"]
    assert recipe("lock", "tiny.yaml", "--check") == 0
    assert "tiny.lock: with --set train.steps=1, as it was locked" in capsys.readouterr().err
    assert recipe("run", "tiny.yaml", "--locked") == 0  # as `lock --check` said
    assert "up to date" in capsys.readouterr().err
    assert recipe("run", "tiny.yaml", "--locked", "--set", "train.steps=2") == 1
    assert "training: steps was 1, is now 2" in capsys.readouterr().err
    assert recipe("eval", "tiny.yaml") == 0
    told = capsys.readouterr().err
    assert "with --set train.steps=1, as it was run" in told
    assert "evaluating runs/tiny/tiny.safetensors" in told
    assert recipe("run", "tiny.yaml", "--quiet") == 0  # the recipe as written takes the lock
    assert json.loads(Path("tiny.lock").read_text("utf-8"))["inputs"]["sets"] == []


def test_the_folder_one_is_in_is_not_renamed(tiny: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe("run", "tiny.yaml", "--out", ".", "--quiet") == 0
    before = sorted(Path().iterdir())
    assert recipe("run", "tiny.yaml", "--out", ".", "--set", "train.steps=1", "--quiet") == 2
    assert "holds a run of another plan, and you are in it" in capsys.readouterr().err
    assert sorted(Path().iterdir()) == before


def test_what_was_expected_decides_the_status_then_and_later(tiny: Path, capsys: pytest.CaptureFixture[str]):
    tiny.write_text(tiny.read_text("utf-8").replace("sharp: {at_least: 0.0}", "named: {at_least: 1.0}"), "utf-8")
    assert recipe("run", "tiny.yaml", "--json", "--quiet") == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["expect"]["named"]["met"] is False
    missed = r"tiny: expect\.named: wanted at least 1, got 0\.\d{3}\n"  # and nothing else where it is to be quiet
    assert re.fullmatch(missed, told.err)
    assert recipe("run", "tiny.yaml") == 1  # up to date, and exits as it did
    assert "✗ named: at least 1, got 0." in capsys.readouterr().err
    for words in (["run", "tiny.yaml", "--locked"], ["eval", "tiny.yaml"]):
        assert recipe(*words, "--quiet") == 1
        assert re.fullmatch(missed, capsys.readouterr().err)


def test_eval_needs_an_adapter(tiny: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe("eval", "tiny.yaml") == 2
    assert "there is no adapter" in capsys.readouterr().err


def test_eval_takes_the_adapter_that_the_lock_names(ran: dict[str, Any], capsys: pytest.CaptureFixture[str]):
    assert recipe("eval", "tiny.yaml") == 0
    told = capsys.readouterr().err
    assert re.search(r"^tiny: evaluated in \d+ s$", told, re.MULTILINE)
    assert "3 steps" not in told
    assert recipe("eval", "tiny.yaml", "--json", "--quiet") == 0
    looked = printed(capsys)
    same = [key for key in KEYS if key not in ("seconds", "report")]
    assert {key: looked[key] for key in same} == {key: ran[key] for key in same}
    assert looked["report"] is None
    assert recipe("eval", "tiny.yaml", "--scale", "0", "--json", "--quiet") == 0
    bare = printed(capsys)
    assert bare["measures"]["named"]["before"] == bare["measures"]["named"]["after"]
    assert recipe("eval", "tiny.yaml", "--adapter", "nowhere.safetensors") == 2


def test_eval_of_another_adapter_tells_of_no_lock(
    ran: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    from control_recipes.engine import adapter

    tensors, _ = adapter.load(Path(ran["adapter"]))
    for name, factor in {"same": 1.0, "other": 2.0}.items():
        adapter.save(tmp_path / f"{name}.safetensors", {key: factor * value for key, value in tensors.items()}, {})
    for name, lock in {"same": ran["lock"], "other": None}.items():
        words = ["eval", "tiny.yaml", "--adapter", str(tmp_path / f"{name}.safetensors"), "--json"]
        assert recipe(*words) == 0
        told = capsys.readouterr()
        found = json.loads(told.out)
        assert (found["lock"], found["steps"]) == (lock, 3 if lock else None)
        assert ("  lock: " in told.err) == (lock is not None)


@pytest.mark.parametrize("command", ["check", "show", "plan", "eval", "run", "lock", "fmt"])
def test_a_lock_is_no_recipe(tiny: Path, capsys: pytest.CaptureFixture[str], command: str):
    Path("tiny.lock").write_text('{"a": 1}\n', "utf-8")
    assert recipe(command, "tiny.lock") == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "tiny.lock: is a lock, and no recipe\n  hint: give its recipe, tiny.yaml\n")


def test_every_mistake_at_once_with_its_place_and_nothing_written(tiny: Path, capsys: pytest.CaptureFixture[str]):
    text = tiny.read_text("utf-8").replace("steps: 3", "stepz: 3").replace("rank: 2", "rank: -1")
    tiny.write_text(text, "utf-8")
    for words in (["check", "tiny.yaml"], ["run", "tiny.yaml"]):
        assert recipe(*words) == 2
        told = capsys.readouterr()
        assert told.out == ""
        lines = [line for line in told.err.splitlines() if line.startswith("tiny.yaml:")]
        assert [line.split(": ")[:2] for line in lines] == [
            ["tiny.yaml:21:17", "adapter.rank"],
            ["tiny.yaml:22:9", "train.stepz"],
        ]
        assert "hint: did you mean `steps`?" in told.err
        assert "Traceback" not in told.err
    assert not Path("runs").exists()
    assert not Path("tiny.lock").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("world train foo", "Invalid value for NAME: `foo` is none of vae, generator, critic, critic2, judge"),
        ("world train judge --from .", "Invalid value for --from: is for vae and generator, not for judge"),
        ("world train vae --from nowhere", "Invalid value for --from: nowhere is no folder"),
        ("world paint --count 0", "Invalid value for '--count': must be a whole number from 1, found 0"),
    ],
)
def test_what_the_world_has_not_is_told_without_a_word_of_libraries(words: str, said: str):
    running = start(*words.split())
    out, err = running.communicate()
    assert (running.returncode, out) == (2, "")
    assert err.splitlines()[-1] == f"Error: {said}"
    assert err.startswith("Usage: ")


def on_a_terminal(*words: str) -> str:
    """What `recipe WORDS` writes to stderr where that is a terminal."""
    ours, theirs = pty.openpty()
    code = "import control_recipes.cli as c; c.main()"
    running = subprocess.Popen([sys.executable, "-c", code, *words], stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 4096):
            seen += part
    except OSError:  # how Linux says that the other end is closed
        pass
    running.wait(timeout=120)
    os.close(ours)
    return seen.decode()


def test_a_terminal_sees_the_line_and_a_caret(tiny: Path):
    tiny.write_text(tiny.read_text("utf-8").replace("rank: 2", "rank: -1"), "utf-8")
    seen = on_a_terminal("check", "tiny.yaml")
    assert "adapter: {rank: -1, alpha: 4}" in seen
    assert any(re.sub(r"\x1b\[[0-9;]*m", "", line).strip("│ \r") == "^" for line in seen.splitlines())


def test_a_terminal_sees_a_bar_that_is_redrawn(tiny: Path):
    seen = on_a_terminal("run", "tiny.yaml", "--set", "train.steps=2")
    for words in ("training", "2/2", "zed", "evaluating", "s left", "\x1b["):
        assert words in seen


def test_check_json_lists_problems(tiny: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe("check", "tiny.yaml", "--json") == 0
    assert printed(capsys) == {"ok": True, "problems": []}
    assert recipe("check", "tiny.yaml", "--set", "train.stepz=1", "--json") == 2
    (problem,) = printed(capsys)["problems"]
    assert problem["key"] == "train.stepz"


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["run", "nowhere.yaml"],
        ["check", "nowhere"],
        ["report", "nowhere"],
        ["nonsense"],
        ["init", "a", "--from", "b"],
        ["run", "a.yaml", "b.yaml", "--out", "c"],
        ["generate", "nowhere.safetensors", "a ball"],
        ["eval", "nowhere.yaml"],
    ],
)
def test_a_mistake_on_the_command_line_is_status_2_and_no_traceback(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert recipe(*words) == 2
    told = capsys.readouterr()
    assert told.err
    assert "Traceback" not in told.err
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_is_no_utf8_is_refused_before_any_work(tiny: Path, capsys: pytest.CaptureFixture[str]):
    name = os.fsdecode(b"m\xff")
    shutil.copy(tiny, f"{name}.yaml")
    os.mkdir(name)
    shutil.copy(tiny, name)
    before = sorted(os.listdir())
    for words in (["lock", f"{name}.yaml"], ["check", f"{name}.yaml", "--json"], ["run", "tiny.yaml", "--out", name]):
        assert recipe(*words) == 2
        assert r"m\udcff" in (told := capsys.readouterr().err)
        assert "is no UTF-8 text" in told
    with contextlib.chdir(name):
        for words in (["run", "tiny.yaml"], ["run", "horizon_low.yaml"], ["lock", "tiny.yaml"]):
            assert recipe(*words) == 2
            assert "its name is no UTF-8 text" in capsys.readouterr().err
        assert os.listdir() == ["tiny.yaml"]
    os.symlink(name, "link")
    assert recipe("run", "tiny.yaml", "--out", "link") == 2
    assert "its name is no UTF-8 text" in capsys.readouterr().err
    assert sorted(os.listdir()) == sorted([*before, "link"])


def test_a_name_that_leaves_no_room_for_its_lock_is_refused_before_any_work(
    tiny: Path, capsys: pytest.CaptureFixture[str]
):
    long, longer = f"{'r' * 250}.yaml", f"{'r' * 251}.yml"
    shutil.copy(tiny, long)
    shutil.copy(tiny, longer)
    assert recipe("lock", long) == 0
    assert Path(long).with_suffix(".lock").is_file()
    before = sorted(os.listdir())
    for words in (["run", longer], ["lock", longer]):
        assert recipe(*words) == 2
        assert "its name would be longer than 255 bytes" in capsys.readouterr().err
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("words", ["generate A ball", "run tiny.yaml", "world paint", "world train vae", "extract A"])
@pytest.mark.parametrize("below", ["", "/below"])
def test_a_file_is_no_folder_to_write_to(
    ran: dict[str, Any], words: str, below: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").write_text("mine", "utf-8")
    adapter = str(ran["adapter"])
    given = [adapter if word == "A" else word for word in words.split()]
    assert recipe(*given, "--out", f"{tmp_path / 'file'}{below}") == 2
    said = "is there already" if (words, below) == ("extract A", "") else "is a file, not a folder"
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'file'}: {said}\n  hint: ")
    assert (tmp_path / "file").read_text("utf-8") == "mine"


def test_init_writes_nothing_where_a_file_is_in_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    Path("assets").touch()
    assert recipe("init", "mine", "--from", "blue_ball") == 2
    assert "assets: is a file, not a folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["assets"]


OUT_OF_RANGE = {
    "--scale": (("nan", "inf", "-inf", "1e9", "-101"), "-100 to 100"),
    "--seed": (("99999999999999999999", "-1", str(2**63)), f"0 to {2**63 - 1}"),
}


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("generate a.safetensors ball", "--scale"),
        ("eval r.yaml", "--scale"),
        ("generate a.safetensors ball", "--seed"),
        ("world paint", "--seed"),
    ],
)
def test_a_number_out_of_its_range_is_refused_by_its_option(
    words: str, option: str, capsys: pytest.CaptureFixture[str]
):
    values, allowed = OUT_OF_RANGE[option]
    for value in values:
        assert recipe(*words.split(), f"{option}={value}") == 2
        told = capsys.readouterr()
        found = float(value) if option == "--scale" else value
        said = f"Error: Invalid value for '{option}': must be a number from {allowed}, found {found}"
        assert told.err.splitlines()[-1] == said
        assert told.out == ""


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]):
    assert recipe("--version") == 0
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))["project"]
    assert capsys.readouterr().out == f"{project['version']}\n"


def test_debug_shows_where(tiny: Path):
    done = start("check", "nowhere.yaml", "--debug")
    assert "Traceback" in done.communicate(timeout=120)[1]


def test_lock_is_written_checked_and_refused(tiny: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe("lock", "tiny.yaml", "--check") == 1
    assert recipe("run", "tiny.yaml", "--locked") == 1
    assert not Path("runs").exists()
    assert recipe("lock", "tiny.yaml") == 0
    assert recipe("lock", "tiny.yaml", "--check") == 0
    assert json.loads(Path("tiny.lock").read_text("utf-8"))["outcome"] is None
    tiny.write_text(tiny.read_text("utf-8") + "# a comment\n", "utf-8")
    assert recipe("lock", "tiny.yaml", "--check") == 0  # a changed comment is not stale
    tiny.write_text(tiny.read_text("utf-8").replace("1e-3", "2e-3"), "utf-8")
    capsys.readouterr()
    assert recipe("lock", "tiny.yaml", "--check", "--json") == 1
    assert printed(capsys) == {"stale": {"tiny.yaml": ["training: lr was 0.001, is now 0.002"]}}
    assert recipe("run", "tiny.yaml", "--locked") == 1


def test_a_run_says_what_changed_since_the_lock_and_refuses_a_broken_one(
    tiny: Path, capsys: pytest.CaptureFixture[str]
):
    assert recipe("lock", "tiny.yaml") == 0
    tiny.write_text(tiny.read_text("utf-8").replace("steps: 3", "steps: 1"), "utf-8")
    assert recipe("run", "tiny.yaml") == 0
    assert "tiny.lock: training: steps was 3, is now 1" in capsys.readouterr().err
    Path("tiny.lock").write_text("{}", "utf-8")
    tiny.write_text(tiny.read_text("utf-8").replace("steps: 1, batch", "steps: 3, batch"), "utf-8")
    assert recipe("run", "tiny.yaml") == 2
    assert "hint: delete it" in capsys.readouterr().err
    assert not Path("runs/tiny.1").exists()


def test_overrides_are_recorded_and_applied_again(tiny: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe("lock", "tiny.yaml", "--set", "train.steps=2") == 0
    assert recipe("lock", "tiny.yaml", "--check") == 0
    assert recipe("lock", "tiny.yaml", "--check", "--set", "train.steps=3") == 1


def test_show_and_plan_say_what_would_run(tiny: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe("show", "tiny.yaml", "--origins", "--set", "train.steps=2") == 0
    shown = capsys.readouterr().out
    assert "  rank: 2  # tiny.yaml:21" in shown
    assert "  seed: 100  # default" in shown
    assert "  steps: 2  # --set train.steps" in shown
    assert recipe("show", "tiny.yaml") == 0
    Path("shown.yaml").write_text(capsys.readouterr().out, "utf-8")
    assert recipe("plan", "tiny.yaml", "--json") == 0
    digest = printed(capsys)["digest"]
    assert recipe("plan", "shown.yaml", "--json") == 0
    assert printed(capsys)["digest"] == digest  # what is shown means the same
    assert recipe("plan", "tiny.yaml") == 0
    summary = capsys.readouterr().out
    assert digest in summary
    assert "zed (× 1): Is the line on the horizon? → Yes, not No" in summary


def test_generate_paints_and_never_paints_over(ran: dict[str, Any], capsys: pytest.CaptureFixture[str]):
    words = [
        "generate",
        "runs/tiny/tiny.safetensors",
        "a red ball",
        "a tree",
        "--seed",
        "5",
        "--scale",
        "0.5",
        "--out",
        "art",
    ]
    assert recipe(*words) == 0
    first = capsys.readouterr().out.splitlines()
    assert len(first) == 2
    assert recipe(*words) == 0
    second = capsys.readouterr().out.splitlines()
    assert not set(first) & set(second)
    assert [Path(path).read_bytes() for path in first] == [Path(path).read_bytes() for path in second]


def test_what_is_written_is_told_as_data_and_nothing_else_where_it_is_to_be_quiet(
    ran: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    folder = Path(ran["report"]).parent
    monkeypatch.chdir(tmp_path)
    picture, files = str(tmp_path / "pictures/seed0_scale1_0.png"), ["mine.yaml", "assets/heldout_prompts.jsonl"]
    for words, told in {
        f"report {folder}": {"report": ran["report"]},
        "world paint --count 2": {
            "pictures": [str(tmp_path / f"scenes/{name}.png") for name in ("0000", "0001")],
            "scenes": str(tmp_path / "scenes/scenes.jsonl"),
        },
        "init mine": {"files": [str(tmp_path / name) for name in files]},
    }.items():
        assert recipe(*words.split(), "--json", "--quiet") == 0
        said = capsys.readouterr()
        assert (json.loads(said.out), said.err) == (told, "")
    monkeypatch.chdir(folder.parent.parent)
    assert recipe("generate", ran["adapter"], "a ball", "--json", "--quiet", "--out", str(tmp_path / "pictures")) == 0
    assert printed(capsys) == {"pictures": [picture]}
    assert recipe("world", "read", str(tmp_path / "scenes/0000.png"), "--json", "--quiet") == 0
    assert list(printed(capsys)) == [str(tmp_path / "scenes/0000.png")]
    for command in ("gallery", "schema"):
        assert recipe(command, "--quiet") == 0
        assert capsys.readouterr().err == ""


def test_init_says_what_it_copies_and_what_a_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert recipe("init", "mine") == 0
    assert capsys.readouterr().err == "a copy of horizon_low; --from takes another, which `recipe gallery` lists\n"
    assert recipe("init", "other", "--from", "horizon_low") == 0
    assert capsys.readouterr().err == ""
    assert recipe("init", "my thing") == 2
    assert capsys.readouterr().err == "my thing: must be a name: letters, digits, `_` and `-`, no digit first\n"
    assert recipe("init", "third.yaml") == 2
    assert "hint: leave its ending away: third\n" in capsys.readouterr().err


def test_report_is_written_anew(ran: dict[str, Any]):
    page = Path("runs/tiny/report.html")
    text = page.read_text("utf-8")
    page.unlink()
    assert recipe("report", "runs/tiny") == 0
    assert page.read_text("utf-8") == text


def test_a_report_waits_for_no_pipe_that_its_run_calls_a_lock(
    ran: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder, pipe = tmp_path / "given", tmp_path / "elsewhere.lock"
    shutil.copytree("runs/tiny", folder)
    os.mkfifo(pipe)
    result = json.loads((folder / "result.json").read_text("utf-8"))
    (folder / "result.json").write_text(json.dumps({**result, "lock": str(pipe)}), "utf-8")
    assert recipe("report", str(folder)) == 2
    assert "elsewhere.lock: cannot be read: is no file but a device or a pipe" in capsys.readouterr().err


def test_a_folder_in_use_is_refused(tiny: Path, capsys: pytest.CaptureFixture[str]):
    from control_recipes.engine.run_folder import held

    with held(Path("runs/tiny")):
        assert recipe("run", "tiny.yaml") == 2
    assert "in use by another run" in capsys.readouterr().err


def test_interrupt_leaves_a_checkpoint_and_the_next_run_ends_with_the_same_tensors(
    tiny: Path, capsys: pytest.CaptureFixture[str]
):
    # a step takes long enough for a signal to come in between; looks and pictures are for other tests
    long = ["--set", "train.steps=16", "--set", "evaluate.every=8", "--set", "evaluate.seeds=1", "--json"]
    running = start("run", "tiny.yaml", *long)
    state = Path("runs/tiny/checkpoint/state.safetensors")
    for _ in range(30_000):
        if state.exists() or running.poll() is not None:
            break
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 130, err
    assert out == ""
    assert "the same command goes on" in err
    assert "Traceback" not in err
    assert len(Path("runs/tiny/metrics.jsonl").read_text("utf-8").splitlines()) < 16
    assert recipe("run", "tiny.yaml", *long, "--quiet") == 0
    resumed = printed(capsys)
    assert recipe("run", "tiny.yaml", *long, "--out", "whole", "--quiet") == 0
    assert printed(capsys)["tensors_sha256"] == resumed["tensors_sha256"]


def test_sigterm_stops_a_run_as_ctrl_c_does(tiny: Path):
    running = start("run", "tiny.yaml", "--set", "train.steps=1000", "--set", "evaluate.every=1000")
    for _ in range(30_000):
        if Path("runs/tiny/checkpoint/state.safetensors").exists() or running.poll() is not None:
            break
        time.sleep(0.01)
    running.terminate()
    err = running.communicate(timeout=120)[1]
    assert running.returncode == 128 + signal.SIGTERM, err
    assert err.endswith("tiny: stopped; the same command goes on from runs/tiny\n")
    assert "Traceback" not in err
    progress = json.loads(headers.read(Path("runs/tiny/checkpoint/state.safetensors")).metadata["progress"])
    assert progress["step"] == len(Path("runs/tiny/metrics.jsonl").read_text("utf-8").splitlines())


@pytest.mark.parametrize(
    ("words", "work"), [("plan tiny.yaml --measure", "calibrate.calibrate"), ("eval tiny.yaml", "running.evaluate")]
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_writes_nothing_says_so_where_it_is_stopped(
    words: str, work: str, number: int, tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(f"control_recipes.engine.{work}", lambda *_: os.kill(os.getpid(), number))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells let what runs behind them ignore it
    try:
        assert recipe(*words.split()) == 128 + number
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err == f"recipe {words.split()[0]}: stopped; nothing was written\n"
        assert recipe(*words.split(), "--quiet") == 128 + number
        assert capsys.readouterr().err == ""
    finally:
        signal.signal(signal.SIGINT, before)


def test_progress_in_a_log_is_a_line_now_and_then_and_none_if_quiet(tiny: Path, capsys: pytest.CaptureFixture[str]):
    few = ("--set", "evaluate.every=20", "--set", "evaluate.seeds=1")
    assert recipe("run", "tiny.yaml", "--set", "train.steps=20", *few) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("training")]
    assert 5 <= len(lines) <= 12
    assert all("loss" in line and "zed" in line and "s left" in line for line in lines)
    assert recipe("run", "tiny.yaml", "--again", "--quiet", "--set", "train.steps=1", *few) == 0
    assert capsys.readouterr().err == ""


def test_gallery_is_listed_and_started_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert recipe("gallery", "--json") == 0
    listed = {entry["name"]: entry["intent"] for entry in printed(capsys)}
    assert listed["horizon_low"]
    assert recipe("init", "mine", "--from", "horizon_low") == 0
    capsys.readouterr()
    assert recipe("init", "mine") == 2
    assert recipe("init", "my own") == 2  # `name: my own` would be refused
    assert not Path("my own.yaml").exists()
    assert recipe("check", "mine.yaml") == 0
    assert "\nname: mine\n" in Path("mine.yaml").read_text("utf-8")
    for name in ("null", "true"):  # which YAML takes for something else
        assert recipe("init", name) == 0
        assert recipe("check", f"{name}.yaml") == 0


def test_a_gallery_name_writes_under_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert recipe("lock", "horizon_low.yaml") == 0
    assert "of the gallery" in capsys.readouterr().err
    assert Path("runs/horizon_low/horizon_low.lock").exists()


def test_schema_accepts_the_gallery(capsys: pytest.CaptureFixture[str]):
    import jsonschema
    from control_recipes.engine import document, gallery

    assert recipe("schema") == 0
    schema = json.loads(capsys.readouterr().out)
    for path in gallery.recipes():
        jsonschema.validate(document.parse(path.read_text("utf-8"), str(path)).data, schema)


def test_the_world_is_painted_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert recipe("world", "paint", "thing=ball", "color=red", "horizon=0.7") == 0
    (path,) = capsys.readouterr().out.splitlines()
    assert recipe("world", "read", path, "--json") == 0
    seen = printed(capsys)[path]
    assert (seen["thing"], seen["color"]) == ("ball", "red")
    assert seen["horizon"] == pytest.approx(0.7, abs=0.02)
    assert recipe("world", "read", path) == 0
    assert re.search(r"thing ball \(\d+%\), color red \(", capsys.readouterr().out)
    assert 0 <= seen["confidence"]["thing"] <= 1
    assert recipe("world", "paint", "a blue vase in the kitchen") == 0
    assert recipe("world", "paint", "a dragon in the kitchen") == 2
    assert recipe("world", "paint", "thing=dragon") == 2
    assert recipe("world", "train", "dragon") == 2
