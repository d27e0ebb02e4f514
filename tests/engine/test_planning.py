"""What `recipe plan` says: memory that grows as it should, advice that helps, and data that stay as documented."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from control_recipes.cli import main
from control_recipes.engine import advice, capacity, cards, costing, estimate, gallery, planning, resolve
from control_recipes.engine.plan import Model, Plan, canonical, digest
from control_recipes.engine.recipe import read
from safetensors.numpy import save_file

ROOT = Path(__file__).parents[2]
CPU = capacity.Device("cpu", "x86_64", 16 * 2**30, 8 * 2**30, 2)
# of the process above its libraries, measured once in trainings of horizon_low and an evaluation: bytes by batch
TRAINED = {8: 275 * 2**20, 32: 919 * 2**20}
EVALUATED = 498 * 2**20
BACKBONE, DECODER = "generator.checkpointing={backbone: true}", "generator.checkpointing={decoder: true}"
CRITIC, SLICES = "critics.eyes.checkpointing=true", "generator.slicing=true"
REPLAY = "train.backprop={replay: {buffer: 32, refresh: 2}}"
# the same, MiB, with what saves memory, in trainings of a few steps
SAVED = [
    (8, [], 270),
    (8, [BACKBONE], 243),
    (8, [DECODER], 256),
    (8, [CRITIC], 246),
    (8, ["generator.checkpointing=true", CRITIC], 196),
    (8, [DECODER, CRITIC, SLICES], 187),
    (8, [SLICES], 252),
    (8, [REPLAY], 275),
    (32, [], 893),
    (32, [BACKBONE], 791),
    (32, [DECODER], 686),
    (32, [CRITIC], 765),
    (32, ["generator.checkpointing=true", CRITIC], 518),
]


def horizon(*sets: str) -> Plan:
    return resolve.resolve(read(gallery.find("horizon_low.yaml").path, sets))


def stages(plan: Plan) -> dict[str, estimate.Stage]:
    return {stage.name: stage for stage in estimate.estimate(plan, CPU).stages}


@pytest.mark.parametrize(("batch", "sets", "measured"), SAVED)
def test_memory_with_what_saves_it_is_what_was_measured(batch: int, sets: list[str], measured: int):
    found = stages(horizon(f"train.batch={batch}", *sets))
    most = max(found[name].total for name in ("encode", "train", "look"))
    assert most / 2**20 == pytest.approx(measured, rel=0.25)


@pytest.mark.parametrize("saving", [BACKBONE, DECODER, CRITIC])
def test_recomputing_takes_time_and_gives_memory(saving: str):
    plain, saved = (estimate.estimate(horizon("train.batch=32", *sets), CPU) for sets in ([], [saving]))
    assert saved.stages[1].total < 0.9 * plain.stages[1].total
    assert 1.01 < saved.step_seconds[0] / plain.step_seconds[0] < 1.34


def test_slices_and_tiles_hold_less_at_once_and_the_tiles_that_overlap_keep_more():
    def decoders(*sets: str) -> tuple[int, int]:
        made = horizon(*sets)
        large = dataclasses.replace(made, generator=dataclasses.replace(made.generator, width=192, height=192))
        found = stages(large)
        return found["train"].decoder, found["evaluate"].decoder

    plain, sliced, tiled = decoders(), decoders(SLICES), decoders("generator.tiling=true")
    assert sliced == (plain[0], pytest.approx(plain[1] / 7, abs=1))  # 7 pictures of that size at once
    assert tiled[0] > 1.3 * plain[0]
    assert tiled[1] == pytest.approx(plain[1] / 9, rel=0.01)
    once = decoders(DECODER)
    assert decoders(DECODER, SLICES)[0] < 0.5 * once[0] < 0.5 * plain[0]
    assert decoders(DECODER, "generator.tiling=true")[0] < once[0]


def test_the_buffer_of_a_replay_is_held():
    small, large = (stages(horizon(f"train.backprop={{replay: {{buffer: {n}}}}}"))["train"].total for n in (32, 1032))
    assert large - small == 1000 * 2 * 4 * 4 * 16 * 16


@pytest.mark.parametrize("batch", TRAINED)
def test_memory_of_training_is_what_was_measured(batch: int):
    assert stages(horizon(f"train.batch={batch}"))["train"].total == pytest.approx(TRAINED[batch], rel=0.25)


def test_memory_of_the_evaluation_is_what_was_measured():
    assert stages(horizon())["evaluate"].total == pytest.approx(EVALUATED, rel=0.25)


def test_kept_values_are_what_autograd_was_counted_to_keep():
    found = stages(horizon())["train"]  # MiB, counted by saved-tensor hooks in a step of eight pictures
    kept = {"backbone": 32.4, "decoder": 69.0, "critics": 45.6}
    assert {name: getattr(found, name) / 2**20 for name in kept} == pytest.approx(kept, rel=0.15)


def test_half_precision_halves_what_is_kept():
    whole, half = stages(horizon())["train"], stages(horizon("generator.dtype=bfloat16"))["train"]
    assert half.backbone == pytest.approx(whole.backbone / 2, rel=0.01)
    assert half.adapter == whole.adapter  # float32 whatever the model's dtype


def test_what_does_not_fit_gets_advice_that_helps():
    plan = horizon("train.batch=512")
    needs = estimate.estimate(plan, CPU)
    tight = dataclasses.replace(CPU, memory_bytes=needs.memory_bytes // 4)
    found = {one.key: one for one in advice.advice(plan, tight, needs)}
    assert found["train.batch"].value == "1"
    assert "train.accumulate: 512" in found["train.batch"].change
    assert found["train.batch"].change.endswith("fits")
    assert all(one.fits and not one.together and one.memory_bytes <= tight.memory_bytes for one in found.values())
    assert not list(advice.advice(plan, dataclasses.replace(CPU, memory_bytes=2 * needs.memory_bytes), needs))


def test_what_changes_no_number_is_advised_first():
    plan = horizon("train.batch=64")
    needs = estimate.estimate(plan, CPU)
    tight = dataclasses.replace(CPU, memory_bytes=round(0.8 * needs.memory_bytes))
    found = list(advice.advice(plan, tight, needs))
    assert (found[0].key, found[0].value) == ("generator.checkpointing", "true")
    assert "the same result" in found[0].change
    keys = [one.key for one in found]
    assert keys.index("train.batch") > max(at for at, key in enumerate(keys) if key.endswith("checkpointing"))


def test_what_is_too_much_for_one_setting_is_done_by_several():
    plan = horizon("train.batch=64")
    needs = estimate.estimate(plan, CPU)
    alone = min(estimate.estimate(one.made(plan), CPU).memory_bytes for one in advice.changes(plan))
    tight = dataclasses.replace(CPU, memory_bytes=alone - 2**20)
    found = list(advice.advice(plan, tight, needs))
    assert [one.together for one in found] == [False] + [True] * (len(found) - 1)
    assert [one.fits for one in found] == [False] * (len(found) - 1) + [True]
    assert found[-1].key != "generator.device"
    text = planning.text(plan, dataclasses.replace(planning.outlook(plan), device=tight, advice=tuple(found)))
    assert "does not fit; what would help, one after the other:\n    generator.checkpointing: true (slower" in text


def test_every_setting_that_is_advised_is_one_that_a_run_takes_and_the_language_has():
    plan = horizon("train.batch=2")
    wide = dataclasses.replace(plan, generator=dataclasses.replace(plan.generator, width=1024, height=1024))
    found = list(advice.changes(wide))
    assert len(found) > 9
    for one in found:
        if one.key != "generator.size":  # the world's measures read pictures of 64 × 64 alone
            said = horizon("train.batch=2", f"{one.key}={one.value}")
            made = one.made(plan)
            same = dataclasses.replace(made.train, accumulate=1) if one.key == "train.batch" else made.train
            assert said == dataclasses.replace(made, train=same)


def test_what_nothing_makes_fit_needs_another_device():
    plan = horizon()
    needs = estimate.estimate(plan, CPU)
    found = list(advice.advice(plan, dataclasses.replace(CPU, memory_bytes=2**20), needs))
    assert found[-1].key == "generator.device"
    assert not any(one.fits for one in found[:-1])


def test_time_is_a_range_that_grows_with_steps():
    short, long = (estimate.estimate(horizon(f"train.steps={steps}"), CPU) for steps in (100, 1000))
    assert short.step_seconds == pytest.approx(long.step_seconds)
    assert short.seconds[0] < short.seconds[1]
    assert long.seconds[1] - short.seconds[1] >= 900 * short.step_seconds[1]


def told(argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", ["recipe", "plan", *argv])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    return capsys.readouterr().out


def test_json_has_the_documented_fields(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    out = told(["horizon_low.yaml", "--json"], monkeypatch, capsys)
    assert out.count("\n") == 1
    data, plan = json.loads(out), horizon()
    documented = re.findall(r"^\| `([a-z_]+)`", (ROOT / "docs" / "plan.md").read_text("utf-8"), re.MULTILINE)
    assert set(data) == {*documented, "estimate", "measured"}
    assert (data["version"], data["digest"], data["fits"], data["measured"]) == (1, digest(plan), True, None)
    assert data["plan"] == json.loads(canonical(plan))
    assert data["rows"] == {"train": 58, "validate": 6, "test": 64}
    assert data["work"]["training"]["critics"]["eyes"]["passes"] == plan.train.steps
    assert [stage["name"] for stage in data["estimate"]["stages"]] == ["encode", "train", "look", "evaluate"]
    assert data["estimate"]["memory_bytes"] == max(stage["total"] for stage in data["estimate"]["stages"])
    assert set(data["device"]) == {"kind", "name", "memory_bytes", "free_bytes", "cores"}


def test_text_shows_three_prompts_and_says_that_time_is_assumed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    out = told(["horizon_low.yaml"], monkeypatch, capsys)
    assert out.count("“") == planning.SHOWN
    assert "assumed rates; --measure finds out" in out
    assert "above the framework's own" in out


def test_a_model_that_does_not_say_enough_is_no_error(tmp_path: Path):
    import hollow

    seen = planning.outlook(resolve.resolve(read(hollow.workplace(tmp_path))))
    assert seen.needs is None
    assert "config.json" in seen.unknown
    assert "not known" in planning.text(resolve.resolve(read(tmp_path / "r.yaml")), seen)


def test_weights_that_a_folder_holds_once_more_are_not_counted(tmp_path: Path):
    """As FLUX.1-schnell, Stable Diffusion 1.4 and Mistral Small are published."""
    counted = ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model-00001-of-00002", "text_encoder/model")
    again = ("unet/diffusion_pytorch_model.fp16", "flux1-schnell", "consolidated", "safety_checker/model")
    for at, name in enumerate((*counted, *again)):
        path = tmp_path / f"{name}.safetensors"
        path.parent.mkdir(exist_ok=True)
        save_file({"weight": np.zeros(10**at, np.float16)}, path)
    model = Model("org/name@main", "sd", "0" * 40, (), str(tmp_path))
    assert costing.values(model) == 111
    for name in counted:
        (tmp_path / f"{name}.safetensors").unlink()
    assert costing.values(model) == 0


@pytest.fixture(scope="module")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Flux.1 schnell and Qwen2.5-VL 7B by their configurations, in half precision: no weight is there."""
    import pico

    folder = tmp_path_factory.mktemp("models")
    flux, critic = pico.flux_folder(folder / "flux"), pico.critic_folder(folder / "critic")
    for path in folder.rglob("*.safetensors"):
        path.unlink()
    known = json.loads((ROOT / "tests" / "facts" / "models.json").read_text("utf-8"))
    for part, config in known["generators"]["Flux.1 schnell"]["parts"].items():
        (flux / part / "config.json").write_text(json.dumps(config), "utf-8")
    written = json.loads((critic / "config.json").read_text("utf-8"))
    config = known["critics"]["Qwen2.5-VL 7B"]["config"]
    for part in ("text_config", "vision_config"):
        written[part] |= config[part]
    (critic / "config.json").write_text(json.dumps({**written, "tie_word_embeddings": False}), "utf-8")
    chosen = pico.generator(flux, width=512, height=512, dtype="bfloat16")
    return pico.plan_of(dataclasses.replace(chosen, text_length=256), critic)


