"""A recipe with `compose`: what it takes, what it comes to, and what is wrong with it, in words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import hollow
import pytest
from commandline import recipe
from control_recipes.engine import document, parents, plan, showing
from control_recipes.engine.recipe import json_schema, read
from control_recipes.engine.resolve import resolve
from control_recipes.engine.schema_composing import ComposingSchema
from jsonschema import Draft202012Validator
from pydantic import ValidationError

HEAD = "recipe: 1\nname: both\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workplace with low.yaml (hollow's recipe), and high.yaml, of another rank and other figures."""
    made = hollow.workplace(tmp_path)
    made.with_name("low.yaml").write_text(hollow.RECIPE.replace("horizon_low", "low"), "utf-8")
    high = hollow.RECIPE.replace("horizon_low", "high") + "adapter: {rank: 4, targets: all}\n"
    made.with_name("high.yaml").write_text(high, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def both(text: str = "compose: {low.yaml: 1.0, high.yaml: 0.8}\n", file: str = "both.yaml") -> plan.Plan:
    Path(file).write_text(text if text.startswith("recipe") else HEAD + text, "utf-8")
    return resolve(read(Path(file)))


def problems(text: str) -> list[str]:
    return hollow.told(lambda: both(text), "")


def test_its_plan_is_those_of_its_parents(folder: Path):
    low, high = (resolve(read(Path(f"{name}.yaml"))) for name in ("low", "high"))
    made = both()
    assert [(one.name, one.weight, one.plan_sha256) for one in made.composed.parents] == [
        ("low", 1.0, plan.digest(low)),
        ("high", 0.8, plan.digest(high)),
    ]
    assert {one.name for one in made.measures} == {f"{p}.{one.name}" for p in ("low", "high") for one in low.measures}
    assert (made.adapter.rank, made.adapter.targets) == (low.adapter.rank + 4, "all")
    assert (made.train.steps, made.expect, made.evaluate) == (0, (), low.evaluate)
    assert len(made.test_rows) == len(low.test_rows) + len(high.test_rows)
    assert plan.parse(plan.dump(made)) == made
    # its identity hangs on what its parents are
    Path("high.yaml").write_text(Path("high.yaml").read_text("utf-8").replace("rank: 4", "rank: 5"), "utf-8")
    assert plan.digest(both()) != plan.digest(made)


def test_it_has_the_blocks_of_all_its_parents(folder: Path):
    low, high = (Path(f"{name}.yaml").read_text("utf-8") for name in ("low", "high"))
    blocks = ["single_transformer_blocks.0", "transformer_blocks.0"]
    Path("high.yaml").write_text(high.replace("targets: all}", f"targets: all, blocks: [{blocks[1]}]}}"), "utf-8")
    assert both().adapter.blocks == ()  # the other one has them everywhere
    Path("low.yaml").write_text(f"{low}\nadapter: {{blocks: [{blocks[0]}]}}\n", "utf-8")
    assert both().adapter.blocks == tuple(blocks)


def test_short_and_long_forms_mean_the_same(folder: Path):
    listed = both("compose: [low.yaml, high.yaml]\n")
    assert listed == both("compose: {low.yaml: 1, high.yaml: 1.0}\n")
    assert listed == both("compose: {recipes: {low.yaml: 1, high.yaml: 1}}\n")
    low = both("compose: {recipes: {low.yaml: 1, high.yaml: -1}, rank: 6}\n")
    assert (low.composed.rank, low.adapter.rank, low.composed.parents[1].weight) == (6, 6, -1.0)


def test_polish_is_a_training_of_both(folder: Path):
    made = both("compose: {recipes: {low.yaml: 1, high.yaml: 1}, polish: {steps: 7, lr: 1e-5}}\n")
    assert (made.train.steps, made.train.lr) == (7, 1e-5)
    assert made.train.batch == resolve(read(Path("low.yaml"))).train.batch
    assert {row.asks[0].question.partition(".")[0] for row in made.train_rows} == {"low", "high"}
    assert both("compose: {recipes: {low.yaml: 1, high.yaml: 1}, polish: {}}\n").train.steps == 50


def test_what_it_says_itself(folder: Path):
    made = both(
        "compose: [low.yaml, high.yaml]\ngoal: {measure: low.horizon, question: high.aligned}\n"
        "evaluate: {seeds: 2}\nexpect: {low.horizon: {at_least: 0.5}, high.aligned: {judge: second, at_most: 0.9}}\n"
    )
    assert (made.goal_measure, made.goal_question) == ("low.horizon", "high.aligned")
    assert made.evaluate.seeds == (0, 1)
    assert made.evaluate.scales == resolve(read(Path("low.yaml"))).evaluate.scales
    assert [(one.name, one.judge, one.bound, one.value) for one in made.expect] == [
        ("high.aligned", "second", "at_most", 0.9),
        ("low.horizon", "", "at_least", 0.5),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "compose: {low.yaml: 1.0, high.yaml: 0.8}\nevaluate: {seeds: 2}\n",
        "compose: {recipes: {low.yaml: 1}, rank: 3, polish: {}}\nexpect: {low.horizon: {at_least: 0.5}}\n",
    ],
)
def test_what_is_shown_is_the_same_plan(folder: Path, text: str):
    made = both(text)
    Path("again.yaml").write_text(showing.text(read(Path("both.yaml")), origins=True), "utf-8")
    assert resolve(read(Path("again.yaml"))) == made


