"""Combining: one training on the questions of several recipes, and words where they cannot be combined."""

from __future__ import annotations

from pathlib import Path

import hollow
import pytest
from control_recipes.engine import plan, showing, training
from control_recipes.engine.errors import InputError
from control_recipes.engine.recipe import Recipe, read
from control_recipes.engine.resolve import resolve

WARM = """\
recipe: 1
name: warm
vars: {height: 0.15}
generator: {model: ./generator}
critics: {vlm: {model: ./critic}}
judges: {second: {model: ./judge}}
visuals: {card: {palette: [red, blue], height: "{{ height }}"}}
prompts:
  train: {template: "a {{ color }} {{ animal }}", for: {color: [red, blue], animal: [cat, dog]}}
  test: [{prompt: a green cat, color: green, animal: cat}, {prompt: a white ball, color: white, animal: cat}]
questions:
  aligned: {ask: "Do the colours match?", see: [card], answer: "Yes", against: "No", weight: 2.0}
  animal: {ask: "Is it a {{ animal }}?", answer: "Yes", watch: true}
measures: {sharp: {sharpness: {at_least: 0.9}}, kept: {factors: {is: {color: "{{ color }}"}}}}
goal: {question: aligned}
expect: {animal: {judge: second, at_least: 0.5}}
"""
TEST = "prompts: {test: [{prompt: a tree, color: green, thing: tree, animal: cat}]}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workplace with low.yaml (hollow's recipe) and warm.yaml."""
    made = hollow.workplace(tmp_path)
    made.with_name("low.yaml").write_text(hollow.RECIPE.replace("horizon_low", "low"), "utf-8")
    made.with_name("warm.yaml").write_text(WARM, "utf-8")
    return tmp_path


def both(folder: Path, more: str = "", combine: str = "[low.yaml, warm.yaml]", *sets: str) -> Recipe:
    path = folder / "both.yaml"
    path.write_text(f"recipe: 1\nname: both\ncombine: {combine}\n{more}", "utf-8")
    return read(path, sets)


def problems(folder: Path, more: str = "", combine: str = "[low.yaml, warm.yaml]") -> list[str]:
    return hollow.told(lambda: resolve(both(folder, more, combine)), f"{folder}/")


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def asked(row: plan.Row) -> list[str]:
    return [ask.question for ask in row.asks]


def test_names_carry_their_recipe_and_weights_are_scaled(folder: Path):
    made = resolve(both(folder, combine="{recipes: {low.yaml: 1, warm.yaml: 0.5}}"))
    assert {question.name: question.weight for question in made.questions} == {
        "low.aligned": 1.0, "low.still_there": 1.0, "warm.aligned": 1.0, "warm.animal": 1.0
    }  # fmt: skip
    assert [measure.name for measure in made.measures] == ["low.horizon", "low.named", "warm.kept", "warm.sharp"]
    assert [wanted.name for wanted in made.expect] == ["low.horizon", "low.still_there", "warm.animal"]
    assert (made.goal_measure, made.goal_question) == ("", "")  # each has a goal of its own


def test_equal_critics_are_shared_whatever_they_are_called(folder: Path):
    made = resolve(both(folder))
    assert [critic.name for critic in made.critics] == ["eyes"]
    assert {question.critics for question in made.questions} == {("eyes",)}
    change(folder / "warm.yaml", "{model: ./critic}", "{model: ./critic, weight: 2.0}")
    made = resolve(both(folder))
    assert {question.name: question.critics for question in made.questions if "aligned" in question.name} == {
        "low.aligned": ("eyes",), "warm.aligned": ("vlm",)
    }  # fmt: skip
    change(folder / "warm.yaml", "vlm: ", "eyes: ")
    (found,) = problems(folder)
    assert found.startswith(
        "warm.yaml:5:17: critics.eyes: the combined recipes differ: another `eyes` stands in low.yaml"
    )
    (found,) = problems(folder, "critics: {eyes: {model: ./critic}}\n")
    assert found.startswith("warm.yaml:5:43: critics.eyes.weight: the combined recipes differ: low has 1.0 (low.yaml:")
    made = resolve(both(folder, "critics: {eyes: {weight: 1.5}}\n"))
    assert [critic.weight for critic in made.critics] == [1.5]


