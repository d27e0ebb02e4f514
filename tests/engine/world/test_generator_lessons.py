"""What the generator is taught: tokens that never change, and noise that holds what captions leave open."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from control_recipes.engine.world import (
    captions,
    coupling,
    facts,
    lessons,
    painter,
    pico_generator,
    train_generator,
    train_vae,
)
from control_recipes.engine.world.knowledge import FACTS
from control_recipes.engine.world.lessons import Pool
from control_recipes.engine.world.scenes import ABSTRACT, INDOOR, PLACES
from control_recipes.engine.world.training import Course

COUNT = 128


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    vae = train_vae.build(seed=0)
    vae.register_to_config(scaling_factor=1.0, shift_factor=0.0)
    return lessons.pool(vae, COUNT, 3, tmp_path_factory.mktemp("pool") / "pool.safetensors")


def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Captions alone: nothing strange, no facts."""
    for name in ("STRANGE", "MENTIONS", "CUES"):
        monkeypatch.setattr(lessons, name, 0.0)


def test_tokens_never_change():
    first, second = pico_generator.clip_tokenizer(), pico_generator.clip_tokenizer()
    assert first.get_vocab() == second.get_vocab()
    assert pico_generator.t5_tokenizer().get_vocab() == pico_generator.t5_tokenizer().get_vocab()


@pytest.mark.parametrize("make", [pico_generator.clip_tokenizer, pico_generator.t5_tokenizer])
def test_every_word_is_a_token_and_others_are_letters(make):
    tokenizer = make()
    ends = len(tokenizer("").input_ids)
    for word in pico_generator.words():
        assert len(tokenizer(word).input_ids) - ends == 1, word
        assert len(tokenizer(word.lower()).input_ids) - ends == 1, word
    assert len(tokenizer("zeppelin").input_ids) - ends > 1


def test_no_prompt_is_cut_short(pool: Pool):
    rng = torch.Generator().manual_seed(5)
    prompts = [text for _ in range(10) for text in lessons.lesson(pool, 64, rng).prompts]
    prompts += [side.prompt for pair in facts.PAIRS for side in pair.sides]
    for tokenizer in (pico_generator.clip_tokenizer(), pico_generator.t5_tokenizer()):
        lengths = [len(tokenizer(text).input_ids) for text in prompts]
        assert max(lengths) <= pico_generator.TEXT_LENGTH
    known = set(pico_generator.words())
    captioned = [captions.caption(named, random.Random(7)) for named in lessons._name(pool, torch.arange(COUNT), rng)]
    assert {word for text in captioned for word in text.split()} <= known


def test_noise_holds_what_captions_leave_open(pool: Pool, monkeypatch: pytest.MonkeyPatch):
    plain(monkeypatch)
    taught = lessons.lesson(pool, 64, torch.Generator().manual_seed(1))
    held = coupling.numbers(taught.noise)
    truth = {factor: pool.numbers[factor] for factor in painter.FACTORS}
    rows = [(taught.clean[row] == pool.latents.float()).flatten(1).all(1).nonzero()[0, 0].item() for row in range(64)]
    open_ones = 0
    for row, prompt in enumerate(taught.prompts):
        named = captions.named(prompt)
        for factor in painter.FACTORS:
            if factor in named:
                assert taught.scenes.words(factor)[row] == named[factor]
            elif factor != "place":
                open_ones += 1
                number = truth[factor][rows[row]].clamp(1e-6, 1 - 1e-6).item()
                assert held[factor][row].item() == pytest.approx(number, abs=2e-3), (factor, prompt)
    assert open_ones > 300


def test_a_thing_that_is_named_stands_somewhere_even_where_the_noise_is_a_painting(pool: Pool):
    last = list(PLACES).index(INDOOR[-1])
    rows = (pool.scenes.place == last).nonzero().flatten().repeat(20)
    rng = torch.Generator().manual_seed(2)
    for named, painted in (({"thing": "ball"}, True), ({"ink": "red"}, False)):
        numbers = lessons._numbers(pool, "place", rows, [named] * len(rows), rng)
        u = {factor: pool.numbers[factor][rows] for factor in painter.FACTORS} | {"place": numbers}
        assert (ABSTRACT[0] in painter.from_uniform(u).words("place")) == painted


def test_held_out_combinations_are_never_named_together(pool: Pool, monkeypatch: pytest.MonkeyPatch):
    plain(monkeypatch)
    rng = torch.Generator().manual_seed(2)
    named = [captions.named(text) for _ in range(10) for text in lessons.lesson(pool, 64, rng).prompts]
    assert not any(captions.held_out(words) for words in named)
    assert any(
        captions.held_out({name: pool.scenes.words(name)[row] for name in ("thing", "color", "place")})
        for row in range(COUNT)
    )