def test_a_parent_may_compose_itself(folder: Path):
    both()
    made = both("recipe: 1\nname: all\ncompose: [both.yaml, low.yaml]\n", "all.yaml")
    assert [one.name for one in made.composed.parents] == ["both", "low"]
    assert {"both.low.horizon", "both.high.horizon", "low.horizon"} <= {one.name for one in made.measures}
    wanted = "expect: {both.low.horizon: {at_least: 0.5}}\n"
    text = f"recipe: 1\nname: all\ncompose: [both.yaml, low.yaml]\n{wanted}"
    assert both(text, "all.yaml").expect[0].name == "both.low.horizon"
    Draft202012Validator(json_schema()).validate(
        {"recipe": 1, "name": "all", "compose": ["both.yaml"], "expect": {"both.low.horizon": {"at_least": 0.5}}}
    )
    found = parents.there(read(Path("all.yaml")))
    assert [[each.plan.name for each in one.parents] for one in found] == [["low", "high"], []]


def test_a_parent_may_lie_in_a_folder_below(folder: Path):
    here = both("compose: [low.yaml, high.yaml]\n")
    for name in ("low.yaml", "high.yaml", "generator", "critic", "judge", "assets"):
        if (folder / name).exists():
            (folder / "below").mkdir(exist_ok=True)
            (folder / name).rename(folder / "below" / name)
    made = both("compose: [below/low.yaml, below/high.yaml]\n")
    assert made.generator.model.address == "./below/generator"
    assert made.generator.model.files == here.generator.model.files
    Path("below/both.yaml").write_text(f"{HEAD}compose: [low.yaml, high.yaml]\n", "utf-8")
    assert both("recipe: 1\nname: b\ninclude: [below/both.yaml]\n", "b.yaml").composed == made.composed


def change(path: str, old: str, new: str) -> None:
    text = Path(path).read_text("utf-8")
    assert old in text
    Path(path).write_text(text.replace(old, new, 1), "utf-8")


