"""The benches work: their ways compute the same, their figures have the promised form, their recipes are recipes."""

from __future__ import annotations

import json
from pathlib import Path

import control
import control_recipes
import derived
import figure
import gradient
import pico
import pytest
import shared
import sized
import timing
import ways


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> ways.Bench:
    folder = tmp_path_factory.mktemp("models")
    sized.models(folder, sized.QUICK)
    return ways.Bench(folder, sized.QUICK)


@pytest.mark.parametrize("questions", [1, 3])
def test_all_ways_have_the_same_loss_and_gradients(bench: ways.Bench, questions: int):
    with pico.one_thread():
        of_loss, of_pixels, of_adapter = ways.agreement(bench, questions)
    assert of_loss <= ways.LOSS_TOLERANCE
    assert max(of_pixels, of_adapter) <= ways.GRADIENT_TOLERANCE


def test_the_comparison_sees_one_question_more(bench: ways.Bench):
    with pico.one_thread():
        told, one = bench.taught(3)
        other, another = bench.alone(bench.plain(4).one_by_one)
    assert abs(told - other) > ways.LOSS_TOLERANCE * abs(told)
    assert ways.relative(one, another) > ways.GRADIENT_TOLERANCE


def test_questions_have_the_length_that_is_said(bench: ways.Bench):
    tokenizer = bench.critic.chat.tokenizer
    lengths = {len(tokenizer.encode(sized.question(at)).ids) for at in range(sized.MOST_QUESTIONS)}
    assert lengths == {sized.QUESTION_TOKENS}
    assert len({sized.question(at) for at in range(sized.MOST_QUESTIONS)}) == sized.MOST_QUESTIONS


def test_a_quick_bench_tells_figures_and_keeps_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pico.one_thread():
        gradient.main(["--quick", "--out", str(tmp_path / "kept.json")])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) >= 8
    assert all(list(line) == ["bench", "value", "unit", "target", "met"] for line in lines)
    assert all(line["met"] for line in lines if line["target"] is None)
    kept = json.loads((tmp_path / "kept.json").read_text("utf-8"))
    assert kept["quick"]
    assert kept["figures"] == lines
    assert [peak["questions"] for peak in kept["peaks"]] == [1, 16, 1, 16]


def test_ratios_are_of_each_round_with_itself():
    times = timing.Times({"slow": [4.0, 40.0, 6.0], "fast": [2.0, 10.0, 2.0], "other": [0.0, 10.0, 1.0]})
    assert times.ratio("slow", "fast") == 3.0
    assert times.ratio("slow", "fast", "other") == 2.0
    assert times.seconds("slow") == 6.0


def test_ways_take_turns_and_the_first_round_does_not_count():
    done: list[str] = []
    times = timing.rounds({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, 2, lambda: None)
    assert done == ["a", "b"] * 3
    assert [len(seconds) for seconds in times.of.values()] == [2, 2]


def test_a_target_is_met_or_not():
    assert figure.figure("x", 4.0, "×", at_least=4.0)["met"]
    assert not figure.figure("x", 3.999, "×", at_least=4.0)["met"]
    assert not figure.figure("x", 1.2, "×", at_most=1.15)["met"]
    assert figure.figure("x", 9.0, "s") == {"bench": "x", "value": 9.0, "unit": "s", "target": None, "met": True}


def test_pictures_a_second_are_those_of_all_steps_but_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    plan = shared.planned(3)
    assert plan.train.steps == 3
    pictures = plan.train.batch * plan.train.accumulate
    steps = [{"step": 1, "seconds": 60}, {"step": 2, "seconds": 1}, {"step": 3, "seconds": 3}, {"step": 3, "look": {}}]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, steps)), "utf-8")
    rate = shared.pictures_per_second(tmp_path / "metrics.jsonl", plan)
    assert rate == pictures / 2
    shared.figures(2, rate, 1.5 * rate)
    values = {line["bench"]: line["value"] for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert values["2 processes against one"] == 1.5


CHANGES = [*derived.SETTINGS.items(), *derived.TRICKS.items()]


@pytest.mark.parametrize(("label", "change"), CHANGES, ids=[label for label, _ in CHANGES])
def test_every_changed_recipe_is_one(label: str, change: derived.Change, tmp_path: Path):
    plan = control_recipes.resolve(control_recipes.read(derived.write(tmp_path, label, change)))
    assert {measure.name for measure in plan.measures} == {"horizon", "named", "sharp"}
    assert plan.goal_question == derived.GOAL


def test_what_is_left_out_is_out(tmp_path: Path):
    def planned(label: str) -> control_recipes.engine.plan.Plan:
        return control_recipes.resolve(control_recipes.read(derived.write(tmp_path, label, derived.TRICKS[label])))

    whole, bare = planned("all of them"), planned("none of them")
    assert min(whole.train.augment.noise, whole.train.stay) > 0
    assert sum(bool(one.hold) for one in whole.questions) == 5
    assert bare.train.augment.noise == bare.train.stay == 0
    assert [one.name for one in bare.questions if not one.watch] == [derived.GOAL]
    assert {len(ask.wordings) for row in bare.train_rows for ask in row.asks} == {1}
    assert len(planned("with a second critic").critics) == 2


def test_time_to_a_control_is_looked_at_on_the_way_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    label = "paper, lr 1e-3"
    words = ["time", "--work", str(tmp_path), "--quick", "--only", label, "--out", str(tmp_path / "out.json")]
    with pico.one_thread():
        control.main(words)
    (row,) = json.loads(capsys.readouterr().out)
    assert [look["step"] for look in row["looks"]] == [1, 2]
    assert row["looks"][0]["seconds"] < row["looks"][1]["seconds"]
    assert json.loads((tmp_path / "out.json").read_text("utf-8"))["rows"] == [row]
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("look.json")}
    with pico.one_thread():
        control.main(words)  # nothing is done again
    assert json.loads(capsys.readouterr().out) == [row]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("look.json")} == kept


def test_a_trick_left_out_is_run_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    control.main(["tricks", "--work", str(tmp_path), "--quick", "--only", "without stay"])
    (row,) = json.loads(capsys.readouterr().out)
    assert row["label"] == "without stay"
    assert {0 <= row[share] <= 1 for share in ("belief", "truth", "kept", "sharp")} == {True}
    assert set(row["before"]) == {"belief", "truth", "kept", "sharp"}
