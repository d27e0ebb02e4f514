"""The report: one page that needs nothing else, looked at in a browser."""

from __future__ import annotations

import html
import re
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import cast

import browser
import made
import pytest
from control_recipes.engine import figures, history, lock, report, run_folder, running
from control_recipes.engine.errors import InputError
from control_recipes.engine.plan import Plan
from control_recipes.engine.report import render


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = made.run_folder(tmp_path_factory.mktemp("run"))
    return report.report(folder, run_folder.read_plan(folder), folder / "horizon_low.lock")


def test_browser_shows_every_picture_and_complains_of_nothing(page: Path, tmp_path: Path):
    seen = browser.look(page, tmp_path)
    assert seen.pictures == 27  # 9 strips at 3 scales
    assert seen.decoded == seen.pictures
    assert seen.complaints == []


def test_phone_scrolls_down_only(page: Path, tmp_path: Path):
    assert browser.look(page, tmp_path, width=390).width <= 390


def test_guards_see_a_broken_picture_a_complaint_and_a_page_too_wide(page: Path, tmp_path: Path):
    broken = re.sub(r"base64,[^\"]{20}", "base64,AAAA", page.read_text(encoding="utf-8"), count=1)
    broken = broken.replace("</main>", f"<script>console.error()</script><p>{'W' * 200}</p></main>")
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
    assert report.report(folder, run_folder.read_plan(folder), folder / "horizon_low.lock").read_text("utf-8") == text


def test_truth_stands_beside_belief(page: Path):
    text = page.read_text(encoding="utf-8")
    assert "What the pixels say" in text
    assert "93 %" in text
    assert "What the critic believes" in text
    assert "The horizon sits low in the picture, whatever is asked for" in text
    assert "&lt;b&gt;&amp;amp;" in text  # a question is text, whatever stands in it
    assert "judge; said when to stop" in text


def test_it_says_what_was_asked_and_how_many_pictures_of_how_many_are_shown(page: Path):
    text = page.read_text("utf-8")
    plan, found = run_folder.read_plan(page.parent), figures.read(page.parent / "evaluation.json")
    wording = next(ask.wordings[0] for row in plan.test_rows for ask in row.asks if ask.question == plan.goal_question)
    assert text.index(f"“{html.escape(wording, quote=False)}” Wanted: “Yes”, not “No”.") < text.index("<h2>")
    shown = sum(not strip.missed for strip in found.strips)
    assert f'<p class="soft">{shown} of the {found.rows * found.seeds:,} pictures. Columns: ' in text
    everything = replace(found, rows=shown, seeds=1)
    past = history.read(page.parent / "metrics.jsonl")
    told = lock.read(page.parent / "horizon_low.lock")
    assert told.platform is not None
    told = replace(told, platform=replace(told.platform, threads=1))
    again = render(plan, everything, past, {"recipe.yaml": ""}, page.parent, told)
    assert '<p class="soft">Columns: ' in again
    assert ", 1 thread<" in again


# each leaves its mark in `window.ran` where a browser runs it
PAYLOADS = (
    "</title></style></script><script>window.ran = 'script'</script>",
    "<img src=x onerror=\"window.ran = 'error'\">",
    '"><svg onload="window.ran = \'load\'"></svg>',
    "' onmouseover='window.ran = 1' x='",
    "<iframe srcdoc=\"<script>parent.ran = 'frame'</script>\"></iframe>",
    "<style>* { background: url(https://example.org/x) }</style>",
    "<a href=\"javascript:window.ran = 'link'\">x</a>",
    "{{ 7 * 7 }}{% raw %}",
)
HOSTILE = "".join(PAYLOADS)


# fields whose texts are no words of a recipe or a model: names of kinds, keys, files and digests
KEPT = {
    *("kind", "file", "plan", "family", "key", "see", "estimate", "backprop", "schedule", "optimizer", "bound"),
    *("parameters", "files", "folder", "source", "judge", "inputs"),
}


def everywhere(value: object) -> object:
    """Plain data with the payloads in every text of a recipe or a model."""
    if is_dataclass(value) and not isinstance(value, type):
        changed = {one.name: everywhere(getattr(value, one.name)) for one in fields(value) if one.name not in KEPT}
        return replace(value, **changed)
    if isinstance(value, tuple):
        return tuple(everywhere(one) for one in value)
    return f"{value}{HOSTILE}" if isinstance(value, str) else value


def hostile_page(folder: Path) -> str:
    """The report of a run whose recipe, models and lock all say such things."""
    made.run_folder(folder)
    plan = cast(Plan, everywhere(made.plan()))
    found = cast(figures.Evaluation, everywhere(figures.read(folder / "evaluation.json")))
    past = history.read(folder / "metrics.jsonl")
    past = replace(
        past,
        p={(question + HOSTILE, critic + HOSTILE): points for (question, critic), points in past.p.items()},
        looks={(question + HOSTILE, critic + HOSTILE): points for (question, critic), points in past.looks.items()},
    )
    told = lock.read(folder / "horizon_low.lock")
    told = replace(told, platform=everywhere(told.platform), outcome=everywhere(told.outcome))
    texts = {"recipe.yaml": f"# Intent: {HOSTILE}\n{HOSTILE}", f"{HOSTILE}.yaml": HOSTILE}
    return render(plan, found, past, texts, folder, told)