def test_what_is_wrong_is_told_at_its_place(folder: Path):
    assert problems("compose: {low.yaml: 0}\n")[0].startswith("both.yaml:3:21: compose.recipes.low.yaml: must not be 0")
    assert problems("compose: {low.yaml: 101}\n")[0].startswith("both.yaml:3:21: compose.recipes.low.yaml: must be")
    (found,) = problems("compose: {low.yaml: 1, lower.yaml: 1}\n")
    assert found.startswith("both.yaml:3:24: compose.recipes.lower.yaml: there is no file lower.yaml")
    (found,) = problems("compose: [low.yaml, ./low.yaml]\n")
    assert "is the same file as `low.yaml`" in found
    assert "is empty" in problems("compose: {}\n")[0]
    assert "names `low.yaml` twice" in problems("compose: [low.yaml, low.yaml]\n")[0]
    assert "has `rank`, but no `recipes`" in problems("compose: {low.yaml: 1, rank: 3}\n")[0]
    (found,) = problems("compose: [low.yaml]\nrank: 3\n")
    assert "unknown key `rank`" in found
    assert "did you mean `compose.rank`?" in found
    assert "unknown key `ranks`" in problems("compose: {recipes: {low.yaml: 1}, ranks: 3}\n")[0]
    (found,) = problems("compose: [low.yaml]\ngoal: {measure: low.horizn}\n")
    assert found.startswith("both.yaml:4:17: goal.measure: there is no measure `low.horizn`; did you mean") or (
        "there is no measure `low.horizn`" in found
    )
    (found,) = problems("compose: [low.yaml]\nexpect: {low.aligned: {at_least: 0.5}}\n")
    assert "is a question: it needs a `judge`" in found


def test_a_parent_that_optimises_one_picture_is_no_adapter(folder: Path):
    text = Path("high.yaml").read_text("utf-8").replace("adapter: {rank: 4, targets: all}\n", "")
    Path("high.yaml").write_text(f"{text}train: {{optimize: latents}}\n", "utf-8")
    (found,) = problems("compose: {low.yaml: 1, high.yaml: 1}\n")
    assert found.startswith("both.yaml:3:24: compose.recipes.high.yaml: optimises the noise of one picture")
    (found,) = problems("compose: {recipes: {high.yaml: 1, low.yaml: 1}, polish: {steps: 2}}\n")
    assert found.startswith("both.yaml:3:21: compose.recipes.high.yaml: optimises the noise of one picture")
    Path("inner.yaml").write_text("recipe: 1\nname: inner\ncompose: {recipes: {high.yaml: 1}, polish: {}}\n", "utf-8")
    (found,) = problems("compose: [inner.yaml]\n")
    assert found.startswith("inner.yaml:3:21: compose.recipes.high.yaml: optimises the noise of one picture")


def test_a_gain_is_expected_of_what_is_composed(folder: Path):
    made = both("compose: [low.yaml, high.yaml]\nexpect: {low.horizon: {gain: 0.2}}\n")
    assert made.expect == (plan.Expectation("low.horizon", "", "gain", 0.2),)


def test_nothing_of_its_own_is_asked_or_trained(folder: Path):
    own = "questions: {q: {ask: Is it, answer: Yes}}\ntrain: {steps: 3}\ncompose: [low.yaml]\n"
    found = problems(own)
    assert [one.partition(": stands")[0] for one in found] == ["both.yaml:3:1: questions", "both.yaml:4:1: train"]
    (found,) = problems("combine: [low.yaml, high.yaml]\ncompose: [low.yaml]\n")
    assert found.startswith("both.yaml:4:1: compose: stands beside `combine`")
    both()
    Path("c.yaml").write_text("recipe: 1\nname: c\ncombine: [both.yaml, low.yaml]\n", "utf-8")
    (found,) = hollow.told(lambda: read(Path("c.yaml")), "")
    assert "composes adapters, and asks nothing itself" in found


def test_circles_are_told(folder: Path):
    Path("a.yaml").write_text("recipe: 1\nname: a\ncompose: [both.yaml]\n", "utf-8")
    (found,) = problems("compose: [low.yaml, a.yaml]\n")
    assert "composes itself: both.yaml → a.yaml → both.yaml" in found
    (found,) = problems("compose: [both.yaml]\n")
    assert "composes itself: both.yaml → both.yaml" in found


def test_names_differ_for_each_has_its_run_folder(folder: Path):
    change("high.yaml", "name: high", "name: low")
    (found,) = problems("compose: [low.yaml, high.yaml]\n")
    assert "is called `low`, as low.yaml is" in found
    change("high.yaml", "name: low", "name: both")
    (found,) = problems("compose: [low.yaml, high.yaml]\n")
    assert "is called `both`, as both.yaml is" in found


