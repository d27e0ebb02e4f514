"""Starting: an adapter begins as another one, whoever wrote it, and whatever would be lost is refused."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import conftest
import factors
import pico
import pytest
import torch
from commandline import recipe
from control_recipes.engine import (
    adapter,
    composing,
    factor_names,
    fusing,
    generators,
    headers,
    lock,
    models,
    plan,
    ranks,
    starting,
    training,
    verify,
)
from control_recipes.engine import step as steps
from control_recipes.engine.errors import InputError, WorkError
from control_recipes.engine.generators import flux_names
from control_recipes.engine.recipe import read
from control_recipes.engine.resolve import resolve
from safetensors.torch import save_file

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return pico.flux_folder(folder / "flux"), pico.critic_folder(folder / "critic")


@pytest.fixture(scope="module")
def generator(folders: tuple[Path, Path]) -> generators.Generator:
    return generators.load(pico.generator(folders[0]))


def planned(folders: tuple[Path, Path], *files: plan.Asset, rank: int = 5, targets: str = "attention") -> plan.Plan:
    flux, critic = folders
    return pico.plan_of(pico.generator(flux), critic, adapter=plan.Adapter(rank, 3.0 * rank, targets, files))


def begun(generator: generators.Generator, chosen: plan.Plan, heard: list[str]) -> dict[str, torch.Tensor]:
    """What an adapter that begins so is saved as."""
    lora = starting.begin(generator, chosen, heard.append)
    saved = adapter.tensors(lora)
    adapter.eject(lora)
    return saved


def test_a_lower_rank_is_embedded_and_what_the_file_lacks_starts_at_zero(generator, folders, tmp_path):
    given = factors.drawn(generator, ["to_q", "to_k"], rank=2)
    file = factors.written(tmp_path / "a.safetensors", given)
    heard: list[str] = []
    saved = begun(generator, planned(folders, file), heard)
    fresh = begun(generator, planned(folders), heard)
    made, untouched = composing.factors(saved), composing.factors(fresh)
    assert made.keys() == untouched.keys() > given.keys()
    for name, (down, up) in made.items():
        wanted = given[name][1] @ given[name][0] if name in given else torch.zeros(len(up), down.shape[1])
        torch.testing.assert_close(up @ down, wanted, rtol=1e-6, atol=1e-7)
        rank = 2 if name in given else 0
        assert torch.equal(down[rank:], untouched[name][0][rank:])  # all directions learn
        assert down[rank:].abs().min() > 0
    (said,) = heard
    assert "a.safetensors: has not all that is trained: " in said
    assert f"of {len(made)} start at zero" in said
    whole = factors.written(tmp_path / "b.safetensors", factors.drawn(generator, ATTENTION, rank=5))
    chosen = planned(folders, whole)
    begun(generator, chosen, heard)
    assert len(heard) == 1
    begun(generator, replace(chosen, generator=replace(chosen.generator, companions=(whole,))), heard)
    assert heard[1].endswith("b.safetensors: is a companion of the generator as well: what it does, it does twice")


def test_names_of_other_tools_and_their_scales(generator, folders, tmp_path):
    given = factors.drawn(generator, ["transformer_blocks.0.attn.to_q"], rank=3)
    head = "transformer.transformer_blocks.0.attn."
    (down, up) = given[f"{head}to_q"]
    fused = "lora_unet_double_blocks_0_img_attn_qkv"
    rows = torch.cat([up, 2 * up, 3 * up])
    kohya = {f"{fused}.lora_down.weight": down, f"{fused}.lora_up.weight": rows, f"{fused}.alpha": torch.tensor(6.0)}
    save_file(kohya, tmp_path / "kohya.safetensors")
    saved = composing.factors(begun(generator, planned(folders, factors.asset(tmp_path / "kohya.safetensors")), []))
    for times, name in enumerate(("to_q", "to_k", "to_v"), 1):
        torch.testing.assert_close(saved[f"{head}{name}"][1] @ saved[f"{head}{name}"][0], 2.0 * times * up @ down)
    name = "base_model.model.transformer_blocks.0.attn.to_q"
    save_file({f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}, tmp_path / "peft.safetensors")
    settings = tmp_path / "adapter_config.json"
    settings.write_text(json.dumps({"r": 3, "lora_alpha": 12}), encoding="utf-8")
    both = factors.asset(tmp_path / "peft.safetensors"), factors.asset(settings)
    saved = composing.factors(begun(generator, planned(folders, *both), []))
    torch.testing.assert_close(saved[f"{head}to_q"][1] @ saved[f"{head}to_q"][0], 4.0 * up @ down)
    settings.write_text(json.dumps({"r": 3, "lora_alpha": 3}), encoding="utf-8")
    with pytest.raises(WorkError, match=r"adapter_config\.json: has changed since this run was planned"):
        begun(generator, planned(folders, *both), [])


def test_fused_layers_and_what_fills_them_up_take_no_rank(generator, folders, tmp_path):
    given = factors.drawn(generator, ["to_q", "to_v"], rank=3)  # of the single blocks' four parts, two are not there
    short = "transformer.transformer_blocks.0.attn.to_v"
    given[short] = given[short][0][:2], given[short][1][:, :2]
    for name, kind in {"kohya": torch.float32, "comfyui": torch.bfloat16}.items():
        path = tmp_path / f"{name}.safetensors"
        tensors = fusing.laid_out(given, flux_names, flux_names.EXPORTS[name])
        save_file({key: -value.to(kind) for key, value in tensors.items() if not key.endswith(".alpha")}, path)
        assert factor_names.rank(headers.read(path)) == 12
        assert ranks.rank(path, "flux") == 3  # though a zero has a sign by now
        saved = composing.factors(begun(generator, planned(folders, factors.asset(path), rank=3), []))
        for module, (down, up) in given.items():
            wanted = up.to(kind).float() @ down.to(kind).float()
            torch.testing.assert_close(saved[module][1] @ saved[module][0], wanted, rtol=1e-5, atol=1e-6)
        assert saved[short][0].abs().min() > 0  # its third direction is a fresh one, which learns
    # its twin: one matrix for all parts has its whole rank in each
    up = torch.ones(len(given[short][1]) * 3, 12)
    dense = {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": torch.ones(12, given[short][0].shape[1])}
    save_file(dense | {"lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight": up}, tmp_path / "dense.safetensors")
    assert ranks.rank(tmp_path / "dense.safetensors", "flux") == 12
    with pytest.raises(InputError, match="is of rank 12, of which `rank: 3` would lose some"):
        begun(generator, planned(folders, factors.asset(tmp_path / "dense.safetensors"), rank=3), [])


def test_what_would_be_lost_is_refused_with_the_words_to_write(folders, tmp_path):
    generator = generators.load(pico.generator(folders[0]))
    cases = [
        (["to_q", "ff.net.2"], 2, "`targets: attention` would lose 1 matrix (", "write `adapter: {targets: all}`; or"),
        (["to_q", "x_embedder"], 2, "`targets: attention` would lose 1 matrix (transformer.x_embedder)", "takes them;"),
        (["to_q"], 6, "is of rank 6, of which `rank: 5` would lose some", "write `adapter: {rank: 6}`, or more"),
    ]
    for at, (ends, rank, said, hint) in enumerate(cases):
        file = factors.written(tmp_path / f"{at}.safetensors", factors.drawn(generator, ends, rank))
        with pytest.raises(InputError) as caught:
            starting.begin(generator, planned(folders, file))
        (problem,) = caught.value.problems
        assert said in problem.message
        assert hint in problem.hint
        assert problem.key == "adapter.start"
        assert problem.place.file.endswith(f"{at}.safetensors")
        generator = generators.load(pico.generator(folders[0]))
    in_first = ["transformer_blocks.0.attn.to_q", "transformer_blocks.0.ff.net.2"]
    for ends, targets, left, hint in (
        (["attn.to_q"], "attention", "of `blocks: [transformer_blocks.0]`", "leave `adapter.blocks` out; or"),
        (
            in_first,
            "attention",
            "would lose 1 matrix (transformer.transformer_blocks.0.ff",
            "`adapter: {targets: all}`;",
        ),
        (["ff.net.2", "to_k"], "attention", "would lose", "write `adapter: {targets: all}` and no `blocks`; or"),
    ):
        file = factors.written(tmp_path / "blocks.safetensors", factors.drawn(generator, ends, 2))
        wanted = planned(folders, file, targets=targets)
        wanted = replace(wanted, adapter=replace(wanted.adapter, blocks=("transformer_blocks.0",)))
        with pytest.raises(InputError) as caught:
            starting.begin(generator, wanted)
        assert left in caught.value.problems[0].message
        assert hint in caught.value.problems[0].hint
        generator = generators.load(pico.generator(folders[0]))
    file = factors.written(tmp_path / "z.safetensors", {"transformer.nowhere": (torch.ones(1, 2), torch.ones(2, 1))})
    with pytest.raises(InputError, match=r"adapter\.start: transformer\.nowhere fits no linear layer"):
        starting.begin(generator, planned(folders, file))


class PowerCutError(Exception):
    """What no code catches."""


def test_the_same_bits_again_and_after_a_power_cut(generator, folders, tmp_path):
    file = factors.written(tmp_path / "a.safetensors", factors.drawn(generator, ["to_q", "to_v"], rank=2))
    chosen = planned(folders, file)
    whole = training.train(chosen, tmp_path / "whole")
    assert whole.tensors_sha256 != training.train(planned(folders), tmp_path / "fresh").tensors_sha256

    def stop(told: training.Step) -> None:
        if told.step == 3:
            raise PowerCutError

    torch.manual_seed(7)
    with pytest.raises(PowerCutError):
        training.train(chosen, tmp_path / "parts", stop)
    parts = training.train(chosen, tmp_path / "parts")
    assert parts.adapter.read_bytes() == whole.adapter.read_bytes()


def test_scale_0_and_stay_mean_the_generator_without_it(generator, folders, tmp_path):
    file = factors.written(tmp_path / "a.safetensors", factors.drawn(generator, ATTENTION, size=0.5))
    chosen = planned(folders, file)
    desk = steps.prepare(chosen)
    z, sigma = desk.generator.noise([1]), desk.generator.sigmas(1)[0]
    given = desk.given(chosen.train_rows[:1])
    with torch.no_grad():
        started = desk.generator.denoised(z, sigma, given)
        desk.learned.scale(0)
        bare = desk.generator.denoised(z, sigma, given)
        desk.learned.scale(1)
        # what never had an adapter says the same, bit for bit
        assert torch.equal(bare, generator.denoised(z, sigma, given))
    assert (started - bare).abs().max() > 0.01
    first = steps.take(desk, training._state(desk), 1)
    assert first.stay > 0
    desk = steps.prepare(planned(folders))
    assert steps.take(desk, training._state(desk), 1).stay == 0


# --- a recipe ---


def test_a_recipe_goes_on_where_another_ended(here: Path, capsys: pytest.CaptureFixture[str]):
    text = Path("tiny.yaml").read_text("utf-8").replace("name: tiny", "name: next")
    text = text.replace("{rank: 2, alpha: 4}", "{rank: 3, start: runs/tiny/tiny.safetensors}")
    path = Path("next.yaml")
    path.write_text(text.replace("save_every: 1", "save_every: 1, seed: 5"), encoding="utf-8")
    assert recipe("plan", "next.yaml") == 0
    assert "\n  begins     with runs/tiny/tiny.safetensors\n" in capsys.readouterr().out
    assert recipe("run", "next.yaml", "--quiet") == 0
    found = verify.verify(path, retrain=True)
    assert found.verified, found.text()
    held = lock.read(Path("next.lock"))
    start = Path("runs/tiny/tiny.safetensors")
    assert dict(held.inputs.files)["runs/tiny/tiny.safetensors"] == models.sha256(start)
    before, after = (composing.factors(adapter.load(one)[0]) for one in (start, Path("runs/next/next.safetensors")))
    assert before.keys() == after.keys()
    moved = max(float((after[n][1] @ after[n][0] - before[n][1] @ before[n][0]).abs().max()) for n in before)
    size = max(float((up @ down).abs().max()) for down, up in before.values())
    assert 0 < moved < 10 * size  # two steps on, and no restart

    # what it began with is as locked as everything else that was read
    data = bytearray(start.read_bytes())
    data[-1] ^= 1
    start.write_bytes(data)
    assert recipe("verify", "next.yaml") == 1
    assert "runs/tiny/tiny.safetensors: changed" in capsys.readouterr().out
    assert recipe("run", "next.yaml", "--out", "other", "--quiet") == 2
    assert "its tensors are not what its header says" in capsys.readouterr().err


def test_mistakes_stand_at_their_place_before_anything_is_loaded(tiny: Path):
    def told(adapter: str) -> list[str]:
        tiny.write_text(conftest.RECIPE.replace("{rank: 2, alpha: 4}", adapter), encoding="utf-8")
        with pytest.raises(InputError) as caught:
            resolve(read(tiny))
        return [str(one) for one in caught.value.problems]

    def told_nothing(adapter: str) -> bool:
        tiny.write_text(conftest.RECIPE.replace("{rank: 2, alpha: 4}", adapter), encoding="utf-8")
        return bool(resolve(read(tiny)).adapter.start)

    file = factors.written(Path("a.safetensors"), {"transformer.x": (torch.ones(4, 2), torch.ones(2, 4))})
    line = conftest.RECIPE[: conftest.RECIPE.index("adapter:")].count("\n") + 1
    (said,) = told("{rank: 2, start: a.safetensors}")
    assert said.startswith(f"tiny.yaml:{line}:27: adapter.start: a.safetensors is of rank 4, of which `rank: 2` would")
    assert said.endswith("hint: write `rank: 4`, or more")
    name = "transformer.transformer_blocks.0.attn.to_q"
    fused = fusing.laid_out({name: (torch.ones(2, 4), torch.ones(4, 2))}, flux_names, flux_names.EXPORTS["kohya"])
    save_file(fused, "fused.safetensors")  # of rank 6, two of each part
    assert told_nothing("{rank: 2, start: fused.safetensors}")
    (said,) = told("{rank: 1, start: fused.safetensors}")
    assert "fused.safetensors is of rank 2, of which `rank: 1` would lose some" in said
    save_file({"base_model.model.x.lora_A.weight": torch.ones(1, 2)}, "peft.safetensors")
    (said,) = told("{rank: 2, start: peft.safetensors}")
    assert "adapter.start: there is no file adapter_config.json" in said
    Path("adapter_config.json").write_text("{}", encoding="utf-8")
    tiny.write_text(
        conftest.RECIPE.replace("{rank: 2, alpha: 4}", "{rank: 2, start: peft.safetensors}"), encoding="utf-8"
    )
    assert [one.name for one in resolve(read(tiny)).adapter.start] == ["peft.safetensors", "adapter_config.json"]
    # one of ours says for which generator it is
    other = pico.plan_of(pico.generator(Path("elsewhere")), Path("critic"))
    other = replace(other, generator=replace(other.generator, model=replace(other.generator.model, address="./other")))
    inputs = lock.text_of(lock.inputs(other))
    adapter.save(Path("ours.safetensors"), {"x.lora_A.weight": torch.ones(1, 2)}, {"control_recipes.inputs": inputs})
    (said,) = told("{rank: 2, start: ours.safetensors}")
    assert "ours.safetensors was trained for another generator: ./other, not ./flux" in said
    assert file.name == "a.safetensors"


def test_numbers_of_less_than_a_byte_have_no_rank(tmp_path):
    name = "transformer.transformer_blocks.0.attn.to_q.lora"
    own = {"dtype": "F4", "shape": [2, 4], "data_offsets": [0, 4]}
    entries = {f"{name}_A.weight": own, f"{name}_B.weight": own | {"shape": [4, 2], "data_offsets": [4, 8]}}
    header = json.dumps(entries).encode()
    path = tmp_path / "fine.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\xff" * 8)
    assert headers.read(path).shapes[f"{name}_A.weight"] == (2, 4)
    assert ranks.rank(path, "flux") == 0