def test_what_a_recipe_and_its_models_say_is_text(tmp_path: Path):
    text = hostile_page(tmp_path / "run")
    assert text.count("&lt;script&gt;window.ran") > 50  # names, prompts, questions, critics, figures, facts, files
    for payload in PAYLOADS:
        assert (payload in text) == ("<" not in payload and '"' not in payload and "'" not in payload)
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    seen = browser.look(tmp_path / "page.html", tmp_path / "look")
    assert (seen.ran, seen.complaints) == ("", [])
    assert seen.pictures == 27


def test_the_policy_holds_where_nothing_is_escaped(tmp_path: Path):
    text = html.unescape(hostile_page(tmp_path / "run"))
    assert "default-src 'none'; img-src data:; style-src 'sha256-" in text
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    seen = browser.look(tmp_path / "page.html", tmp_path / "look")
    assert seen.ran == ""
    assert any("Content Security Policy" in line for line in seen.complaints)
    # without the policy they do run
    free = re.sub(r"<meta http-equiv=.Content-Security-Policy.*?>", "", text)
    (tmp_path / "page.html").write_text(free, encoding="utf-8")
    assert browser.look(tmp_path / "page.html", tmp_path / "free").ran != ""


def test_no_attribute_styles_anything_and_no_script_is_allowed(page: Path):
    text = page.read_text("utf-8")
    assert not re.search(r"<[^>]*\s(style|on\w+)=", text)
    assert text.index("Content-Security-Policy") < text.index("<title>")
    assert "script-src" not in text  # default-src says none


@pytest.mark.parametrize("name", ["../secret.png", "images/link.png", "/etc/hostname", "images/missing.png"])
def test_a_picture_from_elsewhere_is_refused(tmp_path: Path, name: str):
    from PIL import Image

    folder = made.run_folder(tmp_path / "run")
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    (folder / "images" / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(InputError, match=r"lies outside of the run folder|No such file"):
        report._picture(folder, name)


def test_an_included_file_that_links_elsewhere_is_left_out(tmp_path: Path):
    folder = made.run_folder(tmp_path / "run")
    (tmp_path / "secret").write_text("secret words", "utf-8")
    (folder / "included").mkdir()
    (folder / "included" / "base.yaml").symlink_to(tmp_path / "secret")
    assert list(report.recipe_texts(folder)) == ["recipe.yaml"]


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
    text = report.report(folder, run_folder.read_plan(folder)).read_text("utf-8")
    assert "shared/base.yaml" in text
    assert "train: {steps: 7}  # &lt;b&gt;" in text
    assert text.index("name: horizon_low") < text.index("shared/base.yaml")


def test_belief_and_truth_are_told_alike(page: Path):
    text = page.read_text(encoding="utf-8")
    shown = re.findall(r'<div class="figures num"><span>(.*?) →</span><b>(.*?)</b>', text)
    assert shown == [("3 %", "93 %"), ("2 %", "96 %")]
    assert "Its mean p is 0.00 → 0.93." in text
    assert "%" not in re.sub(r"\d %", "", " ".join(re.findall(r"<li[^>]*>(.*?)</li>", text)).replace("\u00a0%", ""))


def test_large_pictures_become_jpeg(tmp_path: Path):
    from PIL import Image

    Image.effect_noise((256, 192), 60).convert("RGB").save(tmp_path / "large.png")
    data, width, height = report._picture(tmp_path, "large.png")
    assert data.startswith("data:image/jpeg;base64,")
    assert (width, height) == (256, 192)


def test_it_says_whether_the_prompts_were_trained_on():
    whole = made.plan()
    apart = replace(whole, train_rows=tuple(replace(row, prompt=f"{row.prompt} again") for row in whole.train_rows))
    assert report._prompts(apart, 3) == "3 prompts the adapter was never trained on"
    assert report._prompts(replace(apart, train_rows=whole.test_rows), 1) == "1 prompt the adapter was trained on"
    assert report._prompts(replace(apart, train_rows=whole.test_rows[:2]), 3) == "3 prompts, 2 trained on"


def test_a_lock_of_another_plan_says_nothing_of_this_run(tmp_path: Path):
    folder = made.run_folder(tmp_path)
    plan, path = run_folder.read_plan(folder), folder / "horizon_low.lock"
    ours = lock.read(path)
    digest = lock.digest(ours)
    assert digest in report.report(folder, plan, path).read_text("utf-8")
    lock.write(replace(ours, inputs=lock.inputs(replace(plan, name="other"))), path)
    assert lock.digest(lock.read(path)) not in report.report(folder, plan, path).read_text("utf-8")


def test_a_recipe_that_is_no_text_is_named(tmp_path: Path):
    folder = made.run_folder(tmp_path)
    (folder / "recipe.yaml").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"recipe\.yaml.*is no text"):
        running.report_again(folder)


def test_a_result_that_was_damaged_is_named(tmp_path: Path):
    folder = made.run_folder(tmp_path)
    (folder / "result.json").write_bytes(b"{")
    with pytest.raises(InputError, match=r"result\.json.*cannot be read"):
        running.report_again(folder)