def test_parents_of_two_generators_are_refused(folder: Path):
    shutil.copytree("generator", "other")
    Path("other/model_index.json").write_text(Path("other/model_index.json").read_text("utf-8") + " ", "utf-8")
    change("high.yaml", "model: ./generator", "model: ./other")
    (found,) = problems("compose: [low.yaml, high.yaml]\n")
    assert found.startswith("both.yaml:3:21: compose.recipes.high.yaml: is for ./other, not ./generator")


def test_a_parents_mistake_is_told_at_its_own_place(folder: Path):
    change("high.yaml", "rank: 4", "rank: 0")
    found = problems("compose: [low.yaml, high.yaml]\nexpect: {low.horizon: {at_least: 2}}\n")
    assert any(one.startswith("high.yaml:") and "adapter.rank" in one for one in found)
    assert any(one.startswith("both.yaml:4:") for one in found)


def test_a_mistake_of_a_recipe_that_two_parents_share_is_told_once(folder: Path):
    change("high.yaml", "rank: 4", "rank: 0")
    for name in ("x", "y"):
        Path(f"{name}.yaml").write_text(f"recipe: 1\nname: {name}\ncompose: [high.yaml]\n", "utf-8")
    (found,) = problems("compose: [x.yaml, y.yaml]\n")
    assert found.startswith("high.yaml:")
    assert "adapter.rank" in found
    change("high.yaml", "rank: 0", "rank: 4")
    assert both("compose: [x.yaml, y.yaml]\n").adapter.rank == 8


def test_what_no_test_prompt_asks_cannot_be_expected(folder: Path):
    change("high.yaml", 'ask: "Is there a', "ask: \"{% if color != 'white' %}Is there a")
    change("high.yaml", '{{ thing }}?"', '{{ thing }}?{% endif %}"')
    change("high.yaml", "  still_there: {judge: second, at_least: 0.95}\n", "")
    made = both("compose: [low.yaml, high.yaml]\nexpect: {low.still_there: {judge: second, at_least: 0.5}}\n")
    assert "high.still_there" in {one.name for one in made.questions}
    (found,) = problems("compose: [low.yaml, high.yaml]\nexpect: {high.still_there: {judge: second, at_least: 0}}\n")
    assert found.startswith("both.yaml:4:28: expect.high.still_there: is asked of no test prompt")


def test_nothing_is_polished_on_what_is_held_out(folder: Path):
    change("low.yaml", "thing: [ball, house, tree, tent, box]", "thing: [ball]")
    listed = "  test: [{prompt: a white ball, color: white, thing: ball}"
    held = [f"{{prompt: a {color} ball, color: {color}, thing: ball}}" for color in ("red", "blue")]
    change("high.yaml", listed, ", ".join([listed, *held]))
    change("high.yaml", "thing: [ball, house,", "thing: [house,")
    composed = "recipes: {high.yaml: 1, low.yaml: 1}"
    assert both(f"compose: {{{composed}}}\n").train.steps == 0
    (found,) = problems(f"compose: {{{composed}, polish: {{}}}}\n")
    assert found.startswith("both.yaml:3:49: compose.polish: low has nothing left to train on: every prompt")
    # of what is composed below, too
    both(f"recipe: 1\nname: below\ncompose: {{{composed}}}\n", "below.yaml")
    (found,) = problems("compose: {recipes: {below.yaml: 1}, polish: {}}\n")
    assert found.startswith("both.yaml:3:37: compose.polish: below.low has nothing left to train on")
    change("low.yaml", "thing: [ball]", "thing: [ball, tent]")
    made = both("compose: {recipes: {below.yaml: 1}, polish: {}}\n")
    assert {row.prompt for row in made.train_rows} & {row.prompt for row in made.test_rows} == set()
    assert {row.asks[0].question.rpartition(".")[0] for row in made.train_rows} == {"below.high", "below.low"}


