"""Reading a recipe: every mistake at once, each at its place, in plain words."""

from __future__ import annotations

import hashlib
from pathlib import Path

import hollow
import pytest
from control_recipes.engine.errors import InputError
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return hollow.workplace(tmp_path)


def place(changed: str, at: str, offset: int = 0) -> str:
    """line:column of `at` in a text."""
    before = changed[: changed.index(at) + offset]
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def test_a_recipe_is_kept_word_for_word(file: Path) -> None:
    recipe = read(file)
    assert recipe.text == hollow.RECIPE
    assert recipe.sha256 == hashlib.sha256(hollow.RECIPE.encode()).hexdigest()
    assert (recipe.schema.name, recipe.folder, recipe.sets) == ("horizon_low", file.parent, ())
    assert not hollow.problems(file)


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        # keys
        ("expect:", "expects:", "expects:", "expects: unknown key `expects`\n  hint: did you mean `expect`?"),
        ("    hold: 0.75", "    hodl: 0.75", "hodl", "unknown key `hodl`\n  hint: did you mean `hold`?"),
        ("color: red}}", "colour: red}}", "colour", "visuals.ruler.line.colour: unknown key"),
        ("goal:", "<<: {a: 1}\ngoal:", "<<", "unknown key `<<`"),
        ("goal:", "composed: [a.yaml]\ngoal:", "composed", "unknown key `composed`"),
        ("name: horizon_low", "name: horizon_low\nname: x", "name: x", "name: a duplicate key"),
        (", within: 0.06", "", '{near: "{{ height }}"}', "measures.horizon.horizon_row.within: is missing"),
        # values
        ("hold: 0.75", "hold: 75", "75", "hold: must be less than 1, found 75"),
        ("hold: 0.75", "weight: 0", "0\nmeasures", "weight: must be greater than 0, found 0"),
        ("hold: 0.75", 'weight: "2"', '"2"', "weight: must be a number, found '2'"),
        ("hold: 0.75", "watch: Yes", "Yes\nmeasures", "watch: must be true or false, found 'Yes'"),
        ("color: red}}", "color: rad}}", "rad", "is no colour, found 'rad'\n  hint: did you mean `red`?"),
        ("color: red}}", "y2: 1}}", "y2", "unknown key `y2`"),
        ('y: "{{ height }}", color', "y: 1.5, color", "1.5", "y: must be less than or equal to 1, found 1.5"),
        ('answer: "Yes"\n    against', 'answer: ""\n    against', '""', "answer: is empty"),
        ('answer: "Yes"\n    against', "answer: []\n    against", "[]", "answer: is empty"),
        (
            'answer: "Yes"\n    against',
            "answer: true\n    against",
            "true",
            "must be text or a list of texts, found true",
        ),
        (
            "goal:",
            "train: {optimizer: adam}\ngoal:",
            "adam}",
            "must be 'adamw', found 'adam'\n  hint: did you mean `adamw`?",
        ),
        ("goal:", "train: {steps: 1.5}\ngoal:", "1.5", "train.steps: must be a whole number, found 1.5"),
        ("goal:", "train: {lr: .nan}\ngoal:", ".nan", "train.lr: must be"),
        ("model: ./critic", "model: critic", "critic}\njudges", "must name a model"),
        ("recipe: 1", "recipe: 2", "2", "recipe: must be 1, found 2"),
        ("{line: {y", "{lnie: {y", "lnie", "unknown key `lnie`\n  hint: did you mean `line`?"),
        ("{line: {y", "{text: x, line: {y", "{text: x", "is several things at once: `text` and `line`"),
        # names
        ("see: ruler", "see: rulr", "rulr", "there is no visual `rulr`\n  hint: did you mean `ruler`?"),
        ("see: ruler", "see: [ruler, mood]", "mood", "questions.aligned.see.1: there is no visual `mood`"),
        ("    hold", "    critics: [ears]\n    hold", "ears", "there is no critic `ears`"),
        ("goal: {measure: horizon,", "goal: {measure: horizn,", "horizn", "there is no measure `horizn`"),
        ("question: aligned}", "question: algined}", "algined", "did you mean `aligned`?"),
        ("  horizon: {at_least", "  horizont: {at_least", "horizont:", "there is no measure or question `horizont`"),
        ("judge: second, ", "", "{at_least: 0.95", "`still_there` is a question: it needs a `judge`"),
        ("judge: second", "judge: eyes", "eyes, at_least", "`eyes` is a critic"),
        ("{at_least: 0.9}", "{at_least: 0.9, judge: second}", "judge: second}\n", "`horizon` is a measure"),
        ("named:", "aligned:", "aligned: {factors", "stands in questions too"),
        (
            "  second:",
            "  third: {model: ./judge}\n  eyes: {model: ./judge}\n  second:",
            "eyes: {model: ./judge",
            "stands in critics too",
        ),
        ("goal:", "train: {stop: {p: {alinged: 0.9}}}\ngoal:", "alinged", "there is no question `alinged`"),
        (
            "goal:",
            "train: {stop: {judge: {second: {aligned: 0.9}}}}\ngoal:",
            "second, at_least",
            "decides when training stops",
        ),
        ("keep: [thing, color]", "keep: [thing, colour]", "colour", "did you mean `color`?"),
        ("keep: [thing, color]", "is: {color: blu}", "blu}", "there is no color `blu`\n  hint: did you mean `blue`?"),
        # templates
        (
            "a {{ color }} {{ thing }}?",
            "a {{ colr }}?",
            '"Is there',
            "unknown variable `colr` in a template\n  hint: did you mean",
        ),
        ('a {{ color }} {{ thing }}"\n    for', 'a {{ shape }}"\n    for', '"a {{ shape', "unknown variable `shape`"),
        ("color: white, thing: ball", "color: white", '"Is there', "unknown variable `thing`"),
        (
            'near: "{{ height }}"',
            'near: "{{ height + 9 }}"',
            '"{{ height + 9',
            "near: must be less than or equal to 1, found 9.8",
        ),
        ('near: "{{ height }}"', 'near: "{{ height * 9 }}"', '"{{ height * 9', "`*` is not allowed in a template"),
        (
            'near: "{{ height }}"',
            "near: {{ height }}",
            "{ height }}, within",
            "a key must be text\n  hint: a template needs quotes",
        ),
        ("color: red}}", 'color: "{{ height }}"}}', '"{{ height }}"}}', "is no colour, found '0.8'"),
        # files
        ("assets/card.png", "../card.png", "../card.png", "lies outside the recipe's folder"),
        ("assets/card.png", "/etc/hosts", "/etc/hosts", "lies outside the recipe's folder"),
        ("assets/card.png", "assets/cart.png", "assets/cart.png", "there is no file assets/cart.png"),
        ("assets/card.png", "r.yaml", "r.yaml", "is no picture"),
        ("model: ./judge", "model: ./jugde", "./jugde", "there is no folder ./jugde"),
        ("model: ./judge", "model: ./generator", "./generator}\nvisuals", "is a generator, no critic"),
        ("model: ./judge", "model: ./critic", "./critic}\nvisuals", "`second` is the same model as the critic `eyes`"),
        # answers
        ('against: "No"', 'against: "Yes"', '"Yes"\n  still', "'Yes' and 'Yes' are the same tokens"),
        ('against: "No"', 'against: "Yes, it is"', '"Yes, it', "'Yes' begins 'Yes, it is'"),
        ('against: "No"', 'against: ["No", "Ye"]', '"Ye"]', "questions.aligned.against.1: clashes"),
        ('answer: "Yes"\n    hold', "answer: [a, ab]\n    hold", "ab]", "'a' begins 'ab'"),
        ("Is the line aligned?", "Is the line " + "so " * 90 + "straight?", '"Is the line so', "is too long"),
        # prompts
        ("  test: [{prompt: a white ball, color: white, thing: ball}]", "  test: []", "[]", "prompts.test: is empty"),
        (
            "Is there a {{ color }} {{ thing }}?",
            "{% if color == 'red' %}Is it red?{% endif %}",
            "{judge: second, at_least",
            "expect.still_there: is asked of no test prompt",
        ),
        ("    for:", "    sample: 11\n    for:", "11", "cannot draw 11 of 10 prompts"),
        ("  test:", "  validate: {sample: 10}\n  test:", "10}", "leaves none of 10 prompts"),
    ],
)
def test_a_mistake_is_told_at_its_place(file: Path, old: str, new: str, at: str, said: str) -> None:
    found = hollow.problems(file, (old, new))
    changed = hollow.RECIPE.replace(old, new, 1)
    assert any(one.startswith(f"{place(changed, at)}: ") and said in one for one in found), found
    assert len(found) == 1, found


