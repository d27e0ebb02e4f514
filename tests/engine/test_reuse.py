"""Including: files laid over each other key by key, every value at the place where it was written."""

from __future__ import annotations

from pathlib import Path

import hollow
import pytest
from control_recipes.engine import plan, showing
from control_recipes.engine.errors import InputError
from control_recipes.engine.recipe import Recipe, read
from control_recipes.engine.resolve import resolve
from control_recipes.engine.reuse import DEEPEST_FILE
from control_recipes.engine.values import MOST_MERGED


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workplace whose recipe is called base.yaml."""
    hollow.workplace(tmp_path).rename(tmp_path / "base.yaml")
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def laid(folder: Path, text: str, *sets: str, include: str = "[base.yaml]") -> Recipe:
    return read(write(folder / "r.yaml", f"include: {include}\n{text}"), sets)


def problems(folder: Path, text: str, include: str = "[base.yaml]") -> list[str]:
    """Every problem, without the folder's name."""
    return hollow.told(lambda: resolve(laid(folder, text, include=include)), f"{folder}/")


def test_the_including_file_wins_key_by_key_and_lists_are_replaced_whole(folder: Path):
    text = 'name: mine\ntrain: {steps: 7}\nquestions: {aligned: {ask: ["Is it level?"], weight: 2.0}}\n'
    made = laid(folder, text).schema
    assert (made.name, made.train.steps, made.goal.question) == ("mine", 7, "aligned")
    assert made.questions["aligned"].ask == ["Is it level?"]
    assert (made.questions["aligned"].see, made.questions["aligned"].weight) == (["ruler"], 2.0)
    assert list(made.questions) == ["aligned", "still_there"]


def test_what_is_included_alone_is_the_same_plan(folder: Path):
    assert plan.digest(resolve(laid(folder, ""))) == plan.digest(resolve(read(folder / "base.yaml")))


def test_nothing_removes_what_is_inherited(folder: Path):
    made = laid(folder, "goal: ~\nmeasures: {named: ~}\nvisuals: {card: ~}\n").schema
    assert made.goal is None
    assert list(made.measures) == ["horizon"]
    assert list(made.visuals) == ["ruler"]


def test_later_includes_win_over_earlier_ones_and_includes_nest(folder: Path):
    write(folder / "a.yaml", "include: base.yaml\nname: a\ntrain: {steps: 1, batch: 2}\n")
    write(folder / "b.yaml", "name: b\ntrain: {steps: 3}\n")
    made = laid(folder, "train: {lr: 0.5}\n", include="[a.yaml, b.yaml]")
    assert (made.schema.name, made.schema.train.steps, made.schema.train.batch, made.schema.train.lr) == (
        "b", 3, 2, 0.5
    )  # fmt: skip
    assert [one.name for one in made.included] == ["a.yaml", "b.yaml", "base.yaml"]
    assert made.included[1].text == "name: b\ntrain: {steps: 3}\n"


@pytest.mark.parametrize(
    ("path", "base", "over"),
    [
        ("visuals.ruler", "line: {y: 0.5}", 'palette: ["#d9822b"]'),
        ("measures.horizon", "horizon_row: {near: 0.5, within: 0.1}", "sharpness: {at_least: 0.5}"),
        ("prompts.train", "template: '{{ c }}'\n  for: {c: [a, b]}", "file: p.txt"),
        ("prompts.train", "file: p.txt", "template: '{{ c }}'\n  for: {c: [a, b]}"),
        ("prompts.validate", "file: p.txt", "sample: 3"),
        ("prompts.validate", "sample: 3", "template: '{{ c }}'\n  for: {c: [a, b]}"),
    ],
)
def test_another_kind_replaces_the_whole_of_what_was_there(folder: Path, path: str, base: str, over: str):
    part, name = path.split(".")
    write(folder / "base.yaml", f"{part}:\n {name}:\n  {base}\n")
    from control_recipes.engine.document import parse
    from control_recipes.engine.reuse import merged

    text = f"include: base.yaml\n{part}:\n {name}:\n  {over}\n"
    made, _ = merged(parse(text, str(folder / "r.yaml")), folder, False)
    alone = parse(text, "r.yaml").data
    assert made.data[part][name] == alone[part][name]


def test_a_sample_beside_an_inherited_template_draws_fewer(folder: Path):
    assert len(resolve(laid(folder, "prompts: {train: {sample: 4}}\n")).train_rows) == 3  # one is held back
    assert len(resolve(read(folder / "base.yaml")).train_rows) == 9


def test_a_template_becomes_a_list_or_a_file(folder: Path):
    write(folder / "p.csv", "prompt,color,thing\na red ball,red,ball\na blue tree,blue,tree\n")
    made = resolve(laid(folder, "prompts: {train: {file: p.csv}}\n"))
    assert {row.prompt for row in (*made.train_rows, *made.validate_rows)} == {"a red ball", "a blue tree"}
    listed = "prompts: {train: [{prompt: a red ball, color: red, thing: ball}]}\n"
    assert resolve(laid(folder, listed)).train_rows[0].prompt == "a red ball"


