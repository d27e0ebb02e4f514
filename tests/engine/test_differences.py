"""Differences: what changed in meaning, by section, in words."""

from __future__ import annotations

from pathlib import Path

import hollow
import pytest
from control_recipes.engine import differences
from control_recipes.engine.plan import Plan
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return hollow.workplace(tmp_path)


def changed(file: Path, old: str, new: str) -> differences.Differences:
    assert old in hollow.RECIPE
    later = file.with_name("later.yaml")
    later.write_text(hollow.RECIPE.replace(old, new, 1), "utf-8")
    return differences.between(resolve(read(file)), resolve(read(later)))


@pytest.mark.parametrize(
    ("old", "new", "section", "said"),
    [
        ("hold: 0.75", "hold: 0.8", "loss", "question still_there: was a hold at 0.75, weight 1, is now a hold at 0.8"),
        ("hold: 0.75", "watch: true", "loss", "is now watched"),
        ("Is the line aligned?", "Is it level?", "loss", "question aligned: wording “Is the line aligned? Answer with"),
        ('"No"', '"Never"', "loss", "question aligned: against “No” is now “Never”"),
        ("    see: ruler\n", "", "loss", "question aligned: sees nothing, saw ruler"),
        ("color: red}}", "color: blue}}", "loss", "visual ruler: color was #ff0000ff, is now #0000ffff"),
        ("goal:", "stay: {weight: 0.5}\ngoal:", "loss", "stay: weight was 0, is now 0.5"),
        ("model: ./critic", "model: ./critic, weight: 2.0", "loss", "critic eyes: weight was 1, is now 2"),
        (
            "{model: ./judge}",
            "{model: ./judge, dtype: float64}",
            "models",
            "judge second: dtype was float32, is now float64",
        ),
        ("box]", "box, barn]", "data", "train: new 2 prompts: “a red barn”, “a blue barn”"),
        ("tent, box", "tent", "data", "prompts: “a red box”"),
        (
            "color: white, thing: ball}",
            "color: white, thing: ball, n: 1}",
            "data",
            "test: other variables for 1 prompt",
        ),
        ("goal:", "train: {lr: 1e-3}\ngoal:", "training", "lr was 5e-05, is now 0.001"),
        ("goal:", "adapter: {rank: 4}\ngoal:", "training", "adapter: rank was 16, is now 4"),
        ("goal:", "train: {stop: {p: {aligned: 0.9}}}\ngoal:", "training", "stop: never early is now aligned ≥ 0.9"),
        ("within: 0.06", "within: 0.1", "evaluation", "measure horizon: within was 0.06, is now 0.1"),
        ("at_least: 0.9}", "at_least: 0.8}", "evaluation", "expect horizon: was at least 0.9, is now at least 0.8"),
        ("model: ./generator}", "model: ./generator, steps: 2}", "models", "generator: steps was 1, is now 2"),
    ],
)
def test_a_change_is_told_in_its_section(file: Path, old: str, new: str, section: str, said: str):
    found = changed(file, old, new)
    assert not found.same
    assert any(said in line for line in getattr(found, section)), found
    assert said in differences.text(found, "")


def test_every_change_of_a_plan_is_told_of(file: Path):
    """Whatever key changes the digest changes the words too."""
    for old, new in (("name: horizon_low", "name: other"), ("height: 0.80", "height: 0.7"), ("red, blue", "red, gold")):
        found = changed(file, old, new)
        assert any(getattr(found, section) for section in differences.SECTIONS), old


def test_comments_and_order_are_prose(file: Path):
    found = changed(file, "name: horizon_low\n", "# a comment\nname:   'horizon_low'\n")
    assert found.same
    assert not any(getattr(found, section) for section in differences.SECTIONS)
    assert differences.text(found, "only prose") == "only prose"