def test_measures_of_the_world_need_its_size(file: Path) -> None:
    wide = ("generator: {model: ./generator}", "generator: {model: ./generator, size: {width: 128, height: 64}}")
    (said,) = hollow.problems(file, wide)  # where it is written
    assert "generator.size.width: pictures of 128 × 64 cannot be read by `measures.horizon`, `measures.named`" in said
    assert said.endswith("hint: make them 64 × 64, or leave these measures out: sharpness and drift hold at any size")
    config = file.parent / "generator" / "vae" / "config.json"
    config.write_text(config.read_text("utf-8").replace('"sample_size": 64', '"sample_size": 128'), encoding="utf-8")
    said = "reads pictures of 64 × 64 alone\n  hint: this generator makes 128 × 128; sharpness and drift hold"
    horizon, named = hollow.problems(file)
    assert f"measures.horizon.horizon_row: {said}" in horizon
    assert f"measures.named.factors: {said}" in named


def test_all_mistakes_are_told_at_once_in_the_order_of_the_text(file: Path) -> None:
    found = hollow.problems(
        file,
        ("vars: {height: 0.80}", "vars: {height: 0.80}\nvars: {}"),
        ("model: ./judge", "model: ./jugde"),
        ("color: red", "color: rad"),
        ("assets/card.png", "../card.png"),
        ("see: ruler", "see: rulr"),
        ('against: "No"', 'against: "Yes"'),
        ("{{ thing }}?", "{{ thign }}?"),
        ("    hold: 0.75", "    hodl: 0.75"),
        ("within: 0.06", "within: wide"),
        ("goal: {measure: horizon", "goal: {measure: horizn"),
        ("judge: second", "judge: eyes"),
    )
    assert len(found) == 11, found
    lines = [tuple(int(part) for part in one.split(":")[:2]) for one in found]
    assert lines == sorted(lines)


