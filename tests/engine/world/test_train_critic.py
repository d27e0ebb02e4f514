"""Lessons: views, questions and hints belong together, and two steps of tiny critics of each family teach something."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from control_recipes import critics
from control_recipes.engine.world import (
    cells,
    hints,
    overlays,
    painter,
    pictures,
    questions,
    train_critic,
    train_judge,
)
from control_recipes.engine.world.scenes import PLACES, WORDS
from control_recipes.engine.world.train_critic import CRITIC, CRITIC2, Student
from control_recipes.engine.world.train_judge import JUDGE
from control_recipes.engine.world.training import Course, _optimizers
from control_recipes.engine.world.wordings import OPEN, WORDINGS
from safetensors.torch import load_file
from torch import nn

TINY = {"width": 16, "heads": 2, "layers": 1, "vision_width": 16, "vision_heads": 2, "vision_layers": 1}
STUDENTS = {student.name: student for student in (CRITIC, CRITIC2, JUDGE)}
FAMILIES = {"critic": "qwen2_5_vl", "critic2": "qwen2_5_vl", "judge": "llava"}


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(autouse=True)
def few_texts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(train_critic, "TEXTS", 60)
    monkeypatch.setattr(train_critic, "BATCH", 12)


def tiny(name: str) -> Student:
    """The same student with a few thousand parameters, patches as they are."""
    student = STUDENTS[name]
    patches = {key: size for key, size in student.sizes.items() if key in ("patch", "merge")}
    return replace(student, sizes={**TINY, **patches})


def only(place: str, count: int, seed: int) -> painter.Scenes:
    return replace(pictures.even(count, rng(seed)), place=torch.full((count,), list(PLACES).index(place)))


def test_batches_mix_pools_with_fresh_pictures():
    scenes = only("garage", 9, 0)
    pool = pictures.Pool(pictures.to_bytes(painter.paint(scenes)), scenes)
    shown, truth = train_critic.batch(16, {pool: 0.5}, rng(1))
    assert shown.shape == (16, 3, 64, 64)
    assert truth.words("place")[:8] == ["garage"] * 8
    assert set(truth.words("place")[8:]) != {"garage"}
    again, _ = train_critic.batch(16, {pool: 0.5}, rng(1))
    assert torch.equal(shown, again)


@pytest.fixture(scope="module")
def lesson() -> tuple[painter.Scenes, train_critic.Lesson]:
    scenes = pictures.drawn(120, rng(2))
    shown = painter.paint(scenes)
    return scenes, train_critic.lesson(shown, scenes, 6, WORDINGS, rng(3), aids=True)


def test_views_with_references_come_last_and_are_asked_about_them(lesson: tuple[painter.Scenes, train_critic.Lesson]):
    _, taught = lesson
    beside = [bool(view.references) for view in taught.views]
    assert beside == sorted(beside)
    assert 3 < sum(beside) < 60
    for view, about, branches in zip(taught.views, taught.about, taught.branches, strict=True):
        assert len(branches) == len(about) == 6
        assert ("reference" in about) == bool(view.references)
        assert not view.overlays or view.overlays[0].shape == (4, 64, 64)
        assert bool(view.overlays) >= bool({"line", "swatches", "weight", "dots"} & set(about))


def test_questions_belong_to_their_pictures(lesson: tuple[painter.Scenes, train_critic.Lesson]):
    """Every picture's place is what the picture itself shows, wherever it has come to in the order."""
    scenes, taught = lesson
    shown, places = painter.paint(scenes), scenes.words("place")
    asked = {factor: OPEN[factor] for factor in ("season", "time", "lamp", "grade", "ink")}
    checked = 0
    for view, branches in zip(taught.views, taught.branches, strict=True):
        row = int((shown - view.picture).abs().flatten(1).amax(1).argmin())
        assert torch.equal(shown[row], view.picture)
        for branch in branches:
            if branch.question == "What place does the image show?":
                assert branch.answer == questions.plain("place", places[row])
                checked += 1
            for factor, texts in asked.items():
                if branch.question in texts:
                    assert branch.answer == scenes.words(factor)[row]
                    checked += 1
    assert checked > 5


def test_hints_belong_to_pictures_and_their_references(lesson: tuple[painter.Scenes, train_critic.Lesson]):
    scenes, taught = lesson
    flat = [each for view in taught.views for each in (view.picture, *view.references)]
    assert {len(values) for values in taught.targets.whole.values()} == {len(flat)}
    shown = painter.paint(scenes)
    beside, place = 0, list(PLACES).index("painting")
    for row, picture in enumerate(flat):
        away = (shown - picture).abs().flatten(1).amax(1)
        if away.min() > 0:
            beside += 1
            assert taught.targets.whole["place"][row] == place
            assert taught.targets.whole["thing"][row] == hints.UNSEEN
            continue
        own = int(away.argmin())
        assert taught.targets.whole["place"][row] == scenes.place[own]
        assert taught.targets.whole["lamp"][row] == (scenes.lamp[own] if scenes.indoors[own] else hints.UNSEEN)
        assert (taught.targets.whole["depth"][row] != hints.UNSEEN) == bool(scenes.both[own])
    assert beside == sum(bool(view.references) for view in taught.views)