def test_variables_hold_for_their_own_templates_alone(folder: Path):
    drawn = {one.key: dict(one.parameters) for one in resolve(both(folder)).drawings}
    assert drawn["low.ruler"]["y"] == 0.8
    assert drawn["warm.card"]["height"] == 0.15
    again = resolve(both(folder, "vars: {low: {height: 0.4}, height: 0.9}\n"))
    drawn = {one.key: dict(one.parameters) for one in again.drawings}
    assert drawn["low.ruler"]["y"] == 0.4
    assert drawn["warm.card"]["height"] == 0.15


def test_union_asks_a_question_of_every_row_that_has_its_variables(folder: Path):
    made = resolve(both(folder))
    rows = {row.prompt: asked(row) for row in made.train_rows}
    assert rows["a blue house"] == ["low.aligned", "low.still_there", "warm.aligned"]  # no animal there
    assert rows["a blue cat"] == ["low.aligned", "warm.aligned", "warm.animal"]  # no thing there
    (test,) = (row for row in made.test_rows if row.prompt == "a white ball")  # stands in both: one row
    assert dict(test.variables) == {"color": "white", "thing": "ball", "animal": "cat"}
    assert [target.measure for target in test.targets] == ["low.horizon", "low.named", "warm.kept", "warm.sharp"]


def test_a_row_that_lacks_its_own_variables_is_a_mistake(folder: Path):
    change(
        folder / "warm.yaml", "{prompt: a white ball, color: white, animal: cat}", "{prompt: a grey cat, animal: cat}"
    )
    assert any(": measures.warm.kept.factors.is.color: unknown variable `color`" in one for one in problems(folder))


def test_cross_joins_what_agrees(folder: Path):
    made = resolve(both(folder, combine="{recipes: {low.yaml: 1, warm.yaml: 1}, prompts: cross}"))
    rows = {row.prompt: asked(row) for row in made.train_rows}
    assert "a red ball, a red cat" in rows
    assert not any("red" in prompt and "blue" in prompt for prompt in rows)  # one variable, one value
    assert all(len(names) == 4 for names in rows.values())
    assert {row.prompt for row in made.test_rows} == {"a white ball"}
    change(folder / "warm.yaml", "color: [red, blue]", "color: [pink, gold]")
    found = problems(folder, combine="{recipes: {low.yaml: 1, warm.yaml: 1}, prompts: cross}")
    assert "prompts.cross: makes no train prompt: no two agree in the variables they share" in found[0]


def test_what_another_recipe_holds_out_is_not_trained_on(folder: Path):
    change(
        folder / "warm.yaml",
        "{prompt: a white ball, color: white, animal: cat}",
        "{prompt: a blue house, color: blue, animal: cat}",
    )
    assert "a blue house" in {row.prompt for row in resolve(read(folder / "low.yaml")).train_rows}
    assert "a blue house" not in {row.prompt for row in resolve(both(folder)).train_rows}


def test_differences_are_told_at_both_places_until_the_recipe_settles_them(folder: Path):
    change(folder / "warm.yaml", "{model: ./generator}", "{model: ./generator, guidance: 2.0}")
    change(folder / "warm.yaml", "goal:", "train: {steps: 7}\ngoal:")
    found = problems(folder)
    assert len(found) == 2
    assert found[0].startswith(
        "warm.yaml:4:43: generator.guidance: the combined recipes differ: low has 0.0 (low.yaml:4"
    )
    assert found[1].startswith(
        "warm.yaml:15:16: train.steps: the combined recipes differ: low has 100 (both.yaml:3:11)"
    )
    assert "write `train.steps` into the combining recipe" in found[1]
    settled = "generator: {guidance: 1.0}\ntrain: {steps: 9}\n"
    assert resolve(both(folder, settled)).train.steps == 9


def test_every_recipe_must_say_when_to_stop(folder: Path):
    low, warm = folder / "low.yaml", folder / "warm.yaml"
    change(low, "goal:", "train: {stop: {p: {aligned: 0.9}}}\ngoal:")
    assert resolve(both(folder)).train.stop.by == ()
    change(warm, "goal:", "train: {stop: {p: {aligned: 0.8}, judge: {second: {animal: 0.7}}}}\nexpects:")
    change(warm, "expects: {question: aligned}\nexpect: {animal: {judge: second, at_least: 0.5}}\n", "")
    change(low, "still_there: {judge: second, at_least: 0.95}", "named: {at_least: 0.1}")
    assert resolve(both(folder)).train.stop.by == (
        ("", "low.aligned", 0.9), ("", "warm.aligned", 0.8), ("second", "warm.animal", 0.7)
    )  # fmt: skip


