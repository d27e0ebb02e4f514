"""`recipe export`: what stock tools apply of the files is what was trained, and what cannot be written is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import control_recipes
import diffusers
import families
import peft
import pico
import pytest
import torch
from commandline import recipe
from control_recipes.engine import adapter, export, extract, generators, headers, lock, plan
from control_recipes.engine.errors import InputError
from control_recipes.engine.generators import flux_names, layouts
from torch import Tensor

TINY = Path("runs/tiny/tiny.safetensors")


def carrying(case: families.Case, folder: Path, path: Path, targets: str = "all") -> dict[str, Tensor]:
    """An adapter that does something, saved with all that `recipe run` writes of it; its products, by module."""
    whole = pico.plan_of(case.chosen(folder), Path("critic"), adapter=plan.Adapter(2, 8.0, targets))
    generator = generators.load(whole.generator)
    lora = adapter.inject(generator, whole.adapter, seed=1)
    stream = torch.Generator().manual_seed(2)
    for name, weight in lora.weights().items():
        if name.endswith("lora_B"):
            weight.data.normal_(generator=stream)
    tensors = adapter.tensors(lora)
    adapter.save(path, tensors, adapter.metadata(generator, whole, lock.text_of(lock.inputs(whole)), "", tensors))
    head = f"{generator.lora_prefix}."
    names = [key.removesuffix(".lora_A.weight") for key in tensors if key.endswith("lora_A.weight")]
    return {one.removeprefix(head): tensors[f"{one}.lora_B.weight"] @ tensors[f"{one}.lora_A.weight"] for one in names}


def applied(backbone: Any) -> dict[str, Tensor]:
    """What every layer of peft's adds to its weight."""
    return {
        name: layer.get_delta_weight("default") for name, layer in backbone.named_modules() if hasattr(layer, "lora_A")
    }


def the_same(theirs: dict[str, Tensor], ours: dict[str, Tensor]) -> None:
    """The products of both, where zeros alone may be there besides."""
    assert ours.keys() <= theirs.keys()
    for module, product in theirs.items():
        wanted = ours.get(module)
        torch.testing.assert_close(product, torch.zeros_like(product) if wanted is None else wanted)


CASES = {case.name: case for case in families.CASES if case.name in ("flux-schnell", "sd-2", "sdxl", "sd3.5")}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_stock_tools_apply_what_was_trained(tmp_path, case):
    # stock diffusers counts three entries to a block of XL by its configuration, as the large one has
    folder = case.build(tmp_path / "model", wide=case.name == "sdxl")
    ours = carrying(case, folder, tmp_path / "a.safetensors")
    made = {tool: export.export(tmp_path / "a.safetensors", tool) for tool in generators.exports_of(case.family)}
    for tool, layout in generators.exports_of(case.family).items():
        assert made[tool].adapter == tmp_path / f"a.{tool}{'' if tool == 'peft' else '.safetensors'}"
        assert made[tool].rounding == 0
        small = case.family == "flux" and layout.original  # which test_fusing looks at
        assert made[tool].readers == (("ComfyUI",) if small else layout.readers)
        why = "not in sd-scripts and diffusers, which know this family at its published width, 3072, alone"
        assert made[tool].unread == (why if small else "")
    pipeline: Any = diffusers.DiffusionPipeline.from_pretrained(folder, **dict.fromkeys(case.without))
    backbone = getattr(pipeline, generators.names_of(case.family).PREFIX)
    for tool in made.keys() & {"diffusers", "kohya"} if case.family != "flux" else {"diffusers"}:
        pipeline.load_lora_weights(str(made[tool].adapter), adapter_name="default")
        if "diffusers" in made[tool].readers:
            the_same(applied(backbone), ours)
        else:
            assert applied(backbone) == {}
        pipeline.unload_lora_weights()
    model = peft.PeftModel.from_pretrained(backbone, str(made["peft"].adapter))
    theirs = {name.removeprefix("base_model.model."): product for name, product in applied(model).items()}
    assert theirs.keys() == ours.keys()
    the_same(theirs, ours)