def test_hints_tell_where_lines_lie(lesson: tuple[painter.Scenes, train_critic.Lesson]):
    _, taught = lesson
    rows = taught.targets.whole["line row"]
    assert 20 < (rows != hints.UNSEEN).sum() < 80
    place, lined = 0, 0
    for view in taught.views:
        if rows[place] != hints.UNSEEN:
            (layer,) = view.overlays
            middle = (layer[3, :, 0] * (torch.arange(64) + 0.5)).sum() / layer[3, :, 0].sum() / 64
            assert rows[place] == hints.binned("line row", middle)
            lined += 1
        place += 1 + len(view.references)
    assert lined > 20


def test_hints_tell_how_far_what_is_laid_is_from_what_it_would_match(
    lesson: tuple[painter.Scenes, train_critic.Lesson],
):
    _, taught = lesson
    told = taught.targets.whole
    for name, (own, factor, reach) in hints.OFFSETS.items():
        laid = told[own] != hints.UNSEEN
        assert torch.equal(laid, told[name] != hints.UNSEEN)
        assert laid.sum() > 5
        low, high = hints.ROWS[own]
        value = low + (told[own][laid] + 0.5) / hints.BINS * (high - low) - getattr(taught.targets.scenes, factor)[laid]
        away = -reach + (told[name][laid] + 0.5) / hints.BINS * 2 * reach
        # nearer than a bin of each of the two
        slack = ((high - low) + 2 * reach) / hints.BINS / 2 + 1e-5
        assert bool(((value.clamp(-reach, reach) - away).abs() <= slack).all())


def test_hints_ask_each_square_and_each_place(lesson: tuple[painter.Scenes, train_critic.Lesson]):
    """Heads set by hand read squares and places off features that say them outright, and not off those of others."""
    _, taught = lesson
    side, count = 4, len(taught.targets.scenes)
    answers = cells.told(taught.targets.scenes, side)
    line = torch.arange(side)
    features = torch.cat(
        [
            *(nn.functional.one_hot(answers[name].clamp(0), size) for name, size in cells.SIZES.items()),
            nn.functional.one_hot(line, side).repeat_interleave(side, 0).expand(count, -1, -1),
            nn.functional.one_hot(line, side).repeat(side, 1).expand(count, -1, -1),
        ],
        -1,
    ).float()
    letters = _letters(taught, side)
    features = torch.cat([features, nn.functional.one_hot(letters, 3)], -1).float()
    tower, width = nn.Identity(), features.shape[-1]
    heads = hints.Hints(tower, width, side * side)
    many = sum(cells.SIZES.values())
    with torch.no_grad():
        for head, first in ((heads.cells.head, 0), (heads.where, many), (heads.letter, many + 2 * side)):
            head.weight.zero_()
            head.bias.zero_()
            head.weight[:, first : first + len(head.weight)] = 30 * torch.eye(len(head.weight))
        heads.head.weight.zero_()
        heads.head.bias.zero_()
        tower(features)
        right = heads(taught.targets)
        tower(features.roll(1, 1))
        wrong = heads(taught.targets)
    factors = [
        math.log(size) for name, size in hints.SIZES.items() if bool((taught.targets.whole[name] != hints.UNSEEN).any())
    ]
    assert right.item() == pytest.approx(sum(factors) / len(factors), abs=1e-4)
    assert wrong > right + 10


