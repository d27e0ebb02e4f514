"""What the generator is taught: tokens that never change, and noise that holds what captions leave open."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from control_recipes.engine.world import captions, coupling, painter, pico_generator, train_generator, train_vae
from control_recipes.engine.world.train_generator import Pool
from control_recipes.engine.world.training import Course

COUNT = 40


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    vae = train_vae.build(seed=0)
    vae.register_to_config(scaling_factor=1.0, shift_factor=0.0)
    return train_generator.pool(vae, COUNT, 3, tmp_path_factory.mktemp("pool") / "pool.safetensors")


def test_tokens_never_change():
    first, second = pico_generator.clip_tokenizer(), pico_generator.clip_tokenizer()
    assert first.get_vocab() == second.get_vocab()
    assert pico_generator.t5_tokenizer().get_vocab() == pico_generator.t5_tokenizer().get_vocab()


@pytest.mark.parametrize("make", [pico_generator.clip_tokenizer, pico_generator.t5_tokenizer])
def test_every_word_is_a_token_and_others_are_letters(make):
    tokenizer = make()
    ends = len(tokenizer("").input_ids)
    assert all(len(tokenizer(word).input_ids) - ends == 1 for word in pico_generator.words() if len(word) > 1)
    unknown = tokenizer("zeppelin").input_ids
    assert len(unknown) - ends > 1
    assert tokenizer.unk_token_id not in unknown or tokenizer.unk_token_id == tokenizer.eos_token_id


def test_hardly_a_caption_is_cut_short(pool: Pool):
    rng, tokenizers = torch.Generator().manual_seed(5), (pico_generator.clip_tokenizer(), pico_generator.t5_tokenizer())
    prompts = [text for _ in range(10) for text in train_generator.lesson(pool, 64, rng).prompts]
    for tokenizer in tokenizers:
        long = [text for text in prompts if len(tokenizer(text).input_ids) > pico_generator.TEXT_LENGTH]
        assert len(long) <= len(prompts) / 200, long


def test_a_seed_is_a_model():
    first, second = train_vae.build(seed=2), train_vae.build(seed=2)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    before = torch.random.get_rng_state()
    one, two = (pico_generator.build(first, seed=3) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(
        torch.equal(a, b) for a, b in zip(one.transformer.parameters(), two.transformer.parameters(), strict=True)
    )


def test_noise_holds_what_captions_leave_open(pool: Pool):
    taught = train_generator.lesson(pool, 64, torch.Generator().manual_seed(1))
    implied = coupling.implied(taught.noise)
    open_ones = 0
    for row, prompt in enumerate(taught.prompts):
        named = captions.named(prompt)
        for factor in painter.FACTORS:
            truth, held = getattr(taught.scenes, factor)[row], getattr(implied, factor)[row]
            if factor in named:
                assert taught.scenes.words(factor)[row] == named[factor]
            else:
                open_ones += 1
                assert held == pytest.approx(truth.item(), abs=2e-3), (factor, prompt)
    assert open_ones > 100


def test_held_out_combinations_are_never_named_together(pool: Pool):
    rng = torch.Generator().manual_seed(2)
    named = [captions.named(text) for _ in range(10) for text in train_generator.lesson(pool, 64, rng).prompts]
    assert not any(captions.held_out(words) for words in named)
    assert any(
        captions.held_out({name: pool.scenes.words(name)[row] for name in ("thing", "color", "place")})
        for row in range(COUNT)
    )


def test_a_training_is_seeded_and_goes_on(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Killed after two steps of three of either course, the generator ends as if it had not been."""
    from diffusers.pipelines.flux.pipeline_flux import FluxPipeline

    monkeypatch.setattr(train_generator, "POOL", COUNT)
    monkeypatch.setattr(train_generator, "BATCH", 2)
    vae = train_vae.build(seed=0)
    vae.register_to_config(scaling_factor=1.0, shift_factor=0.0)
    vae.save_pretrained(tmp_path / "vae")
    said: list[str] = []

    def train(name: str, stop: int, course: str) -> None:
        for each in ("FIRST", "SECOND"):
            stopped = Course(steps=3, lr=1e-3, warmup=1, save_every=1, stop=stop if each == course else 0)
            monkeypatch.setattr(train_generator, each, stopped)
        train_generator.train(tmp_path / name, said.append, tmp_path / "vae")

    train("whole", 0, "FIRST")
    train("part", 2, "FIRST")
    for state in (tmp_path / "part" / "work" / "second").iterdir():
        state.unlink()  # the kill came before the second course
    train("part", 2, "SECOND")
    train("part", 0, "SECOND")
    assert said.count("resumed at step 2") == 2
    assert "_name_or_path" not in (tmp_path / "whole" / "vae" / "config.json").read_text("utf-8")
    files = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file())
    for file in files:
        if "work" not in file.parts:
            assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "part" / file).read_bytes(), file
    assert isinstance(FluxPipeline.from_pretrained(tmp_path / "whole"), FluxPipeline)
