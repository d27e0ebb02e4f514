"""`recipe score`: what a critic believes of picture files is what it answers, and what cannot be asked is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from commandline import recipe
from control_recipes import critics
from control_recipes.critics import Branch, View
from control_recipes.engine import models, visuals
from PIL import Image

BALL = "Is there a ball in the image?"
SUFFIX = "Answer with Yes or No."


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """A red ball and a blue house in the grass."""
    monkeypatch.chdir(tmp_path)
    paths: list[str] = []
    for scene in (["thing=ball", "color=red"], ["thing=house", "color=blue"]):
        assert recipe("world", "paint", *scene, "place=grass", "horizon=0.5", "time=day", "--out", scene[0]) == 0
        paths += capsys.readouterr().out.splitlines()
    return paths


def scores(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert recipe("score", *words, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["critic"].startswith(("builtin:", "/"))
    return told["scores"]


def test_a_critic_tells_pictures_apart(pictures: list[str], capsys: pytest.CaptureFixture[str]):
    ball, house = scores(capsys, *pictures, "--ask", BALL)
    assert [ball["image"], house["image"]] == pictures
    assert ball["right"]
    assert not house["right"]
    assert ball["p"] > 0.8 > 0.2 > house["p"]
    assert house["p_against"] > 0.8
    assert (ball["says"], house["says"]) == ("Yes", "No")
    assert ball["ask"] == f"{BALL} {SUFFIX}"


def test_a_score_is_what_the_critic_answers(pictures: list[str], capsys: pytest.CaptureFixture[str]):
    """Every picture and question, in their order, also with more pictures than are asked about at once."""
    many = pictures * 5
    found = scores(capsys, *many, "--ask", BALL, "--ask", "Is the thing red?", "--answer", "No")
    assert len(found) == 20
    model = models.locate("builtin:critic", Path())
    critic = critics.load(model.folder, model.family, "float32", "cpu")
    views = [View(torch.from_numpy(visuals_of(path)).permute(2, 0, 1)) for path in many]
    asked = [Branch(f"{text} {SUFFIX}", answer) for text in (BALL, "Is the thing red?") for answer in ("No", "Yes")]
    with torch.inference_mode():
        told = critic.ask(views, [asked] * len(views))
    wanted = [math.exp(float(tokens.sum())) for row in told for tokens in row]
    assert [value for one in found for value in (one["p"], one["p_against"])] == pytest.approx(wanted, abs=1e-5)
    assert [one["right"] for one in found] == [one["p"] > one["p_against"] for one in found]


def visuals_of(path: str) -> Any:
    import numpy as np

    return np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / 255


def test_other_answers_have_no_opposite_and_no_suffix(pictures: list[str], capsys: pytest.CaptureFixture[str]):
    (red,) = scores(capsys, pictures[0], "--ask", "What color is the ball?", "--answer", "red")
    assert (red["ask"], red["against"], red["p_against"]) == ("What color is the ball?", "", None)
    assert red["right"] == (red["p"] >= 0.5)
    (against,) = scores(capsys, pictures[0], "--ask", "What color is the ball?", "--answer", "red", "--against", "blue")
    assert against["right"]
    assert against["p_against"] < against["p"]
    (bare,) = scores(capsys, pictures[0], "--ask", BALL, "--suffix", "", "--against", "")
    assert (bare["ask"], bare["against"]) == (BALL, "")


def test_a_person_reads_a_line_for_each(pictures: list[str], capsys: pytest.CaptureFixture[str]):
    assert recipe("score", *pictures, "--ask", BALL, "--critic", "builtin:judge") == 0
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 2
    assert out[0].startswith(f"{pictures[0]}: {BALL} {SUFFIX}: Yes 0.")
    assert ", No 0." in out[0]
    assert "says 'Yes'" in out[0]


def test_pictures_of_other_sizes_and_kinds_are_shown_too(pictures: list[str], capsys: pytest.CaptureFixture[str]):
    larger = Image.open(pictures[0]).resize((96, 64)).convert("RGBA")
    larger.save("larger.webp")
    (found,) = scores(capsys, "larger.webp", "--ask", BALL)
    assert 0 < found["p"] < 1


def test_numbers_that_are_none_are_no_scores(
    pictures: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    load = critics.load

    def broken(*given: Any) -> critics.Critic:
        critic = load(*given)
        next(critic.model.parameters()).data.fill_(math.nan)
        return critic

    monkeypatch.setattr(critics, "load", broken)
    assert recipe("score", pictures[1], "--ask", BALL, "--json") == 3
    captured = capsys.readouterr()
    assert not json.loads(captured.out)["ok"]
    assert f"{pictures[1]}: a log-probability of the critic's is not finite" in captured.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.png", "broken.png", "--ask", BALL], ["nowhere.png: cannot be read", "broken.png: is no picture"]),
        ([".", "--ask", BALL], [".: is a folder, no picture"]),
        (["one.png", "--ask", BALL, "--critic", "builtin:generator"], ["is a generator, no critic"]),
        (["one.png", "--ask", BALL, "--critic", "builtin:critik"], ["no builtin model `critik`", "critic"]),
        (["one.png", "--ask", BALL, "--answer", "Yes", "--against", "Yes"], ["--against: clashes with the answer"]),
        (["one.png", "--ask", "Is it? " * 3000], ["--ask: is too long"]),
        (["one.png", "--ask", BALL, "--answer", ""], ["--answer: is empty"]),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(
    words: list[str],
    said: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    Path("broken.png").write_bytes(b"\x89PNG")
    visuals.save(torch.zeros(64, 64, 3).numpy(), Path("one.png"))
    monkeypatch.setattr(critics, "load", lambda *_given: pytest.fail("a critic was loaded"))
    assert recipe("score", *words) == 2
    captured = capsys.readouterr()
    assert not captured.out
    for text in said:
        assert text in captured.err
