"""The report: one page that needs nothing else, looked at in a browser."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import browser
import made
import pytest
from control_recipes.engine import figures, history, report, session
from control_recipes.engine.report import render


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = made.run_folder(tmp_path_factory.mktemp("run"))
    return report.report(folder, session.read_plan(folder), folder / "horizon_low.lock")


def test_browser_shows_every_picture_and_complains_of_nothing(page: Path, tmp_path: Path):
    seen = browser.look(page, tmp_path)
    assert seen.pictures == 27  # 9 strips at 3 scales
    assert seen.decoded == seen.pictures
    assert seen.complaints == []


def test_phone_scrolls_down_only(page: Path, tmp_path: Path):
    assert browser.look(page, tmp_path, width=390).width <= 390


def test_guards_see_a_broken_picture_a_complaint_and_a_page_too_wide(page: Path, tmp_path: Path):
    broken = re.sub(r"base64,[^\"]{20}", "base64,AAAA", page.read_text(encoding="utf-8"), count=1)
    broken = broken.replace(
        "</main>", '<script>console.error("no")</script><div style="width: 600px">wide</div></main>'
    )
    copy = tmp_path / "broken.html"
    copy.write_text(broken, encoding="utf-8")
    seen = browser.look(copy, tmp_path / "look", width=390)
    assert seen.width > 390
    assert seen.decoded == seen.pictures - 1
    assert seen.complaints


def test_page_is_self_contained_and_deterministic(page: Path, tmp_path: Path):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="(?!data:)', text)
    assert "<script" not in text
    folder = made.run_folder(tmp_path / "again")
    assert report.report(folder, session.read_plan(folder), folder / "horizon_low.lock").read_text("utf-8") == text


def test_truth_stands_beside_belief(page: Path):
    text = page.read_text(encoding="utf-8")
    assert "What the pixels say" in text
    assert "93 %" in text
    assert "What the critic believes" in text
    assert "The horizon sits low in the picture, whatever is asked for" in text
    assert "&lt;b&gt;&amp;amp;" in text  # a question is text, whatever stands in it
    assert "judge; said when to stop" in text


def test_report_is_one_without_metrics_lock_measures_or_goal(tmp_path: Path):
    folder = made.run_folder(tmp_path)
    plan = replace(made.plan(), goal_measure="", goal_question="", measures=(), judges=(), order=())
    found = figures.read(folder / "evaluation.json")
    bare = replace(found, measures=(), beliefs=(), strips=(), expect=())
    text = render(plan, bare, history.read(tmp_path / "nothing"), {"recipe.yaml": "recipe: 1\n"}, folder, None)
    assert "horizon low" in text.lower()
    assert "What the pixels say" not in text


def test_every_file_that_a_recipe_is_made_of_is_shown(tmp_path: Path):
    folder = made.run_folder(tmp_path)
    (folder / "included" / "shared").mkdir(parents=True)
    (folder / "included" / "shared" / "base.yaml").write_text("train: {steps: 7}  # <b>\n", encoding="utf-8")
    text = report.report(folder, session.read_plan(folder)).read_text("utf-8")
    assert "shared/base.yaml" in text
    assert "train: {steps: 7}  # &lt;b&gt;" in text
    assert text.index("name: horizon_low") < text.index("shared/base.yaml")


def test_belief_and_truth_are_told_alike(page: Path):
    text = page.read_text(encoding="utf-8")
    shown = re.findall(r'<div class="figures num"><span>(.*?) →</span><b>(.*?)</b>', text)
    assert shown == [("3 %", "93 %"), ("0.4 %", "93 %")]
    assert "%" not in re.sub(r"\d %", "", " ".join(re.findall(r"<li[^>]*>(.*?)</li>", text)).replace("\u00a0%", ""))


def test_large_pictures_become_jpeg(tmp_path: Path):
    from PIL import Image

    Image.effect_noise((256, 192), 60).convert("RGB").save(tmp_path / "large.png")
    data, width, height = report._picture(tmp_path / "large.png")
    assert data.startswith("data:image/jpeg;base64,")
    assert (width, height) == (256, 192)


def test_it_says_whether_the_prompts_were_trained_on():
    whole = made.plan()
    apart = replace(whole, train_rows=tuple(replace(row, prompt=f"{row.prompt} again") for row in whole.train_rows))
    assert report._prompts(apart, 3) == "3 prompts the adapter was never trained on"
    assert report._prompts(replace(apart, train_rows=whole.test_rows), 1) == "1 prompt the adapter was trained on"
    assert report._prompts(replace(apart, train_rows=whole.test_rows[:2]), 3) == "3 prompts, 2 trained on"