def test_two_keys_of_a_kind_that_exclude_each_other_name_both_places(folder: Path):
    found = problems(folder, "visuals:\n  ruler: {line: {x: 0.3}}\n")
    assert len(found) == 1
    assert found[0].startswith("r.yaml:3:17: visuals.ruler.line: needs one of `y`")
    for said in ("`y` is from base.yaml:10", "`x` is from r.yaml:3", "`KEY: ~` removes what is inherited"):
        assert said in found[0]
    assert problems(folder, "visuals:\n  ruler: {line: {x: 0.3, y: ~}}\n") == []


def test_what_is_taken_away_must_be_inherited(folder: Path):
    nothing = "must be a mapping, found nothing\n  hint: `~` removes what is inherited, and nothing is inherited here"
    assert problems(folder, "questions: {alined: ~}\nvisuals: {unlike: ~}\n") == [
        f"r.yaml:2:21: questions.alined: {nothing}; did you mean `aligned`?",
        f"r.yaml:3:19: visuals.unlike: {nothing}",
    ]
    assert problems(folder, "questions: {aligned: ~}\ngoal: ~\nexpect: {horizon: ~}\n") == []


def test_problems_stand_where_the_wrong_value_was_written(folder: Path):
    text = (folder / "base.yaml").read_text("utf-8")
    write(folder / "base.yaml", text.replace("hold: 0.75", "hold: 7").replace('answer: "Yes"', 'anser: "Yes"', 1))
    found = problems(folder, "train:\n  steps: no\nquestions: {still_there: {see: rulr}}\n")
    places = [problem.split(": ")[0] for problem in found]
    assert places == ["base.yaml:22:5", "base.yaml:27:11", "r.yaml:3:10", "r.yaml:4:32"]
    assert "did you mean `answer`?" in found[0]


def test_paths_are_relative_to_the_file_that_writes_them(folder: Path):
    shared = folder / "shared"
    for name in ("generator", "critic", "judge", "assets", "base.yaml"):
        shared.mkdir(exist_ok=True)
        (folder / name).rename(shared / name)
    text = (shared / "base.yaml").read_text("utf-8")
    write(shared / "models.yaml", "generator: {model: ./generator}\n")
    write(shared / "p.txt", "a red ball\n")
    cut = text.replace("generator: {model: ./generator}\n", "").replace("see: ruler", "see: card")
    write(shared / "base.yaml", f"include: models.yaml\n{cut}")
    made = laid(folder, "questions: {still_there: ~}\nexpect: {still_there: ~}\n", include="shared/base.yaml")
    resolved = resolve(made)
    assert resolved.generator.model.address == "./shared/generator"
    assert resolved.critics[0].model.address == "./shared/critic"
    assert resolved.drawings[0].asset == "shared/assets/card.png"
    assert [one.name for one in made.included] == ["shared/base.yaml", "shared/models.yaml"]
    flat = write(folder / "flat.yaml", showing.text(made))
    assert plan.digest(resolve(read(flat))) == plan.digest(resolved)


def test_circles_are_named(folder: Path):
    write(folder / "a.yaml", "include: [base.yaml, b.yaml]\n")
    write(folder / "b.yaml", "name: b\ninclude: [a.yaml]\n")
    assert problems(folder, "", "a.yaml") == [
        "b.yaml:2:11: include: includes itself: a.yaml → b.yaml → a.yaml\n  hint: one of them must not"
    ]
    assert problems(folder, "", "r.yaml")[0].startswith("r.yaml:1:10: include: includes itself: r.yaml → r.yaml")


def test_two_ways_to_the_same_file_are_no_circle(folder: Path):
    write(folder / "a.yaml", "include: base.yaml\nname: a\n")
    write(folder / "b.yaml", "include: base.yaml\ntrain: {steps: 3}\n")
    made = laid(folder, "", include="[a.yaml, b.yaml, b.yaml]")
    assert (made.schema.name, made.schema.train.steps) == ("horizon_low", 3)


def test_a_tower_of_includes_is_read_in_no_time(folder: Path):
    below = "base.yaml"
    for at in range(60):  # each file twice: 2^60 ways to the lowest
        write(folder / f"{at}.yaml", f"include: [{below}, {below}]\n")
        below = f"{at}.yaml"
    assert laid(folder, "", include=below).schema.name == "horizon_low"