def with_settings(plan: Plan, settings: Sequence[cards.Setting]) -> Plan:
    """A plan with lines of the recipe changed, each found among those that are advised."""
    for setting in settings:
        (change,) = (one for one in advice.changes(plan) if (one.key, one.value) == (setting.key, setting.value))
        plan = change.made(plan)
    return plan


def test_each_card_is_told_the_least_change_that_fits_it(full_size: Plan):
    found = cards.cards(full_size, costing.Costs(full_size))
    assert [one.gigabytes for one in found] == list(cards.GIGABYTES)
    assert [one.fits for one in found] == sorted(one.fits for one in found)  # a larger card is none the worse for it
    assert {one.fits for one in found} == {True, False}
    assert any(one.fits and one.settings for one in found)
    for card in found:
        device = capacity.Device("cuda", "", card.memory_bytes, None, 1)

        def needed(settings: Sequence[cards.Setting], device: capacity.Device = device) -> int:
            return estimate.estimate(with_settings(full_size, settings), device).memory_bytes

        assert card.needed_bytes == needed(card.settings)
        assert card.fits == (card.needed_bytes <= card.memory_bytes)
        for one in card.settings:  # each is needed: to fit, or to come as near as can be
            fewer = [other for other in card.settings if other is not one]
            assert needed(fewer) > (card.memory_bytes if card.fits else card.needed_bytes)