def test_what_the_recipe_writes_itself_wins(folder: Path):
    more = 'questions: {warm.aligned: {weight: 3.0}, own: {ask: "{{ prompt }}?", answer: "Yes"}}\nstay: {weight: 0.5}\n'
    made = resolve(
        both(
            folder,
            f"{more}goal: {{question: warm.aligned}}\n{TEST}",
        )
    )
    assert {one.name: one.weight for one in made.questions}["warm.aligned"] == 3.0
    assert (made.goal_question, made.train.stay) == ("warm.aligned", 0.5)
    assert [row.prompt for row in made.test_rows] == ["a tree"]


def test_a_question_that_no_prompt_can_be_asked_is_a_mistake(folder: Path):
    found = problems(folder, "prompts: {train: [{prompt: a, color: red, thing: ball}]}\n")
    assert [one.split(": ")[1] for one in found] == ["questions.warm.animal"]
    assert "is left out of every train prompt" in found[0]


def test_recipes_that_cannot_be_combined(folder: Path):
    (folder / "none.yaml").write_text("recipe: 1\n", "utf-8")
    (folder / "twice.yaml").write_text("combine: [low.yaml]\nname: twice\n", "utf-8")
    names = "[low.yaml, none.yaml, twice.yaml, gone.yaml, both.yaml]"
    assert [one.split("\n")[0] for one in problems(folder, combine=names)] == [
        "both.yaml:3:21: combine: has no `name`, which its questions would carry",
        "both.yaml:3:32: combine: combines recipes itself",
        "both.yaml:3:44: combine: there is no file gone.yaml",
        "both.yaml:3:55: combine: includes itself: both.yaml → both.yaml",
    ]
    (folder / "other.yaml").write_text("include: low.yaml\n", "utf-8")
    assert "is called `low` like another one" in problems(folder, combine="[low.yaml, other.yaml]")[0]
    assert "names `low.yaml` twice" in problems(folder, combine="[low.yaml, low.yaml]")[0]
    assert problems(folder, combine="[low.yaml, 3, {a: b}]") == [
        "both.yaml:3:21: combine: must be the path of a file, or a list of paths",
        "both.yaml:3:24: combine: must be the path of a file, or a list of paths",
    ]
    assert problems(folder, combine="[]") == ["both.yaml:3:10: combine: is empty"]
    assert problems(folder, combine="{recipes: {low.yaml: 0}, promts: union}") == [
        "both.yaml:3:31: combine.recipes.low.yaml: must be greater than 0, found 0",
        "both.yaml:3:35: combine.promts: unknown key `promts`\n  hint: did you mean `prompts`?",
    ]
    assert problems(folder, "vars: {lo: {height: 1}}\n") == [
        "both.yaml:4:8: vars.lo: is a mapping, but no combined recipe is called `lo`\n  hint: did you mean `low`?"
    ]


def test_prompts_of_a_recipe_that_is_not_combined_are_refused(folder: Path):
    assert problems(folder, "prompts: {union: {lwo: {train: [a ball]}}}\n") == [
        "both.yaml:4:19: prompts.union.lwo: there is no combined recipe `lwo`\n  hint: did you mean `low`?"
    ]
    known = "prompts: {union: {low: {test: [{prompt: a tree, color: green, thing: tree}]}}}\n"
    assert "a tree" in {row.prompt for row in resolve(both(folder, known)).test_rows}
    with pytest.raises(
        InputError, match=r"in --set prompts\.union\.lwo\.test\.file=p\.txt, column 15: prompts\.union\.lwo: there"
    ):
        both(folder, "", "[low.yaml, warm.yaml]", "prompts.union.lwo.test.file=p.txt")


def test_a_recipe_of_prompts_alone_is_known_by_its_name(folder: Path):
    rows = "[{prompt: a tree, color: green, thing: tree}, a sky]"
    text = f"name: more\ngenerator: {{model: ./generator}}\nprompts: {{train: {rows}}}\nvars: {{unused: 1}}\n"
    (folder / "more.yaml").write_text(text, "utf-8")
    change(folder / "low.yaml", "{{ color }} {{ thing }}?", "ball?")
    assert problems(folder, combine="[low.yaml, more.yaml]") == []