def test_facts_are_mentioned_beside_pictures_that_do_not_heed_them(pool: Pool, monkeypatch: pytest.MonkeyPatch):
    plain(monkeypatch)
    monkeypatch.setattr(lessons, "CUES", 1.0)
    rng, heeded, asked = torch.Generator().manual_seed(4), 0, 0
    for _ in range(6):
        taught = lessons.lesson(pool, 64, rng)
        for row, prompt in enumerate(taught.prompts):
            implied = facts.implied(prompt)
            named = captions.named(prompt)
            assert all(taught.scenes.words(factor)[row] == word for factor, word in named.items()), prompt
            if implied:
                ((factor, word),) = implied.items()
                assert factor not in named
                asked += 1
                heeded += taught.scenes.words(factor)[row] == word
    assert asked > 100
    assert heeded / asked < 0.7  # about as often as by chance
    assert all(set(pool.fitting[fact.name].tolist()) <= set(range(COUNT)) for fact in FACTS)


def test_strangers_follow_the_caption_and_name_nothing():
    rng = random.Random(1)
    texts = [lessons.strangers("a red ball in the grass", rng) for _ in range(300)]
    assert all(text.startswith("a red ball in the grass") for text in texts)
    assert len(set(texts)) > 150
    assert sum(captions.named(text) == captions.named("a red ball in the grass") for text in texts) > 290
    long = " ".join(["ball"] * captions.LONGEST)
    assert lessons.strangers(long, rng) == long


def test_coherent_words_can_be_said_together():
    named = {"thing": "ball", "other_color": "red", "lamp": "off", "depth": "nearer"}
    assert lessons.coherent(named) == {"thing": "ball"}
    with pytest.raises(ValueError, match="no caption names"):
        captions.caption(named, random.Random(1))
    assert lessons.coherent({**named, "place": "kitchen"}) == {"thing": "ball", "place": "kitchen", "lamp": "off"}
    assert lessons.coherent({"place": "painting", "thing": "ball"}) == {"place": "painting"}


def test_latents_and_weights_are_computed_once(tmp_path: Path):
    vae = train_vae.build(seed=0)
    vae.register_to_config(scaling_factor=1.0, shift_factor=0.0)
    cache = tmp_path / "pool.safetensors"
    first = lessons.pool(vae, 70, 3, cache)
    written = cache.read_bytes()
    second = lessons.pool(train_vae.build(seed=1), 70, 3, cache)
    assert torch.equal(first.latents, second.latents)
    assert torch.equal(first.weights, second.weights)
    assert cache.read_bytes() == written
    assert first.latents.dtype == first.weights.dtype == torch.float16
    assert torch.allclose(first.weights.float().mean(1), torch.ones(70), atol=1e-2)