def test_turns_leave_the_largest_part_alone_on_a_card_and_save_nothing_of_a_processors_weights(full_size: Plan):
    card = capacity.Device("cuda", "", 48 * 2**30, None, 1)
    turns = dataclasses.replace(full_size, generator=dataclasses.replace(full_size.generator, offload=True))
    costs = costing.Costs(full_size)
    backbone, member = 2 * costs.kept, 2 * costs.weights["eyes"].linear + 2 * costs.weights["eyes"].rest
    weights = {one.name: one.weights for one in estimate.estimate(turns, card).stages}
    assert weights["train"] == backbone
    assert weights["encode"] == 2 * (costs.pipeline - costs.kept)
    here, there = (estimate.estimate(plan, card) for plan in (full_size, turns))
    assert here.stages[1].weights == pytest.approx(backbone + member)
    assert here.memory_bytes > there.memory_bytes + member
    assert there.step_seconds[0] > here.step_seconds[0] + (2 * backbone + member) / estimate.MOVED[1]
    assert estimate.estimate(turns, CPU).stages[1].weights == here.stages[1].weights


@pytest.mark.parametrize(("bits", "share"), [("8bit", 0.505), ("4bit", 0.28125)])
def test_fewer_bits_of_a_critics_layers_are_counted(full_size: Plan, bits: str, share: float):
    stored = dataclasses.replace(full_size.critics[0], quantize=bits)
    before = costing.weights(full_size.critics[0])
    saved = before.bytes(full_size.critics[0]) - costing.weights(stored).bytes(stored)
    assert saved == pytest.approx((1 - share) * 2 * before.linear, rel=1e-6)
    card = capacity.Device("cuda", "", 48 * 2**30, None, 1)
    fewer = dataclasses.replace(full_size, critics=(stored,))
    whole, less = (estimate.estimate(plan, card).stages[1] for plan in (full_size, fewer))
    assert less.critics - whole.critics == 6 * 3584 * 18944  # its largest matrix
    assert whole.weights - less.weights == pytest.approx(saved, rel=1e-6)
    # embeddings and head of a model of 7 billion stay as they are
    assert before.rest / (before.rest + before.linear) == pytest.approx(0.13, abs=0.02)