def _letters(taught: train_critic.Lesson, side: int) -> torch.Tensor:
    """Of each square: nothing, a dot that is labelled A (1), or one that is labelled B (2)."""
    letters = torch.zeros(len(taught.targets.scenes), side * side, dtype=torch.long)
    whole = taught.targets.whole
    for row in range(len(letters)):
        for number, letter in enumerate("AB"):
            x, y = (int(whole[f"dot {letter} {axis}"][row]) for axis in "xy")
            if x != hints.UNSEEN:
                letters[row, y * side // hints.BINS * side + x * side // hints.BINS] = 1 + number
    return letters


def test_hints_tell_which_dot_is_on_the_nearer_thing(lesson: tuple[painter.Scenes, train_critic.Lesson]):
    _, taught = lesson
    nearer, depth = taught.targets.whole["dots"], taught.targets.scenes.words("depth")
    dotted = (nearer != hints.UNSEEN).nonzero()[:, 0].tolist()
    assert len(dotted) > 10
    asked = tuple(text.format(noun="A", other="B") for text in WORDINGS["dots"]["nearer"])
    row, checked = 0, 0
    for view, branches, about in zip(taught.views, taught.branches, taught.about, strict=True):
        assert (row in dotted) == ("dots" in about)
        for branch in branches:
            if branch.question.startswith(asked):
                assert branch.answer == ("Yes" if nearer[row] == 0 else "No")
                checked += 1
        row += 1 + len(view.references)
    assert checked > 3
    assert set(depth) >= {"nearer", "farther"}


def test_sight_teaches_the_tower_alone(tmp_path: Path):
    student = tiny("judge")
    train_critic.sight(student, COURSE, tmp_path, lambda text: None)
    before = {f"model.{name}": value for name, value in student.pupil().model.state_dict().items()}
    after = {
        name[6:]: value for name, value in load_file(tmp_path / "state.safetensors").items() if name[:6] == "model."
    }
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved
    assert all("vision_tower" in name or "multi_modal_projector" in name for name in moved)
    assert any("vision_tower" in name for name in moved)
    assert any("multi_modal_projector" in name for name in moved)


def test_bins_cover_their_ranges():
    for name, (low, high) in hints.ROWS.items():
        values = torch.linspace(low, high, 200)
        bins = hints.binned(name, values)
        assert (bins.min(), bins.max()) == (0, hints.BINS - 1)
        assert bool((bins.diff() >= 0).all())
    assert hints.SIZES.keys() >= {*WORDS, *overlays.NUMBERS}


@pytest.mark.parametrize("name", STUDENTS)
def test_a_few_steps_lower_the_loss(name: str):
    """On one lesson again and again: what is asked and what is hinted at is learnt, by the tower too."""
    student = tiny(name)
    pupil = student.pupil()
    whole = nn.ModuleDict({"model": pupil.model, "hints": train_critic.heads(pupil, 1)})
    scenes = pictures.drawn(12, rng(4))
    taught = train_critic.lesson(painter.paint(scenes), scenes, 6, student.wordings, rng(5), aids=True)
    optimizers = _optimizers(whole, 3e-3)
    losses: list[tuple[float, float]] = []
    for _ in range(3):
        answers = -pupil.eyes.log_probs(taught.views, taught.branches).values.mean()
        hinted = whole["hints"](taught.targets)
        losses.append((answers.item(), hinted.item()))
        torch.autograd.backward(answers + 0.5 * hinted)
        assert all(part.grad is not None for part in pupil.tower.parameters())
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    assert losses[0][0] > losses[1][0] > losses[2][0]
    assert losses[0][1] > losses[1][1] > losses[2][1]
    assert losses[0][0] == pytest.approx(math.log(pupil.model.lm_head.weight.shape[0]), abs=1.0)  # it knew nothing


COURSE = Course(steps=2, lr=1e-3, warmup=1, save_every=1, seed=3)


@pytest.mark.parametrize("name", ["critic", "critic2"])
def test_courses_go_on_where_the_one_before_ended(name: str, tmp_path: Path):
    said: list[str] = []
    student = tiny(name)
    scenes = painter.draw(4, rng(6))
    pools = {pictures.Pool(pictures.to_bytes(painter.paint(scenes)), scenes): 0.5}
    still = replace(COURSE, lr=0.0)  # it learns nothing: what it has at its end it had at its beginning

    beginner, _ = train_critic.first(tmp_path, said.append, student, COURSE, COURSE)
    knows = {key: value.clone() for key, value in beginner.model.state_dict().items()}
    again, _ = train_critic.second(tmp_path, said.append, pools, student, still)
    assert all(torch.equal(value, knows[key]) for key, value in again.model.state_dict().items())
    learnt, _ = train_critic.third(tmp_path, said.append, pools, student, COURSE)
    assert any(not torch.equal(value, knows[key]) for key, value in learnt.model.state_dict().items())
    assert sum("step 2/2" in text for text in said) == 4

    learnt.save(tmp_path / name)
    _answers(tmp_path / name, FAMILIES[name])


def test_the_judge_trains_and_loads(tmp_path: Path):
    pupil, _ = train_judge.train(tmp_path / "judge", lambda text: None, {}, COURSE, tiny("judge"), COURSE)
    pupil.save(tmp_path / "judge")
    _answers(tmp_path / "judge", FAMILIES["judge"])


def _answers(folder: Path, family: str) -> None:
    eyes = critics.load(folder, family, "float32", "cpu")
    view = critics.View(torch.zeros(3, 64, 64), references=(torch.ones(3, 64, 64),))
    (logs,) = eyes.ask([view], [[critics.Branch("Is it winter?", "Yes"), critics.Branch("Is it winter?", "No")]])
    assert all(bool((each < 0).all()) for each in logs)


def test_critics_differ_in_seed_and_patches():
    assert len({student.seed for student in STUDENTS.values()}) == 3
    tokens = {name: questions.merged(student.wordings) for name, student in STUDENTS.items()}
    assert tokens["critic"] == tokens["critic2"] != tokens["judge"]
    first, second = (tiny(name).pupil().model.config.vision_config for name in ("critic", "critic2"))
    assert (first.patch_size, first.spatial_merge_size) == (8, 2)
    assert (second.patch_size, second.spatial_merge_size) == (8, 1)


def test_questions_are_short_enough_for_their_tokens():
    texts = questions.corpus(2, 400, JUDGE.wordings)
    pupil = train_critic.qwen(texts, 1, TINY)
    chat = pupil.eyes.chat
    lengths = [len(chat.prompt(text).tail) for text in texts[::2]]
    assert max(lengths) <= 70
