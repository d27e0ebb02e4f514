"""LoRA: in and out without a trace, and files that stock diffusers loads as they are."""

from __future__ import annotations

import json
import subprocess
import sys

import pico
import pytest
import torch
from control_recipes.engine import adapter, flow, generators, plan
from control_recipes.engine.errors import InputError

PROMPTS = ["a red ball in the grass", "a blue house"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return pico.flux_folder(tmp_path_factory.mktemp("models") / "flux")


@pytest.fixture
def generator(folder):
    return generators.load(pico.generator(folder, steps=2))


def pictures(generator):
    conditioning = generator.condition(PROMPTS, ["", ""])
    return generator.image(flow.sample(generator, conditioning, generator.noise([1, 2]), 2))


def trained(generator, targets="attention", rank=3, alpha=12.0):
    """An adapter that does something, as training leaves it."""
    lora = adapter.inject(generator, plan.Adapter(rank, alpha, targets), seed=5)
    stream = torch.Generator().manual_seed(6)
    for name, weight in lora.weights().items():
        if name.endswith("lora_B"):
            weight.data.copy_(0.1 * torch.randn(weight.shape, generator=stream))
    return lora


@pytest.mark.parametrize("targets", ["attention", "all"])
def test_scale_0_and_ejected_are_bitwise_bare(generator, targets):
    before, names = pictures(generator), list(generator.backbone.state_dict())
    lora = trained(generator, targets)
    adapted = pictures(generator)
    assert (adapted - before).abs().max() > 1e-3  # the guard can fail
    lora.scale(0)
    assert pictures(generator).numpy().tobytes() == before.numpy().tobytes()
    lora.scale(1)
    assert torch.equal(pictures(generator), adapted)
    adapter.eject(lora)
    assert pictures(generator).numpy().tobytes() == before.numpy().tobytes()
    assert list(generator.backbone.state_dict()) == names
    assert not hasattr(generator.backbone, "peft_config")
    again = trained(generator, targets)  # nothing of the first is left to stand in the way
    assert torch.equal(pictures(generator), adapted)
    adapter.eject(again)


def test_fresh_adapter_changes_nothing_and_depends_on_its_seed_alone(generator):
    before = pictures(generator)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = adapter.inject(generator, plan.Adapter(3, 12.0, "attention"), seed=5)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(pictures(generator), before)
    kept = {name: weight.detach().clone() for name, weight in first.weights().items()}
    adapter.eject(first)
    torch.manual_seed(2)
    second = adapter.inject(generator, plan.Adapter(3, 12.0, "attention"), seed=5)
    assert all(torch.equal(kept[name], weight) for name, weight in second.weights().items())
    assert any(weight.abs().max() > 0 for weight in second.weights().values())
    adapter.eject(second)
    third = adapter.inject(generator, plan.Adapter(3, 12.0, "attention"), seed=6)
    assert any(not torch.equal(kept[name], weight) for name, weight in third.weights().items())


def test_targets(generator):
    def names(targets):
        lora = adapter.inject(generator, plan.Adapter(2, 2.0, targets), seed=0)
        adapter.eject(lora)
        return set(lora.layers)

    attention, everything = names("attention"), names("all")
    blocks = {
        name
        for name, module in generator.backbone.named_modules()
        if isinstance(module, torch.nn.Linear) and "transformer_blocks." in name
    }
    assert everything == blocks
    assert {name for name in blocks if ".attn." in name} == attention
    assert "single_transformer_blocks.0.attn.to_q" in attention
    assert "transformer_blocks.0.attn.add_q_proj" in attention


def test_named_blocks_alone_take_an_adapter(generator):
    def names(targets, *blocks):
        lora = adapter.inject(generator, plan.Adapter(2, 2.0, targets, blocks=blocks), seed=0)
        adapter.eject(lora)
        return set(lora.layers)

    everything = names("all")
    for blocks in (["transformer_blocks.0"], ["single_transformer_blocks"], ["transformer_blocks.0.attn"]):
        inside = {name for name in everything if name.startswith(f"{blocks[0]}.")}
        assert inside
        assert inside < everything
        assert names("all", *blocks) == inside
    both = names("all", "single_transformer_blocks.0", "transformer_blocks.0")
    assert both == names("all", "single_transformer_blocks.0") | names("all", "transformer_blocks.0")
    with pytest.raises(InputError, match="nothing in `x_embedder` takes an adapter of `targets: all`"):
        names("all", "x_embedder")
    with pytest.raises(
        InputError, match=r"nothing in `transformer_blocks\.0\.ff` takes an adapter of `targets: attention`"
    ):
        names("attention", "transformer_blocks.0.ff")


def test_lora_weights_are_float32_in_a_bfloat16_model_and_only_they_learn(folder):
    generator = generators.load(pico.generator(folder, dtype="bfloat16"))
    lora = adapter.inject(generator, plan.Adapter(2, 2.0, "all"), seed=0)
    assert {weight.dtype for weight in lora.weights().values()} == {torch.float32}
    learning = {id(weight) for weight in generator.backbone.parameters() if weight.requires_grad}
    assert learning == {id(weight) for weight in lora.weights().values()}
    lora.scale(0)
    lora.scale(1)
    assert {id(weight) for weight in generator.backbone.parameters() if weight.requires_grad} == learning


def test_saved_file_is_ours_to_the_byte_and_loads_back(tmp_path, generator):
    lora = trained(generator)
    adapted, weights = pictures(generator), adapter.tensors(lora)
    metadata = {"b": "recipe: 1\n", "a": "é"}
    for name in ("one", "two"):
        adapter.save(tmp_path / f"{name}.safetensors", weights, metadata)
        metadata = dict(reversed(metadata.items()))
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.safetensors", "two.safetensors"]
    tensors, found = adapter.load(tmp_path / "one.safetensors")
    assert found == metadata
    assert adapter.tensors_sha256(tensors) == adapter.tensors_sha256(weights)
    adapter.eject(lora)
    lora = adapter.install(generator, tensors)
    torch.testing.assert_close(pictures(generator), adapted, rtol=0, atol=1e-6)
    assert adapter.tensors_sha256(adapter.tensors(lora)) == adapter.tensors_sha256(weights)


def test_header_is_sorted_and_aligned(tmp_path, generator):
    path = tmp_path / "a.safetensors"
    adapter.save(path, adapter.tensors(trained(generator)), {})
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert length % 8 == 0
    assert list(header) == sorted(header)
    assert max(value["data_offsets"][1] for key, value in header.items() if key[0] != "_") == len(data) - 8 - length


def test_what_is_too_long_for_a_header_is_left_out_and_named(tmp_path):
    said = {"control_recipes.inputs": "é" * 2**22, "control_recipes.recipe": "recipe: 1\n", "format": "pt"}
    assert adapter.fitted(said | {"control_recipes.inputs": "short"}) == said | {"control_recipes.inputs": "short"}
    kept = adapter.fitted(said)
    assert kept == {
        "control_recipes.recipe": "recipe: 1\n",
        "format": "pt",
        "control_recipes.left_out": "control_recipes.inputs",
    }
    tensors = {"a": torch.zeros(1, 2)}
    adapter.save(tmp_path / "a.safetensors", tensors, said)
    with pytest.raises(InputError, match="its header is longer than"):
        adapter.load(tmp_path / "a.safetensors")
    adapter.save(tmp_path / "a.safetensors", tensors, kept)
    assert adapter.load(tmp_path / "a.safetensors")[1] == kept


def test_no_tensors_are_no_adapter(generator):
    with pytest.raises(InputError, match="holds no factors of a LoRA"):
        adapter.install(generator, {})


@pytest.mark.parametrize(
    "value",
    [torch.ones(2, 2).long(), torch.ones(2), torch.ones(()), torch.ones(0, 32), torch.ones(1, 1, 32)],
    ids=["whole numbers", "a row", "a number", "nothing", "a block"],
)
def test_tensors_that_are_no_factors_are_refused(generator, value):
    key = "transformer.transformer_blocks.0.attn.to_q"
    with pytest.raises(InputError, match="is no factor of a LoRA, found"):
        adapter.install(generator, {f"{key}.lora_A.weight": value, f"{key}.lora_B.weight": torch.ones(32, 1)})


def test_digest_of_tensors_sees_names_shapes_and_bytes():
    digest = adapter.tensors_sha256({"a": torch.zeros(2, 3)})
    assert digest == adapter.tensors_sha256({"a": torch.zeros(2, 3)})
    others = [
        {"b": torch.zeros(2, 3)},
        {"a": torch.zeros(3, 2)},
        {"a": torch.zeros(2, 3).double()},
        {"a": torch.ones(2, 3)},
    ]
    assert digest not in [adapter.tensors_sha256(other) for other in others]


def test_mixed_ranks_load_by_their_tensors(generator):
    before = pictures(generator)
    down, up = torch.ones(1, 32), torch.full((32, 1), 0.1)
    one = {
        "transformer.transformer_blocks.0.attn.to_q.lora_A.weight": down,
        "transformer.transformer_blocks.0.attn.to_q.lora_B.weight": up,
        "transformer.transformer_blocks.0.attn.to_k.lora_A.weight": down.repeat(2, 1),
        "transformer.transformer_blocks.0.attn.to_k.lora_B.weight": up.repeat(1, 2) / 2,
    }
    lora = adapter.install(generator, one)
    adapted = pictures(generator)
    assert not torch.equal(adapted, before)
    adapter.eject(lora)
    two = dict(one)
    two["transformer.transformer_blocks.0.attn.to_k.lora_A.weight"] = down
    two["transformer.transformer_blocks.0.attn.to_k.lora_B.weight"] = up
    adapter.install(generator, two)
    torch.testing.assert_close(pictures(generator), adapted, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "strange",
    [
        {
            "transformer.nowhere.lora_A.weight": torch.ones(1, 32),
            "transformer.nowhere.lora_B.weight": torch.ones(32, 1),
        },
        {"unet.transformer_blocks.0.attn.to_q.lora_A.weight": torch.ones(1, 32)},
        {"transformer.transformer_blocks.0.attn.to_q.lora_A.weight": torch.ones(1, 32)},
        {
            "transformer.transformer_blocks.0.attn.to_q.lora_A.weight": torch.ones(1, 31),
            "transformer.transformer_blocks.0.attn.to_q.lora_B.weight": torch.ones(32, 1),
        },
    ],
)
def test_tensors_that_fit_nowhere_are_refused(generator, strange):
    with pytest.raises(InputError):
        adapter.install(generator, strange)


def test_file_that_is_no_safetensors_is_refused(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(InputError, match="safetensors"):
        adapter.load(tmp_path / "a.safetensors")


STOCK = """
import sys, torch
from diffusers import FluxPipeline
pipeline = FluxPipeline.from_pretrained(sys.argv[1])
pipeline.load_lora_weights(sys.argv[2])
images = [
    pipeline(prompt, num_inference_steps=2, width=32, height=32, guidance_scale=0.0, max_sequence_length=16,
             generator=torch.Generator("cpu").manual_seed(seed), output_type="pt").images
    for prompt, seed in zip(sys.argv[4:], [1, 2])
]
torch.save(torch.cat(images), sys.argv[3])
"""


@pytest.mark.parametrize("targets", ["attention", "all"])
def test_stock_diffusers_gives_our_pictures_in_a_fresh_process(tmp_path, folder, generator, targets):
    bare = pictures(generator)
    lora = trained(generator, targets)
    file = tmp_path / "control.safetensors"
    weights = adapter.tensors(lora)
    adapter.save(file, weights, {"format": "pt", "control_recipes.recipe": "recipe: 1\n"})
    ours = pictures(generator)
    command = [sys.executable, "-c", STOCK, str(folder), str(file), str(tmp_path / "images.pt"), *PROMPTS]
    subprocess.run(command, check=True, capture_output=True)
    theirs = torch.load(tmp_path / "images.pt", weights_only=True)
    assert (theirs - ours).abs().max() <= 1e-5
    assert (theirs - bare).abs().max() > 1e-3  # the comparison can fail