def test_the_guard_sees_a_scale_that_is_lost(tmp_path):
    case = CASES["sd-2"]
    folder = case.build(tmp_path / "model")
    ours = carrying(case, folder, tmp_path / "a.safetensors", "attention")
    path = export.export(tmp_path / "a.safetensors", "kohya").adapter
    tensors, metadata = adapter.load(path)
    halved = {key: value / 2 if key.endswith(".alpha") else value for key, value in tensors.items()}
    adapter.save(path, halved, metadata)
    pipeline: Any = diffusers.DiffusionPipeline.from_pretrained(folder)
    pipeline.load_lora_weights(str(path), adapter_name="default")
    with pytest.raises(AssertionError):
        the_same(applied(pipeline.unet), ours)


# --- the command, on a run ---


def test_exported_and_back_it_is_the_same_adapter(here: Path):
    tensors, metadata = adapter.load(TINY)
    for tool in layouts.TOOLS:
        made = control_recipes.export(TINY, tool)
        file = made.adapter / "adapter_model.safetensors" if tool == "peft" else made.adapter
        _, told = adapter.load(file)
        assert told["control_recipes.tensors_sha256"] == made.tensors_sha256
        assert told["control_recipes.exported_from"] == metadata["control_recipes.tensors_sha256"]
        assert extract.extract(file) == extract.extract(TINY)
        again = export.export(file, "diffusers", Path(f"{tool}.again.safetensors"))
        assert again.tensors_sha256 == metadata["control_recipes.tensors_sha256"]
        back, told = adapter.load(again.adapter)
        assert back.keys() == tensors.keys()
        assert told["control_recipes.exported_from"] == metadata["control_recipes.tensors_sha256"]


def test_the_header_tells_of_its_own_file(here: Path):
    path = export.export(TINY, "kohya").adapter
    told = headers.read(path).metadata
    data = path.read_bytes()
    body = hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()
    assert told["sshs_model_hash"] == body
    assert told["modelspec.hash_sha256"] == f"0x{body}"
    assert told["ss_network_module"] == "networks.lora_flux"
    assert (told["ss_network_dim"], told["ss_network_alpha"]) == ("Dynamic", "Dynamic")  # fused layers have more
    assert told["ss_output_name"] == "tiny"
    plain = headers.read(export.export(TINY, "diffusers").adapter).metadata
    assert (plain["ss_network_dim"], plain["format"]) == ("2", "pt")
    assert "sshs_model_hash" not in plain


def test_peft_is_told_of_ranks_that_differ(here: Path):
    tensors, metadata = adapter.load(TINY)
    key = next(name for name in tensors if name.endswith("lora_A.weight")).removesuffix(".lora_A.weight")
    rank = 3
    tensors[f"{key}.lora_A.weight"] = torch.randn(rank, tensors[f"{key}.lora_A.weight"].shape[1])
    tensors[f"{key}.lora_B.weight"] = torch.randn(len(tensors[f"{key}.lora_B.weight"]), rank)
    metadata["control_recipes.tensors_sha256"] = adapter.tensors_sha256(tensors)
    adapter.save(TINY, tensors, metadata)
    folder = export.export(TINY, "peft").adapter
    told = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    assert (told["r"], told["lora_alpha"], len(told["rank_pattern"])) == (2, 2, 1)
    backbone = diffusers.FluxTransformer2DModel.from_pretrained("flux/transformer")
    found = applied(peft.PeftModel.from_pretrained(backbone, str(folder)))
    wanted = tensors[f"{key}.lora_B.weight"] @ tensors[f"{key}.lora_A.weight"]
    torch.testing.assert_close(found[f"base_model.model.{key.removeprefix('transformer.')}"], wanted)


