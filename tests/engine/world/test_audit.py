"""Audit and cards: what is counted is what can be seen, and cards say what the code does."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from control_recipes.engine.world import (
    TRAINED,
    WARM,
    audit,
    captions,
    cards,
    codec,
    collect,
    facts,
    lessons,
    painter,
    pico_generator,
    reader,
    train,
    train_critic,
    train_generator,
    train_vae,
)
from control_recipes.engine.world.scenes import INDOOR, PLACES, WORDS
from control_recipes.engine.world.training import Course


def seen(scenes: painter.Scenes) -> reader.Readings:
    """Readings without a mistake."""
    return reader.Readings(scenes, {}, torch.zeros(len(scenes)))


def test_what_is_read_rightly_counts_as_right():
    scenes, shown = audit.rendered(100, seed=1)
    assert shown.shape == (100, 3, 64, 64)
    found = audit.agreement(scenes, seen(scenes))
    assert all(share == 1 for share, _ in found.values())
    assert all(count > 0 for _, count in found.values())


def test_what_cannot_be_seen_does_not_count():
    scenes, _ = audit.rendered(100, seed=1)
    found = audit.agreement(scenes, seen(scenes))
    rooms = sum(place in INDOOR for place in scenes.words("place"))
    assert found["lamp"][1] == rooms
    assert found["place"][1] == 100
    assert found["arrangement"][1] == sum(place == list(PLACES)[-1] for place in scenes.words("place"))
    assert found["other_color"][1] <= sum(other != "none" for other in scenes.words("other"))


def test_a_horizon_that_things_hide_does_not_count():
    """Painted without the things, the row is there; with them only where they leave some of it."""
    scenes, shown = audit.rendered(100, seed=1)
    row = (scenes.horizon * 64).long()
    bare = painter.graded(painter.background(scenes), scenes.grade)
    at = torch.arange(100)
    same = ((shown - bare).abs().amax(1) < 1e-6)[at, row].float().mean(-1)
    free = audit.horizon_shown(scenes)
    assert bool((free >= same - 0.05)[~scenes.paintings].all())  # shadows darken what nothing hides
    assert free.min() < audit.LEAST_SHOWN < 0.9 < free.max()
    hidden = (free < audit.LEAST_SHOWN) & ~scenes.paintings
    assert audit.agreement(scenes, seen(scenes))["horizon within 0.02"][1] == int((~scenes.paintings & ~hidden).sum())


def test_mistakes_are_counted():
    scenes, _ = audit.rendered(100, seed=1)
    values = {name: getattr(scenes, name) for name in painter.FACTORS}
    wrong = painter.Scenes(**(values | {"lamp": 1 - scenes.lamp, "horizon": scenes.horizon + 0.05}))
    found = audit.agreement(scenes, seen(wrong))
    assert found["lamp"][0] == found["horizon within 0.02"][0] == 0
    assert found["thing"][0] == 1
    named = [{"lamp": word} for word in scenes.words("lamp")]
    assert audit.kept(seen(scenes), named)["lamp"] == (1.0, 100)
    assert audit.kept(seen(wrong), named)["lamp"] == (0.0, 100)
    assert audit.kept(seen(wrong), named)["thing"] == (0.0, 0)


def test_held_out_captions_name_what_they_say():
    asked = audit.held_out_captions(60, seed=2)
    assert all(captions.named(text) == named and captions.held_out(named) for text, named in asked)
    assert {factor for _, named in asked for factor in named} == set(lessons.NAMED)
    assert audit.held_out_captions(5, seed=2) == asked[:5]


def test_prompts_of_pools_name_each_factor_now_and_then():
    texts = collect.prompts(200, random.Random(3))
    assert {factor for text in texts for factor in captions.named(text)} == set(lessons.NAMED)


def test_decibels():
    shown = torch.full((2, 3, 64, 64), 0.5)
    assert audit.decibels(shown, shown + 0.1) == pytest.approx(20, abs=0.01)


def test_common_sense_wants_both_pictures_right():
    from diffusers.pipelines.flux.pipeline_flux import FluxPipeline

    vae = train_vae.build(seed=0)
    vae.register_to_config(scaling_factor=1.0, shift_factor=0.0)
    pipeline = pico_generator.build(vae, seed=1)
    assert isinstance(pipeline, FluxPipeline)
    pipeline.set_progress_bar_config(disable=True)
    pairs = facts.PAIRS[:4]
    found = audit.commonsense(pipeline, pairs, range(2), 1, pico_generator.TEXT_LENGTH)
    for way in ("implied", "said"):
        both, count = found[f"pairs whose words are {way}"]
        each, twice = found[f"prompts whose word is {way}"]
        assert (count, twice) == (8, 16)
        assert both <= each
        assert both == 0  # an untrained generator shows the same for both


@pytest.mark.parametrize("name", cards.TAUGHT)
@pytest.mark.parametrize("warm", [False, True])
def test_a_card_says_what_was_taught_and_how_well(name: str, warm: bool, tmp_path: Path):
    courses = [Course(steps=70, lr=2e-3, seed=7), Course(steps=50, lr=1e-3, seed=8, stop=40)]
    cards.write(tmp_path, name, courses, 12.4, ["36.5 dB"], {"on paintings": {"thing": (0.981, 300)}}, warm)
    text = (tmp_path / cards.FILE).read_text("utf-8")
    for part in (
        f"# The embedded world's {name}",
        f"- Taught: {cards.TAUGHT[name]}",
        "- Began: with the weights of an earlier" if warm else "- Began: from nothing",
        "- Steps: 70 (seed 7, highest rate 0.002), then 40 (seed 8, highest rate 0.001)",
        "- Took: 12 minutes",
        f"- Again: `recipe world train {name.lower()} --out DIR{' --from DIR' if warm else ''}`",
        "- 36.5 dB",
        "## On paintings\n\n| what | right | of |\n|---|---|---|\n| thing | 98.1 % | 300 |\n",
    ):
        assert part in text


def test_cards_have_the_codes_numbers():
    assert f"{train_critic.BATCH} pictures a step" in cards.TAUGHT["critic"]
    assert f"{train_generator.BATCH} a step" in cards.TAUGHT["generator"]
    assert {name.lower() for name in cards.TAUGHT} == set(train.NAMES)
    assert tuple(train.NAMES) == TRAINED
    assert set(WARM) < set(TRAINED)


def test_a_model_is_shipped_without_its_work_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(train, "SHIPPED", tmp_path / "shipped")
    (tmp_path / "out" / "critic" / "work" / "first").mkdir(parents=True)
    for name in ("work/first/state.safetensors", "model.safetensors", cards.FILE):
        (tmp_path / "out" / "critic" / name).write_bytes(b"0")
    (tmp_path / "out" / "critic" / "model.safetensors").chmod(0o600)
    train.ship(tmp_path / "out", "critic")
    shipped = tmp_path / "shipped" / "critic"
    assert sorted(path.name for path in shipped.iterdir()) == [cards.FILE, "model.safetensors"]
    assert (shipped / "model.safetensors").stat().st_mode & 0o044


def test_an_unfinished_generator_is_not_learnt_from(tmp_path: Path):
    (tmp_path / "generator" / "work").mkdir(parents=True)
    assert train._home(tmp_path) == train.SHIPPED / "generator"
    (tmp_path / "generator" / "model_index.json").write_text("{}", "utf-8")
    assert train._home(tmp_path) == tmp_path / "generator"


def test_reconstructions_keep_their_scenes():
    vae = train_vae.build(seed=0)
    pool = collect.reconstructions(vae, 70, seed=1)
    assert len(pool) == 70
    assert pool.pictures.dtype == torch.uint8
    again = codec.reconstructed(vae, painter.paint(pool.scenes[slice(0, 4)]))
    assert (again - pool.pictures[:4].float() / 255).abs().max() < 0.01
    assert set(pool.scenes.words("place")) <= set(WORDS["place"])
