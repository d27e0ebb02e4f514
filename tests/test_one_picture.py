"""The noise of one picture of the embedded world: where its horizon goes, by the reader, and who believes it."""

from __future__ import annotations

import json
from pathlib import Path

import commandline
import pico
import pytest

RECIPE = """\
recipe: 1
name: one_picture
generator: {model: builtin:generator, size: {width: 64, height: 64}}
critics: {eyes: {model: builtin:critic}}
judges: {second: {model: builtin:judge}}
visuals: {ruler: {line: {y: 0.8, thickness: 0.02, color: red}}}
prompts: {train: ["a small red ball in the grass at night"]}
questions:
  aligned:
    ask: "Is the overlaid red line aligned with the horizon of the scene? Answer with Yes or No."
    see: ruler
    answer: "Yes"
    against: "No"
  thing: {ask: "Is there a red ball in the image? Answer with Yes or No.", answer: "Yes", against: "No", hold: 0.95}
measures:
  horizon: {horizon_row: {near: 0.8, within: 0.06}}
  named: {factors: {keep: [thing, color, place]}}
goal: {measure: horizon, question: aligned}
stay: {weight: 0.1}
train: {optimize: latents, steps: 100, augment: {blur: 0.5, noise: 0.03, shift: 2}}
"""


def test_the_horizon_of_the_picture_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("one_picture.yaml").write_text(RECIPE, "utf-8")
    with pico.one_thread():
        assert commandline.recipe("run", "one_picture.yaml", "--quiet") == 0
    found = json.loads(Path("runs/one_picture/evaluation.json").read_text("utf-8"))
    (strip,) = found["strips"]
    rows = [dict(shot["scores"])["horizon"] for shot in strip["shots"]]
    # from 0.59 to 0.78 where this was written, half-way in between
    assert rows[-1] >= rows[0] + 0.1
    assert rows[0] < rows[1] < rows[-1]
    judged = next(one for one in found["beliefs"] if one["judge"] and one["question"] == "aligned")
    assert judged["after"]["p"] > judged["before"]["p"] + 0.3
    lines = [json.loads(line) for line in Path("runs/one_picture/metrics.jsonl").read_text("utf-8").splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < 0.1 * losses[0]