def test_what_cannot_be_included_is_said_for_every_file(folder: Path):
    write(folder / "broken.yaml", "a: [\n")
    write(folder / "list.yaml", "- a\n")
    write(folder / "bytes.yaml", "")
    (folder / "bytes.yaml").write_bytes(b"name: \xff\n")
    names = ["none.yaml", "broken.yaml", "list.yaml", "bytes.yaml", "../out.yaml", "assets", "5", "''"]
    found = problems(folder, "", f"[{', '.join(names)}]")
    said = [problem.split("\n")[0] for problem in found]
    assert said == [
        "broken.yaml:2:1: cannot be read as YAML: did not find expected node content (while parsing a flow node)",
        "bytes.yaml:1:7: is no UTF-8 text",
        "list.yaml:1:1: is no mapping, so nothing of a recipe",
        "r.yaml:1:11: include: there is no file none.yaml",
        "r.yaml:1:58: include: lies outside the recipe's folder: ../out.yaml",
        "r.yaml:1:71: include: is no regular file but a folder: assets",
        "r.yaml:1:79: include: must be the path of a file, or a list of paths",
        "r.yaml:1:82: include: must be the path of a file, or a list of paths",
    ]


def test_outside_is_read_where_the_command_allows_it(folder: Path):
    inner = write(folder / "in" / "r.yaml", "include: ../base.yaml\n")
    with pytest.raises(InputError, match="lies outside"):
        read(inner)
    made = read(inner, allow_outside=True)
    assert resolve(made).generator.model.address == "../generator"
    assert [one.name for one in made.included] == ["../base.yaml"]


def test_overrides_come_last_and_cannot_include(folder: Path):
    made = laid(folder, "train: {steps: 7}\n", "train.steps=9", "questions.still_there.hold=0.5")
    assert made.schema.train.steps == 9
    assert made.schema.questions["still_there"].hold == 0.5
    with pytest.raises(InputError, match=r"in --set include=base.yaml, column 9: include: cannot be set"):
        laid(folder, "", "include=base.yaml")


def test_every_file_must_be_of_a_language_that_is_known(folder: Path):
    write(folder / "later.yaml", "recipe: 2\nname: later\n")
    write(folder / "odd.yaml", "include: later.yaml\nrecipe: yes\n")
    said = ["later.yaml:1:9: recipe: must be 1, found 2", "odd.yaml:2:9: recipe: must be 1, found 'yes'"]
    assert problems(folder, "recipe: 1\n", "[base.yaml, odd.yaml]") == said
    assert problems(folder, "", "[base.yaml, odd.yaml]") == said  # of which one is the whole recipe's as well
    write(folder / "part.yaml", "include: [base.yaml, later.yaml]\nname: part\n")
    combining = write(folder / "whole.yaml", "recipe: 1\nname: whole\ncombine: [part.yaml]\n")
    assert hollow.told(lambda: resolve(read(combining)), f"{folder}/") == said[:1]
    write(folder / "later.yaml", "recipe: ~\n")
    assert problems(folder, "recipe: 1\n", "[base.yaml, later.yaml]") == []


def test_a_gallery_recipe_is_no_file_to_include(folder: Path):
    write(folder / "sub" / "a.yaml", "include: horizon_low.yaml\n")
    found = problems(folder, "", "[base.yaml, sub/a.yaml]")
    assert found == [
        "sub/a.yaml:1:10: include: there is no file sub/horizon_low.yaml\n  hint: the gallery has one, which "
        "`recipe init horizon_low --from horizon_low` in sub copies to horizon_low.yaml"
    ]


def chained(folder: Path, length: int) -> list[str]:
    """What is said of a recipe at the head of a chain of included files."""
    for at in range(1, length):
        write(folder / f"c{at}.yaml", f"include: c{at + 1}.yaml\nvars: {{v{at}: 1}}\n")
    write(folder / f"c{length}.yaml", "vars: {last: 1}\n")
    return problems(folder, "", include="[base.yaml, c1.yaml]")


def test_files_include_each_other_to_a_depth(folder: Path):
    assert chained(folder, DEEPEST_FILE) == []
    assert chained(folder, DEEPEST_FILE + 1) == [
        f"c{DEEPEST_FILE}.yaml:1:10: include: includes files more than {DEEPEST_FILE} deep",
    ]


def test_what_other_files_bring_in_is_bounded(folder: Path):
    write(folder / "large.yaml", f"vars: {{l: [{', '.join(['1'] * 900)}]}}\n")
    assert problems(folder, "", include="[base.yaml, large.yaml]") == []
    names = ", ".join(["large.yaml"] * (MOST_MERGED // 900))
    (said,) = problems(folder, "", include=f"[base.yaml, {names}]")
    assert "include: makes the recipe too large: at most 100000 values" in said


def test_only_some_of_many_writers_are_named(folder: Path):
    names = ", ".join(f"v{at}: 1" for at in range(1500))
    (said,) = problems(folder, f"vars: {{{names}}}\n")
    assert "`v38` is from" in said
    assert "`v39` is from" not in said
    assert "and 1461 more" in said