def test_a_polish_has_the_weights_that_recipes_say_however_deep_they_lie(folder: Path):
    change("high.yaml", "eyes: {model: ./critic}", "eyes: {model: ./critic, weight: 3}")
    both("recipe: 1\nname: below\ncompose: [low.yaml, high.yaml]\n", "below.yaml")
    Path("more.yaml").write_text(Path("low.yaml").read_text("utf-8").replace("name: low", "name: more"), "utf-8")
    change("more.yaml", "eyes: {model: ./critic}", "eyes: {model: ./critic, weight: 5}")
    made = both("compose: {recipes: {below.yaml: 1, more.yaml: 1}, polish: {}}\n")
    weight = {one.name: one.weight for one in made.critics}
    asked = {one.name: [weight[who] for who in one.critics] for one in made.questions}
    assert len(weight) == len(made.critics) == 3
    assert asked["below.low.aligned"] == [1]
    assert asked["below.high.aligned"] == [3]
    assert asked["more.aligned"] == [5]


def test_every_critic_has_a_name_of_its_own(folder: Path):
    text = Path("low.yaml").read_text("utf-8")
    for name, settings in (("a", "weight: 2"), ("b", "dtype: float32")):
        mine = text.replace("name: low", f"name: {name}").replace("./critic", f"./critic, {settings}")
        Path(f"{name}.yaml").write_text(mine, "utf-8")
    both("recipe: 1\nname: below\ncompose: [b.yaml, a.yaml]\n", "below.yaml")
    made = both("compose: {recipes: {below.yaml: 1, a.yaml: 1}, polish: {}}\n")
    assert [(one.name, one.weight) for one in made.critics] == [("a.eyes", 2), ("eyes", 1)]
    asked = {one.name: one.critics for one in made.questions}
    wanted = {"below.b": "eyes", "below.a": "a.eyes", "a": "a.eyes"}
    assert {name: asked[f"{name}.aligned"] for name in wanted} == {name: (one,) for name, one in wanted.items()}


@pytest.mark.parametrize(
    ("data", "good"),
    [
        ({"compose": {"a.yaml": 1.0, "b.yaml": -0.5}}, True),
        ({"compose": ["a.yaml"]}, True),
        ({"compose": {"recipes": {"a.yaml": 1}, "rank": 3, "polish": {"steps": 3, "batch": 2, "lr": 0.1}}}, True),
        ({"compose": {"recipes": {"a.yaml": 1}, "polish": {}}, "evaluate": {"seeds": 2}}, True),
        ({"compose": ["a.yaml"], "goal": {"measure": "a.b.c"}}, True),
        ({"compose": ["a.yaml"], "goal": {}}, False),
        ({"compose": {"a.yaml": 0}}, False),
        ({"compose": {"a.yaml": 100.5}}, False),
        ({"compose": {"a.yaml": "much"}}, False),
        ({"compose": {}}, False),
        ({"compose": []}, False),
        ({"compose": "a.yaml"}, False),
        ({"compose": {"recipes": {}}}, False),
        ({"compose": {"recipes": {"a.yaml": 1}, "rank": 0}}, False),
        ({"compose": {"recipes": {"a.yaml": 1}, "polish": {"steps": 0}}}, False),
        ({"compose": {"rank": 3}}, False),
        ({"compose": {"a.yaml": 1, "polish": 3}}, False),
        ({"compose": ["a.yaml"], "questions": {"q": {"ask": "a", "answer": "b"}}}, False),
        ({"compose": ["a.yaml"], "train": {"steps": 3}}, False),
        ({"compose": ["a.yaml"], "recipe": 2}, False),
    ],
)
def test_the_json_schema_agrees(data: dict[str, object], good: bool):
    whole = {"recipe": 1, "name": "a", **data}
    assert Draft202012Validator(json_schema()).is_valid(whole) == good
    try:
        ComposingSchema.model_validate(whole)
    except ValidationError:
        assert not good
    else:
        assert good
    if good and "evaluate" not in data:
        assert not Draft202012Validator(json_schema()).is_valid(data)  # which lacks its name