# --- rows, kinds, files ---


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "horizon: {horizon_row: {near: \"{{ height }}\", within: 0.06}}",
            "horizon: {sharpness: {at_least: 0.9}}",
            "measure horizon: was horizon_row: near 0.8, within 0.06, is now sharpness: at_least 0.9, relative_to base",
        ),
        ("ruler: {line: {y: \"{{ height }}\", color: red}}", "ruler: {text: A, at: [0.5, 0.5]}", "is now text, at"),
        ("    see: ruler\n", "    see: card\n", "visual card: is new (image, at bottom, height 0.15"),
        ("    hold: 0.75", "    hold: 0.75\n    flips: true", "question still_there: flips was false, is now true"),
        ("thing }}?", "thing }} here?", "ball?” is now “Is there a"),
        ("[red, blue]", "[red, blue, blue-green]", "train: new"),
        ("color: white,", "color: snowy,", "test: other variables for 1 prompt: “a white ball” (color was 'white'"),
    ],
)  # fmt: skip
def test_what_changed_is_named(file: Path, old: str, new: str, said: str):
    found = changed(file, old, new)
    assert any(said in line for line in differences.lines(found)), differences.lines(found)


TWO = "[{prompt: a white ball, color: white, thing: ball}, {prompt: a white ball, color: snowy, thing: ball}]"


def rows(file: Path, listed: str) -> Plan:
    text = hollow.RECIPE.replace("[{prompt: a white ball, color: white, thing: ball}]", listed)
    assert listed in text
    later = file.with_name("rows.yaml")
    later.write_text(text, "utf-8")
    return resolve(read(later))


def test_rows_of_one_prompt_are_told_apart_by_their_variables(file: Path):
    two = rows(file, TWO)
    one = rows(file, TWO.partition("}, ")[0] + "}]")
    other = rows(file, TWO.replace("snowy", "pale"))
    assert differences.lines(differences.between(two, one)) == ["data: test: gone 1 prompt: “a white ball”"]
    found = differences.lines(differences.between(two, other))
    assert found[0].startswith(
        "loss: question still_there: wording “Is there a snowy ball?” is now “Is there a pale ball?”"
    )
    assert found[1:] == ["data: test: other variables for 1 prompt: “a white ball” (color was 'snowy', is now 'pale')"]
    turned = rows(file, "[" + ", ".join(reversed(TWO[1:-1].replace("}, {", "}\n{").split("\n"))) + "]")
    assert differences.lines(differences.between(two, turned)) == ["data: test: the prompts stand in another order"]


def test_prompts_twice_are_counted(file: Path):
    one = rows(file, "[{prompt: a white ball, color: white, thing: ball}]")
    twice = rows(file, f"[{', '.join(['{prompt: a white ball, color: white, thing: ball}'] * 2)}]")
    assert differences.lines(differences.between(one, twice)) == ["data: test: new 1 prompt: “a white ball”"]


def test_a_question_is_told_of_where_no_prompt_is_in_both(file: Path):
    later = file.with_name("later.yaml")
    text = (
        hollow.RECIPE.replace("[red, blue]", "[gold, green]")
        .replace("a white ball", "a ball")
        .replace('"No"', '"Never"')
    )
    later.write_text(text, "utf-8")
    found = differences.between(resolve(read(file)), resolve(read(later)))
    assert "question aligned: against “No” is now “Never” (no prompt is in both)" in found.loss


def test_a_file_by_another_name_is_the_same_file(file: Path):
    (file.parent / "assets" / "moved.png").write_bytes(hollow.PNG)
    text = hollow.RECIPE.replace("see: ruler", "see: card")
    file.write_text(text, "utf-8")
    later = file.with_name("later.yaml")
    later.write_text(text.replace("assets/card.png", "assets/moved.png"), "utf-8")
    said = differences.lines(differences.between(resolve(read(file)), resolve(read(later))))
    assert said == ["loss: visual card: file was assets/card.png, is now assets/moved.png, the same picture"]