def test_what_saves_memory_is_named():
    plan = horizon()
    assert "float32\n" in planning.text(plan, planning.outlook(plan))
    saving = dataclasses.replace(plan.generator, offload=True, checkpoint_decoder=True)
    critics = [dataclasses.replace(one, quantize="8bit", checkpointing=True) for one in plan.critics]
    plan = dataclasses.replace(plan, generator=saving, critics=tuple(critics))
    text = planning.text(plan, planning.outlook(plan))
    assert "float32, offload, checkpoint_decoder\n" in text
    assert "eyes, builtin:critic, quantize 8bit, checkpointing: training " in text


def test_the_table_of_cards_is_told_and_neighbours_share_a_line(full_size: Plan):
    text = planning.text(full_size, planning.outlook(full_size)).partition("  cards ")[2]
    assert text.startswith("     everything on one of them; the least change that fits:\n    card")
    assert [int(size) for size in re.findall(r"(\d+)(?=, | GB)", text)] == list(cards.GIGABYTES)
    assert "none; most is saved by" in text
    seen = dataclasses.replace(planning.outlook(horizon()), device=CPU)
    small = planning.text(horizon(), seen).splitlines()
    assert re.fullmatch(r"    12, 16, 24, 48, 80 GB  as it stands  \d+ MiB", small[-2])
    assert small[-1] == "    a card's own libraries are counted with 600 MiB; above, for this device, with 64 MiB"


def test_on_a_card_the_memory_is_that_of_the_table(monkeypatch: pytest.MonkeyPatch):
    card = capacity.Device("cuda", "a card", 80 * 2**30, 80 * 2**30, 1)
    monkeypatch.setattr(capacity, "device", lambda _: card)
    seen = planning.outlook(horizon())
    assert seen.needs is not None
    assert {one.needed_bytes for one in seen.cards} == {seen.needs.memory_bytes}
    assert "libraries are counted" not in planning.text(horizon(), seen)