def test_a_missing_key_of_the_whole_is_told_in_line_one(file: Path) -> None:
    text = "# a comment\n\n" + hollow.RECIPE.replace("name: horizon_low\n", "")
    assert hollow.problems(file, text=text) == ["1:1: name: is missing"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1:1: the file is empty"),
        ("- a\n", "1:1: a recipe is a mapping"),
        ("horizon\n", "1:1: a recipe is a mapping"),
        ("recipe: 1\n", "1:1: generator: is missing"),
        (hollow.RECIPE.replace("\n  eyes", "\n\teyes"), "6:1: a tab"),
    ],
)
def test_a_file_that_is_no_recipe(file: Path, text: str, said: str) -> None:
    assert any(one.startswith(said) for one in hollow.problems(file, text=text))


def test_a_file_that_cannot_be_read(file: Path) -> None:
    for path, said in ((file.parent / "none.yaml", "No such file"), (file.parent, "Is a directory")):
        with pytest.raises(InputError, match=said):
            read(path)
    file.write_bytes(b"name: \xff\n")
    with pytest.raises(InputError, match=r":1:7: is no UTF-8 text"):
        read(file)
    file.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    with pytest.raises(InputError, match=r"r\.yaml: is no UTF-8 text"):  # lines of a picture mean nothing
        read(file)


def test_overrides_are_checked_by_the_same_rules(file: Path) -> None:
    recipe = read(file, ["train.steps=200", "questions.aligned.answer=[Yes, Sure]", "vars.height=5e-1"])
    assert recipe.schema.train.steps == 200
    assert recipe.schema.questions["aligned"].answer == ["Yes", "Sure"]
    assert resolve(recipe).drawings[0].parameters[-1] == ("y", 0.5)
    with pytest.raises(InputError) as caught:
        read(file, ["train.setps=200", "train.lr=fast", "rubbish"])
    assert [str(problem.place) for problem in caught.value.problems] == [
        "in --set rubbish, column 1",
        "in --set train.lr=fast, column 10",
        "in --set train.setps=200, column 7",
    ]
    assert "did you mean `steps`?" in str(caught.value)


def test_files_outside_are_read_where_that_is_allowed(file: Path) -> None:
    (file.parent.parent / "card.png").write_bytes(hollow.PNG)
    file.write_text(hollow.RECIPE.replace("assets/card.png", "../card.png").replace("see: ruler", "see: card"))
    assert resolve(read(file, allow_outside=True)).drawings[0].asset == "../card.png"
    with pytest.raises(InputError, match="outside"):
        read(file) and resolve(read(file))


def test_a_link_that_leads_outside_is_outside(file: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "card.png"
    outside.write_bytes(hollow.PNG)
    (file.parent / "assets" / "card.png").unlink()
    (file.parent / "assets" / "card.png").symlink_to(outside)
    assert "outside" in hollow.problems(file)[0]


def test_a_list_that_is_too_long_is_told_with_its_length_and_the_limit(file: Path) -> None:
    found = hollow.problems(file, ("vars: {height: 0.80}", f"vars: {{height: 0.80, l: [{'1, ' * 1234}]}}"))
    assert [one.split(": ", 1)[1] for one in found] == ["vars.l: must have at most 1000 entries, found 1234"]


def test_a_name_that_is_none_is_told_once(file: Path) -> None:
    (found,) = hollow.problems(file, ("vars: {height: 0.80}", "vars: {height: 0.80, <<: {a: 1}}"))
    assert found.startswith("3:22: vars.<<: must be a variable's name")


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ('hold: "0.75"', "hold: must be a number, found '0.75'\n  hint: text in quotes stays text: leave them away"),
        ('flips: "true"', "flips: must be true or false, found 'true'\n  hint: text in quotes stays text"),
        ('hold: "high"', "hold: must be a number, found 'high'"),
        ('hold: "true"', "hold: must be a number, found 'true'"),
    ],
)
def test_quotes_are_named_where_they_are_all_that_is_wrong(file: Path, new: str, said: str) -> None:
    (found,) = hollow.problems(file, ("hold: 0.75", new))
    assert found.partition("still_there.")[2].startswith(said)
    assert ("hint" in found) == ("hint" in said)