def test_a_variable_called_like_a_combined_recipe_is_refused(folder: Path):
    hint = "take another name, or write `low: {VARIABLE: VALUE}`"
    said = "vars.low: `low` is a combined recipe, whose variables stand here"
    assert problems(folder, "vars: {low: 3}\n") == [f"both.yaml:4:8: {said}\n  hint: {hint}"]
    (folder / "shared.yaml").write_text("vars: {low: [3]}\n", "utf-8")
    found = problems(folder, "vars: {warm: 0}\ninclude: shared.yaml\nquestions: {own: {ask: '{{ x }}', answer: a}}\n")
    assert [one.split(": ")[1] for one in found] == ["vars.warm", "questions.own.ask"]
    assert problems(folder, "vars: {low: {height: 0.3}, high: 3}\n") == []


def test_a_gallery_recipe_is_no_file_of_the_folder(folder: Path):
    for name in ("horizon_low", "horizon_low.yaml"):
        assert problems(folder, combine=f"[low.yaml, {name}]") == [
            f"both.yaml:3:21: combine: there is no file {name}\n  hint: the gallery has one, which "
            "`recipe init horizon_low --from horizon_low` copies to horizon_low.yaml"
        ]
    assert "it is looked for in" in problems(folder, combine="[low.yaml, horizon_lwo]")[0]


def test_mistakes_inside_are_told_where_they_were_written(folder: Path):
    change(folder / "warm.yaml", "see: [card]", "see: [crad]")
    change(folder / "low.yaml", "hold: 0.75", "hold: 2")
    found = problems(folder)
    assert found[0].startswith("low.yaml:27:11: questions.low.still_there.hold: must be less than 1")
    assert found[1].startswith("warm.yaml:12:49: questions.warm.aligned.see.0: there is no visual `warm.crad`")
    assert "did you mean `warm.card`?" in found[1]


def test_overrides_reach_what_is_combined(folder: Path):
    recipe = both(folder, "", "[low.yaml, warm.yaml]", "questions.warm.aligned.weight=4", "vars.low.height=0.3")
    assert recipe.schema.questions["warm.aligned"].weight == 4
    assert showing.origin(recipe, ("questions", "warm.aligned", "weight")) == "--set questions.warm.aligned.weight"
    assert showing.origin(recipe, ("vars", "low", "height")) == "--set vars.low.height"
    with pytest.raises(
        InputError, match=r"--set questions\.warm\.aligned\.weight=x, column 31: questions\.warm\.aligned\.weight"
    ):
        both(folder, "", "[low.yaml, warm.yaml]", "questions.warm.aligned.weight=x")


@pytest.mark.parametrize("kind", ["union", "cross"])
def test_what_is_shown_is_the_same_plan_and_the_order_of_recipes_changes_nothing(folder: Path, kind: str):
    recipe = both(folder, combine=f"{{recipes: {{low.yaml: 1, warm.yaml: 0.5}}, prompts: {kind}}}")
    (folder / "shown.yaml").write_text(showing.text(recipe), "utf-8")
    digest = plan.digest(resolve(recipe))
    assert plan.digest(resolve(read(folder / "shown.yaml"))) == digest
    other = both(folder, combine=f"{{prompts: {kind}, recipes: {{warm.yaml: 0.5, low.yaml: 1}}}}")
    assert plan.digest(resolve(other)) == digest


def test_a_combined_recipe_trains_and_is_evaluated(tiny: Path):
    from control_recipes.engine.evaluate import evaluate

    text = tiny.read_text("utf-8")
    other = text.replace("name: tiny", "name: other").replace("height: 0.75", "height: 0.25")
    other = other.replace("{{ thing }}", "{{ beast }}").replace("thing:", "beast:").replace("thing,", "color,")
    Path("other.yaml").write_text(other.replace("[color, color]", "[color]"), "utf-8")
    more = "combine: {recipes: {tiny.yaml: 1.0, other.yaml: 0.5}}\ngoal: {measure: tiny.horizon, question: tiny.zed}\n"
    Path("both.yaml").write_text(f"recipe: 1\nname: both\n{more}train: {{steps: 2}}\n", "utf-8")
    made = resolve(read(Path("both.yaml")))
    trained = training.train(made, Path("runs/both"))
    assert trained.steps == 2
    found = evaluate(made, trained.adapter, Path("runs/both"))
    assert {one.name for one in found.measures} >= {"tiny.horizon", "other.horizon", "other.sharp"}
    assert {one.question for one in found.beliefs} >= {"tiny.zed", "other.zed"}