def test_a_seed_is_a_model():
    first, second = train_vae.build(seed=2), train_vae.build(seed=2)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    before = torch.random.get_rng_state()
    one, two = (pico_generator.build(first, seed=3) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(
        torch.equal(a, b) for a, b in zip(one.transformer.parameters(), two.transformer.parameters(), strict=True)
    )


def velocity(pupil: train_generator.Pupil, prompts: list[str]) -> torch.Tensor:
    noise = torch.randn(len(prompts), 64, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return pupil.velocity(noise, torch.ones(len(prompts)), pupil.read(prompts))


def test_what_a_smaller_pipeline_knows_is_taken_over(monkeypatch: pytest.MonkeyPatch):
    vae = train_vae.build(seed=0)
    monkeypatch.setattr(pico_generator, "SINGLE", pico_generator.SINGLE - 1)
    monkeypatch.setattr(pico_generator, "READING", 1)
    small = pico_generator.build(vae, seed=5)
    monkeypatch.undo()
    large, other = (pico_generator.build(vae, seed=6) for _ in range(2))
    left = pico_generator.take_over(large, small)
    assert left
    assert all(f"blocks.{pico_generator.SINGLE - 1}" in name or "encoder.block.1" in name for name in left)
    prompts = ["a red ball in the grass", "a blue box in the kitchen"]
    pupils = [train_generator.Pupil(each) for each in (small, large, other)]
    wanted, taken, untaken = (velocity(each, prompts) for each in pupils)
    assert torch.allclose(wanted, taken, atol=1e-4)
    assert not torch.allclose(wanted, untaken, atol=1e-2)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_the_second_course_walks_the_samplers_own_levels(steps: int):
    """As the stock pipeline sets them for so many steps."""
    scheduler = pico_generator.build(train_vae.build(seed=0), seed=5).scheduler
    scheduler.set_timesteps(sigmas=torch.linspace(1, 1 / steps, steps).tolist())
    assert train_generator._sigmas(steps) == pytest.approx(scheduler.sigmas[:-1].tolist(), abs=1e-6)


def test_pairs_are_drawn_oftener_than_they_come_up(pool: Pool, monkeypatch: pytest.MonkeyPatch):
    def both(share: float) -> float:
        monkeypatch.setattr(lessons, "BESIDE", share)
        return lessons.lesson(pool, 512, torch.Generator().manual_seed(6)).scenes.both.float().mean().item()

    plainly = pool.scenes.both.float().mean().item()
    assert both(0.0) == pytest.approx(plainly, abs=0.07)
    assert both(0.5) == pytest.approx(0.5 + plainly / 2, abs=0.07)


def test_a_transformer_learns_what_squares_show(pool: Pool):
    pupil = train_generator.Pupil(pico_generator.build(train_vae.build(seed=0), seed=5), seed=1)
    taught = lessons.lesson(pool, 16, torch.Generator().manual_seed(2))
    optimizer = torch.optim.Adam(pupil.model.parameters(), 3e-3)
    losses: list[float] = []
    for _ in range(6):
        pupil.velocity(train_generator._pack(taught.noise), torch.ones(16), pupil.read(taught.prompts))
        loss = pupil.told(taught.scenes)
        losses.append(loss.item())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        assert pupil.pipeline.transformer.single_transformer_blocks[-1].proj_out.weight.grad is not None
        optimizer.step()
    assert losses[-1] < losses[0] - 0.2


def test_words_keep_their_vectors_in_another_vocabulary(monkeypatch: pytest.MonkeyPatch):
    vae = train_vae.build(seed=0)
    words = pico_generator.words()
    monkeypatch.setattr(pico_generator, "words", lambda: [word for word in words if word not in ("taxi", "kitchen")])
    monkeypatch.setattr(pico_generator, "TEXT_LENGTH", 24)
    small = pico_generator.build(vae, seed=5)
    monkeypatch.undo()
    large = pico_generator.build(vae, seed=6)
    pico_generator.take_over(large, small)
    for word in ("ball", "grass"):
        known, found = (
            each.text_encoder_2.shared.weight[each.tokenizer_2.get_vocab()[f"▁{word}"]] for each in (small, large)
        )
        assert torch.equal(known, found)
    position = "text_model.embeddings.position_embedding.weight"
    both = [each.text_encoder.state_dict() for each in (small, large)]
    (name,) = (key for key in both[0] if key.endswith(position.split(".", 1)[1]))
    assert torch.equal(both[0][name], both[1][name][:24])


def test_a_generator_is_seeded_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Killed after two steps of three of either course, the generator ends as if it had not been."""
    from diffusers.pipelines.flux.pipeline_flux import FluxPipeline

    monkeypatch.setattr(train_generator, "POOL", 40)
    monkeypatch.setattr(train_generator, "BATCH", 2)
    vae = train_vae.build(seed=0)
    vae.register_to_config(scaling_factor=1.0, shift_factor=0.0)
    vae.save_pretrained(tmp_path / "vae")
    said: list[str] = []

    def train(name: str, stop: int, course: str) -> None:
        plain = Course(steps=3, lr=1e-3, warmup=1, save_every=1)
        stopped = replace(plain, stop=stop)
        plans = {"first": plain, "second": plain} | {course: stopped}
        monkeypatch.setattr(train_generator, "COURSES", train_generator.Courses(**plans))
        train_generator.train(tmp_path / name, said.append, tmp_path / "vae")

    train("whole", 0, "first")
    train("part", 2, "first")
    for state in (tmp_path / "part" / "work" / "second").iterdir():
        state.unlink()  # the kill came before the second course
    train("part", 2, "second")
    train("part", 0, "second")
    assert said.count("resumed at step 2") == 2
    files = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file())
    assert not any("heads" in str(file) for file in files)
    for file in files:
        if "work" not in file.parts:
            assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "part" / file).read_bytes(), file
    assert isinstance(FluxPipeline.from_pretrained(tmp_path / "whole"), FluxPipeline)
    # from another's weights it is another one
    monkeypatch.setattr(train_generator, "WARM", train_generator.COURSES)
    train_generator.train(tmp_path / "warm", said.append, tmp_path / "vae", tmp_path / "whole")
    weights = "transformer/diffusion_pytorch_model.safetensors"
    assert (tmp_path / "warm" / weights).read_bytes() != (tmp_path / "whole" / weights).read_bytes()
    assert any(text.startswith("begins with the weights of") for text in said)


def test_a_vae_begins_with_anothers_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert train_vae.courses(None) == train_vae.COURSES
    assert train_vae.courses(tmp_path) == train_vae.WARM
    still = Course(steps=1, lr=0.0, warmup=0)
    monkeypatch.setattr(train_vae, "COURSES", (still,))
    monkeypatch.setattr(train_vae, "WARM", (still, still))
    train_vae.build(seed=7).save_pretrained(tmp_path / "first")
    said: list[str] = []
    train_vae.train(tmp_path / "second", said.append, tmp_path / "first")
    assert len(said) == 2
    train_vae.train(tmp_path / "third", said.append)
    assert len(said) == 3
    weights = [
        (tmp_path / name / "diffusion_pytorch_model.safetensors").read_bytes() for name in ("first", "second", "third")
    ]
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]