def test_a_prompt_of_a_list_is_text_or_a_mapping(file: Path) -> None:
    found = hollow.problems(file, ("[{prompt: a white ball,", "[3, {promt: a white ball,"))
    assert [one.split(": ", 1)[1] for one in found] == [
        "prompts.test.0: must be text, or a mapping with `prompt`, found 3",
        "prompts.test.1.prompt: is missing\n  hint: `promt` is a variable there: did you mean `prompt`?",
    ]


def test_prompts_that_cannot_be_had_hide_nothing_but_what_hangs_on_their_variables(file: Path) -> None:
    train = hollow.RECIPE.partition("train:\n")[2].partition("  test:")[0]
    gone = (f"train:\n{train}", "train: {file: gone.txt}\n")
    others = (
        ("assets/card.png", "../card.png"),
        ('against: "No"', 'against: "Yes"'),
        ("{{ color }} ", "{{ color * 9 }} "),
    )
    assert [one.split(": ")[1] for one in hollow.problems(file, gone)] == ["prompts.train.file"]
    keys = ["visuals.card.image", "prompts.train.file", "questions.aligned.against", "questions.still_there.ask"]
    assert [one.split(": ")[1] for one in hollow.problems(file, others[0], gone, others[1], others[2])] == keys


def test_a_wrong_question_hides_no_wrong_answer(file: Path) -> None:
    wrong = ("Is the line aligned?", "Is the {{ lien }} aligned?")
    clash = hollow.problems(file, wrong, ('against: "No"', 'against: "Yes, it is"'))
    assert [one.split(": ")[1] for one in clash] == ["questions.aligned.ask.0", "questions.aligned.against"]
    unread = hollow.problems(file, wrong, ('against: "No"', "against: \"{{ 'no'.upper() }}\""))
    assert [one.split(": ")[1] for one in unread] == ["questions.aligned.ask.0", "questions.aligned.against"]
    left_out = hollow.problems(
        file,
        ("Is there a {{ color }} {{ thing }}?", "{{ '' }}"),
        ('answer: "Yes"\n    hold', 'answer: "{{ no }}"\n    hold'),
    )
    assert not any("still_there.answer" in one for one in left_out)  # it is never given


def test_a_misspelt_key_of_a_question_hides_no_variable_that_is_not_there(file: Path) -> None:
    misspelt = ('answer: "Yes"\n    hold', 'anwser: "Yes"\n    hold')
    found = hollow.problems(file, misspelt, ("Is there a {{ color }} {{ thing }}?", "Is there {{ thnig }}?"))
    keys = {one.split(": ")[1] for one in found}
    assert keys == {"questions.still_there.anwser", "questions.still_there.ask"}
    assert len(hollow.problems(file, misspelt)) == 1


def test_a_misspelt_key_of_the_recipe_is_one_mistake_and_hides_no_variable(file: Path) -> None:
    misspelt = ("\ngenerator:", "\ngenrator:")
    (told,) = hollow.problems(file, misspelt)
    assert told.endswith("genrator: unknown key `genrator`\n  hint: did you mean `generator`?")
    found = hollow.problems(file, misspelt, ("Is there a {{ color }} {{ thing }}?", "Is there {{ thnig }}?"))
    assert [one.split(": ")[1] for one in found] == ["genrator", "questions.still_there.ask"]
    assert len(hollow.problems(file, ("\nvars:", "\nvarz:"))) == 1  # that nothing has its variables follows from it


@pytest.mark.parametrize(
    ("assignment", "hint"),
    [
        ("lr=1e-4", "did you mean `train.lr`?"),
        ("rank=4", "did you mean `adapter.rank`?"),  # though `train` looks like it
        ("steps=20", "did you mean `generator.steps` or `train.steps`?"),
        ("question=zed", "did you mean `questions`?"),
        ("tarin=1", "did you mean `train`?"),
    ],
)
def test_a_key_of_a_part_is_named_whole(file: Path, assignment: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        read(file, [assignment])
    (problem,) = caught.value.problems
    assert problem.hint == hint
