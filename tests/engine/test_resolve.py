"""Recipe → Plan: nothing optional left, everything rendered, named by digest and in canonical order."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import hollow
import pytest
from control_recipes.engine import gallery, plan
from control_recipes.engine.errors import InputError
from control_recipes.engine.plan import canonical, digest, parse
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return hollow.workplace(tmp_path)


def test_defaults_are_filled(file: Path) -> None:
    made = hollow.resolved(file)
    assert (made.generator.width, made.generator.height, made.generator.text_length) == (64, 64, 32)
    assert (made.adapter.rank, made.adapter.alpha) == (16, 80.0)
    assert made.evaluate == plan.Evaluate(tuple(range(16)), (0.0, 0.5, 1.0), 25)
    assert made.train.stop == plan.Stop((), 1)
    assert [question.critics for question in made.questions] == [("eyes",), ("eyes",)]
    assert made.judges[0].weight == 0
    assert (made.goal_measure, made.goal_question) == ("horizon", "aligned")
    assert made.expect == (
        plan.Expectation("horizon", "", "at_least", 0.9),
        plan.Expectation("still_there", "second", "at_least", 0.95),
    )


def test_rows_are_rendered(file: Path) -> None:
    row = hollow.resolved(file).test_rows[0]
    assert row.prompt == "a white ball"
    assert row.variables == (("color", "white"), ("thing", "ball"))
    aligned, still_there = row.asks
    assert aligned.wordings[1] == "Does it lie on the horizon? Answer with Yes or No."
    assert (aligned.answers, aligned.against, aligned.see) == (("Yes",), ("No",), ("ruler",))
    assert still_there.wordings == ("Is there a white ball?",)
    assert row.targets[0] == plan.Target("horizon", (("near", 0.8), ("within", 0.06)))
    assert row.targets[1] == plan.Target("named", (("keep", ("thing", "color")),))


def test_an_ask_that_renders_to_nothing_leaves_the_question_out_of_that_row(file: Path) -> None:
    nothing = ("Is there a {{ color }} {{ thing }}?", "{% if color == 'red' %}Is it red?{% endif %} ")
    made = hollow.resolved(file, nothing, ("  still_there: {judge: second, at_least: 0.95}\n", ""))
    for row in (*made.train_rows, *made.validate_rows, *made.test_rows):
        asked = [ask.question for ask in row.asks]
        assert asked == (["aligned", "still_there"] if row.prompt.startswith("a red") else ["aligned"])


def test_drawings_of_rows_that_differ_have_keys_of_their_own(file: Path) -> None:
    made = hollow.resolved(file, ("color: red}}", "color: '{{ color }}'}}"))
    keys = [drawing.key for drawing in made.drawings]
    assert len(keys) == 3
    assert all(key.startswith("ruler#") for key in keys)
    colors = {drawing.key: dict(drawing.parameters)["color"] for drawing in made.drawings}
    assert colors[made.test_rows[0].asks[0].see[0]] == "#ffffffff"


def test_an_asset_is_named_by_its_digest(file: Path) -> None:
    made = hollow.resolved(file, ("see: ruler", "see: [card, ruler]"))
    card = made.drawings[0]
    assert (card.key, card.kind, card.asset, len(card.sha256)) == ("card", "image", "assets/card.png", 64)
    assert card.parameters == (("at", "bottom"), ("height", 0.15), ("opacity", 1.0))
    assert card.source == str(file.parent / "assets" / "card.png")
    assert made.test_rows[0].asks[0].see == ("card", "ruler")


@pytest.mark.parametrize(
    ("written", "kind", "parameters"),
    [
        ("{line: {x: 0.5, thickness: 0.1}}", "line", {"x": 0.5, "thickness": 0.1, "color": "#ff0000ff"}),
        (
            "{points: {B: [0.3, 0.8], 1: [0.7, 0.4]}, color: navy}",
            "points",
            {"points": ("1", 0.7, 0.4, "B", 0.3, 0.8), "radius": 0.03, "color": "#000080ff"},
        ),
        (
            '{region: {x: [0.1, 0.4], y: [0.5, 0.9]}, color: "#C2303080"}',
            "region",
            {"x": (0.1, 0.4), "y": (0.5, 0.9), "color": "#c2303080"},
        ),
        (
            '{palette: ["#d9822b", white], at: top}',
            "palette",
            {"palette": ("#d9822bff", "#ffffffff"), "at": "top", "height": 0.15},
        ),
        (
            '{text: "{{ height }}", at: [0.3, 0.8]}',
            "text",
            {"text": "0.8", "at": (0.3, 0.8), "height": 0.12, "color": "#ff0000ff"},
        ),
        ("{reference: assets/card.png}", "reference", {}),
    ],
)
def test_every_kind_of_visual(file: Path, written: str, kind: str, parameters: dict[str, object]) -> None:
    made = hollow.resolved(file, ('{line: {y: "{{ height }}", color: red}}', written))
    assert made.drawings[0].kind == kind
    assert dict(made.drawings[0].parameters) == parameters


def test_validation_is_held_back_from_training_by_the_seed(file: Path) -> None:
    made = hollow.resolved(file)
    assert (len(made.train_rows), len(made.validate_rows)) == (9, 1)
    assert not {row.prompt for row in made.train_rows} & {row.prompt for row in made.validate_rows}
    assert hollow.resolved(file) == made
    held = {
        hollow.resolved(file, ("goal:", f"train: {{seed: {seed}}}\ngoal:")).validate_rows[0].prompt for seed in range(9)
    }
    assert len(held) > 1
    three = hollow.resolved(file, ("  test:", "  validate: {sample: 3}\n  test:"))
    assert (len(three.train_rows), len(three.validate_rows)) == (7, 3)


def test_one_prompt_trains_and_validates(file: Path) -> None:
    text = hollow.RECIPE.replace('"Is there a {{ color }} {{ thing }}?"', '"Is there a ball?"')
    start, end = text.index("  train:"), text.index("  test:")
    file.write_text(text[:start] + "  train: [a ball in the grass]\n" + text[end:])
    made = resolve(read(file))
    assert [row.prompt for row in made.train_rows] == ["a ball in the grass"]
    assert made.validate_rows == made.train_rows


def test_stop_and_two_scales_in_canonical_order(file: Path) -> None:
    stop = "train: {stop: {p: {still_there: 0.8, aligned: 0.9}, judge: {second: {aligned: 0.7}}, patience: 3}}"
    hollow.critic(file.parent / "third", seed=3)
    made = hollow.resolved(
        file,
        ("judge: second, ", "judge: third, "),
        ("  second:", "  third: {model: ./third}\n  second:"),
        ("goal:", f"{stop}\nevaluate: {{scales: [1, 0, 1]}}\ngoal:"),
    )
    assert made.train.stop == plan.Stop((("", "aligned", 0.9), ("", "still_there", 0.8), ("second", "aligned", 0.7)), 3)
    assert made.evaluate.scales == (0.0, 1.0)
    assert [judge.name for judge in made.judges] == ["second", "third"]


def test_order_is_as_written_and_no_part_of_the_digest(file: Path) -> None:
    made = hollow.resolved(file)
    text = hollow.RECIPE
    start, end = text.index("  still_there:\n"), text.index("measures:")
    middle = text[start:end]
    file.write_text((text[:start] + text[end:]).replace("questions:\n", "questions:\n" + middle))
    swapped = resolve(read(file))
    assert made.order == ("aligned", "still_there", "horizon", "named")
    assert swapped.order == ("still_there", "aligned", "horizon", "named")
    assert digest(swapped) == digest(made)


def test_the_digest_knows_meaning_and_not_places(file: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    made = hollow.resolved(file)
    other = hollow.workplace(tmp_path_factory.mktemp("elsewhere"))
    other.write_text("# a comment\n" + hollow.RECIPE)
    assert digest(resolve(read(other))) == digest(made)
    assert str(file.parent) not in canonical(made)
    assert digest(hollow.resolved(file, ("0.80", "0.81"))) != digest(made)
    (file.parent / "critic" / "tokenizer_config.json").write_text('{"eos_token": "<|im_end|>", "seed": 7}')
    assert digest(hollow.resolved(file)) != digest(made)


def test_a_plan_is_read_back_from_its_text(file: Path) -> None:
    made = hollow.resolved(file, ("see: ruler", "see: [card, ruler]"))
    again = parse(canonical(made))
    assert canonical(again) == canonical(made)
    assert again.order == ()
    assert again.generator == replace(made.generator, model=replace(made.generator.model, folder=""))
    assert parse(plan.dump(made)) == made


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.pop("train"),
        lambda data: data.update(more=1),
        lambda data: data["train"].update(steps="many"),
        lambda data: data["train"].update(steps=True),
        lambda data: data["train_rows"].append(5),
        lambda data: data.update(order={}),
        lambda data: data["drawings"][0].update(parameters=[["y", 1, 2]]),
    ],
)
def test_a_text_that_is_no_plan_is_refused(file: Path, spoil: object) -> None:
    data = json.loads(canonical(hollow.resolved(file)))
    assert callable(spoil)
    spoil(data)
    with pytest.raises(InputError, match="is no plan"):
        parse(json.dumps(data))
    with pytest.raises(InputError, match="is no plan"):
        parse("[")


def test_no_torch_is_imported(file: Path) -> None:
    heavy = "{'torch', 'transformers', 'diffusers', 'numpy', 'huggingface_hub'}"
    code = (
        "import sys, pathlib; from control_recipes.engine import recipe, resolve;"
        f"resolve.resolve(recipe.read(pathlib.Path({str(file)!r}))); print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    twin = subprocess.run(
        [sys.executable, "-c", f"import sys, numpy; print(sorted({heavy} & set(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "numpy" in twin.stdout


def test_a_factor_whose_word_renders_to_nothing_is_open(file: Path) -> None:
    """And a row in which all of them are is not measured."""
    factors = 'named: {factors: {is: {time: "{{ when }}", color: "{{ color if when }}"}, together: "{{ when }}"}}'
    rows = (
        "[{prompt: a ball, color: red, thing: ball, when: night}, {prompt: a box, color: blue, thing: box, when: ''}]"
    )
    made = hollow.resolved(
        file,
        ("vars: {height: 0.80}", "vars: {height: 0.80, when: ''}"),
        ("named: {factors: {keep: [thing, color]}}", factors),
        ("test: [{prompt: a white ball, color: white, thing: ball}]", f"test: {rows}"),
    )
    targets = [dict(next((t.parameters for t in row.targets if t.measure == "named"), ())) for row in made.test_rows]
    assert targets == [{"is": ("color", "red", "time", "night"), "together": "night"}, {}]
    with pytest.raises(InputError, match=r"named: is left out of every test prompt"):
        hollow.resolved(
            file,
            ("vars: {height: 0.80}", "vars: {height: 0.80, when: ''}"),
            ("named: {factors: {keep: [thing, color]}}", 'named: {factors: {is: {time: "{{ when }}"}}}'),
        )


@pytest.mark.parametrize(
    ("written", "said"),
    [("gain: 0.2, at_least: 0.5", "needs one of `at_least`, `at_most` and `gain`"), ("gain: 1.5", "gain")],
)
def test_an_expectation_has_one_bound(file: Path, written: str, said: str) -> None:
    bound = "horizon: {at_least: 0.9}"
    with pytest.raises(InputError, match=said):
        hollow.resolved(file, (bound, f"horizon: {{{written}}}"))
    made = hollow.resolved(file, (bound, "horizon: {gain: 0.2}"))
    assert plan.Expectation("horizon", "", "gain", 0.2) in made.expect


def of_another_family(file: Path, kind: str, channels: list[int], more: str = "") -> list[str]:
    """What is said of the recipe with a generator of that pipeline, whose decoder has these channels."""
    hollow.critic(file.parent / "critic", positions=8192)
    hollow.critic(file.parent / "judge", positions=8192, seed=1)
    folder = hollow.generator(file.parent / "other", kind)
    (folder / "vae" / "config.json").write_text(json.dumps({"block_out_channels": channels}), encoding="utf-8")
    said = more if "size" in more else f"size: {{width: 64, height: 64}}, {more}"
    return hollow.problems(file, ("{model: ./generator}", f"{{model: ./other, {said}}}"))


@pytest.mark.parametrize(
    ("kind", "grain"),
    [
        ("StableDiffusionPipeline", 8),
        ("StableDiffusionXLPipeline", 8),
        ("StableDiffusion3Pipeline", 16),
        ("FluxPipeline", 16),
    ],
)
def test_the_family_says_which_sizes_it_makes(file: Path, kind: str, grain: int) -> None:
    for width in (904, 900):
        told = of_another_family(file, kind, [8] * 4, f"size: {{width: {width}, height: 512}}")
        wrong = [f"generator.size.width: must be a multiple of {grain}, found {width}"] if width % grain else []
        assert [one.split(": ", 1)[1] for one in told if "a multiple of" in one] == wrong


def test_latents_of_sd3_make_tokens_as_its_folder_says(file: Path) -> None:
    folder = file.parent / "other" / "transformer"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"patch_size": 4}), encoding="utf-8")
    told = of_another_family(file, "StableDiffusion3Pipeline", [8] * 4, "size: {width: 912, height: 512}")
    (wrong,) = (one for one in told if "a multiple of" in one)
    assert "generator.size.width: must be a multiple of 32, found 912" in wrong


def test_a_negative_prompt_that_would_not_be_read_is_refused_at_its_place(file: Path) -> None:
    (told,) = of_another_family(file, "FluxPipeline", [8] * 3, "guidance: 3.5, negative: fog")
    assert told.startswith("4:85: generator.negative: this family of generators takes no negative prompt, found")
    assert "leave it out" in told
    for kind in ("StableDiffusionPipeline", "StableDiffusionXLPipeline", "StableDiffusion3Pipeline"):
        (told,) = of_another_family(file, kind, [8] * 4, "guidance: 1.0, negative: fog")
        assert told.startswith("4:85: generator.negative: does nothing without guidance above 1, found 1")
        assert "give `generator.guidance` too, or leave it out" in told
        assert of_another_family(file, kind, [8] * 4, "guidance: 1.5, negative: fog") == []
        (told,) = of_another_family(file, kind, [8] * 4, "guidance: much, negative: fog")
        assert "generator.guidance: must be a number" in told


def test_a_question_that_leaves_a_window_is_refused_at_its_place(file: Path) -> None:
    config = hollow.critic(file.parent / "critic", positions=8192) / "config.json"
    data = json.loads(config.read_text(encoding="utf-8"))
    data["text_config"] |= {"use_sliding_window": True, "sliding_window": 90}
    config.write_text(json.dumps(data), encoding="utf-8")
    told = hollow.problems(file)
    assert told
    assert all("is too long: " in one and "eyes reads 90" in one for one in told)
    assert told[0].startswith("19:")
    data["text_config"] |= {"use_sliding_window": False}
    config.write_text(json.dumps(data), encoding="utf-8")
    assert hollow.problems(file) == []


def test_blocks_are_parts_of_the_generator() -> None:
    recipe = gallery.find("horizon_low.yaml").path
    made = resolve(
        read(recipe, ["adapter.blocks=[transformer_blocks.1, single_transformer_blocks, transformer_blocks.1]"])
    )
    assert made.adapter.blocks == ("single_transformer_blocks", "transformer_blocks.1")
    for blocks, key, hint in (
        ("[transformer_blocks.0, transformer_block.1]", "adapter.blocks.1", "did you mean `transformer_blocks.1`?"),
        ("[mid_block]", "adapter.blocks.0", "there are single_transformer_blocks.0, single_transformer_blocks.1"),
    ):
        with pytest.raises(InputError) as caught:
            resolve(read(recipe, [f"adapter.blocks={blocks}"]))
        (problem,) = caught.value.problems
        assert problem.key == key
        assert problem.hint.startswith(hint)