def test_a_part_of_it_may_lie_below(folder: Path):
    Path("base.yaml").write_text("recipe: 1\ncompose: {recipes: {low.yaml: 0.5}, rank: 3}\n", "utf-8")
    made = both("include: [base.yaml]\ncompose: {high.yaml: 0.25}\n")
    assert [(one.name, one.weight) for one in made.composed.parents] == [("low", 0.5), ("high", 0.25)]
    assert made.composed.rank == 3
    valid = Draft202012Validator(json_schema()).is_valid
    assert valid({"include": ["base.yaml"], "compose": {"recipes": {"a.yaml": 1}}})
    assert not valid({"include": ["base.yaml"], "compose": {"recipes": {"a.yaml": 0}}})


@pytest.mark.parametrize(
    ("said", "good"),
    [
        ("expect: {both.low.horizon: {at_least: 0.5}}", True),
        ("goal: {measure: both.low.horizon, question: both.high.aligned}", True),
        ("goal: ~\nexpect: {both.low.horizon: ~, both.high.horizon: {at_least: 0.5}}\nevaluate: {seeds: 2}", True),
        ("expect: {both..horizon: {at_least: 0.5}}", False),
        ("expect: {both.low.horizon: {at_lest: 0.5}}", False),
        ("goal: {measure: both.low.horizon}\ntrain: {steps: 3}", False),  # of what composes, nothing is trained
        ("expect: {both.low.horizon: {at_least: 0.5}}\nquestions: {q: {ask: Is it, answer: Yes}}", False),
    ],
)
def test_names_are_as_deep_as_what_is_included_composes(folder: Path, said: str, good: bool):
    both()
    below = "recipe: 1\nname: all\ncompose: [both.yaml]\nexpect: {both.low.horizon: {at_least: 0.1}}\n"
    Path("all.yaml").write_text(below, "utf-8")
    Path("more.yaml").write_text(f"include: [all.yaml]\nname: more\n{said}\n", "utf-8")
    assert Draft202012Validator(json_schema()).is_valid(document.parse(Path("more.yaml").read_text(), "r").data) == good
    if good:
        assert resolve(read(Path("more.yaml"))).composed.parents[0].name == "both"
    else:
        assert hollow.told(lambda: resolve(read(Path("more.yaml"))), "")


def test_what_combines_has_no_names_that_deep():
    whole = {"name": "x", "combine": ["a.yaml"], "expect": {"a.b.c": {"at_least": 0.5}}}
    assert not Draft202012Validator(json_schema()).is_valid(whole)
    assert not Draft202012Validator(json_schema()).is_valid({"include": ["b.yaml"], **whole})


def test_the_commands_that_read_take_it(folder: Path, capsys: pytest.CaptureFixture[str]):
    both()
    assert recipe("check", "both.yaml") == 0
    assert "both.yaml: ok (composes 2 adapters, " in capsys.readouterr().out
    assert recipe("plan", "both.yaml") == 0
    said = capsys.readouterr().out
    assert "composed   1 × low + 0.8 × high, exactly: rank" in said
    assert "training" not in said.partition("critic")[0]
    assert recipe("plan", "both.yaml", "--json") == 0
    assert json.loads(capsys.readouterr().out)["plan"]["composed"]["parents"][0]["name"] == "low"
    assert recipe("plan", "both.yaml", "--measure") == 2
    assert recipe("plan", "both.yaml", "--set", "compose.polish.steps=4") == 0
    assert "polishing  4 steps" in capsys.readouterr().out
    assert recipe("lock", "both.yaml") == 0
    assert recipe("lock", "both.yaml", "--check") == 0
    change("high.yaml", "rank: 4", "rank: 5")
    capsys.readouterr()
    assert recipe("lock", "both.yaml", "--check") == 1
    assert "composed: high is trained by another plan now" in capsys.readouterr().out
    assert recipe("diff", "both.yaml", "both.lock") == 0
    assert recipe("fmt", "both.yaml") == 0
    assert recipe("check", "both.yaml", "--set", "train.steps=3") == 2