def test_fewer_digits_are_told(here: Path, capsys: pytest.CaptureFixture[str]):
    assert recipe("export", str(TINY), "--to", "diffusers", "--dtype", "bfloat16", "--json") == 0
    out, said = capsys.readouterr()
    told = json.loads(out)
    assert said.startswith("runs/tiny/tiny.diffusers.safetensors: loads in diffusers, ComfyUI; bfloat16 rounds")
    whole, _ = adapter.load(TINY)
    rounded, _ = adapter.load(Path(told["adapter"]))
    assert {value.dtype for value in rounded.values()} == {torch.bfloat16}
    error = norm = 0.0
    for key in whole:
        if key.endswith("lora_A.weight"):
            up = key.replace("lora_A", "lora_B")
            exact = whole[up].double() @ whole[key].double()
            error += float((rounded[up].double() @ rounded[key].double() - exact).square().sum())
            norm += float(exact.square().sum())
    assert told["rounding"] == pytest.approx((error / norm) ** 0.5, rel=1e-6)
    assert 1e-4 < told["rounding"] < 1e-2
    assert export.export(TINY, "kohya", dtype="float32").rounding == 0


def test_a_number_that_float16_has_not_is_refused(here: Path):
    tensors, metadata = adapter.load(TINY)
    tensors = {key: value * 1e6 if "lora_A" in key else value / 1e6 for key, value in tensors.items()}
    metadata["control_recipes.tensors_sha256"] = adapter.tensors_sha256(tensors)
    adapter.save(TINY, tensors, metadata)
    with pytest.raises(InputError, match="holds numbers that float16 has not"):
        export.export(TINY, "kohya", dtype="float16")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--to", "invoke"], "--to: must be one of kohya, comfyui, diffusers, peft, found 'invoke'\n"),
        (["--to", "khoya"], "peft, found 'khoya'\n  hint: did you mean `kohya`?\n"),
        (["--to", "kohya", "--dtype", "int8"], "--dtype: must be one of float32, bfloat16, float16, found 'int8'\n"),
        (["--to", "kohya", "--dtype", "fp16"], "found 'fp16'\n  hint: did you mean `float16`?\n"),
        (["--to", "kohya", "--out", "tiny.yaml"], "tiny.yaml: is there already"),
        (["--to", "peft", "--out", "there"], "there/adapter_config.json: is there already"),
        (["--to", "peft", "--out", "tiny.yaml"], "tiny.yaml: is a file, not a folder"),
        (["--to", "kohya", "--out", "a.pt"], "a.pt: is not called as tools know such a file"),
    ],
)
def test_what_is_asked_wrongly_is_refused(here: Path, capsys: pytest.CaptureFixture[str], words: list[str], why: str):
    Path("there").mkdir()
    Path("there/adapter_config.json").write_text("{}", encoding="utf-8")
    before = sorted(here.rglob("*"))
    assert recipe("export", str(TINY), *words) == 2
    assert why in capsys.readouterr().err
    assert sorted(here.rglob("*")) == before


def test_what_is_no_adapter_of_ours_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch):
    tensors, metadata = adapter.load(TINY)
    other = Path("other.safetensors")

    def refused(why: str) -> None:
        with pytest.raises(InputError, match=why):
            export.export(other, "kohya")

    adapter.save(other, tensors, {"format": "pt"})
    refused("carries no recipe")
    adapter.save(other, {"latents": torch.zeros(1, 4)}, metadata)
    refused("holds the noise of one picture, and no adapter")
    adapter.save(other, {key: value + 1 for key, value in tensors.items()}, metadata)
    refused("its tensors are not what its header says")
    adapter.save(other, tensors, metadata)
    others = {tool: layout for tool, layout in flux_names.EXPORTS.items() if tool != "kohya"}
    monkeypatch.setattr(flux_names, "EXPORTS", others)
    refused("is of a generator, 'flux', for which there is no file of kohya\n.*--to comfyui, diffusers, peft")
    monkeypatch.setattr(generators, "FAMILIES", {})
    refused("is of a generator, 'flux', for which there is no file of kohya\n.*this version does not know it")
    assert not list(here.glob("other.*.safetensors"))
